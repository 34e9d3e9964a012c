"""Average pooling: y[r, c, d] = the mean of x[., ., d] over a window; padding does not count, as in Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.genn_code import Scatter, window_loop
from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.ops.window import channels_last_only, padding_before, window_output
from tgenn_gen.runtime import linear_maps
from tgenn_gen.spec import LinearMap, Shape, ShapeError, UnsupportedError


@dataclass(frozen=True)
class AvgPool2D(LinearMap):
    """Keras' AveragePooling2D."""

    op: ClassVar[str] = "avg_pool2d"
    keras_layer: ClassVar[str] = "AveragePooling2D"
    keras_reads: ClassVar[frozenset[str]] = frozenset({"pool_size", "strides", "padding", "data_format"})
    pool: tuple[int, int]
    strides: tuple[int, int]
    padding: str

    @classmethod
    def from_keras(cls, layer: KerasLayer, shape: Shape) -> AvgPool2D:
        reasons = channels_last_only(layer)
        if reasons:
            raise UnsupportedError(*reasons)
        config = layer.config
        return cls(tuple(config["pool_size"]), tuple(config["strides"]), config["padding"])

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"takes (height, width, channels), its input is {shape}")
        return (*window_output(shape, self.pool, self.strides, self.padding), shape[2])

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.avg_pool2d(x, self.pool, self.strides, self.padding)

    def python(self, x: str, weight: str) -> str:
        return f'avg_pool2d({x}, pool={self.pool}, strides={self.strides}, padding="{self.padding}")'

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        height, width, channels = shape
        out_height, out_width, _ = self.output_shape(shape)
        (rows, columns), (row_stride, column_stride) = self.pool, self.strides
        before = padding_before(shape, self.pool, self.strides, self.padding)
        i, n = f"i{level}", level
        lines = (
            f"// {self.describe()}: {shape} -> {(out_height, out_width, channels)}",
            f"const int row{n} = {i} / {width * channels};",
            f"const int column{n} = ({i} / {channels}) % {width};",
            f"const int channel{n} = {i} % {channels};",
            *window_loop(f"row{n}", f"out_row{n}", f"tap_row{n}", rows, row_stride, before[0], out_height),
            *window_loop(
                f"column{n}", f"out_column{n}", f"tap_column{n}", columns, column_stride, before[1], out_width
            ),
            f"const int i{n + 1} = (out_row{n} * {out_width} + out_column{n}) * {channels} + channel{n};",
        )
        fan_out = -(-rows // row_stride) * -(-columns // column_stride)
        if not self.has_partial_windows(shape):
            return Scatter(lines, weight=repr(1 / (rows * columns)), fan_out=fan_out)

        def extent(axis: str, window: int, stride: int, pad: int, size: int) -> str:
            first = f"out_{axis}{n} * {stride} - {pad}"
            return f"min({size}, {first} + {window}) - max(0, {first}) - 1"

        return Scatter(
            (
                *lines,
                "// windows at the border are cut off: how many rows and columns this one has, less one",
                f"const int rows{n} = {extent('row', rows, row_stride, before[0], height)};",
                f"const int columns{n} = {extent('column', columns, column_stride, before[1], width)};",
            ),
            kernel_index=(f"rows{n}", f"columns{n}"),
            kernel_shape=self.pool,
            weight=f"1 / np.outer(np.arange(1, {rows + 1}), np.arange(1, {columns + 1}))",
            fan_out=fan_out,
        )

    def has_partial_windows(self, shape: Shape) -> bool:
        """Whether padding cuts off windows at the border, which then average fewer elements."""
        if self.padding == "valid":
            return False
        return any(
            sum(linear_maps.same_padding(shape[axis], self.pool[axis], self.strides[axis])) > 0
            for axis in (0, 1)
        )

    def describe(self) -> str:
        return f"avg_pool2d {self.pool[0]}x{self.pool[1]} {self.padding}"
