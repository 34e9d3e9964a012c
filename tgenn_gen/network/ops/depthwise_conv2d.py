"""Depthwise: y[r, c, d M + m] = the sum of kernel[i, j, d, m] x[r sr + i dr - pr, c sc + j dc - pc, d]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.genn_code import Loop, Scatter
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel
from tgenn_gen.network.ops.shared.mixing import Depthwise
from tgenn_gen.network.ops.shared.sliding import Pair, Window
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class DepthwiseConv2D(Depthwise):
    """Keras' DepthwiseConv2D without bias and activation. kernel: (rows, columns, channels, multiplier)."""

    op: ClassVar[str] = "depthwise_conv2d"
    strides: Pair
    padding: str
    kernel: Tensor
    dilation: Pair = rarely((1, 1))

    @property
    def window(self) -> Window:
        rows, columns = self.kernel.values.shape[:2]
        return Window((rows, columns), self.strides, self.padding, self.dilation)

    def with_full_kernel(self, kernel: np.ndarray) -> LinearMap:
        return Conv2D(self.strides, self.padding, Tensor.unnamed(kernel), self.dilation)

    def output_shape(self, shape: Shape) -> Shape:
        require_kernel(self.kernel.values, "(rows, columns, channels, multiplier)")
        channels, multiplier = self.kernel.values.shape[2:]
        if len(shape) != 3 or shape[2] != channels:
            raise ShapeError(f"expected input shape (height, width, {channels}), got {shape}")
        return (*self.window.output(shape), channels * multiplier)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.depthwise_conv2d(x, self.kernel.values, self.strides, self.padding, self.dilation)

    def python(self, x: str, weight: str) -> str:
        dilation = f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        how = f'strides={self.strides}, padding="{self.padding}"{dilation}'
        return f"depthwise_conv2d({x}, {weight}, {how})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        multiplier = self.kernel.values.shape[3]
        place = f"(out_row{n} * {out_shape[1]} + out_column{n}) * {out_shape[2]}"
        return Scatter(
            lines=(
                f"// {self.describe()}: {shape} -> {out_shape}",
                *self.window.scatter(shape, n),
                Loop.over(f"filter{n}", multiplier),
                f"const int i{n + 1} = {place} + channel{n} * {multiplier} + filter{n};",
            ),
            kernel_index=(f"tap_row{n}", f"tap_column{n}", f"channel{n}", f"filter{n}"),
            kernel_shape=self.kernel.values.shape,
            weight=weight,
        )

    def describe(self) -> str:
        return f"depthwise_conv2d {self.window.describe()}"
