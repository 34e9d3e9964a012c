"""Transposed convolution of steps: x[t, d] adds kernel[i, d, f] x[t, d] to y[t s + i dilation - p, f]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel
from tgenn_gen.network.ops.shared.mixing import Mixing
from tgenn_gen.network.ops.shared.one_axis import OneAxis, of_one_row, require_channels, words
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Conv1DTranspose(Mixing, OneAxis):
    """Keras' Conv1DTranspose without bias and activation. kernel: (size, channels, filters)."""

    op: ClassVar[str] = "conv1d_transpose"
    strides: int
    padding: str
    kernel: Tensor
    output_padding: int | None = rarely(None)
    dilation: int = rarely(1)

    @property
    def on_images(self) -> Conv2DTranspose:
        kernel, dilation = of_one_row(self.kernel), (1, self.dilation)
        added = None if self.output_padding is None else (0, self.output_padding)
        return Conv2DTranspose((1, self.strides), self.padding, kernel, added, dilation)

    def output_shape(self, shape: Shape) -> Shape:
        require_kernel(self.kernel.values, "(size, channels, filters)")
        require_channels(shape, self.kernel.values.shape[1])
        return super().output_shape(shape)

    def apply(self, x: np.ndarray) -> np.ndarray:
        how = (self.strides, self.padding, self.output_padding, self.dilation)
        return linear_maps.conv1d_transpose(x, self.kernel.values, *how)

    def python(self, x: str, weight: str) -> str:
        added = f", output_padding={self.output_padding}" if self.output_padding is not None else ""
        dilation = f", dilation={self.dilation}" if self.dilation > 1 else ""
        how = f'strides={self.strides}, padding="{self.padding}"{added}{dilation}'
        return f"conv1d_transpose({x}, {weight}, {how})"

    def describe(self) -> str:
        size = self.kernel.values.shape[0]
        return f"conv1d_transpose {size} {self.padding}{words(self.strides, self.dilation)}"
