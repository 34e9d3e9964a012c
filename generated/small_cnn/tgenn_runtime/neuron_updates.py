"""The neurons in NumPy: each object holds the state of one population for a batch of examples.

`run(current, steps)` goes on for the next `steps` time steps with input current (steps, batch, ...), or
(1, batch, ...) where it is constant, and gives what the population emits: an array (steps, batch, ...).
It appends V after each step, (batch, ...), to the list `v_course`, where one is given.
"""

from __future__ import annotations

import numpy as np

MAX_STEPS = 100_000  # as the schema says
MAX_FEW_SPIKE_STEPS = 16  # 2^16 levels; sums of them are still exact in float32


class IntegrateAndFire:
    """Integrate-and-fire neurons: spikes, bool.

    V starts at v_init; at each step V += gain * I; where V >= threshold a neuron spikes and is reset:
    "subtract" takes threshold - v_rest away from V, "zero" (where v_rest is 0) and "to_rest" set V to v_rest.
    """

    def __init__(self, threshold, reset, v_init, v_rest=0.0, gain=1.0):  # type: ignore[no-untyped-def]
        self.threshold, self.reset = np.float32(threshold), reset
        self.v_rest, self.gain = np.float32(v_rest), np.float32(gain)
        self.v = np.asarray(v_init, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        current = np.broadcast_to(current, (steps, *current.shape[1:]))
        v = np.array(np.broadcast_to(self.v, current.shape[1:]))
        spikes = np.empty(current.shape, bool)
        for step in range(steps):
            v += current[step] if self.gain == 1 else self.gain * current[step]
            np.greater_equal(v, self.threshold, out=spikes[step])
            if self.reset == "subtract":
                v -= (self.threshold - self.v_rest) * spikes[step]
            else:
                np.copyto(v, self.v_rest, where=spikes[step])
            if v_course is not None:
                v_course.append(v.copy())
        self.v = v
        return spikes


class SignedIntegrateAndFire:
    """Integrate-and-fire neurons that take spikes back: spikes of +1 and -1, int8.

    V starts at v_init; at each step V += I; a spike of +1 where V >= threshold; of -1 where
    V < negative_threshold and the spikes so far sum to more than 0; V -= threshold * spike.
    """

    def __init__(self, threshold, negative_threshold, v_init):  # type: ignore[no-untyped-def]
        self.threshold, self.negative_threshold = np.float32(threshold), np.float32(negative_threshold)
        self.v = np.asarray(v_init, np.float32)
        self.sum = np.zeros(1, np.int32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        current = np.broadcast_to(current, (steps, *current.shape[1:]))
        v = np.array(np.broadcast_to(self.v, current.shape[1:]))
        total = np.array(np.broadcast_to(self.sum, v.shape))
        spikes = np.empty(current.shape, np.int8)
        for step in range(steps):
            v += current[step]
            spike = spikes[step]
            np.subtract(
                v >= self.threshold, (v < self.negative_threshold) & (total > 0), out=spike, dtype=np.int8
            )
            v -= self.threshold * spike
            total += spike
            if v_course is not None:
                v_course.append(v.copy())
        self.v, self.sum = v, total
        return spikes


class FewSpike:
    """Few-spike neurons: all K steps of an example at once; spikes, bool.

    The spike of step k stands for 2^(K - 1 - k). V = v_init + the sum of 2^(K - 1 - k) I[k]; then, at
    each of the K steps in which it emits, a neuron spikes where V >= threshold 2^(K - 1 - k), and V is
    lowered by that.
    """

    def __init__(self, threshold, v_init):  # type: ignore[no-untyped-def]
        self.threshold, self.v_init = np.float32(threshold), np.asarray(v_init, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        current = np.broadcast_to(current, (steps, *current.shape[1:]))
        v = np.array(np.broadcast_to(self.v_init, current.shape[1:]))
        weights = few_spike_weights(steps)
        for step in range(steps):
            v += weights[step] * current[step]
        spikes = np.empty(current.shape, bool)
        for step in range(steps):
            np.greater_equal(v, self.threshold * weights[step], out=spikes[step])
            v -= self.threshold * weights[step] * spikes[step]
            if v_course is not None:
                v_course.append(v.copy())
        return spikes


class Maximum:
    """The largest of several spike trains: spikes, bool; +1 and -1, int8, where the trains are signed.

    Takes the spikes of all trains, (steps, batch, ..., trains). After each step the sum of its spikes is the
    largest of the trains' sums.
    """

    def __init__(self, signed: bool) -> None:
        self.dtype = np.dtype(np.int8 if signed else bool)
        self.sums = self.largest = np.zeros(1, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        trains = np.moveaxis(current, -1, 1)
        sums = np.array(np.broadcast_to(self.sums, trains.shape[1:]))
        spikes = np.empty(current.shape[:-1], self.dtype)
        for step in range(steps):
            sums += trains[step]
            largest = sums.max(axis=0)
            spikes[step] = largest - self.largest
            self.largest = largest
            if v_course is not None:
                v_course.append(largest)
        self.sums = sums
        return spikes


class FewSpikeMaximum:
    """The same for the few-spike code: all K steps of an example at once; spikes, bool.

    The spike of step k stands for 2^(K - 1 - k), and a train for the sum of that; its spikes are the binary
    digits of the largest.
    """

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        trains, weights = np.moveaxis(current, -1, 1), few_spike_weights(steps)
        values = np.zeros(trains.shape[1:], np.float32)
        for step in range(steps):
            values += weights[step] * trains[step]
        rest = values.max(axis=0)
        spikes = np.empty(current.shape[:-1], bool)
        for step in range(steps):
            np.greater_equal(rest, weights[step], out=spikes[step])
            rest -= weights[step] * spikes[step]
            if v_course is not None:
                v_course.append(rest.copy())
        return spikes


class Integrate:
    """Integrators that never spike: V after each step, float32; V += weight I from 0.

    weights: of each time step of an example, float32 (timesteps,): 2^(K - 1 - k) for few spikes; else 1.
    """

    def __init__(self, weights: np.ndarray | None = None) -> None:
        self.weights = weights
        self.v = np.zeros(1, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        weights = rate_weights(steps)
        if self.weights is not None:
            weights, self.weights = self.weights[:steps], self.weights[steps:]
        course = np.multiply(weights.reshape(-1, *[1] * (current.ndim - 1)), current, dtype=np.float32)
        course[0] += self.v
        course = np.cumsum(course, axis=0, dtype=np.float32)
        self.v = course[-1]
        if v_course is not None:
            v_course.extend(course)
        return course


def rate_weights(timesteps: int) -> np.ndarray:
    """What a spike of each step stands for in a rate code: 1, float32 (timesteps,)."""
    return np.ones(timesteps, np.float32)


def few_spike_weights(timesteps: int) -> np.ndarray:
    """What a spike of each step stands for in the few-spike code: 2^(K - 1 - k), float32 (timesteps,)."""
    return np.float32(2) ** np.arange(timesteps - 1, -1, -1, dtype=np.float32)


def time_blocks(timesteps: int) -> list[int]:
    """The lengths of the parts in which an example is simulated: 64 steps, then what is left.

    Memory is that of one part, however long an example is shown. Few-spike networks have fewer steps.
    """
    return [min(64, timesteps - start) for start in range(0, timesteps, 64)]


def batch_size_that_fits(timesteps: int, neurons: int, outputs: int) -> int:
    """Examples at a time, so that the currents of the largest population take some 64 MB.

    neurons: of that population; outputs: of all output populations, whose values of all steps are kept.
    """
    return max(1, min(256, 2**24 // max(time_blocks(timesteps)[0] * neurons, timesteps * outputs)))
