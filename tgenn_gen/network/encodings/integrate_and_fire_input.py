"""Integrate-and-fire input: each element of an example drives a neuron, whose spikes are the input.

As in TensorGeNN (2019) and ml_genn's IntegrateFireInput: regular spikes; the threshold sets their rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.fields import rarely
from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.neuron import FieldProblem
from tgenn_gen.network.runtime_calls import Call


@dataclass(frozen=True)
class IntegrateAndFireInput(Encoding):
    """Neurons as :class:`IntegrateAndFire` has them, with I = gain x the example, in 0..1.

    gain: without unit, or in nA with a capacitance. A neuron spikes at most once in a step: values above
    scale(dt) give a spike at every step.
    """

    kind: ClassVar[str] = "integrate_and_fire"
    keeps_v: ClassVar[bool] = True
    low = 0.0
    high = 1.0
    threshold: float = 1.0
    reset: str = "subtract"
    v_init: float | str = 0.5
    v_rest: float = rarely(0.0)
    capacitance: float | None = rarely(None)
    gain: float = rarely(1.0)

    @property
    def neuron(self) -> IntegrateAndFireNeuron:
        """The neurons; gain x the example is their current."""
        return IntegrateAndFireNeuron(self.threshold, self.reset, self.v_init, self.v_rest, self.capacitance)

    def call(self, dt: float) -> Call:
        return self.neuron.call(dt, self.gain)

    def genn(self, dt: float) -> Updates:
        return self.neuron.genn(dt, self.gain)

    def scale(self, dt: float) -> float:
        return self.neuron.unit(dt) / self.gain

    def problems(self, dt: float) -> Iterator[FieldProblem]:
        return self.neuron.problems(dt, self.gain)

    def describe(self) -> str:
        return f"{self.neuron.describe()}, gain {self.gain:g}"
