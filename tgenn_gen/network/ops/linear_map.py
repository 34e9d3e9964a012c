"""The interface of a linear map, which each op implements."""

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
    """A map does not fit the shape of its input."""


class LinearMap(ABC):
    """One linear map of a chain (:mod:`tgenn_gen.network.ops`): a frozen dataclass of its parameters."""

    op: ClassVar[str]

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The output shape for an input of `shape`, without batch axes. Raises ShapeError if none fits."""

    @abstractmethod
    def apply(self, x: np.ndarray) -> np.ndarray:
        """Map x (..., *shape) to (..., *output_shape(shape))."""

    def paths(self, x: np.ndarray, *, nonzero: bool = False) -> np.ndarray:
        """How many paths lead to each output if x (*shape) paths lead to each input; a synapse is one path.

        nonzero: weights of 0 are no paths. This is apply with all other weights 1. A map with weights outside
        of its tensors overrides it.
        """
        ones = {
            name: Tensor.unnamed(t.values != 0 if nonzero else np.ones(t.values.shape))
            for name, t in self.tensors.items()
        }
        return replace(self, **ones).apply(x)  # type: ignore[type-var]

    @abstractmethod
    def python(self, x: str, weight: str) -> str:
        """Python code that applies the map to the expression `x`; `weight`: the name of its array, or ""."""

    @abstractmethod
    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        """GeNN code that runs over the outputs of one input element (tgenn_gen.network.genn_code)."""

    @abstractmethod
    def describe(self) -> str:
        """A short text for comments and tables, such as "conv2d 5x5 same"."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """{field: tensor}."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}

    @property
    def has_kernel(self) -> bool:
        """Whether it has a kernel, so that scale_outputs and scale_inputs are possible."""
        return "kernel" in self.tensors

    @property
    def channelwise(self) -> bool:
        """Whether output channel c depends only on input channel c: factors per channel pass through."""
        return False

    @property
    def routing(self) -> bool:
        """Whether each output element is a copy of one input element, or 0."""
        return False

    @property
    def in_order(self) -> bool:
        """Whether the outputs are the inputs in the same C order, on any axes."""
        return False

    @property
    def matrix(self) -> np.ndarray | None:
        """The matrix (inputs, outputs) of a map that mixes channels at each position alone; else None."""
        return None

    def with_channels(self, channels: int) -> LinearMap | None:
        """The same map for another number of channels, if it treats all channels alike; else None."""
        return self if self.channelwise else None

    def pushed(self, factor: np.ndarray) -> np.ndarray | None:
        """The factors, (channels,) or (1,), after the map equal to `factor` before it; None if impossible."""
        return factor if self.channelwise or len(factor) == 1 else None

    def pulled(self, factor: np.ndarray) -> np.ndarray | None:
        """The factors, (channels,) or (1,), before the map equal to `factor` after it; None if impossible."""
        return factor if self.channelwise or len(factor) == 1 else None

    def followed_by(self, matrix: np.ndarray) -> LinearMap | None:
        """One map equal to this one, then a matrix (outputs, new outputs) of channels; None if impossible."""
        return None

    def preceded_by(self, matrix: np.ndarray) -> LinearMap | None:
        """One map equal to a matrix (new inputs, inputs) of channels, then this one; None if impossible."""
        return None

    def reading(self, first: int, left: int) -> LinearMap | None:
        """The map without the first `first` and the last `left` input channels; None if impossible."""
        return None

    def scale_outputs(self, factor: np.ndarray) -> LinearMap:
        """One map equal to this map, then `factor` (channels,) on the last axis of its output."""
        raise NotImplementedError

    def scale_inputs(self, factor: np.ndarray) -> LinearMap:
        """One map equal to `factor` (channels,) on the last axis of the input, then this map."""
        raise NotImplementedError
