"""Average pooling: y[r, c, d] = the mean of x[., ., d] over a window; padding does not count, as in Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter, plus
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.ops.shared.sliding import Pair, Window
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class AvgPool2D(LinearMap):
    """Keras' AveragePooling2D."""

    op: ClassVar[str] = "avg_pool2d"
    pool: Pair
    strides: Pair
    padding: str

    @property
    def channelwise(self) -> bool:
        return True

    @property
    def window(self) -> Window:
        return Window(self.pool, self.strides, self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"expected input shape (height, width, channels), got {shape}")
        return (*self.window.output(shape), shape[2])

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.avg_pool2d(x, self.pool, self.strides, self.padding)

    def paths(self, x: np.ndarray, *, nonzero: bool = False) -> np.ndarray:
        (rows, columns), (row_stride, column_stride), channels = self.pool, self.strides, x.shape[-1]
        of_rows, of_columns = np.ones((rows, 1, channels, 1)), np.ones((1, columns, channels, 1))
        x = linear_maps.depthwise_conv2d(x, of_rows, (row_stride, 1), self.padding)  # windows can be large
        return linear_maps.depthwise_conv2d(x, of_columns, (1, column_stride), self.padding)

    def python(self, x: str, weight: str) -> str:
        return f'avg_pool2d({x}, pool={self.pool}, strides={self.strides}, padding="{self.padding}")'

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        height, width, channels = shape
        out_shape = self.output_shape(shape)
        (rows, columns), (row_stride, column_stride) = self.pool, self.strides
        n, window = level, self.window
        lines = (
            f"// {self.describe()}: {shape} -> {out_shape}",
            *window.scatter(shape, n),
            f"const int i{n + 1} = (out_row{n} * {out_shape[1]} + out_column{n}) * {channels} + channel{n};",
        )
        if not window.is_padded(shape):
            return Scatter(lines, factor=1 / (rows * columns))

        def extent(axis: str, window: int, stride: int, pad: int, size: int) -> str:
            start = f"out_{axis}{n} * {stride}" if stride > 1 else f"out_{axis}{n}"
            return f"min({size}, {plus(start, window - pad)}) - max(0, {plus(start, -pad)}) - 1"

        before = window.before(shape)
        return Scatter(
            (
                *lines,
                "// windows at the border are cut off: how many rows and columns this one has, less one",
                f"const int rows{n} = {extent('row', rows, row_stride, before[0], height)};",
                f"const int columns{n} = {extent('column', columns, column_stride, before[1], width)};",
            ),
            kernel_index=(f"rows{n}", f"columns{n}"),
            kernel_shape=self.pool,
            weight=f"window_means({rows}, {columns})",
        )

    def describe(self) -> str:
        return f"avg_pool2d {self.pool[0]}x{self.pool[1]} {self.padding}"
