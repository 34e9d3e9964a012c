"""Average pooling along one axis: y[t, d] = the mean of x[., d] over a window; padding does not count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.kinds import LinearMap, Shape
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.checks import require_channels_last
from tgenn_gen.ops.one_axis import OneAxis
from tgenn_gen.ops.reshape import Reshape
from tgenn_gen.runtime import linear_maps


@dataclass(frozen=True)
class AvgPool1D(OneAxis):
    """Keras' AveragePooling1D."""

    op: ClassVar[str] = "avg_pool1d"
    keras_layers: ClassVar[tuple[str, ...]] = ("AveragePooling1D", "GlobalAveragePooling1D")
    keras_reads: ClassVar[frozenset[str]] = AvgPool2D.keras_reads
    pool: int
    strides: int
    padding: str

    @classmethod
    def from_keras(cls, layer: KerasLayer, shape: Shape) -> tuple[LinearMap, ...]:
        require_channels_last(layer)
        config = layer.config
        if layer.class_name == "AveragePooling1D":
            return (cls(config["pool_size"][0], config["strides"][0], config["padding"]),)
        steps, channels = shape
        whole = cls(steps, steps, "valid")
        return (whole,) if config["keepdims"] else (whole, Reshape((1, channels), (channels,)))

    @property
    def channelwise(self) -> bool:
        return True

    @property
    def on_images(self) -> AvgPool2D:
        return AvgPool2D((1, self.pool), (1, self.strides), self.padding)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.avg_pool1d(x, self.pool, self.strides, self.padding)

    def paths(self, x: np.ndarray) -> np.ndarray:
        return self.on_images.paths(x[None])[0]

    def python(self, x: str, weight: str) -> str:
        return f'avg_pool1d({x}, pool={self.pool}, strides={self.strides}, padding="{self.padding}")'

    def describe(self) -> str:
        return f"avg_pool1d {self.pool} {self.padding}"
