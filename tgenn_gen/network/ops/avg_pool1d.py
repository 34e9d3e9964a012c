"""Average pooling along one axis: y[t, d] = the mean of x[., d] over a window; padding does not count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.shared.one_axis import OneAxis
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class AvgPool1D(OneAxis):
    """Keras' AveragePooling1D."""

    op: ClassVar[str] = "avg_pool1d"
    pool: int
    strides: int
    padding: str

    @property
    def channelwise(self) -> bool:
        return True

    @property
    def on_images(self) -> AvgPool2D:
        return AvgPool2D((1, self.pool), (1, self.strides), self.padding)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.avg_pool1d(x, self.pool, self.strides, self.padding)

    def paths(self, x: np.ndarray, *, nonzero: bool = False) -> np.ndarray:
        return self.on_images.paths(x[None])[0]

    def python(self, x: str, weight: str) -> str:
        return f'avg_pool1d({x}, pool={self.pool}, strides={self.strides}, padding="{self.padding}")'

    def describe(self) -> str:
        return f"avg_pool1d {self.pool} {self.padding}"
