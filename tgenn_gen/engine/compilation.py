"""Functions compiled by numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called with arguments of some types.

    It holds no lock of Python while it runs, so that several threads simulate batches at the same time. numba
    keeps what it compiled in __pycache__ or the user's cache folder; in memory if it can write to neither.
    """
    # as NumPy, no exception for a division by zero
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that can be written to
        return njit(**options)(function)
