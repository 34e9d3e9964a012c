"""Transposed convolution: x[r, c, d] kernel[i, j, d, f] adds to y[r sr + i dr - pr, c sc + j dc - pc, f]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.genn_code import Loop, Scatter, transposed_window_loop
from tgenn_gen.network.ops.linear_map import ShapeError
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel, require_size
from tgenn_gen.network.ops.shared.mixing import Mixing
from tgenn_gen.network.ops.shared.sliding import Pair, Window, image_index
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Conv2DTranspose(Mixing):
    """Keras' Conv2DTranspose without bias and activation. kernel: (rows, columns, channels, filters).

    output_padding: what is added to the output's height and width, as in Keras; None: `padding` decides.
    """

    op: ClassVar[str] = "conv2d_transpose"
    strides: Pair
    padding: str
    kernel: Tensor
    output_padding: Pair | None = rarely(None)
    dilation: Pair = rarely((1, 1))

    @property
    def window(self) -> Window:
        rows, columns = self.kernel.values.shape[:2]
        return Window((rows, columns), self.strides, self.padding, self.dilation)

    def _axis(self, shape: Shape, axis: int) -> Pair:
        """The number of outputs along an axis, and how many are cut off before the first."""
        added = None if self.output_padding is None else self.output_padding[axis]
        covered, stride = self.window.covered[axis], self.strides[axis]
        return linear_maps.transposed_axis(shape[axis], covered, stride, self.padding, added)

    def output_shape(self, shape: Shape) -> Shape:
        require_kernel(self.kernel.values, "(rows, columns, channels, filters)")
        require_size(self.window.size)
        channels, filters = self.kernel.values.shape[2:]
        if len(shape) != 3 or shape[2] != channels:
            raise ShapeError(f"expected input shape (height, width, {channels}), got {shape}")
        height, width = self._axis(shape, 0)[0], self._axis(shape, 1)[0]
        if height < 1 or width < 1:
            raise ShapeError(f"output_padding {self.output_padding} leaves no output for the input {shape}")
        return (height, width, filters)

    def apply(self, x: np.ndarray) -> np.ndarray:
        how = (self.strides, self.padding, self.output_padding, self.dilation)
        return linear_maps.conv2d_transpose(x, self.kernel.values, *how)

    def python(self, x: str, weight: str) -> str:
        added = f", output_padding={self.output_padding}" if self.output_padding is not None else ""
        dilation = f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        how = f'strides={self.strides}, padding="{self.padding}"{added}{dilation}'
        return f"conv2d_transpose({x}, {weight}, {how})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        filters = out_shape[2]
        loops: tuple[str | Loop, ...] = ()
        for axis, name in enumerate(("row", "column")):
            outputs, before = self._axis(shape, axis)
            size, stride, dilation = self.window.size[axis], self.strides[axis], self.dilation[axis]
            at, target, tap = f"{name}{n}", f"out_{name}{n}", f"tap_{name}{n}"
            loops += transposed_window_loop(at, target, tap, size, stride, dilation, before, outputs)
        place = f"(out_row{n} * {out_shape[1]} + out_column{n}) * {filters}"
        return Scatter(
            lines=(
                f"// {self.describe()}: {shape} -> {out_shape}",
                *image_index(shape, n),
                *loops,
                Loop.over(f"filter{n}", filters),
                f"const int i{n + 1} = {place} + filter{n};",
            ),
            kernel_index=(f"tap_row{n}", f"tap_column{n}", f"channel{n}", f"filter{n}"),
            kernel_shape=self.kernel.values.shape,
            weight=weight,
        )

    def describe(self) -> str:
        return f"conv2d_transpose {self.window.describe()}"
