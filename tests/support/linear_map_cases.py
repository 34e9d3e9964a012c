"""Linear maps to try: sizes and windows, the elements of each window one by one, chains of maps that fit."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np
from hypothesis import strategies as st

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.ops.avg_pool1d import AvgPool1D
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv1d_transpose import Conv1DTranspose
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.network.ops.crop import Crop
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv1d import DepthwiseConv1D
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.ops.permute import Permute
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.ops.up_sampling import UpSampling
from tgenn_gen.network.ops.windows import Windows
from tgenn_gen.network.tensors import Tensor

sizes = st.integers(1, 7)
windows = st.tuples(st.integers(1, 4), st.integers(1, 4))
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(["valid", "same"])
dilations = st.tuples(st.integers(1, 3), st.integers(1, 3))


def padded_axis(size: int, window: int, stride: int, padding: str) -> tuple[int, int]:
    """(outputs, zeros before) by TensorFlow's documented formulas."""
    if padding == "valid":
        return ceil((size - window + 1) / stride), 0
    outputs = ceil(size / stride)
    return outputs, max((outputs - 1) * stride + window - size, 0) // 2


def window_elements(x, window, stride, padding, dilation=(1, 1)):
    """For each output position: [(row, column in the window, x[row, column, :])], inside the image only."""
    covered = [(n - 1) * d + 1 for n, d in zip(window, dilation, strict=True)]
    rows, top = padded_axis(x.shape[0], covered[0], stride[0], padding)
    columns, left = padded_axis(x.shape[1], covered[1], stride[1], padding)
    for r, c in product(range(rows), range(columns)):
        elements = []
        for i, j in product(range(window[0]), range(window[1])):
            row = r * stride[0] + i * dilation[0] - top
            column = c * stride[1] + j * dilation[1] - left
            if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
                elements.append((i, j, x[row, column]))
        yield (r, c), (rows, columns), elements


def drawn_window(draw, shape, dilation=(1, 1)):
    """A window, and a padding in which it fits an image of this shape."""
    window = draw(windows)
    covered = [(n - 1) * d + 1 for n, d in zip(window, dilation, strict=True)]
    fits = covered[0] <= shape[0] and covered[1] <= shape[1]
    return window, draw(paddings) if fits else "same"


def _of_images(draw, shape, tensor):
    """A map with windows on an image."""
    kind = draw(st.sampled_from(["pool", "windows", "conv", "depthwise", "transpose"]))
    if kind in ("pool", "windows"):
        window, padding = drawn_window(draw, shape)
        return {"pool": AvgPool2D, "windows": Windows}[kind](window, draw(strides), padding)
    dilation, stride, more = draw(dilations), draw(strides), draw(st.integers(1, 2))
    window, padding = drawn_window(draw, shape, dilation)
    if kind == "conv":
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[2] % g == 0]))
        kernel = tensor(*window, shape[2] // groups, groups * more)
        return Conv2D(stride, padding, kernel, dilation, groups)
    kernel = tensor(*window, shape[2], more)
    if kind == "depthwise":
        return DepthwiseConv2D(stride, padding, kernel, dilation)
    return Conv2DTranspose(stride, padding, kernel, draw(st.sampled_from([None, (1, 2)])), dilation)


def _of_steps(draw, shape, tensor):
    """A map with windows on steps."""
    kind = draw(st.sampled_from(["pool", "windows", "conv", "depthwise", "transpose"]))
    dilation = 1 if kind in ("pool", "windows") else draw(st.integers(1, 3))
    stride, more = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    (_, size), padding = drawn_window(draw, (4, shape[0]), (1, dilation))
    padding = padding if (size - 1) * dilation < shape[0] else "same"
    if kind == "pool":
        return AvgPool1D(size, stride, padding)
    if kind == "windows":
        return Windows((size,), (stride,), padding)
    if kind == "conv":
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[1] % g == 0]))
        kernel = tensor(size, shape[1] // groups, groups * more)
        return Conv1D(stride, draw(st.sampled_from([padding, "causal"])), kernel, dilation, groups)
    kernel = tensor(size, shape[1], more)
    if kind == "depthwise":
        return DepthwiseConv1D(stride, padding, kernel, dilation)
    return Conv1DTranspose(stride, padding, kernel, draw(st.sampled_from([None, 1])), dilation)


def _of_any(draw, shape, tensor):
    """A map on any axes."""
    kind = draw(st.sampled_from(["scale", "dense", "pad", "crop", "up", "permute", "reshape", "flatten"]))

    def widths(*most):
        return tuple(draw(st.integers(0, n)) for n in most)

    if kind == "scale":
        return Scale(tensor(draw(st.sampled_from([1, shape[-1]]))))
    if kind == "dense":
        return Dense(tensor(shape[-1], 2))
    if kind == "pad":
        return Pad(widths(*[2] * len(shape)), widths(*[2] * len(shape)))
    if kind == "crop":
        before = widths(*(n - 1 for n in shape))
        return Crop(before, widths(*(n - 1 - b for n, b in zip(shape, before, strict=True))))
    if kind == "up":
        return UpSampling(tuple(1 + n for n in widths(*[1] * len(shape))))
    if kind == "permute":
        return Permute(tuple(draw(st.permutations(range(len(shape))))))
    return Reshape(shape, (shape[-1], *shape[:-1])) if kind == "reshape" else Flatten(shape)


@st.composite
def chains(draw, longest: int = 3) -> tuple[Shape, tuple[LinearMap, ...]]:
    """A shape, and maps that fit behind each other; one kernel at most."""
    shape: Shape = (draw(sizes), draw(sizes), draw(st.integers(1, 3)))[draw(st.integers(0, 1)) :]
    rng, start = np.random.default_rng(draw(st.integers(0, 99))), shape
    chain: list[LinearMap] = []
    for position in range(draw(st.integers(1, longest))):

        def tensor(*shape, name=f"{position}.npy"):
            return Tensor(name, rng.normal(size=shape))

        makers = [_of_any, *{2: [_of_steps], 3: [_of_images] * 2}.get(len(shape), [])]
        linear_map = draw(st.sampled_from(makers))(draw, shape, tensor)
        try:
            after = linear_map.output_shape(shape)
        except ShapeError:  # a transposed convolution of which nothing is left
            continue
        if np.prod(after) > 2000 or (linear_map.has_kernel and any(m.has_kernel for m in chain)):
            continue
        chain.append(linear_map)
        shape = after
    return start, tuple(chain)
