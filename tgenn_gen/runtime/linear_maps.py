"""The linear maps in NumPy. All take any leading axes, here (time, batch), and channels last."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Keras' padding="same" along one axis: (before, after); the odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad_images(x: np.ndarray, window: tuple[int, int], strides: tuple[int, int], padding: str) -> np.ndarray:
    """Zero-pad x (n, height, width, channels) as Keras does for padding "valid" or "same"."""
    if padding == "valid":
        return x
    rows = same_padding(x.shape[1], window[0], strides[0])
    columns = same_padding(x.shape[2], window[1], strides[1])
    return np.pad(x, ((0, 0), rows, columns, (0, 0)))


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: tuple[int, int], padding: str) -> np.ndarray:
    """Convolve x (..., height, width, channels) with kernel (rows, columns, channels, filters).

    One matrix product for each kernel row: the windows along a row of pixels are copied once
    and serve all kernel rows. Works in blocks of images that fit the processor's cache.
    """
    rows, columns, channels, filters = kernel.shape
    images = x.reshape(-1, *x.shape[-3:])
    row_kernels = kernel.reshape(rows, columns * channels, filters)
    block = max(1, 2**18 // (images[0].size * columns + 1))
    blocks = []
    for start in range(0, len(images), block):
        padded = pad_images(images[start : start + block], (rows, columns), strides, padding)
        count, height, width, _ = padded.shape
        lines = np.ascontiguousarray(padded, kernel.dtype).reshape(count, height, width * channels)
        windows = sliding_window_view(lines, columns * channels, axis=2)[:, :, :: strides[1] * channels]
        windows = np.ascontiguousarray(windows)
        last = height - rows
        y = windows[:, 0 : last + 1 : strides[0]] @ row_kernels[0]
        for row in range(1, rows):
            y += windows[:, row : last + row + 1 : strides[0]] @ row_kernels[row]
        blocks.append(y)
    y = np.concatenate(blocks)
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def avg_pool2d(x: np.ndarray, pool: tuple[int, int], strides: tuple[int, int], padding: str) -> np.ndarray:
    """Average x (..., height, width, channels) over windows; padding does not count, as in Keras."""
    images = x.reshape(-1, *x.shape[-3:])
    dtype = np.result_type(x.dtype, np.float32)

    def window_sums(z: np.ndarray) -> np.ndarray:
        z = pad_images(z, pool, strides, padding)
        last_row, last_column = z.shape[1] - pool[0], z.shape[2] - pool[1]
        y = np.zeros((len(z), last_row // strides[0] + 1, last_column // strides[1] + 1, z.shape[3]), dtype)
        for row in range(pool[0]):
            for column in range(pool[1]):
                y += z[
                    :, row : last_row + row + 1 : strides[0], column : last_column + column + 1 : strides[1]
                ]
        return y

    counts = window_sums(np.ones((1, *x.shape[-3:-1], 1), dtype))
    y = window_sums(images) * (1 / counts)
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def dense(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Multiply x (..., inputs) with kernel (inputs, units)."""
    y: np.ndarray = x.reshape(-1, x.shape[-1]).astype(kernel.dtype, copy=False) @ kernel
    return y.reshape(*x.shape[:-1], kernel.shape[1])


def reshape(x: np.ndarray, old: tuple[int, ...], new: tuple[int, ...]) -> np.ndarray:
    """Give the last axes of x, of shape `old`, the shape `new` (C order)."""
    return x.reshape(*x.shape[: x.ndim - len(old)], *new)


def added(*currents: np.ndarray) -> np.ndarray:
    """The sum of what several chains give, float32; spikes (bool) count as 0 and 1."""
    total = currents[0].astype(np.float32)
    for current in currents[1:]:
        total = total + current
    return total


def scale(x: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """Multiply x (..., channels) with one factor, or one a channel."""
    return x * np.asarray(factor, np.result_type(x.dtype, np.float32))
