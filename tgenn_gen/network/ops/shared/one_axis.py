"""Maps on (steps, channels), implemented as maps on images of one row, (1, steps, channels)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.tensors import Tensor


class OneAxis(LinearMap):
    """A map on (steps, channels)."""

    @property
    @abstractmethod
    def on_images(self) -> LinearMap:
        """The same map on (1, steps, channels); a kernel is replaced by a placeholder without values."""

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ShapeError(f"expected input shape (steps, channels), got {shape}")
        return self.on_images.output_shape((1, *shape))[1:]

    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        on_images = self.on_images.scatter((1, *shape), level, weight)
        title = f"// {self.describe()}: {shape} -> {self.output_shape(shape)}"
        return replace(on_images, lines=(title, *on_images.lines[1:]))


def of_one_row(kernel: Tensor) -> Tensor:
    """A placeholder without values for `kernel` on images of one row."""
    return Tensor.placeholder("", (1, *kernel.values.shape))


def require_channels(shape: Shape, channels: int) -> None:
    """Raise ShapeError if `shape` is not (steps, channels)."""
    if len(shape) != 2 or shape[1] != channels:
        raise ShapeError(f"expected input shape (steps, {channels}), got {shape}")


def words(strides: int, dilation: int) -> str:
    """Strides and dilation in words, if they are not 1."""
    return (f" strides {strides}" if strides > 1 else "") + (f" dilation {dilation}" if dilation > 1 else "")
