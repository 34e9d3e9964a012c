"""Fits the kernels and the bias of a population to the spikes that it gets.

Spikes are rounded and clipped activations, so the current of the next population is not the ANN's. The least
squares of the difference, over examples and positions, give the kernels that come nearest to it: a linear
regression with a penalty on the change of the kernels. Held-out examples decide how strong the penalty is.

The sums over rows are added up over parts of the examples, each in a thread: in float64, and in the same
order for any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tgenn_gen.network.model import Population
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.shared.mixing import Mixing
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.linear_maps import pad_images
from tgenn_gen.runtime.numpy_network import in_threads

ROWS, ELEMENTS = 2**14, 2**25  # that a fit reads at most: positions of examples, and numbers in all
COLUMNS = 2400  # at most where there are as many rows: the time of a fit grows with their cube
RARE = 0.3  # of the mean deviation: columns with a smaller one, of rare spikes, are changed less
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # on the change by a column, relative to the column's variance
HELD_OUT = 4  # one example in so many
PART = 16  # examples whose rows are read at a time: they fit the processor's cache


@dataclass(frozen=True)
class _Kernel:
    """A kernel that is fitted: the number of its connection, and its place in the chain."""

    connection: int
    place: int
    map: Mixing

    @property
    def values(self) -> np.ndarray:
        return self.map.kernel.values


def fitted(population: Population, values: Mapping[str, np.ndarray], wanted: np.ndarray) -> Population:
    """The population with the kernels and the bias for which its current is nearest to a wanted one.

    values: {source: (examples, *shape)}, the mean of what it emits a step. wanted: (examples, *shape).
    Grouped, dilated and transposed convolutions, and kernels with pooling behind them, stay as they are.
    """
    kernels = _kernels(population, values)
    columns = sum(k.values[..., 0].size for k in kernels)
    positions = wanted[0].size // population.shape[-1]  # of an example
    chosen = np.random.default_rng(0).permutation(len(wanted) * positions)
    chosen = np.sort(chosen[: min(ROWS, ELEMENTS // max(columns, 1))])
    if min(columns, len(chosen)) > COLUMNS:
        kernels = []

    def read(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x and y of some examples, as `_regression` takes them, and which rows are held out."""
        part = slice(start, start + PART)
        first, last = np.searchsorted(chosen, (start * positions, (start + PART) * positions))
        here = chosen[first:last] - start * positions
        x, y = _rows(population, kernels, {name: v[part] for name, v in values.items()}, wanted[part], here)
        return x, y, (start + here // positions) % HELD_OUT == HELD_OUT - 1

    starts = range(0, len(wanted), PART)
    if kernels and columns > COLUMNS and not isinstance(kernels[0].map, DepthwiseConv2D):
        x, y, held_out = zip(*in_threads(read, starts), strict=True)
        change, shift = _regression_of_few(
            np.concatenate(x, axis=1)[0], np.concatenate(y, axis=1)[0], np.concatenate(held_out)
        )
    else:
        training, test = _sums(in_threads(lambda start: _products(*read(start)), starts))
        outputs = population.shape[-1] // len(training)
        change, shift = _regression(training, test, outputs)
    inputs, first = list(population.inputs), 0
    for k in kernels:
        last = first + k.values[..., 0].size // len(change)
        added = change[:, first:last].swapaxes(0, 1).reshape(k.values.shape)
        chain = inputs[k.connection].through
        chain = (*chain[: k.place], k.map.with_kernel(k.values + added), *chain[k.place + 1 :])
        inputs[k.connection] = replace(inputs[k.connection], through=chain)
        first = last
    bias = shift if population.bias is None else population.bias.values + shift
    return replace(population, inputs=tuple(inputs), bias=Tensor.unnamed(bias))


def _kernels(population: Population, values: Mapping[str, np.ndarray]) -> list[_Kernel]:
    """Those that are fitted together. A depthwise kernel has regressions of its own, and is fitted alone."""
    found = []
    for number, connection in enumerate(population.inputs):
        x = values[connection.source][:1]
        for place, linear_map in enumerate(connection.through):
            x = linear_map.apply(x)
            if isinstance(linear_map, Mixing):
                same_channels = x.shape[-1] == population.shape[-1]
                in_order = all(m.in_order for m in connection.through[place + 1 :])
                if same_channels and in_order and _can_be_fitted(linear_map):
                    found.append(_Kernel(number, place, linear_map))
                break
    return [k for k in found if isinstance(k.map, DepthwiseConv2D)][:1] or found


def _can_be_fitted(linear_map: Mixing) -> bool:
    if isinstance(linear_map, DepthwiseConv2D):
        return linear_map.dilation == (1, 1)
    if isinstance(linear_map, Conv1D | Conv2D):
        return linear_map.groups == 1 and linear_map.dilation in (1, (1, 1))
    return isinstance(linear_map, Dense)


def _rows(
    population: Population,
    kernels: list[_Kernel],
    values: Mapping[str, np.ndarray],
    wanted: np.ndarray,
    chosen: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """x, (groups, rows, columns), what the kernels multiply at the chosen positions; and y, (groups, rows,
    outputs), what the current lacks there.

    groups: 1; of a depthwise kernel the channels.
    """
    channels = population.shape[-1]
    lacking = wanted.reshape(-1, channels)[chosen]
    if population.bias is not None:
        bias = np.broadcast_to(population.bias.values, wanted.shape)
        lacking = lacking - bias.reshape(-1, channels)[chosen]
    read = {k.connection: k for k in kernels}
    x = [np.zeros((1, len(chosen), 0), np.float32)] if not kernels else []
    lacks = 0
    for number, connection in enumerate(population.inputs):
        source = values[connection.source]
        if number not in read:
            lacking = lacking - connection.apply(source).reshape(-1, channels)[chosen]
            continue
        k = read[number]
        for linear_map in connection.through[: k.place]:
            source = linear_map.apply(source)
        x.append(_columns(k, source, chosen).astype(np.float32, copy=False))
        groups, _, columns = x[-1].shape
        kernel = k.values.reshape(columns, groups, -1).swapaxes(0, 1)
        lacks = lacks - x[-1].astype(np.float64) @ kernel.astype(np.float64)
    joined = np.concatenate(x, axis=2)
    return joined, lacking.reshape(len(chosen), len(joined), -1).swapaxes(0, 1) + lacks


def _columns(k: _Kernel, x: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """What a kernel multiplies at the chosen positions of x, (groups, positions, elements of the kernel)."""
    if isinstance(k.map, Dense):
        return x.reshape(1, -1, x.shape[-1])[:, chosen]
    assert isinstance(k.map, Conv1D | Conv2D | DepthwiseConv2D)
    window = k.values.shape[:-2]
    strides = k.map.strides if isinstance(k.map.strides, tuple) else (k.map.strides,)
    images = pad_images(x, window, strides, k.map.padding)
    windows = sliding_window_view(images, window, axis=tuple(range(1, images.ndim - 1)))
    apart = (slice(None), *(slice(None, None, stride) for stride in strides))
    windows = windows[apart]
    positions = np.unravel_index(chosen, windows.shape[: 1 + len(window)])
    taken = windows[positions].reshape(len(chosen), x.shape[-1], -1)  # (positions, channels, window)
    if isinstance(k.map, DepthwiseConv2D):
        return taken.swapaxes(0, 1)
    return taken.swapaxes(1, 2).reshape(1, len(chosen), -1)


def _products(x: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums over the rows of the products of [x, y, 1] with each other: (groups, all, all).

    all: columns + outputs + 1. First those of the other rows, then those of the rows that are held out.
    """
    whole = np.concatenate([x, y, np.ones((*x.shape[:2], 1))], axis=2, dtype=np.float64)
    training, test = whole[:, ~held_out], whole[:, held_out]
    return training.swapaxes(1, 2) @ training, test.swapaxes(1, 2) @ test


def _sums(parts: Iterator[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The float64 sums of the products of all parts."""
    training, test = (products.astype(np.float64) for products in next(parts))
    for more_training, more_test in parts:
        training += more_training
        test += more_test
    return training, test


def _regression(training: np.ndarray, test: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """The change of the kernel, (groups, columns, outputs), and that of the bias, (all outputs,).

    training, test: sums as in `_products`. The penalty is the one with the least error on held-out rows; no
    change of the kernel where no penalty makes that error smaller.
    """
    columns = training.shape[1] - outputs - 1
    of_x, of_y = slice(columns), slice(columns, -1)
    total = training + test
    means = total[:, -1] / total[:, -1:, -1]
    training, test, total = (_about(sums, means) for sums in (training, test, total))
    variances = np.diagonal(total[:, of_x, of_x], axis1=1, axis2=2) / total[:, -1:, -1]
    deviation = _deviation(np.sqrt(np.maximum(variances, 0)))
    unit = np.concatenate([deviation, np.ones((len(deviation), outputs + 1))], axis=1)
    for sums in (training, test, total):
        sums /= unit[:, :, None]
        sums /= unit[:, None]

    def solved(sums: np.ndarray, penalty: float) -> np.ndarray:
        penalties = penalty * sums[:, -1:, -1:] * np.eye(columns)
        return np.linalg.solve(sums[:, of_x, of_x] + penalties, sums[:, of_x, of_y])

    def gain(penalty: float) -> float:
        """By how much the squared error on held-out rows falls."""
        change = solved(training, penalty)
        return float((change * (2 * test[:, of_x, of_y] - test[:, of_x, of_x] @ change)).sum())

    gains = [*in_threads(gain, PENALTIES)]
    change = np.zeros((len(total), columns, outputs))
    if max(gains) > 0:
        (change,) = in_threads(partial(solved, total), [PENALTIES[int(np.argmax(gains))]])
        change = change / deviation[:, :, None]
    return change, (means[:, of_y] - (means[:, None, of_x] @ change)[:, 0]).reshape(-1)


def _regression_of_few(x: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_regression`, with products of rows, which are fewer than the columns.

    x: (rows, columns). y: (rows, outputs), what the current lacks. Sums are in float64: a large constant in x
    leaves few digits of float32.
    """
    mean, shift = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    x, y = x - mean, y - shift
    deviation = _deviation(np.sqrt(np.einsum("rc,rc->c", x, x) / len(x))[None])[0]
    x /= deviation
    (rows,) = in_threads(lambda _: x @ x.T, [0])
    every = np.ones(len(x), bool)

    def solved(used: np.ndarray, penalty: float) -> np.ndarray:
        return np.linalg.solve(rows[used][:, used] + penalty * used.sum() * np.eye(used.sum()), y[used])

    def gain(penalty: float) -> float:
        """By how much the squared error on held-out rows falls."""
        left = y[held_out] - rows[held_out][:, ~held_out] @ solved(~held_out, penalty)
        return float(np.square(y[held_out]).sum(dtype=np.float64) - np.square(left).sum())

    gains = [*in_threads(gain, PENALTIES)]
    change = np.zeros((x.shape[1], y.shape[1]))
    if max(gains) > 0:
        (found,) = in_threads(partial(solved, every), [PENALTIES[int(np.argmax(gains))]])
        change = x.T @ found / deviation[:, None]
    return change[None], shift - mean @ change


def _about(sums: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Sums of products, as in `_products`, of [x, y] less these means; the last row and column are wrong."""
    moved = means[:, :, None] * sums[:, -1:]
    moved += moved.swapaxes(1, 2) - means[:, :, None] * means[:, None] * sums[:, -1:, -1:]
    moved[:, -1] = moved[:, :, -1] = 0  # the number of rows stays
    return sums - moved


def _deviation(deviation: np.ndarray) -> np.ndarray:
    """What columns are divided by, from their standard deviations, (groups, columns)."""
    if deviation.shape[1] == 0:
        return deviation
    deviation = np.maximum(deviation, RARE * deviation.mean(axis=1, keepdims=True))
    return np.where(deviation == 0, 1, deviation)
