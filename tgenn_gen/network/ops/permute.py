"""Permutation: x with its axes in another order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.ops.shared.axes import flat_index, indices
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Permute(LinearMap):
    """Keras' Permute. axes: axis a of the output is axis axes[a] of the input, from 0."""

    op: ClassVar[str] = "permute"
    axes: tuple[int, ...]

    @property
    def routing(self) -> bool:
        return True

    def output_shape(self, shape: Shape) -> Shape:
        if sorted(self.axes) != list(range(len(shape))):
            raise ShapeError(f"expected 0 to {len(shape) - 1} once each as axes of {shape}, got {self.axes}")
        return tuple(shape[axis] for axis in self.axes)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.permute(x, self.axes)

    def python(self, x: str, weight: str) -> str:
        return f"permute({x}, axes={self.axes})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        return Scatter(
            (
                f"// {self.describe()}: {shape} -> {out_shape}",
                *indices(shape, n),
                f"const int i{n + 1} = {flat_index([f'at{n}_{axis}' for axis in self.axes], out_shape)};",
            )
        )

    def describe(self) -> str:
        return "permute"
