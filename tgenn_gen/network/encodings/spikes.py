"""Binary input: an input neuron spikes at every step if its value in the example is 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.runtime import input_encodings


@dataclass(frozen=True)
class SpikesInput(Encoding):
    """For examples with the values 0 and 1 only."""

    kind: ClassVar[str] = "spikes"
    binary: ClassVar[bool] = True

    def call(self, dt: float) -> Call:
        return Call(input_encodings.Spikes)

    def genn(self, dt: float) -> Updates:
        return Updates(update="", threshold="I != 0.0")

    def describe(self) -> str:
        return "spikes, as in the example"
