"""Integrators that never spike: V += I, from 0. Output populations with the readout membrane use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import rarely
from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.runtime import neuron_updates


@dataclass(frozen=True)
class IntegrateNeuron(Neuron):
    """V / steps is the exact mean input. A spike count would be rounded, and 0 for negative input.

    few_spike: whether its sources use the few-spike code; then V += 2^(timesteps - 1 - k) I[k].
    """

    kind: ClassVar[str] = "integrate"
    spikes: ClassVar[bool] = False
    readouts: ClassVar[tuple[str, ...]] = ("membrane",)
    few_spike: bool = rarely(False)

    def call(self, dt: float) -> Call:
        return Call(neuron_updates.Integrate)

    def genn(self, dt: float) -> Updates:
        weight = "(scalar)(1 << (timesteps - 1 - step)) * " if self.few_spike else ""
        return Updates(start="V = 0.0;", update=f"V += {weight}I;")

    def activation(self, current: np.ndarray) -> np.ndarray:
        return current

    def unit(self, dt: float) -> float:
        return 1.0

    def describe(self) -> str:
        return "integrate, few-spike code" if self.few_spike else "integrate"
