"""Constant current: the first chain is applied once to the analog input; each step injects the result.

It has no sampling noise and no delay by an encoding (Rueckauer et al. 2017, section 2.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.runtime import input_encodings


@dataclass(frozen=True)
class ConstantCurrentInput(Encoding):
    """The values of the example as a current, the same at every step."""

    kind: ClassVar[str] = "constant_current"
    spikes: ClassVar[bool] = False

    def call(self, dt: float) -> Call:
        return Call(input_encodings.ConstantCurrent)

    def genn(self, dt: float) -> Updates:
        raise NotImplementedError("the host computes the current that the first populations get")

    def describe(self) -> str:
        return "constant_current"
