"""The currents of populations, computed event by event by compiled functions; other maps are those of NumPy.

With 20 % of the elements not zero a 3x3 convolution takes 0.3 (64 channels) to 0.6 (16) of the time of
TensorFlow's dense one, one thread each. Why numba: it is one package without a framework, and compiles for
the processor at hand. Dense convolutions of TensorFlow or PyTorch cannot skip zeros, and sparse matrices of
SciPy would hold a number and an index for each synapse instead of a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from tgenn_gen.engine.event_sums import add_depthwise, add_scaled, average, convolve
from tgenn_gen.network.model import Connection, Population
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.runtime.linear_maps import axis_padding, dilated

# add(x, total, bias): add what a map makes of x (..., *shape) to total. With a bias, (channels,) or
# (*shape,), total becomes the bias plus that, whatever it was.
Adder = Callable[[np.ndarray, np.ndarray, "np.ndarray | None"], None]
Values = Sequence[np.ndarray]  # what each connection reads
Pair = tuple[int, int]


def current_function(
    population: Population, bias: np.ndarray | None
) -> Callable[[Values], np.ndarray] | None:
    """A function like `population.mapped_each`, up to rounding, that adds a bias; None if not compiled."""
    adders = [_adder(connection) for connection in population.inputs]
    if not any(adders) or population.neuron.current_shape(population.shape) != population.shape:
        return None
    start = np.zeros(population.shape[-1:], np.float32) if bias is None else bias

    def current(sources: Values) -> np.ndarray:
        exact = [x.dtype == np.float64 for x in sources]
        if any(exact) and not all(exact):  # a constant current of few values, beside spikes
            total = population.mapped_each(sources)
            return total if bias is None else total + bias
        steps, batch = max(len(x) for x in sources), sources[0].shape[1]
        total = np.empty((steps, batch, *population.shape), np.float64 if all(exact) else np.float32)
        first: np.ndarray | None = start
        for x, connection, adder in zip(sources, population.inputs, adders, strict=True):
            if adder is None:
                _add_values(connection.apply(x), total, first)
            else:
                for linear_map in connection.through[:-1]:
                    x = _averages(linear_map, x) if isinstance(linear_map, AvgPool2D) else linear_map.apply(x)
                adder(x, total, first)
            first = None
        return total

    return current


def _adder(connection: Connection) -> Adder | None:
    """The compiled form of the last map of a connection; None where it has none."""
    if not connection.through:
        return partial(_add_scaled, np.ones(1, np.float32))
    last = connection.through[-1]
    return ADDERS[type(last)](last) if type(last) in ADDERS else None


def _conv2d(m: Conv2D) -> Adder:
    return _convolution(m.kernel.values, m.strides, m.padding, m.dilation, m.groups)


def _conv1d(m: Conv1D) -> Adder:
    add = _convolution(m.kernel.values[None], (1, m.strides), m.padding, (1, m.dilation), m.groups)
    return lambda x, total, bias: add(x[..., None, :, :], total[..., None, :, :], bias)


def _dense(m: Dense) -> Adder:
    convolution = _Convolution(m.kernel.values[None, None], (1, 1), "valid", (1, 1))

    def add(x: np.ndarray, total: np.ndarray, bias: np.ndarray | None) -> None:
        height = math.prod(x.shape[2:-1])  # all axes but the channels become the rows of an image
        images, sums = (a.reshape(*a.shape[:2], height, 1, a.shape[-1]) for a in (x, total))
        convolution(images, sums, None if bias is None else bias.reshape(-1, 1, bias.shape[-1]))

    return add


def _depthwise_conv2d(m: DepthwiseConv2D) -> Adder | None:
    if m.kernel.values.shape[3] > 1:
        return None
    kernel, window = m.kernel.values.reshape(-1), m.kernel.values.shape[:2]

    def add(x: np.ndarray, total: np.ndarray, bias: np.ndarray | None) -> None:
        size, out_size = x.shape[-3:], total.shape[-3:]
        start = np.empty(0, np.float32) if bias is None else bias.reshape(-1)
        before = _zeros_before(size, dilated(window, m.dilation), m.strides, m.padding)
        how = (kernel, window, m.strides, m.dilation, before, start, total.reshape(-1), out_size)
        add_depthwise(_flat(x), size, *how)

    return add


def _scale(m: Scale) -> Adder:
    return partial(_add_scaled, m.factor.values)


ADDERS: dict[type[LinearMap], Callable[..., Adder | None]] = {
    Conv2D: _conv2d,
    Conv1D: _conv1d,
    Dense: _dense,
    Scale: _scale,
    DepthwiseConv2D: _depthwise_conv2d,
}


class _Convolution:
    """A convolution, with its kernel (rows, columns, channels, filters) as `convolve` takes it."""

    def __init__(self, kernel: np.ndarray, strides: Pair, padding: str, dilation: Pair) -> None:
        self.kernel, self.window, self.filters = kernel, kernel.shape[:2], kernel.shape[3]
        self.strides, self.padding, self.dilation = strides, padding, dilation
        self.padded = -(-self.filters // 8) * 8 if self.filters <= 8 else -(-self.filters // 16) * 16
        self.arranged = cache(self._arranged)

    def __call__(self, x: np.ndarray, total: np.ndarray, bias: np.ndarray | None) -> None:
        if self.filters < self.padded:
            wider = np.empty((*total.shape[:-1], self.padded), total.dtype)
            self._convolve(x, wider, np.zeros(self.padded, np.float32))
            _add_values(wider[..., : self.filters], total, bias)
        else:
            self._convolve(x, total, np.empty(0, np.float32) if bias is None else bias)

    def _arranged(self, dtype: np.dtype) -> tuple[tuple[int, ...], tuple[int, ...], np.ndarray]:
        """`width`, `at_once` and `kernel` of `convolve`, for sums of this type."""
        wide = np.dtype(dtype).itemsize // 4
        lanes = next(n for n in (64, 32, 16, 8) if self.padded % n == 0 and n * wide <= 64)
        # the sums of 96 float32 fill 12 of the 16 vector registers that most processors have; few different
        # numbers, since `convolve` is compiled for each
        most = 1 if lanes > 32 or self.strides[0] > 1 or self.window[0] == 1 else 96 // (lanes * wide)
        at_once = 5 if most >= 5 and self.window[0] > 3 else 3 if most >= 3 else 1
        kernel = np.zeros((*self.kernel.shape[:3], self.padded), dtype)
        kernel[..., : self.filters] = self.kernel
        kernel = np.moveaxis(kernel.reshape(*kernel.shape[:3], -1, lanes), -2, 0).reshape(-1)
        return (0,) * (lanes // 8), (0,) * at_once, kernel

    def _convolve(self, x: np.ndarray, out: np.ndarray, bias: np.ndarray) -> None:
        width, at_once, kernel = self.arranged(out.dtype)
        size, out_size = x.shape[-3:], out.shape[-3:]
        before = _zeros_before(size, dilated(self.window, self.dilation), self.strides, self.padding)
        images, flat, start = _flat(x), out.reshape(-1), bias.reshape(-1)
        how = (kernel, self.window, self.strides, self.dilation, before, start, flat, out_size)
        convolve(width, at_once, images, size, *how)


def _convolution(kernel: np.ndarray, strides: Pair, padding: str, dilation: Pair, groups: int) -> Adder:
    parts = [_Convolution(part, strides, padding, dilation) for part in np.split(kernel, groups, axis=-1)]
    return parts[0] if groups == 1 else partial(_add_groups, parts)


def _add_groups(
    groups: list[_Convolution], x: np.ndarray, total: np.ndarray, bias: np.ndarray | None
) -> None:
    found = [np.empty((*total.shape[:-1], group.filters), total.dtype) for group in groups]
    for group, part, out in zip(groups, np.split(x, len(groups), axis=-1), found, strict=True):
        group(part, out, np.zeros(group.filters, np.float32))
    _add_values(np.concatenate(found, axis=-1), total, bias)


def _add_scaled(factor: np.ndarray, x: np.ndarray, total: np.ndarray, bias: np.ndarray | None) -> None:
    """Add factor x to total. factor: one number, or one for each channel."""
    values, flat = _flat(np.broadcast_to(x, total.shape)), total.reshape(-1)
    start = np.empty(0, np.float32) if bias is None else bias.reshape(-1)
    add_scaled(values, factor, start, flat)


def _add_values(y: np.ndarray, total: np.ndarray, bias: np.ndarray | None) -> None:
    np.add(y, total if bias is None else bias, out=total)


def _zeros_before(size: tuple[int, ...], window: Pair, strides: Pair, padding: str) -> tuple[int, ...]:
    """The zeros (above, left of) images of `size` (height, width, channels)."""
    return tuple(axis_padding(*axis, padding)[0] for axis in zip(size[:2], window, strides, strict=True))


def _flat(x: np.ndarray) -> np.ndarray:
    """All values in a row: int8, of spikes, or floats."""
    flat = np.ascontiguousarray(x, np.float32 if x.dtype == np.uint16 else x.dtype).reshape(-1)
    return flat.view(np.int8) if flat.dtype == bool else flat


def _averages(m: AvgPool2D, x: np.ndarray) -> np.ndarray:
    """m.apply(x), the same numbers."""
    size, out_size = x.shape[-3:], m.output_shape(x.shape[-3:])
    before = _zeros_before(size, m.pool, m.strides, m.padding)
    found = np.empty((*x.shape[:-3], *out_size), np.result_type(x.dtype, np.float32))
    images, flat = _flat(x), found.reshape(-1)
    average(images, size, m.pool, m.strides, before, flat, out_size)
    return found
