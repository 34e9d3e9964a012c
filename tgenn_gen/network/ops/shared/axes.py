"""For maps that move elements along axes: GeNN code for indices, and borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError


def indices(shape: Shape, level: int) -> tuple[str, ...]:
    """Code that splits the flat index i<level> (C order) into at<level>_<axis>, one index for each axis."""
    lines = []
    for axis, size in enumerate(shape):
        step = prod(shape[axis + 1 :])
        index = f"i{level} / {step}" if step > 1 else f"i{level}"
        if axis > 0:
            index = f"({index}) % {size}" if step > 1 else f"{index} % {size}"
        lines.append(f"const int at{level}_{axis} = {index};")
    return tuple(lines)


def flat_index(index: Sequence[str], shape: Shape) -> str:
    """The expression of the flat index (C order) of the element with these indices along the axes."""
    flat = index[0]
    for at, size in zip(index[1:], shape[1:], strict=True):
        flat = f"({flat}) * {size} + {at}"
    return flat


def require_axes(shape: Shape, **numbers: tuple[int, ...]) -> None:
    """Raise ShapeError if a field does not have one number for each axis."""
    for name, values in numbers.items():
        if len(values) != len(shape):
            axes = f"{len(shape)} numbers in {name}, one for each axis of {shape}"
            raise ShapeError(f"expected {axes}, got {len(values)}")


@dataclass(frozen=True)
class Border(LinearMap):
    """A map that adds or removes elements at the start and end of each axis, including channels."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def channelwise(self) -> bool:
        return self.before[-1] == self.after[-1] == 0

    @property
    def routing(self) -> bool:
        return True
