"""Convolution: y[r, c, f] = the sum of kernel[i, j, d, f] x[r sr + i dr - pr, c sc + j dc - pc, d]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.genn_code import Loop, Scatter
from tgenn_gen.network.ops.linear_map import ShapeError
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel
from tgenn_gen.network.ops.shared.mixing import Grouped
from tgenn_gen.network.ops.shared.sliding import Pair, Window
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Conv2D(Grouped):
    """Keras' Conv2D without bias and activation. kernel: (rows, columns, channels / groups, filters).

    groups: a group of filters reads one group of channels. dilation: the distance of the kernel's elements.
    """

    op: ClassVar[str] = "conv2d"
    strides: Pair
    padding: str
    kernel: Tensor
    dilation: Pair = rarely((1, 1))
    groups: int = rarely(1)

    @property
    def window(self) -> Window:
        rows, columns = self.kernel.values.shape[:2]
        return Window((rows, columns), self.strides, self.padding, self.dilation)

    def output_shape(self, shape: Shape) -> Shape:
        grouped = " / groups" if self.groups > 1 else ""
        require_kernel(self.kernel.values, f"(rows, columns, channels{grouped}, filters)")
        members, filters = self.kernel.values.shape[2:]
        if filters % self.groups:
            raise ShapeError(f"expected a multiple of {self.groups} (groups) as filters, got {filters}")
        if len(shape) != 3 or shape[2] != members * self.groups:
            raise ShapeError(f"expected input shape (height, width, {members * self.groups}), got {shape}")
        return (*self.window.output(shape), filters)

    def apply(self, x: np.ndarray) -> np.ndarray:
        kernel = self.kernel.values
        return linear_maps.conv2d(x, kernel, self.strides, self.padding, self.dilation, self.groups)

    def python(self, x: str, weight: str) -> str:
        dilation = f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        how = f'strides={self.strides}, padding="{self.padding}"{dilation}{groups}'
        return f"conv2d({x}, {weight}, {how})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        members, filters = self.kernel.values.shape[2:]
        of_group = filters // self.groups
        place = f"(out_row{n} * {out_shape[1]} + out_column{n}) * {filters}"
        channel = f"channel{n}"
        to_filter: tuple[str | Loop, ...] = (Loop.over(f"filter{n}", filters),)
        if self.groups > 1:
            channel = f"channel{n} % {members}"
            to_filter = (
                Loop.over(f"member{n}", of_group),
                f"const int filter{n} = channel{n} / {members} * {of_group} + member{n};",
            )
        return Scatter(
            lines=(
                f"// {self.describe()}: {shape} -> {out_shape}",
                *self.window.scatter(shape, n),
                *to_filter,
                f"const int i{n + 1} = {place} + filter{n};",
            ),
            kernel_index=(f"tap_row{n}", f"tap_column{n}", channel, f"filter{n}"),
            kernel_shape=self.kernel.values.shape,
            weight=weight,
        )

    def describe(self) -> str:
        groups = f" groups {self.groups}" if self.groups > 1 else ""
        return f"conv2d {self.window.describe()}{groups}"
