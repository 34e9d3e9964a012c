"""The interface of an input encoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.neurons.neuron import FieldProblem
from tgenn_gen.network.runtime_calls import Call


class Encoding(ABC):
    """How a network input becomes current or spikes (module :mod:`tgenn_gen.network.encodings`)."""

    kind: ClassVar[str]
    spikes: ClassVar[bool] = True  # whether the input is a population that spikes, or a current
    keeps_v: ClassVar[bool] = False  # as of neurons
    signed: bool = False  # whether spikes have a sign
    low: float = -np.inf  # the range of values that it accepts
    high: float = np.inf
    binary: ClassVar[bool] = False  # whether it accepts only 0 and 1

    @abstractmethod
    def call(self, dt: float) -> Call:
        """The object of :mod:`tgenn_gen.runtime` that runs it on an example, with time steps of dt ms."""

    @abstractmethod
    def genn(self, dt: float) -> Updates:
        """The same encoding in GeNN code; the example is the current I of each step."""

    def scale(self, dt: float) -> float:
        """The scale: value of the example = scale x spikes per step (or scale x current)."""
        return 1.0

    @abstractmethod
    def describe(self) -> str:
        """A short text for comments and tables."""

    def problems(self, dt: float) -> Iterator[FieldProblem]:
        """The errors of parameters that do not fit together, at time steps of dt ms."""
        yield from ()
