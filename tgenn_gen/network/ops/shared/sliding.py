"""For convolution and pooling: windows that slide over height and width, with Keras' padding."""

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
        """The number of windows: rows, columns. Raises ShapeError if a window does not fit the input."""
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
        """The rows of zeros above the input, and the columns of zeros to its left."""
        return self._padding(shape, 0)[0], self._padding(shape, 1)[0]

    def is_padded(self, shape: Shape) -> bool:
        """Whether some window reaches beyond the input."""
        return any(sum(self._padding(shape, axis)) > 0 for axis in (0, 1))

    def _padding(self, shape: Shape, axis: int) -> Pair:
        return axis_padding(shape[axis], self.covered[axis], self.strides[axis], self.padding)

    def scatter(self, shape: Shape, level: int) -> tuple[str | Loop, ...]:
        """Code that splits i<level> into row, column and channel<level>, and loops over the windows that
        contain it: out_row<level>, out_column<level>; its place in them is tap_row<level>, tap_column<level>.
        """
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
        """Size and padding; strides and dilation if they are not 1."""
        words = f"{self.size[0]}x{self.size[1]} {self.padding}"
        if self.strides != (1, 1):
            words += f" strides {self.strides[0]}x{self.strides[1]}"
        if self.dilation != (1, 1):
            words += f" dilation {self.dilation[0]}x{self.dilation[1]}"
        return words


def image_index(shape: Shape, level: int) -> tuple[str, ...]:
    """Code that splits the flat index i<level> in an image (height, width, channels) into its indices."""
    _, width, channels = shape
    i, n = f"i{level}", level
    return (
        f"const int row{n} = {i} / {width * channels};",
        f"const int column{n} = ({i} / {channels}) % {width};",
        f"const int channel{n} = {i} % {channels};",
    )
