"""The neurons in NumPy: each object holds the state of one population for a batch of examples.

`run(current, steps)` simulates the next `steps` time steps and returns what the population emits, an array
(steps, batch, ...). The input current is (steps, batch, ...), or (1, batch, ...) if it is constant.
If a list `v_course` is given, V after each step, (batch, ...), is appended to it.
"""

from __future__ import annotations

import numpy as np

MAX_STEPS = 100_000  # the schema has the same limit
MAX_FEW_SPIKE_STEPS = 16  # 2^16 levels: their sums are still exact in float32


class IntegrateAndFire:
    """Integrate-and-fire neurons: spikes, bool.

    V starts at v_init. At each step V += gain * I. If V >= threshold, the neuron spikes and is reset: reset
    "subtract" subtracts threshold - v_rest from V; "zero" (where v_rest is 0) and "to_rest" set V to v_rest.
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
    """Integrate-and-fire neurons that can take spikes back: spikes of +1 and -1, int8.

    V starts at v_init. At each step V += I. The spike is +1 if V >= threshold; it is -1 if
    V < negative_threshold and the sum of the spikes so far is above 0. Then V -= threshold * spike.
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

    A spike at step k has the value 2^(K - 1 - k). First V = v_init + the sum of 2^(K - 1 - k) I[k]. Then, at
    each of the K steps in which it emits, the neuron spikes if V >= threshold 2^(K - 1 - k), and V is reduced
    by that.
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

    current: the spikes of all trains, (steps, batch, ..., trains). After each step the sum of the emitted
    spikes is the largest of the sums of the trains.
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
    """The largest of several spike trains in the few-spike code: all K steps at once; spikes, bool.

    A spike at step k has the value 2^(K - 1 - k), and a train the sum of these values. The emitted spikes are
    the binary digits of the largest value.
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

    weights: the value of a spike at each time step, float32 (timesteps,): 2^(K - 1 - k) in the few-spike
    code; None: 1.
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
    """The value of a spike at each step in a rate code: 1, float32 (timesteps,)."""
    return np.ones(timesteps, np.float32)


def few_spike_weights(timesteps: int) -> np.ndarray:
    """The value of a spike at each step k in the few-spike code: 2^(K - 1 - k), float32 (timesteps,)."""
    return np.float32(2) ** np.arange(timesteps - 1, -1, -1, dtype=np.float32)


def time_blocks(timesteps: int) -> list[int]:
    """The lengths of the parts in which an example is simulated: 64 steps each, then the rest.

    So memory does not depend on timesteps. Few-spike networks, which need all steps at once, have at most 16.
    """
    return [min(64, timesteps - start) for start in range(0, timesteps, 64)]


def batch_size_that_fits(timesteps: int, neurons: int, outputs: int) -> int:
    """The number of examples at a time for which the currents of the largest population take some 64 MB.

    neurons: of that population. outputs: of all output populations, whose values of all steps are kept.
    """
    return max(1, min(256, 2**24 // max(time_blocks(timesteps)[0] * neurons, timesteps * outputs)))
