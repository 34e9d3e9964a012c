"""Checks of kernels and windows."""

from __future__ import annotations

import numpy as np

from tgenn_gen.network.ops.linear_map import ShapeError

MAX_WINDOW_ELEMENTS = 2**16


def require_size(window: tuple[int, int]) -> None:
    """Raise ShapeError if the window has more than MAX_WINDOW_ELEMENTS elements."""
    if window[0] * window[1] > MAX_WINDOW_ELEMENTS:
        size = f"{window[0]}x{window[1]}"
        raise ShapeError(f"expected a window of at most {MAX_WINDOW_ELEMENTS} elements, got {size}")


def require_kernel(kernel: np.ndarray, axes: str) -> None:
    """Raise ShapeError if the kernel does not have the axes `axes`, such as "(inputs, units)"."""
    if kernel.ndim != axes.count(",") + 1:
        raise ShapeError(f"expected kernel shape {axes}, got {kernel.shape}")
