"""Fits the kernels and the bias of a population to the spikes that it gets.

Spikes are rounded and clipped activations, so the current of the next population is not the ANN's. The least
squares of the difference, over examples and positions, give the kernels that come nearest to it: a linear
regression with a penalty on the change of the kernels. Held-out examples decide how strong the penalty is.

A current below 0 gives no spikes, whatever its value: where both the ANN's and the fitted current are below 0
there is no error (Zhang et al. 2016, "Accelerating very deep convolutional networks for classification and
detection", section 3.2, fit the layers of an ANN to its ReLUs in this way).
"""

from __future__ import annotations

from collections.abc import Mapping
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

ROWS, ELEMENTS = 2**15, 2**25  # that a fit reads at most: positions of examples, and numbers in all
COLUMNS = 4096  # at most: the time of a fit grows with their cube
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # on the change by a column, relative to the column's variance
HELD_OUT = 4  # one example in so many
ROUNDS = 3  # of the regression; each takes the signs of the current from the one before


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
    current = population.current(values)
    before, missing = (a.reshape(-1, channels) for a in (current, wanted - current))
    kernels = _kernels(population, values)
    columns = sum(k.values[..., 0].size for k in kernels)
    chosen = np.random.default_rng(0).permutation(len(before))[: min(ROWS, ELEMENTS // max(columns, 1))]
    held_out = chosen * len(current) // len(before) % HELD_OUT == HELD_OUT - 1
    read = [_columns(k, chosen) for k in kernels]
    x = np.concatenate(read or [np.zeros((1, len(chosen), 0), np.float32)], axis=2, dtype=np.float32)
    before, missing = (a[chosen].reshape(len(chosen), len(x), -1).swapaxes(0, 1) for a in (before, missing))
    change, shift = _regression(x, before, missing, held_out, population.neuron.spikes)
    inputs, first = list(population.inputs), 0
    for k, part in zip(kernels, read, strict=True):
        added = change[:, first : first + part.shape[2]].swapaxes(0, 1).reshape(k.values.shape)
        chain = inputs[k.connection].through
        chain = (*chain[: k.place], k.map.with_kernel(k.values + added), *chain[k.place + 1 :])
        inputs[k.connection] = replace(inputs[k.connection], through=chain)
        first += part.shape[2]
    bias = shift if population.bias is None else population.bias.values + shift
    return replace(population, inputs=tuple(inputs), bias=Tensor.unnamed(bias))


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
        if linear_map.groups > 1 or linear_map.dilation not in (1, (1, 1)):
            return False
    elif not isinstance(linear_map, Dense):
        return False
    return linear_map.kernel.values[..., 0].size <= COLUMNS


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


def _regression(
    x: np.ndarray, before: np.ndarray, missing: np.ndarray, held_out: np.ndarray, rectified: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The change of the kernel, (groups, columns, outputs), and that of the bias, (all outputs,).

    x: (groups, rows, columns). before, missing: (groups, rows, outputs), the current and what it lacks.
    """
    mean, deviation = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    deviation[deviation == 0] = 1
    x = (x - mean) / deviation
    target = np.where(before + missing > 0, missing, np.minimum(0, -before)) if rectified else missing
    inverse = _inverse(x, target, held_out)
    for _ in range(ROUNDS if rectified else 1):
        shift = target.mean(axis=1, keepdims=True)
        change = inverse @ (x.swapaxes(1, 2) @ (target - shift))
        target = np.where(before + missing > 0, missing, np.minimum(x @ change + shift, -before))
    change = change / deviation.swapaxes(1, 2)
    return change, (shift - mean @ change).reshape(-1)


def _inverse(x: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """(x' x + rows penalty)^-1 for the penalty with the least error on rows that are held out.

    It is 0 where no regression of y has a smaller error there than the mean of y.
    """
    fitted, test = x[:, ~held_out], x[:, held_out]
    of_fitted = fitted.swapaxes(1, 2) @ fitted
    mean = y[:, ~held_out].mean(axis=1, keepdims=True)
    wanted, test_y = fitted.swapaxes(1, 2) @ (y[:, ~held_out] - mean), y[:, held_out] - mean
    best, least = np.inf, np.square(test_y).sum()
    for penalty in PENALTIES:
        change = _solved(of_fitted, penalty * fitted.shape[1]) @ wanted
        error = np.square(test_y - test @ change).sum()
        if error < least:
            best, least = penalty, error
    if best == np.inf:
        return np.zeros_like(of_fitted)
    return _solved(of_fitted + test.swapaxes(1, 2) @ test, best * x.shape[1])


def _solved(products: np.ndarray, penalty: float) -> np.ndarray:
    return np.linalg.inv(products + penalty * np.eye(products.shape[1])).astype(np.float32)
