"""The contract of an input encoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.runtime_calls import Call


class Encoding(ABC):
    """How a network input becomes current or spikes (module :mod:`tgenn_gen.network.encodings`)."""

    kind: ClassVar[str]
    spikes: ClassVar[bool] = True  # whether the input is a population of its own, or a current
    signed: bool = False  # whether spikes have a sign
    low: float = -np.inf  # the values that it takes
    high: float = np.inf
    binary: ClassVar[bool] = False

    @abstractmethod
    def call(self, dt: float) -> Call:
        """The object of :mod:`tgenn_gen.runtime` that runs it on an example, with time steps of dt ms."""

    @abstractmethod
    def genn(self, dt: float) -> Updates:
        """The same in GeNN code, with the example as the current of each step."""

    def scale(self, dt: float) -> float:
        """The example = scale x spikes per step, or x current."""
        return 1.0

    @abstractmethod
    def describe(self) -> str:
        """A few words for comments and tables."""

    def problem(self, dt: float) -> str:
        """What is wrong with its parameters together, at time steps of dt ms; "" if nothing."""
        return ""
