"""What ops, neurons and encodings are: the contracts of the modules in ops/, neurons/ and encodings/."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from tgenn_gen.genn_code import Scatter, Updates
from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.tensors import Tensor

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """A map does not fit the shape it is given; the message says how."""


class UnsupportedError(ValueError):
    """A Keras layer that cannot be converted: pairs of what is wrong and what to do."""

    def __init__(self, *reasons: tuple[str, str]) -> None:
        super().__init__("; ".join(message for message, _ in reasons))
        self.reasons = reasons


class LinearMap(ABC):
    """One linear map of a chain (module :mod:`tgenn_gen.ops`): a frozen dataclass of its parameters."""

    op: ClassVar[str]
    keras_layers: ClassVar[tuple[str, ...]] = ()  # the Keras classes that from_keras takes
    keras_reads: ClassVar[frozenset[str]] = frozenset()  # the attributes of them that it reads

    @classmethod
    def from_keras(cls, layer: KerasLayer, shape: Shape) -> tuple[LinearMap, ...]:
        """The chain of a Keras layer on `shape`, without its bias and activation. Raises UnsupportedError."""
        raise NotImplementedError

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape it makes of `shape`. Raises ShapeError where it does not fit."""

    @abstractmethod
    def apply(self, x: np.ndarray) -> np.ndarray:
        """Map x (..., *shape) to (..., *output_shape(shape))."""

    def paths(self, x: np.ndarray) -> np.ndarray:
        """How many paths lead to each output, of x (*shape) that lead to the inputs: each synapse is one.

        That is apply with weights of 1; a map that has others besides its tensors says what it is itself.
        """
        ones = {name: Tensor(t.file, np.ones(t.values.shape)) for name, t in self.tensors.items()}
        return replace(self, **ones).apply(x)  # type: ignore[type-var]

    @abstractmethod
    def python(self, x: str, weight: str) -> str:
        """Python that applies it to the expression `x`; `weight`: that of its own tensor, "" if none."""

    @abstractmethod
    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        """GeNN code that runs over the outputs of one input element (:mod:`tgenn_gen.genn_code`)."""

    @abstractmethod
    def describe(self) -> str:
        """A few words for comments and tables, such as "conv2d 5x5 same"."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Its tensors by field name."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}

    @property
    def has_kernel(self) -> bool:
        """Whether it has weights of its own, which take in factors: scale_outputs and scale_inputs."""
        return "kernel" in self.tensors

    @property
    def channelwise(self) -> bool:
        """Whether output channel c depends on input channel c alone: factors a channel pass through."""
        return False

    @property
    def routing(self) -> bool:
        """Whether each output element is one input element, or 0."""
        return False

    @property
    def in_order(self) -> bool:
        """Whether the outputs are the inputs in the same order, C order, on whatever axes."""
        return False

    @property
    def matrix(self) -> np.ndarray | None:
        """Where it mixes the channels of each position by itself: its matrix (inputs, outputs)."""
        return None

    def with_channels(self, channels: int) -> LinearMap | None:
        """Where it does the same to every channel: the map that does it to so many of them."""
        return self if self.channelwise else None

    def pushed(self, factor: np.ndarray) -> np.ndarray | None:
        """The factors behind it, (channels,) or (1,), that do what `factor` does before it."""
        return factor if self.channelwise or len(factor) == 1 else None

    def pulled(self, factor: np.ndarray) -> np.ndarray | None:
        """The factors before it, (channels,) or (1,), that do what `factor` does behind it."""
        return factor if self.channelwise or len(factor) == 1 else None

    def followed_by(self, matrix: np.ndarray) -> LinearMap | None:
        """One kernel, unnamed, that is this one and then a matrix (outputs, new outputs) of channels."""
        return None

    def preceded_by(self, matrix: np.ndarray) -> LinearMap | None:
        """One kernel, unnamed, that is a matrix (new inputs, inputs) of channels and then this one."""
        return None

    def reading(self, first: int, left: int) -> LinearMap | None:
        """One kernel, unnamed, that reads the input's channels from `first` on but for the last `left`."""
        return None

    def scale_outputs(self, factor: np.ndarray) -> LinearMap:
        """It, then one factor a channel of its output's last axis, (channels,): one kernel, unnamed."""
        raise NotImplementedError

    def scale_inputs(self, factor: np.ndarray) -> LinearMap:
        """One factor a channel of its input's last axis, (channels,), then it: one kernel, unnamed."""
        raise NotImplementedError


def rarely(default: Any) -> Any:
    """A dataclass field that documents name only where its value is not the default."""
    return field(default=default, metadata={"rarely": True})


@dataclass(frozen=True)
class Uniform:
    """Random numbers in [low, high), one a neuron and example, as an argument of a Call."""

    low: float
    high: float


class Keys:
    """The random keys of a batch's examples (runtime.random_numbers), as an argument of a Call."""


@dataclass(frozen=True)
class Call:
    """A class of :mod:`tgenn_gen.runtime` and its arguments: the engine calls it, reference.py says so.

    Arguments are numbers, strings, Tensors (their values), Uniform, Keys, or functions of the number of
    time steps.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Neuron(ABC):
    """What a population's neurons do (:mod:`tgenn_gen.neurons`): a frozen dataclass of its parameters."""

    kind: ClassVar[str]
    readouts: ClassVar[tuple[str, ...]]  # those that it offers
    spikes: ClassVar[bool] = True
    relays: ClassVar[bool] = False  # whether it passes on its sources' spikes, which keep their scale
    signed: bool = False  # whether spikes have a sign
    few_spike: bool = False  # whether it takes and emits the few-spike code: each step has its weight

    @abstractmethod
    def call(self, dt: float) -> Call:
        """The object of :mod:`tgenn_gen.runtime.neurons` that runs it, with time steps of dt ms."""

    @abstractmethod
    def genn(self, dt: float) -> Updates:
        """The same in GeNN code (:mod:`tgenn_gen.genn_code`)."""

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


class Encoding(ABC):
    """How a network input becomes current or spikes (module :mod:`tgenn_gen.encodings`)."""

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
