"""Depthwise convolution of steps: y[t, d M + m] = the sum of kernel[i, d, m] x[t s + i dilation - p, d]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel
from tgenn_gen.network.ops.shared.mixing import Depthwise
from tgenn_gen.network.ops.shared.one_axis import OneAxis, of_one_row, require_channels, words
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class DepthwiseConv1D(Depthwise, OneAxis):
    """Keras' DepthwiseConv1D without bias and activation. kernel: (size, channels, multiplier)."""

    op: ClassVar[str] = "depthwise_conv1d"
    strides: int
    padding: str
    kernel: Tensor
    dilation: int = rarely(1)

    @property
    def on_images(self) -> DepthwiseConv2D:
        kernel, dilation = of_one_row(self.kernel), (1, self.dilation)
        return DepthwiseConv2D((1, self.strides), self.padding, kernel, dilation)

    def with_full_kernel(self, kernel: np.ndarray) -> LinearMap:
        return Conv1D(self.strides, self.padding, Tensor.unnamed(kernel), self.dilation)

    def output_shape(self, shape: Shape) -> Shape:
        require_kernel(self.kernel.values, "(size, channels, multiplier)")
        require_channels(shape, self.kernel.values.shape[1])
        return super().output_shape(shape)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.depthwise_conv1d(x, self.kernel.values, self.strides, self.padding, self.dilation)

    def python(self, x: str, weight: str) -> str:
        dilation = f", dilation={self.dilation}" if self.dilation > 1 else ""
        how = f'strides={self.strides}, padding="{self.padding}"{dilation}'
        return f"depthwise_conv1d({x}, {weight}, {how})"

    def describe(self) -> str:
        size = self.kernel.values.shape[0]
        return f"depthwise_conv1d {size} {self.padding}{words(self.strides, self.dilation)}"
