"""What maps share that move elements along axes: GeNN code for indices, and widths of borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError


def indices(shape: Shape, level: int) -> tuple[str, ...]:
    """Code from i<level>, in C order, to its index at<level>_<axis> along each axis."""
    lines = []
    for axis, size in enumerate(shape):
        step = prod(shape[axis + 1 :])
        index = f"i{level} / {step}" if step > 1 else f"i{level}"
        if axis > 0:
            index = f"({index}) % {size}" if step > 1 else f"{index} % {size}"
        lines.append(f"const int at{level}_{axis} = {index};")
    return tuple(lines)


def flat_index(index: Sequence[str], shape: Shape) -> str:
    """The expression of the index in C order of an element whose index along each axis is given."""
    flat = index[0]
    for at, size in zip(index[1:], shape[1:], strict=True):
        flat = f"({flat}) * {size} + {at}"
    return flat


def require_axes(shape: Shape, **numbers: tuple[int, ...]) -> None:
    """Raise ShapeError where a field has not one number an axis."""
    for name, values in numbers.items():
        if len(values) != len(shape):
            axes = f"{len(shape)} numbers in {name}, one for each axis of {shape}"
            raise ShapeError(f"expected {axes}, got {len(values)}")


@dataclass(frozen=True)
class Border(LinearMap):
    """A map that adds or takes away elements before and after each axis, channels too."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def channelwise(self) -> bool:
        return self.before[-1] == self.after[-1] == 0

    @property
    def routing(self) -> bool:
        return True
