"""Poisson spikes: at each step an input neuron spikes with the probability that the example gives.

As in Diehl et al. 2015; a value of 1 gives a spike in every step. In discrete time this is a Bernoulli
process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.fields import rarely
from tgenn_gen.network.genn_code import Updates, uniform
from tgenn_gen.network.runtime_calls import Call, Keys
from tgenn_gen.runtime import input_encodings


@dataclass(frozen=True)
class PoissonInput(Encoding):
    """For examples in 0..1. signed: for examples in -1..1; spikes have the sign of the value."""

    kind: ClassVar[str] = "poisson"
    signed: bool = rarely(False)

    @property
    def low(self) -> float:  # type: ignore[override]
        return -1.0 if self.signed else 0.0

    high = 1.0

    def call(self, dt: float) -> Call:
        signed = {"signed": True} if self.signed else {}
        return Call(input_encodings.Poisson, {"keys": Keys(), **signed})

    def genn(self, dt: float) -> Updates:
        return Updates(
            update=uniform("u", "(unsigned int)step"),
            threshold="u < fabs(I)",
            reset="sign = (I < 0.0) ? -1.0 : 1.0;" if self.signed else "",
            variables=(("sign", "scalar"),) if self.signed else (),
            sign="sign" if self.signed else "",
            random=True,
        )

    def describe(self) -> str:
        return "poisson, signed" if self.signed else "poisson"
