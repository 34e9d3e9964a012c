"""What is required of a kernel, of a window, and of the Keras layer that a map is read from."""

from __future__ import annotations

import numpy as np

from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.kinds import ShapeError, UnsupportedError

MAX_WINDOW_ELEMENTS = 2**16


def require_size(window: tuple[int, int]) -> None:
    """Raise ShapeError for a window that is too large."""
    if window[0] * window[1] > MAX_WINDOW_ELEMENTS:
        raise ShapeError(f"a window of {window[0]}x{window[1]} is larger than {MAX_WINDOW_ELEMENTS} elements")


def require_kernel(kernel: np.ndarray, axes: str) -> None:
    """Raise ShapeError for a kernel that has not these axes, such as "(inputs, units)"."""
    if kernel.ndim != axes.count(",") + 1:
        raise ShapeError(f"needs a kernel {axes}, it is {kernel.shape}")


def require_channels_last(layer: KerasLayer, *others: tuple[str, str]) -> None:
    """Raise UnsupportedError where the layer's data format, or what `others` say of it, is unsupported."""
    data_format = layer.config.get("data_format", "channels_last")  # Cropping1D has none
    reasons = list(others)
    if data_format != "channels_last":
        reasons.insert(0, (f"data_format '{data_format}'", "use data_format='channels_last'"))
    if reasons:
        raise UnsupportedError(*reasons)
