"""Convolution along one axis: y[t, f] = the sum of kernel[i, d, f] x[t s + i dilation - p, d]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel
from tgenn_gen.network.ops.shared.mixing import Grouped
from tgenn_gen.network.ops.shared.one_axis import OneAxis, of_one_row, require_channels, words
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Conv1D(Grouped, OneAxis):
    """Keras' Conv1D without bias and activation. kernel: (size, channels / groups, filters)."""

    op: ClassVar[str] = "conv1d"
    strides: int
    padding: str
    kernel: Tensor
    dilation: int = rarely(1)
    groups: int = rarely(1)

    @property
    def on_images(self) -> Conv2D:
        kernel, dilation = of_one_row(self.kernel), (1, self.dilation)
        return Conv2D((1, self.strides), self.padding, kernel, dilation, self.groups)

    def output_shape(self, shape: Shape) -> Shape:
        require_kernel(
            self.kernel.values, f"(size, channels{' / groups' if self.groups > 1 else ''}, filters)"
        )
        require_channels(shape, self.kernel.values.shape[1] * self.groups)
        return super().output_shape(shape)

    def apply(self, x: np.ndarray) -> np.ndarray:
        kernel = self.kernel.values
        return linear_maps.conv1d(x, kernel, self.strides, self.padding, self.dilation, self.groups)

    def python(self, x: str, weight: str) -> str:
        dilation = f", dilation={self.dilation}" if self.dilation > 1 else ""
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        how = f'strides={self.strides}, padding="{self.padding}"{dilation}{groups}'
        return f"conv1d({x}, {weight}, {how})"

    def describe(self) -> str:
        groups = f" groups {self.groups}" if self.groups > 1 else ""
        size = self.kernel.values.shape[0]
        return f"conv1d {size} {self.padding}{words(self.strides, self.dilation)}{groups}"
