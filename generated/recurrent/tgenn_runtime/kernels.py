"""Kernels: the weights that the synapses of a chain share, float64; GeNN gets them rounded to float32."""

import numpy as np


def constant(weight: float) -> np.ndarray:
    """A kernel (1,): all synapses have the same weight."""
    return np.full(1, weight)


def outer(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The product of each weight of the first kernel with each of the second, (*first, *second)."""
    return np.multiply.outer(first, second, dtype=np.float64)


def scaled(factor: float, kernel: np.ndarray) -> np.ndarray:
    """All weights times a number."""
    return np.multiply(factor, kernel, dtype=np.float64)


def window_means(rows: int, columns: int) -> np.ndarray:
    """Weights of average pooling, (rows, columns): 1 / (r c) for windows of r rows and c columns."""
    return 1 / np.outer(np.arange(1, rows + 1), np.arange(1, columns + 1))


def powers(base: float, count: int) -> np.ndarray:
    """1, base, base^2 ... (count,)."""
    return base ** np.arange(count)
