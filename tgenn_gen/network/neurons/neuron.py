"""The contract of a kind of neuron."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter, Updates
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.network.tensors import Tensor


class Neuron(ABC):
    """What a population's neurons do (:mod:`tgenn_gen.network.neurons`): a frozen dataclass of parameters."""

    kind: ClassVar[str]
    readouts: ClassVar[tuple[str, ...]]  # those that it offers
    spikes: ClassVar[bool] = True
    relays: ClassVar[bool] = False  # whether it passes on its sources' spikes, which keep their scale
    signed: bool = False  # whether spikes have a sign
    few_spike: bool = False  # whether it takes and emits the few-spike code: each step has its weight

    @abstractmethod
    def call(self, dt: float) -> Call:
        """The object of :mod:`tgenn_gen.runtime.neuron_updates` that runs it, with time steps of dt ms."""

    @abstractmethod
    def genn(self, dt: float) -> Updates:
        """The same in GeNN code (:mod:`tgenn_gen.network.genn_code`)."""

    @abstractmethod
    def unit(self, dt: float) -> float:
        """The current of one time step that makes V rise from its reset to the threshold."""

    @abstractmethod
    def describe(self) -> str:
        """A few words for comments and tables."""

    def activation(self, current: np.ndarray) -> np.ndarray:
        """What the ANN has in its place, for current (..., *current_shape): a ReLU."""
        return np.maximum(current, 0)

    def current_shape(self, shape: Shape) -> Shape:
        """The shape of the current that drives a population of `shape`."""
        return shape

    def fan_in(self, level: int) -> tuple[Scatter, ...]:
        """In GeNN: the map of elements i<level> of that current to neurons; () where there is one each."""
        return ()

    @property
    def head_start(self) -> float:
        """V at the start, as a part of the way from the resting potential to the threshold; its mean."""
        return 0.0

    def levels(self, timesteps: int) -> int:
        """The firing rates above 0 that an example of so many steps can have."""
        return 2**timesteps - 1 if self.few_spike else timesteps

    def problem(self, dt: float) -> str:
        """What is wrong with its parameters together, at time steps of dt ms; "" if nothing."""
        return ""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Its tensors by field name; of a channel's or a neuron's values each."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}


class ThresholdNeuron(Neuron):
    """Neurons without units that spike where V, v_init at the start, reaches a threshold."""

    readouts: ClassVar[tuple[str, ...]] = ("spike_count", "first_spike")
    threshold: float
    v_init: float | Tensor

    @property
    def head_start(self) -> float:
        start = self.v_init.values.mean() if isinstance(self.v_init, Tensor) else self.v_init
        return float(start) / self.threshold

    def unit(self, dt: float) -> float:
        return self.threshold
