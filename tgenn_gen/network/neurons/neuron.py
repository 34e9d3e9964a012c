"""The interface of a kind of neuron."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter, Updates
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.network.tensors import Tensor


class FieldProblem(NamedTuple):
    """What is wrong with a field of a kind, beside its others."""

    field: str
    message: str
    hint: str = ""


class Neuron(ABC):
    """The neurons of a population (:mod:`tgenn_gen.network.neurons`): a frozen dataclass of parameters."""

    kind: ClassVar[str]
    readouts: ClassVar[tuple[str, ...]]  # that can be used for it
    spikes: ClassVar[bool] = True
    keeps_v: ClassVar[bool] = False  # whether V lasts from an example to the next with reset: never
    relays: ClassVar[bool] = False  # whether it passes on spikes of its sources, at their scale
    signed: bool = False  # whether spikes have a sign
    few_spike: bool = False  # whether it uses the few-spike code: each step has its own weight

    @abstractmethod
    def call(self, dt: float) -> Call:
        """The object of :mod:`tgenn_gen.runtime.neuron_updates` that runs it, with time steps of dt ms."""

    @abstractmethod
    def genn(self, dt: float) -> Updates:
        """The same neuron in GeNN code (:mod:`tgenn_gen.network.genn_code`)."""

    @abstractmethod
    def unit(self, dt: float) -> float:
        """The current that raises V from its reset value to the threshold in one time step, without leak."""

    @abstractmethod
    def describe(self) -> str:
        """A short text for comments and tables."""

    def leak(self, dt: float) -> float:
        """The current that makes up for what leaks out of the membrane in a time step, on average."""
        return 0.0

    def rates(self, current: np.ndarray, dt: float) -> np.ndarray:
        """Spikes per step before the ReLU, for a constant current (batch, ...): (current - leak) / unit."""
        unit, leak = self.unit(dt), self.leak(dt)
        current = current - np.float32(leak) if leak else current
        return current if unit == 1 else current / np.float32(unit)

    def activation(self, current: np.ndarray) -> np.ndarray:
        """The ANN's activation function for current (..., *current_shape): a ReLU unless overridden."""
        return np.maximum(current, 0)

    def current_shape(self, shape: Shape) -> Shape:
        """The shape of the current that drives a population of `shape`."""
        return shape

    def fan_in(self, level: int) -> tuple[Scatter, ...]:
        """GeNN code from element i<level> of that current to its neuron; () if each neuron has one."""
        return ()

    @property
    def head_start(self) -> float:
        """The mean of V at local step 0: 0 at the resting potential, 1 at the threshold."""
        return 0.0

    def levels(self, timesteps: int) -> int:
        """The number of firing rates above 0 that are possible in `timesteps` steps."""
        return 2**timesteps - 1 if self.few_spike else timesteps

    def problems(self, dt: float) -> Iterator[FieldProblem]:
        """The errors of parameters that do not fit together, at time steps of dt ms."""
        yield from ()

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """{field: tensor}; each with one value for each channel or neuron."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}


class ThresholdNeuron(Neuron):
    """Neurons without physical units that spike when V, which starts at v_init, reaches a threshold."""

    readouts: ClassVar[tuple[str, ...]] = ("spike_count", "first_spike")
    threshold: float
    v_init: float | Tensor

    @property
    def head_start(self) -> float:
        start = self.v_init.values.mean() if isinstance(self.v_init, Tensor) else self.v_init
        return float(start) / self.threshold

    def unit(self, dt: float) -> float:
        return self.threshold
