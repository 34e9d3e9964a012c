"""Fits the kernels and the bias of a population to the spikes that it gets.

Spikes are rounded and clipped activations, so the current of the next population is not the ANN's. The least
squares of the difference, over examples and positions, give the kernels that come nearest to it: a linear
regression with a penalty on the change of the kernels. Held-out examples decide how strong the penalty is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

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

ROWS, ELEMENTS = 2**14, 2**25  # that a fit reads at most: positions of examples, and numbers in all
COLUMNS = 2400  # at most where there are as many rows: the time of a fit grows with their cube
RARE = 0.3  # of the mean deviation: columns with a smaller one, of rare spikes, are changed less
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # on the change by a column, relative to the column's variance
HELD_OUT = 4  # one example in so many


@dataclass(frozen=True)
class _Kernel:
    """A kernel that is fitted: the number of its connection, its place in the chain, and what it reads.

    x: (examples, ..., channels)
    """

    connection: int
    place: int
    map: Mixing
    x: np.ndarray

    @property
    def values(self) -> np.ndarray:
        return self.map.kernel.values


def fitted(population: Population, values: Mapping[str, np.ndarray], wanted: np.ndarray) -> Population:
    """The population with the kernels and the bias for which its current is nearest to a wanted one.

    values: {source: (examples, *shape)}, the mean of what it emits a step. wanted: (examples, *shape).
    Grouped, dilated and transposed convolutions, and kernels with pooling behind them, stay as they are.
    """
    channels = population.shape[-1]
    missing = (wanted - population.current(values)).reshape(-1, channels)
    kernels = _kernels(population, values)
    columns = sum(k.values[..., 0].size for k in kernels)
    chosen = np.random.default_rng(0).permutation(len(missing))[: min(ROWS, ELEMENTS // max(columns, 1))]
    if not 0 < min(columns, len(chosen)) <= COLUMNS:
        return _with_shift(population, missing[chosen].mean(axis=0))
    held_out = chosen * len(wanted) // len(missing) % HELD_OUT == HELD_OUT - 1
    read = [_columns(k, chosen) for k in kernels]
    x = np.concatenate(read, axis=2, dtype=np.float32)
    y = missing[chosen].reshape(len(chosen), len(x), -1).swapaxes(0, 1)
    change, shift = _regression(x, y, held_out)
    inputs, first = list(population.inputs), 0
    for k, part in zip(kernels, read, strict=True):
        added = change[:, first : first + part.shape[2]].swapaxes(0, 1).reshape(k.values.shape)
        chain = inputs[k.connection].through
        chain = (*chain[: k.place], k.map.with_kernel(k.values + added), *chain[k.place + 1 :])
        inputs[k.connection] = replace(inputs[k.connection], through=chain)
        first += part.shape[2]
    return _with_shift(replace(population, inputs=tuple(inputs)), shift)


def _with_shift(population: Population, shift: np.ndarray) -> Population:
    bias = shift if population.bias is None else population.bias.values + shift
    return replace(population, bias=Tensor.unnamed(bias))


def _kernels(population: Population, values: Mapping[str, np.ndarray]) -> list[_Kernel]:
    """Those that are fitted together. A depthwise kernel has regressions of its own, and is fitted alone."""
    found = []
    for number, connection in enumerate(population.inputs):
        x = values[connection.source]
        for place, linear_map in enumerate(connection.through):
            if isinstance(linear_map, Mixing):
                same_channels = linear_map.apply(x[:1]).shape[-1] == population.shape[-1]
                in_order = all(m.in_order for m in connection.through[place + 1 :])
                if same_channels and in_order and _can_be_fitted(linear_map):
                    found.append(_Kernel(number, place, linear_map, x))
                break
            x = linear_map.apply(x)
    return [k for k in found if isinstance(k.map, DepthwiseConv2D)][:1] or found


def _can_be_fitted(linear_map: Mixing) -> bool:
    if isinstance(linear_map, DepthwiseConv2D):
        return linear_map.dilation == (1, 1)
    if isinstance(linear_map, Conv1D | Conv2D):
        return linear_map.groups == 1 and linear_map.dilation in (1, (1, 1))
    return isinstance(linear_map, Dense)


def _columns(k: _Kernel, chosen: np.ndarray) -> np.ndarray:
    """What a kernel multiplies at the chosen positions, (groups, positions, elements of the kernel).

    groups: 1; of a depthwise kernel the channels.
    """
    x = k.x
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


def _regression(x: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The change of the kernel, (groups, columns, outputs), and that of the bias, (all outputs,).

    x: (groups, rows, columns). y: (groups, rows, outputs), what the current lacks. The penalty is the one
    with the least error on held-out rows; no change of the kernel where no penalty makes that error smaller.
    """
    mean, deviation = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    deviation = np.maximum(deviation, RARE * deviation.mean(axis=2, keepdims=True))
    deviation[deviation == 0] = 1
    shift = y.mean(axis=1, keepdims=True)
    x, y = (x - mean) / deviation, y - shift
    test_x, test_y = x[:, held_out], y[:, held_out]
    change, least = np.zeros((len(x), x.shape[2], y.shape[2])), float(np.square(test_y).sum())
    solve_training, solve_all = _solver(x[:, ~held_out], y[:, ~held_out]), _solver(x, y)
    for penalty in PENALTIES:
        error = float(np.square(test_y - test_x @ solve_training(penalty)).sum())
        if error < least:
            least, change = error, solve_all(penalty)
    change = change / deviation.swapaxes(1, 2)
    return change, (shift - mean @ change).reshape(-1)


def _solver(x: np.ndarray, y: np.ndarray) -> Callable[[float], np.ndarray]:
    """A function of a penalty: the solution of the ridge regression, (groups, columns, outputs)."""
    rows, columns = x.shape[1:]
    transposed = x.swapaxes(1, 2)
    if rows < columns:  # the smaller one of two equal forms
        products = x @ transposed
        return lambda penalty: transposed @ _solved(products, y, penalty * rows)
    products, wanted = transposed @ x, transposed @ y
    return lambda penalty: _solved(products, wanted, penalty * rows)


def _solved(products: np.ndarray, wanted: np.ndarray, penalty: float) -> np.ndarray:
    solution: np.ndarray = np.linalg.solve(products + penalty * np.eye(products.shape[1]), wanted)
    return solution.astype(wanted.dtype)
