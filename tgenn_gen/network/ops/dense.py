"""A full matrix: y[..., u] = sum over i of kernel[i, u] x[..., i]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Loop, Scatter
from tgenn_gen.network.ops.linear_map import ShapeError
from tgenn_gen.network.ops.shared.kernel_checks import require_kernel
from tgenn_gen.network.ops.shared.mixing import Mixing
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Dense(Mixing):
    """Keras' Dense without bias and activation, on the last axis. kernel: (inputs, units)."""

    op: ClassVar[str] = "dense"
    kernel: Tensor

    def output_shape(self, shape: Shape) -> Shape:
        require_kernel(self.kernel.values, "(inputs, units)")
        inputs, units = self.kernel.values.shape
        if shape[-1] != inputs:
            raise ShapeError(f"expected input shape (..., {inputs}), got {shape}")
        return (*shape[:-1], units)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.dense(x, self.kernel.values)

    def python(self, x: str, weight: str) -> str:
        return f"dense({x}, {weight})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        (inputs, units), n = self.kernel.values.shape, level
        alone = len(shape) == 1
        target = f"unit{n}" if alone else f"i{n} / {inputs} * {units} + unit{n}"
        return Scatter(
            lines=(
                f"// {self.describe()}: {shape} -> {self.output_shape(shape)}",
                Loop.over(f"unit{n}", units),
                f"const int i{n + 1} = {target};",
            ),
            kernel_index=(f"i{n}" if alone else f"i{n} % {inputs}", f"unit{n}"),
            kernel_shape=self.kernel.values.shape,
            weight=weight,
        )

    def describe(self) -> str:
        return "dense"
