"""Integrate-and-fire input: each element of an example is a current into a neuron; its spikes are the input.

As TensorGeNN (2019) and ml_genn's IntegrateFireInput do; regular spikes, at a rate that the threshold sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tgenn_gen.genn_code import Updates
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
from tgenn_gen.spec import Call, Encoding, rarely


@dataclass(frozen=True)
class IntegrateAndFireInput(Encoding):
    """Neurons as :class:`IntegrateAndFire` has them, with I = gain x the example, which is not negative.

    gain: without unit, or in nA with a capacitance.
    """

    kind: ClassVar[str] = "integrate_and_fire"
    low = 0.0
    threshold: float = 1.0
    reset: str = "subtract"
    v_init: float | str = 0.5
    v_rest: float = rarely(0.0)
    capacitance: float | None = rarely(None)
    gain: float = rarely(1.0)

    def _neuron(self, dt: float) -> IntegrateAndFire:
        """The neurons for which the example, without gain, is the current."""
        capacitance = self.capacitance
        if self.gain != 1:
            capacitance = (dt if capacitance is None else capacitance) / self.gain
        return IntegrateAndFire(self.threshold, self.reset, self.v_init, self.v_rest, capacitance)

    def call(self, dt: float) -> Call:
        return self._neuron(dt).call(dt)

    def genn(self, dt: float) -> Updates:
        return self._neuron(dt).genn(dt)

    def scale(self, dt: float) -> float:
        return self._neuron(dt).unit(dt)

    def problem(self) -> str:
        return self._neuron(1.0).problem()

    def describe(self) -> str:
        return self._neuron(1.0).describe()
