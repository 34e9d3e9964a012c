"""Readouts: how an output is computed from the output population, with runtime.readout_functions.

membrane     the membrane potential of integrators
spike_count  the sum of spikes, with their sign and the weight of their step (Diehl et al. 2015)
first_spike  the step of the first spike: the earliest one wins (time to first spike)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tgenn_gen.runtime import readout_functions


@dataclass(frozen=True)
class Readout:
    """A kind of readout.

    read     a function: the value after each step, from the spikes or potentials of the population
    output   a function: that value in units of the ANN's activations
    unit     the unit of `read` per step, in words
    """

    read: Callable[..., np.ndarray]
    output: Callable[..., np.ndarray]
    unit: str


def _earliest(read: np.ndarray, scale: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return readout_functions.earliest(read, steps)


READOUTS = {
    "membrane": Readout(readout_functions.read_membrane, readout_functions.mean_per_step, "V / steps"),
    "spike_count": Readout(
        readout_functions.read_spike_count, readout_functions.mean_per_step, "spikes per step"
    ),
    "first_spike": Readout(
        readout_functions.read_first_spike,
        _earliest,
        "1 / step of the first spike",
    ),
}
