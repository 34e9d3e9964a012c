"""A full matrix: y[u] = sum over i of kernel[i, u] x[i]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.genn_code import Scatter
from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.runtime import linear_maps
from tgenn_gen.spec import LinearMap, Shape, ShapeError, UnsupportedError
from tgenn_gen.tensors import Tensor


@dataclass(frozen=True)
class Dense(LinearMap):
    """Keras' Dense without bias and activation. kernel: (inputs, units)."""

    op: ClassVar[str] = "dense"
    keras_layer: ClassVar[str] = "Dense"
    keras_reads: ClassVar[frozenset[str]] = frozenset({"units"})
    kernel: Tensor

    @classmethod
    def from_keras(cls, layer: KerasLayer, shape: Shape) -> Dense:
        if len(shape) != 1:
            raise UnsupportedError((f"Dense on an input of shape {shape}", "put a Flatten before it"))
        return cls(Tensor("", layer.weights["kernel"]))

    def output_shape(self, shape: Shape) -> Shape:
        if self.kernel.values.ndim != 2:
            raise ShapeError(f"needs a kernel (inputs, units), it is {self.kernel.values.shape}")
        inputs, units = self.kernel.values.shape
        if shape != (inputs,):
            raise ShapeError(f"takes ({inputs},), its input is {shape}")
        return (units,)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return linear_maps.dense(x, self.kernel.values)

    def python(self, x: str, weight: str) -> str:
        return f"dense({x}, {weight})"

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        units, n = self.kernel.values.shape[1], level
        return Scatter(
            lines=(
                f"// {self.describe()}: {shape} -> {(units,)}",
                f"for(int unit{n} = 0; unit{n} < {units}; unit{n}++) {{",
                f"const int i{n + 1} = unit{n};",
            ),
            kernel_index=(f"i{n}", f"unit{n}"),
            kernel_shape=self.kernel.values.shape,
            weight=weight,
            fan_out=units,
        )

    def describe(self) -> str:
        return "dense"
