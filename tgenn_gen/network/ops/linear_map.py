"""The contract of a linear map, which each op fulfils."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.tensors import Tensor


class ShapeError(ValueError):
    """A map does not fit the shape it is given; the message says how."""


class LinearMap(ABC):
    """One linear map of a chain (:mod:`tgenn_gen.network.ops`): a frozen dataclass of its parameters."""

    op: ClassVar[str]

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
        ones = {name: Tensor.unnamed(np.ones(t.values.shape)) for name, t in self.tensors.items()}
        return replace(self, **ones).apply(x)  # type: ignore[type-var]

    @abstractmethod
    def python(self, x: str, weight: str) -> str:
        """Python that applies it to the expression `x`; `weight`: that of its own tensor, "" if none."""

    @abstractmethod
    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        """GeNN code that runs over the outputs of one input element (:mod:`tgenn_gen.network.genn_code`)."""

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
