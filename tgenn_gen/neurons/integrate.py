"""Integrators that never spike: V += I from 0. The output populations whose membrane is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.genn_code import Updates
from tgenn_gen.runtime import neurons
from tgenn_gen.spec import Neuron


@dataclass(frozen=True)
class Integrate(Neuron):
    """V / steps is the mean input: exact, where a spike count is rounded and loses what is negative."""

    kind: ClassVar[str] = "integrate"
    spikes: ClassVar[bool] = False
    readout: ClassVar[str] = "membrane"

    def run(self, current: np.ndarray, timesteps: int) -> np.ndarray:
        return neurons.integrate(current, timesteps)

    def python(self, current: str) -> str:
        return f"integrate({current}, timesteps)"

    def genn(self) -> Updates:
        return Updates(params=(), update="V += I;", threshold="", reset="", initial_v="0.0")

    def describe(self) -> str:
        return "integrate"
