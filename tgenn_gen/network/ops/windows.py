"""Pooling windows: y[r, c, d, k] = element k of the window at (r, c) of x[., ., d], 0 beyond the input."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.ops.shared.sliding import Window
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Windows(LinearMap):
    """pool, strides: one number for (steps, channels), two for (height, width, channels)."""

    op: ClassVar[str] = "windows"
    pool: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str

    @property
    def window(self) -> Window:
        """The windows on images: (steps, channels) is an image of one row."""
        row = (1,) * (2 - len(self.pool))
        rows, columns = (*row, *self.pool)
        row_stride, column_stride = (*row, *self.strides)
        return Window((rows, columns), (row_stride, column_stride), self.padding)

    @property
    def routing(self) -> bool:
        return True

    def output_shape(self, shape: Shape) -> Shape:
        axes = len(self.pool)
        if len(self.strides) != axes:
            raise ShapeError(f"expected {axes} numbers in strides, as in pool, got {len(self.strides)}")
        if len(shape) != axes + 1:
            expected = ("(steps, channels)", "(height, width, channels)")[axes - 1]
            raise ShapeError(f"expected input shape {expected}, got {shape}")
        return (*self.window.output(self._image(shape))[2 - axes :], shape[-1], prod(self.pool))

    def _image(self, shape: Shape) -> Shape:
        return (1,) * (3 - len(shape)) + shape

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.pooling_windows(x, self.pool, self.strides, self.padding)

    def python(self, x: str, weight: str) -> str:
        return f'pooling_windows({x}, pool={self.pool}, strides={self.strides}, padding="{self.padding}")'

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        image, window, n = self._image(shape), self.window, level
        place = f"(out_row{n} * {window.output(image)[1]} + out_column{n}) * {shape[-1]} + channel{n}"
        element = f"tap_row{n} * {window.size[1]} + tap_column{n}"
        return Scatter(
            (
                f"// {self.describe()}: {shape} -> {self.output_shape(shape)}",
                *window.scatter(image, n),
                f"const int i{n + 1} = ({place}) * {prod(self.pool)} + {element};",
            )
        )

    def describe(self) -> str:
        return f"windows {'x'.join(map(str, self.pool))} {self.padding}"
