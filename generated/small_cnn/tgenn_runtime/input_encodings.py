"""Input encodings in NumPy: objects like those of `neuron_updates`.

They run on examples x (1, batch, ...), or (steps, batch, ...) of what is shown at each step.
"""

import numpy as np

from .data import Examples, Table, count_of, named, presented
from .random_numbers import uniform


class ConstantCurrent:
    """The example itself at every step, float64, so that the order of summation does not matter."""

    def run(self, x: np.ndarray, steps: int) -> np.ndarray:
        return x.astype(np.float64)


class Spikes:
    """Binary examples: a spike, bool, at every step where x is 1."""

    def run(self, x: np.ndarray, steps: int) -> np.ndarray:
        return np.broadcast_to(x != 0, (steps, *x.shape[1:]))


class Poisson:
    """A spike with probability |x| at each step, independent of all others.

    bool; where signed, int8 with the sign of x.
    """

    def __init__(self, keys: np.ndarray, signed: bool = False) -> None:
        self.keys, self.signed, self.step = keys, signed, 0

    def run(self, x: np.ndarray, steps: int) -> np.ndarray:
        probability, sign = np.abs(x), np.sign(x).astype(np.int8)
        spikes = np.empty((steps, *x.shape[1:]), np.int8 if self.signed else bool)
        for step in range(steps):
            drawn = uniform(self.keys, self.step + step, x.shape[2:]) < probability[step % len(x)]
            spikes[step] = drawn * sign[step % len(x)] if self.signed else drawn
        self.step += steps
        return spikes


def input_problem(x: np.ndarray, low: float, high: float, binary: bool) -> str:
    """Why an encoding that takes low to high (binary: 0 and 1) cannot take x; "" if it can."""
    smallest, largest = float(x.min()) + 0.0, float(x.max()) + 0.0  # no negative zero
    if binary:
        other = x[(x != 0) & (x != 1)]
        return f"the encoding takes only 0 and 1, the input has {other[0]:g}" if other.size else ""
    if smallest < low or largest > high:
        return f"the encoding takes {low:g} to {high:g}, the input ranges from {smallest:g} to {largest:g}"
    return ""


def values_problem(examples: Examples, inputs: Table) -> str:
    """Why the inputs' encodings cannot take these examples; "" if they can. Checks parts, to save memory."""
    total, size = count_of(examples), max(1, 1000 // max(entry["frames"] for entry in inputs.values()))
    for start in range(0, total, size):
        for name, x in presented(examples, start, start + size, inputs).items():
            if problem := input_problem(x, *inputs[name]["values"]):
                return named(name, problem, inputs)
    return ""
