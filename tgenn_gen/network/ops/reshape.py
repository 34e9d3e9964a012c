"""Reshape: the same elements in C order, on other axes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Reshape(LinearMap):
    """Keras' Reshape, from `shape` to `target_shape`."""

    op: ClassVar[str] = "reshape"
    shape: tuple[int, ...]
    target_shape: tuple[int, ...]

    @property
    def routing(self) -> bool:
        return True

    @property
    def in_order(self) -> bool:
        return True

    @property
    def channelwise(self) -> bool:
        return self.shape[-1] == self.target_shape[-1]

    def with_channels(self, channels: int) -> LinearMap | None:
        new = Reshape((*self.shape[:-1], channels), (*self.target_shape[:-1], channels))
        return new if self.channelwise else None

    def output_shape(self, shape: Shape) -> Shape:
        if shape != self.shape:
            raise ShapeError(f"expected input shape {self.shape}, got {shape}")
        if prod(shape) != prod(self.target_shape):
            elements = prod(self.target_shape)
            raise ShapeError(
                f"expected {prod(shape)} elements in target_shape, as in {shape}, got {elements}"
            )
        return self.target_shape

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.reshape(x, self.shape, self.target_shape)

    def python(self, x: str, weight: str) -> str:
        return f"reshape({x}, {self.shape}, {self.target_shape})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        return Scatter((f"const int i{level + 1} = i{level};  // reshape",))

    def describe(self) -> str:
        return "reshape"
