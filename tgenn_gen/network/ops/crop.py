"""Cropping: x without some elements at the start and the end of each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.linear_map import ShapeError
from tgenn_gen.network.ops.shared.axes import Border, flat_index, indices, require_axes
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Crop(Border):
    """Keras' Cropping1D and 2D. before, after: how many elements are left out along each axis."""

    op: ClassVar[str] = "crop"

    def output_shape(self, shape: Shape) -> Shape:
        require_axes(shape, before=self.before, after=self.after)
        left = tuple(n - b - a for b, n, a in zip(self.before, shape, self.after, strict=True))
        if min(left) < 1:
            raise ShapeError(f"of {self.before} and {self.after} elements leaves nothing of {shape}")
        return left

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.crop(x, self.before, self.after)

    def python(self, x: str, weight: str) -> str:
        return f"crop({x}, before={self.before}, after={self.after})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        axes = list(zip(self.before, out_shape, shape, strict=True))
        index = [f"at{n}_{a} - {before}" if before else f"at{n}_{a}" for a, (before, _, _) in enumerate(axes)]
        inside = [
            f"if(at{n}_{axis} >= {before} && at{n}_{axis} < {before + kept}) {{"
            for axis, (before, kept, size) in enumerate(axes)
            if kept < size
        ]
        return Scatter(
            (
                f"// {self.describe()}: {shape} -> {out_shape}",
                *indices(shape, n),
                *inside,
                f"const int i{n + 1} = {flat_index(index, out_shape)};",
            )
        )

    def describe(self) -> str:
        return "crop"
