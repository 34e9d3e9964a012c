"""The neurons in NumPy, all steps of a batch at once.

`current` is the input current, (timesteps, batch, ...), or (1, batch, ...) where it is constant.
"""

import numpy as np


def integrate_and_fire(
    current: np.ndarray, timesteps: int, threshold: float, reset: str, v_init: float
) -> np.ndarray:
    """Integrate-and-fire neurons: spikes, bool (timesteps, batch, ...).

    V starts at v_init; at each step V += I; where V >= threshold a neuron spikes and is reset:
    "subtract" takes the threshold away from V, "zero" sets V to 0.
    """
    current = np.broadcast_to(current, (timesteps, *current.shape[1:]))
    spikes = np.empty(current.shape, bool)
    v = np.full(current.shape[1:], v_init, np.float32)
    for step in range(timesteps):
        v += current[step]
        np.greater_equal(v, np.float32(threshold), out=spikes[step])
        if reset == "subtract":
            v -= np.float32(threshold) * spikes[step]
        else:
            v[spikes[step]] = 0
    return spikes


def integrate(current: np.ndarray, timesteps: int) -> np.ndarray:
    """Integrators that never spike: V after each step, float32 (timesteps, batch, ...); V += I from 0."""
    current = np.broadcast_to(current, (timesteps, *current.shape[1:]))
    return np.cumsum(current, axis=0, dtype=np.float32)


def readout(course: np.ndarray, scale: float) -> np.ndarray:
    """The value read after each step, float32 (timesteps, batch, ...), in the units of ANN activations.

    course: the output population's spikes (bool) or membrane potentials. Scale x spikes, or potential,
    per step.
    """
    total = np.cumsum(course, axis=0, dtype=np.float32) if course.dtype == bool else course
    steps = np.arange(1, len(course) + 1, dtype=np.float32).reshape(-1, *[1] * (course.ndim - 1))
    return total * np.float32(scale) / steps


def batch_size_that_fits(timesteps: int, neurons: int) -> int:
    """Examples at a time, so that the currents of the largest population take some 64 MB."""
    return max(1, min(256, 2**24 // (timesteps * neurons)))
