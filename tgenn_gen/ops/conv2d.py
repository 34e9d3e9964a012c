"""Convolution: y[r, c, f] = sum over i, j, d of kernel[i, j, d, f] x[r sr + i - pr, c sc + j - pc, d]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.genn_code import Scatter, window_loop
from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.ops.window import channels_last_only, padding_before, window_output
from tgenn_gen.runtime import linear_maps
from tgenn_gen.spec import LinearMap, Shape, ShapeError, UnsupportedError
from tgenn_gen.tensors import Tensor


@dataclass(frozen=True)
class Conv2D(LinearMap):
    """Keras' Conv2D without bias and activation. kernel: (rows, columns, channels, filters)."""

    op: ClassVar[str] = "conv2d"
    keras_layer: ClassVar[str] = "Conv2D"
    keras_reads: ClassVar[frozenset[str]] = frozenset(
        "filters kernel_size strides padding data_format dilation_rate groups".split()
    )
    strides: tuple[int, int]
    padding: str
    kernel: Tensor

    @classmethod
    def from_keras(cls, layer: KerasLayer, shape: Shape) -> Conv2D:
        config, reasons = layer.config, channels_last_only(layer)
        if tuple(config["dilation_rate"]) != (1, 1):
            reasons.append((f"dilation_rate {tuple(config['dilation_rate'])}", "use dilation_rate=1"))
        if config["groups"] != 1:
            reasons.append((f"groups={config['groups']}", "use groups=1"))
        if reasons:
            raise UnsupportedError(*reasons)
        return cls(tuple(config["strides"]), config["padding"], Tensor("", layer.weights["kernel"]))

    def output_shape(self, shape: Shape) -> Shape:
        if self.kernel.values.ndim != 4:
            raise ShapeError(
                f"needs a kernel (rows, columns, channels, filters), it is {self.kernel.values.shape}"
            )
        rows, columns, channels, filters = self.kernel.values.shape
        if len(shape) != 3 or shape[2] != channels:
            raise ShapeError(f"takes (height, width, {channels}), its input is {shape}")
        return (*window_output(shape, (rows, columns), self.strides, self.padding), filters)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.conv2d(x, self.kernel.values, self.strides, self.padding)

    def python(self, x: str, weight: str) -> str:
        return f'conv2d({x}, {weight}, strides={self.strides}, padding="{self.padding}")'

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        rows, columns, channels, filters = self.kernel.values.shape
        out_height, out_width, _ = self.output_shape(shape)
        before = padding_before(shape, (rows, columns), self.strides, self.padding)
        i, n = f"i{level}", level
        return Scatter(
            lines=(
                f"// {self.describe()}: {shape} -> {(out_height, out_width, filters)}",
                f"const int row{n} = {i} / {shape[1] * channels};",
                f"const int column{n} = ({i} / {channels}) % {shape[1]};",
                f"const int channel{n} = {i} % {channels};",
                *window_loop(
                    f"row{n}", f"out_row{n}", f"tap_row{n}", rows, self.strides[0], before[0], out_height
                ),
                *window_loop(
                    f"column{n}",
                    f"out_column{n}",
                    f"tap_column{n}",
                    columns,
                    self.strides[1],
                    before[1],
                    out_width,
                ),
                f"for(int filter{n} = 0; filter{n} < {filters}; filter{n}++) {{",
                f"const int i{n + 1} = (out_row{n} * {out_width} + out_column{n}) * {filters} + filter{n};",
            ),
            kernel_index=(f"tap_row{n}", f"tap_column{n}", f"channel{n}", f"filter{n}"),
            kernel_shape=self.kernel.values.shape,
            weight=weight,
            fan_out=-(-rows // self.strides[0]) * -(-columns // self.strides[1]) * filters,
        )

    def describe(self) -> str:
        rows, columns = self.kernel.values.shape[:2]
        strides = f" strides {self.strides[0]}x{self.strides[1]}" if self.strides != (1, 1) else ""
        return f"conv2d {rows}x{columns} {self.padding}{strides}"
