"""Padding: x with zeros before and after it along each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.shared.axes import Border, flat_index, indices, require_axes
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class Pad(Border):
    """Keras' ZeroPadding1D and 2D. before, after: the number of zeros at each axis, including channels."""

    op: ClassVar[str] = "pad"

    def pushed(self, factor: np.ndarray) -> np.ndarray | None:
        border = (self.before[-1], self.after[-1])
        return factor if len(factor) == 1 else np.pad(factor, border, constant_values=1)

    def pulled(self, factor: np.ndarray) -> np.ndarray | None:
        return factor if len(factor) == 1 else factor[self.before[-1] : len(factor) - self.after[-1]]

    def output_shape(self, shape: Shape) -> Shape:
        require_axes(shape, before=self.before, after=self.after)
        return tuple(map(sum, zip(self.before, shape, self.after, strict=True)))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.pad(x, self.before, self.after)

    def python(self, x: str, weight: str) -> str:
        return f"pad({x}, before={self.before}, after={self.after})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        index = [f"at{n}_{a} + {before}" if before else f"at{n}_{a}" for a, before in enumerate(self.before)]
        return Scatter(
            (
                f"// {self.describe()}: {shape} -> {out_shape}",
                *indices(shape, n),
                f"const int i{n + 1} = {flat_index(index, out_shape)};",
            )
        )

    def describe(self) -> str:
        return "pad"
