"""What convolution and pooling share: windows that slide over height and width, and Keras' padding."""

from __future__ import annotations

from dataclasses import dataclass

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Loop, dilated_window_loop, window_loop
from tgenn_gen.network.ops.linear_map import ShapeError
from tgenn_gen.network.ops.shared.kernel_checks import require_size
from tgenn_gen.runtime.linear_maps import axis_padding, dilated

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Windows over an image (height, width, channels), `strides` apart, of elements `dilation` apart."""

    size: Pair
    strides: Pair
    padding: str
    dilation: Pair = (1, 1)

    @property
    def covered(self) -> Pair:
        """The height and width from a window's first element to its last."""
        return dilated(self.size, self.dilation)

    def output(self, shape: Shape) -> Pair:
        """How many there are. Raises ShapeError where one is larger than an unpadded input."""
        require_size(self.size)
        height, width = self.covered
        if self.padding == "valid" and (height > shape[0] or width > shape[1]):
            raise ShapeError(f"a window of {height}x{width} is larger than the input, {shape[0]}x{shape[1]}")
        rows, columns = (
            (shape[axis] + sum(self._padding(shape, axis)) - self.covered[axis]) // self.strides[axis] + 1
            for axis in (0, 1)
        )
        return rows, columns

    def before(self, shape: Shape) -> Pair:
        """The zeros put above and to the left of the input."""
        return self._padding(shape, 0)[0], self._padding(shape, 1)[0]

    def is_padded(self, shape: Shape) -> bool:
        """Whether some window reaches beyond the input."""
        return any(sum(self._padding(shape, axis)) > 0 for axis in (0, 1))

    def _padding(self, shape: Shape, axis: int) -> Pair:
        return axis_padding(shape[axis], self.covered[axis], self.strides[axis], self.padding)

    def scatter(self, shape: Shape, level: int) -> tuple[str | Loop, ...]:
        """Code from i<level> to its channel<level> and, for all windows that hold it, out_row<level>,
        out_column<level> and its place in the window, tap_row<level>, tap_column<level>."""
        lines: tuple[str | Loop, ...] = image_index(shape, level)
        for axis, name in enumerate(("row", "column")):
            at, target, tap = f"{name}{level}", f"out_{name}{level}", f"tap_{name}{level}"
            window, stride, dilation = self.size[axis], self.strides[axis], self.dilation[axis]
            before, outputs = self.before(shape)[axis], self.output(shape)[axis]
            if dilation == 1:
                lines += window_loop(at, target, tap, window, stride, before, outputs)
            else:
                lines += dilated_window_loop(at, target, tap, window, stride, dilation, before, outputs)
        return lines

    def describe(self) -> str:
        """Its size, its padding, and what else is not as usual for a convolution."""
        words = f"{self.size[0]}x{self.size[1]} {self.padding}"
        if self.strides != (1, 1):
            words += f" strides {self.strides[0]}x{self.strides[1]}"
        if self.dilation != (1, 1):
            words += f" dilation {self.dilation[0]}x{self.dilation[1]}"
        return words


def image_index(shape: Shape, level: int) -> tuple[str, ...]:
    """Code from i<level>, in an image (height, width, channels), to row, column and channel."""
    _, width, channels = shape
    i, n = f"i{level}", level
    return (
        f"const int row{n} = {i} / {width * channels};",
        f"const int column{n} = ({i} / {channels}) % {width};",
        f"const int channel{n} = {i} % {channels};",
    )
