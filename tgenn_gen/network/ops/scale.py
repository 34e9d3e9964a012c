"""Scaling: y[..., c] = factor[c] x[..., c], for chains without a kernel that can contain the factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Scale(LinearMap):
    """factor: one for each channel (the last axis), shape (channels,); or one for all, shape (1,)."""

    op: ClassVar[str] = "scale"
    factor: Tensor

    def scale_outputs(self, factor: np.ndarray) -> LinearMap:
        return Scale(Tensor.unnamed(self.factor.values.astype(np.float64) * factor))

    def output_shape(self, shape: Shape) -> Shape:
        if self.factor.values.shape not in ((1,), (shape[-1],)):
            size = self.factor.values.size
            raise ShapeError(
                f"expected 1 factor, or {shape[-1]}: one for each channel of {shape}, got {size}"
            )
        return shape

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.scale(x, self.factor.values)

    def python(self, x: str, weight: str) -> str:
        return f"scale({x}, {weight})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        channel = f"i{level} % {self.factor.values.size}"
        return Scatter(
            (f"const int i{level + 1} = i{level};  // scale",),
            kernel_index=(channel,),
            kernel_shape=self.factor.values.shape,
            weight=weight,
        )

    def describe(self) -> str:
        return "scale"
