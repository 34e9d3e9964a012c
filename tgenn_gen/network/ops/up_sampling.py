"""Up-sampling: each element of x repeated along each axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Loop, Scatter
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.shared.axes import flat_index, indices, require_axes
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class UpSampling(LinearMap):
    """Keras' UpSampling1D and 2D, nearest. factors: how often each element is repeated, one for each axis."""

    op: ClassVar[str] = "up_sampling"
    factors: tuple[int, ...]

    @property
    def channelwise(self) -> bool:
        return self.factors[-1] == 1

    @property
    def routing(self) -> bool:
        return True

    def output_shape(self, shape: Shape) -> Shape:
        require_axes(shape, factors=self.factors)
        return tuple(size * factor for size, factor in zip(shape, self.factors, strict=True))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.up_sampling(x, self.factors)

    def python(self, x: str, weight: str) -> str:
        return f"up_sampling({x}, factors={self.factors})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        out_shape, n = self.output_shape(shape), level
        index, loops = [], []
        for axis, factor in enumerate(self.factors):
            at, copy = f"at{n}_{axis}", f"copy{n}_{axis}"
            index.append(f"({at} * {factor} + {copy})" if factor > 1 else at)
            if factor > 1:
                loops.append(Loop.over(copy, factor))
        return Scatter(
            (
                f"// {self.describe()}: {shape} -> {out_shape}",
                *indices(shape, n),
                *loops,
                f"const int i{n + 1} = {flat_index(index, out_shape)};",
            ),
        )

    def describe(self) -> str:
        return f"up_sampling {'x'.join(map(str, self.factors))}"
