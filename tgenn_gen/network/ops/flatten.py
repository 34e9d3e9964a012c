"""Flatten: the same elements in C order, on one axis."""

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
class Flatten(LinearMap):
    """Keras' Flatten. shape: the shape of its input."""

    op: ClassVar[str] = "flatten"
    shape: tuple[int, ...]

    @property
    def routing(self) -> bool:
        return True

    @property
    def in_order(self) -> bool:
        return True

    def with_channels(self, channels: int) -> LinearMap | None:
        return Flatten((*self.shape[:-1], channels)) if prod(self.shape[:-1]) == 1 else None

    def pushed(self, factor: np.ndarray) -> np.ndarray | None:
        return factor if len(factor) == 1 else np.tile(factor, prod(self.shape[:-1]))

    def output_shape(self, shape: Shape) -> Shape:
        if shape != self.shape:
            raise ShapeError(f"expected input shape {self.shape}, got {shape}")
        return (prod(shape),)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.reshape(x, self.shape, (prod(self.shape),))

    def python(self, x: str, weight: str) -> str:
        return f"reshape({x}, {self.shape}, {(prod(self.shape),)})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        return Scatter((f"const int i{level + 1} = i{level};  // flatten",))

    def describe(self) -> str:
        return "flatten"
