"""Small networks whose cost NeuroBench measures, as arrays: for tests, and for the twins in PyTorch.

Weights and examples are multiples of 1/16, so that all sums are exact. A third of the weights are 0. It needs
only NumPy, because the environment of the twins has no more of this package.
"""

from __future__ import annotations

from typing import Any

import numpy as np

TIMESTEPS = 8


def dense(neuron: str) -> dict[str, Any]:
    """Two layers of neurons and an integrator, with biases."""
    weights = _weights(1)
    return {
        "neuron": neuron,
        "x": _examples(12),
        "layers": [
            {"kernel": weights(12, 10), "bias": weights(10)},
            {"kernel": weights(10, 7), "bias": weights(7)},
            {"kernel": weights(7, 4), "bias": None},
        ],
    }


def convolutional(neuron: str) -> dict[str, Any]:
    """7x9x2, strided with padding to 4x5x3; pooled and convolved with an even kernel to 1x1x5; then dense."""
    weights = _weights(2)
    return {
        "neuron": neuron,
        "x": _examples(7, 9, 2),
        "layers": [
            {"kernel": weights(3, 3, 2, 3), "bias": weights(3), "strides": (2, 2), "padding": (1, 1)},
            {"kernel": weights(2, 2, 3, 5), "bias": None, "pool": (2, 2)},
            {"kernel": weights(5, 4), "bias": weights(4)},
        ],
    }


def _weights(seed: int) -> Any:
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        values = rng.integers(-6, 11, shape) / 16
        return np.where(rng.random(shape) < 1 / 3, 0, values).astype(np.float32)

    return weights


def _examples(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 17, (25, *shape)) / 16
    return np.where(rng.random(x.shape) < 0.4, 0, x).astype(np.float32)


NEURONS = ("integrate_and_fire", "signed_integrate_and_fire", "few_spike")
CASES = {
    f"{name} {neuron}": make(neuron)
    for neuron in NEURONS
    for name, make in (("dense", dense), ("convolutional", convolutional))
}
