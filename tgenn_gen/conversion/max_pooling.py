"""Max-pooling: windows that are small enough for maximum neurons, and layers that commute with a maximum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from tgenn_gen.keras_reader.keras_model import KerasLayer, UnsupportedError
from tgenn_gen.keras_reader.supported_layers import NOTHING, Reason, relu_slope
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.neurons.maximum import MAX_WINDOW
from tgenn_gen.network.ops.avg_pool1d import AvgPool1D
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.windows import Windows


@dataclass(frozen=True)
class Pooling:
    """Windows over one or two axes."""

    pool: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str

    @property
    def size(self) -> int:
        return prod(self.pool)

    def windows(self) -> LinearMap:
        """The linear map that puts the elements of each window on a new axis."""
        return Windows(self.pool, self.strides, self.padding)

    def average(self) -> LinearMap:
        """The linear map to the mean of each window."""
        if len(self.pool) == 1:
            return AvgPool1D(self.pool[0], self.strides[0], self.padding)
        return AvgPool2D(self.pool, self.strides, self.padding)  # type: ignore[arg-type]

    def stages(self, shape: Shape) -> Iterator[Pooling]:
        """Poolings of at most MAX_WINDOW elements that together do the same, one after the other.

        shape: of the input. Raises UnsupportedError where the window cannot be split.
        """
        if self.size <= MAX_WINDOW:
            yield self
            return
        for axis, length in enumerate(self.pool):
            if length > 1 or self.strides[axis] > 1:
                yield from self._along(axis, shape[axis])

    def _along(self, axis: int, size: int) -> Iterator[Pooling]:
        """Stages along one axis of `size` elements."""
        length, stride, padding = self.pool[axis], self.strides[axis], self.padding
        while length > MAX_WINDOW:
            if length == size and padding == "valid":  # the whole axis: padding it with 0 is allowed
                part, padding_of_part = -(-length // -(-length // MAX_WINDOW)), "same"
            else:
                fitting = [n for n in range(2, MAX_WINDOW + 1) if length % n == 0]
                if not fitting or stride != length or padding != "valid":
                    message = (
                        f"max-pooling windows of {length} elements on an axis, expected at most {MAX_WINDOW}"
                    )
                    raise UnsupportedError((message, "pool in two steps with smaller windows"))
                part, padding_of_part = fitting[-1], padding
            yield self._on(axis, part, part, padding_of_part)
            size = -(-size // part) if padding_of_part == "same" else size // part
            length = -(-length // part)
            stride = length
        yield self._on(axis, length, stride, padding)

    def _on(self, axis: int, length: int, stride: int, padding: str) -> Pooling:
        ones = (1,) * len(self.pool)
        pool, strides = [*ones], [*ones]
        pool[axis], strides[axis] = length, stride
        return Pooling(tuple(pool), tuple(strides), padding)


def pooling_of(layer: KerasLayer) -> tuple[Pooling, tuple[LinearMap, ...]]:
    """The windows of a max-pooling layer, and the maps after it, which drop the axes of a global one."""
    shape, config = layer.input_shapes[0], layer.config
    if not layer.class_name.startswith("Global"):
        pool, strides = (_numbers(config[name]) for name in ("pool_size", "strides"))
        return Pooling(pool, strides, config["padding"]), ()
    kept = (*[1] * (len(shape) - 1), shape[-1])
    dropped = () if config["keepdims"] else (Reshape(kept, shape[-1:]),)
    return Pooling(shape[:-1], shape[:-1], "valid"), dropped


def window_reasons(layer: KerasLayer) -> list[Reason]:
    """The reasons why the windows of a max-pooling layer cannot be split."""
    if None in layer.input_shapes[0]:
        return []
    try:
        list(pooling_of(layer)[0].stages(layer.input_shapes[0]))
    except UnsupportedError as error:
        return list(error.reasons)
    return []


def passes_maximum(layer: KerasLayer) -> bool:
    """Whether a layer never decreases: it may stand between a max-pooling and a ReLU that this waits for."""
    if layer.class_name == "BatchNormalization":
        return bool((layer.weights.get("gamma", np.ones(1)) >= 0).all())
    activation = layer.config.get("activation", "relu")
    rises = layer.class_name in ("ReLU", "Activation") and activation in ("relu", "relu6", "linear")
    return layer.class_name in NOTHING or (rises and not relu_slope(layer).any())


def _numbers(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
