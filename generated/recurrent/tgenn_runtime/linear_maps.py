"""The linear maps in NumPy. Arrays have any leading axes, here (time, batch), and channels last.

Sums are float32; they are float64 if x or the kernel is float64.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CONVOLUTION_BLOCK = 2**18  # elements of the windows of a block of images: they fit the processor's cache


def axis_padding(size: int, window: int, stride: int, padding: str) -> tuple[int, int]:
    """Keras' number of zeros (before, after) along one axis; padding="same" puts the odd one after."""
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return window - 1, 0
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad_images(x: np.ndarray, window: tuple[int, ...], strides: tuple[int, ...], padding: str) -> np.ndarray:
    """Zero-pad x (n, *sizes, channels) as Keras does; `window` has as many axes as `sizes`."""
    if padding == "valid":
        return x
    axes = zip(x.shape[1:-1], window, strides)
    return np.pad(x, [(0, 0), *(axis_padding(*axis, padding) for axis in axes), (0, 0)])


def dilated(window: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """The height and width that a window with elements `dilation` apart covers."""
    return (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1


def conv2d(
    x: np.ndarray,
    kernel: np.ndarray,
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Convolve x (..., height, width, channels) with kernel (rows, columns, channels / groups, filters).

    For a block of images that fits the processor's cache, the windows along each row are copied once, and
    each row of the kernel takes one matrix product.
    """
    if groups > 1:
        parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1))
        return np.concatenate([conv2d(*part, strides, padding, dilation) for part in parts], axis=-1)
    rows, columns, channels, filters = kernel.shape
    height, width = x.shape[-3:-1]
    covered = dilated((rows, columns), dilation)
    (top, bottom), (left, right) = (
        axis_padding(*axis, padding) for axis in zip((height, width), covered, strides)
    )
    out_height = (height + top + bottom - covered[0]) // strides[0] + 1
    out_width = (width + left + right - covered[1]) // strides[1] + 1
    dtype = np.result_type(x.dtype, kernel.dtype)
    images = x.reshape(-1, height, width, channels)
    row_kernels = kernel.reshape(rows, columns * channels, filters).astype(dtype, copy=False)
    y = np.empty((len(images), out_height, out_width, filters), dtype)
    block = max(1, CONVOLUTION_BLOCK // (height * out_width * columns * channels + 1))
    for start in range(0, len(images), block):
        part = images[start : start + block]
        padded = np.zeros((height + top + bottom, len(part), width + left + right, channels), dtype)
        padded[top : top + height, :, left : left + width] = part.swapaxes(0, 1)
        windows = np.empty((len(padded), len(part), out_width, columns, channels), dtype)
        for column in range(columns):
            first = column * dilation[1]
            last = first + (out_width - 1) * strides[1]
            windows[:, :, :, column] = padded[:, :, first : last + 1 : strides[1]]
        by_row = windows.reshape(len(padded), -1, columns * channels)
        last = (out_height - 1) * strides[0]
        total = by_row[: last + 1 : strides[0]] @ row_kernels[0]
        for row in range(1, rows):
            first = row * dilation[0]
            total += by_row[first : first + last + 1 : strides[0]] @ row_kernels[row]
        total = total.reshape(out_height, len(part), out_width, filters)
        y[start : start + block] = total.swapaxes(0, 1)
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def conv1d(
    x: np.ndarray, kernel: np.ndarray, strides: int, padding: str, dilation: int = 1, groups: int = 1
) -> np.ndarray:
    """Convolve x (..., steps, channels) with kernel (size, channels / groups, filters)."""
    y = conv2d(x[..., None, :, :], kernel[None], (1, strides), padding, (1, dilation), groups)
    return y[..., 0, :, :]


def depthwise_conv2d(
    x: np.ndarray,
    kernel: np.ndarray,
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Convolve each channel of x (..., height, width, channels) with its own kernels.

    kernel: (rows, columns, channels, multiplier); output channel c * multiplier + m comes from channel c.
    """
    rows, columns, channels, multiplier = kernel.shape
    covered = dilated((rows, columns), dilation)
    dtype = np.result_type(x.dtype, kernel.dtype)
    padded = pad_images(x.reshape(-1, *x.shape[-3:]), covered, strides, padding).astype(dtype)
    if multiplier > 1:
        padded = padded.repeat(multiplier, axis=3)
    taps = kernel.reshape(rows, columns, channels * multiplier).astype(dtype, copy=False)
    last_row, last_column = padded.shape[1] - covered[0], padded.shape[2] - covered[1]
    size = (len(padded), last_row // strides[0] + 1, last_column // strides[1] + 1, padded.shape[3])
    y = np.zeros(size, dtype)
    for row in range(rows):
        of_rows = slice(row * dilation[0], last_row + row * dilation[0] + 1, strides[0])
        for column in range(columns):
            first = column * dilation[1]
            y += padded[:, of_rows, first : last_column + first + 1 : strides[1]] * taps[row, column]
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def depthwise_conv1d(
    x: np.ndarray, kernel: np.ndarray, strides: int, padding: str, dilation: int = 1
) -> np.ndarray:
    """Convolve each channel of x (..., steps, channels) with kernels (size, channels, multiplier)."""
    return depthwise_conv2d(x[..., None, :, :], kernel[None], (1, strides), padding, (1, dilation))[
        ..., 0, :, :
    ]


def transposed_axis(
    size: int, window: int, stride: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """(outputs, cropped elements before them) of a transposed convolution along one axis, as in Keras.

    window: the elements that the kernel covers, with its dilation.
    """
    if padding == "valid":
        added = max(stride - window, 0) if output_padding is None else output_padding
        return (size - 1) * stride + window + added, 0
    outputs = size * stride
    if output_padding is not None:
        outputs = (size - 1) * stride + window % 2 + output_padding
    return outputs, max((size - 1) * stride + window - outputs, 0) // 2


def conv2d_transpose(
    x: np.ndarray,
    kernel: np.ndarray,
    strides: tuple[int, int],
    padding: str,
    output_padding: tuple[int, int] | None = None,
    dilation: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Transposed convolution of x (..., height, width, channels).

    kernel: (rows, columns, channels, filters).
    Computes one matrix product per element of the kernel, and adds it to its places in the output.
    """
    rows, columns, channels, filters = kernel.shape
    height, width = x.shape[-3:-1]
    covered = dilated((rows, columns), dilation)
    added = output_padding or (None, None)
    out_height, top = transposed_axis(height, covered[0], strides[0], padding, added[0])
    out_width, left = transposed_axis(width, covered[1], strides[1], padding, added[1])
    dtype = np.result_type(x.dtype, kernel.dtype)
    images = x.reshape(-1, height, width, channels).astype(dtype, copy=False)
    taps = kernel.astype(dtype, copy=False)
    whole_height = max(top + out_height, (height - 1) * strides[0] + covered[0])
    whole_width = max(left + out_width, (width - 1) * strides[1] + covered[1])
    y = np.zeros((len(images), whole_height, whole_width, filters), dtype)
    for row in range(rows):
        of_rows = slice(row * dilation[0], (height - 1) * strides[0] + row * dilation[0] + 1, strides[0])
        for column in range(columns):
            first = column * dilation[1]
            last = first + (width - 1) * strides[1]
            y[:, of_rows, first : last + 1 : strides[1]] += images @ taps[row, column]
    y = y[:, top : top + out_height, left : left + out_width]
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def conv1d_transpose(
    x: np.ndarray,
    kernel: np.ndarray,
    strides: int,
    padding: str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> np.ndarray:
    """Transposed convolution of x (..., steps, channels) with kernel (size, channels, filters)."""
    added = None if output_padding is None else (0, output_padding)
    y = conv2d_transpose(x[..., None, :, :], kernel[None], (1, strides), padding, added, (1, dilation))
    return y[..., 0, :, :]


def avg_pool2d(x: np.ndarray, pool: tuple[int, int], strides: tuple[int, int], padding: str) -> np.ndarray:
    """Average x (..., height, width, channels) over windows, without the padding, as in Keras."""
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


def avg_pool1d(x: np.ndarray, pool: int, strides: int, padding: str) -> np.ndarray:
    """Average x (..., steps, channels) over windows, without the padding, as in Keras."""
    return avg_pool2d(x[..., None, :, :], (1, pool), (1, strides), padding)[..., 0, :, :]


def pooling_windows(
    x: np.ndarray, pool: tuple[int, ...], strides: tuple[int, ...], padding: str
) -> np.ndarray:
    """The elements of each pooling window of x (..., *sizes, channels), on a new last axis.

    `pool` has as many axes as `sizes`. Elements outside x are 0.
    """
    axes = len(pool)
    images = pad_images(x.reshape(-1, *x.shape[x.ndim - axes - 1 :]), pool, strides, padding)
    views = sliding_window_view(images, pool, axis=tuple(range(1, axes + 1)))
    apart = (slice(None), *(slice(None, None, stride) for stride in strides))
    views = views[apart]
    return views.reshape(*x.shape[: x.ndim - axes - 1], *views.shape[1 : axes + 2], -1)


def pad(x: np.ndarray, before: tuple[int, ...], after: tuple[int, ...]) -> np.ndarray:
    """Add zeros before and after the elements of x's last axes."""
    leading = [(0, 0)] * (x.ndim - len(before))
    return np.pad(x, [*leading, *zip(before, after)])


def crop(x: np.ndarray, before: tuple[int, ...], after: tuple[int, ...]) -> np.ndarray:
    """Remove elements at the start and the end of x's last axes."""
    sizes = x.shape[x.ndim - len(before) :]
    ends = zip(before, sizes, after)
    kept = [slice(None)] * (x.ndim - len(before)) + [slice(b, size - a) for b, size, a in ends]
    return x[tuple(kept)]


def up_sampling(x: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Repeat each element along x's last axes."""
    for axis, factor in enumerate(factors, x.ndim - len(factors)):
        if factor > 1:
            x = x.repeat(factor, axis=axis)
    return x


def permute(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Put x's last axes in another order: axis a of the result is axis axes[a] of x."""
    leading = x.ndim - len(axes)
    return x.transpose(*range(leading), *(leading + axis for axis in axes))


def dense(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The matrix product of x (..., inputs) and kernel (inputs, units)."""
    dtype = np.result_type(x.dtype, kernel.dtype)
    y: np.ndarray = x.reshape(-1, x.shape[-1]).astype(dtype, copy=False) @ kernel.astype(dtype, copy=False)
    return y.reshape(*x.shape[:-1], kernel.shape[1])


def reshape(x: np.ndarray, old: tuple[int, ...], new: tuple[int, ...]) -> np.ndarray:
    """Give the last axes of x, of shape `old`, the shape `new` (C order)."""
    return x.reshape(*x.shape[: x.ndim - len(old)], *new)


def added(*currents: np.ndarray) -> np.ndarray:
    """The sum of several currents; spikes (bool) count as 0 and 1."""
    total = currents[0].astype(np.result_type(currents[0].dtype, np.float32))
    for current in currents[1:]:
        total = total + current
    return total


def scale(x: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """Multiply x (..., channels) by one factor, or one per channel."""
    return x * np.asarray(factor, np.result_type(x.dtype, np.float32))
