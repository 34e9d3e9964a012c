"""Constant current: the first chain is applied to the analog input once, and injected at each step.

No sampling noise, and no time lost on encoding (Rueckauer et al. 2017, section 2.2.3).
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
    """The example as it is, at every step."""

    kind: ClassVar[str] = "constant_current"
    spikes: ClassVar[bool] = False

    def call(self, dt: float) -> Call:
        return Call(input_encodings.ConstantCurrent)

    def genn(self, dt: float) -> Updates:
        raise NotImplementedError("the host computes the current that the first populations get")

    def describe(self) -> str:
        return "constant_current"
