"""The neurons in NumPy: each object holds the state of one population for a batch of examples.

`run(current, steps)` simulates the next `steps` time steps and returns what the population emits, an array
(steps, batch, ...). The input current is (steps, batch, ...), or (1, batch, ...) if it is constant.
If a list `v_course` is given, V after each step, (batch, ...), is appended to it.
`next_example()`, where a class has it, keeps the state for the next example of a stream.

Few-spike neurons decode their whole input before they emit. So they emit one value for each example, uint16
(1, batch, ...): the sum of 2^(K - 1 - k) over the steps k at which they spike. Their current is the sum over
an example too, with the same weights. `few_spikes` gives the spikes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MAX_STEPS = 100_000  # the schema has the same limit
LONGEST_PART = 64  # steps that are simulated at a time
MAX_FEW_SPIKE_STEPS = 16  # 2^16 levels: their sums are still exact in float32
BLOCK = 2**15  # neurons that are updated for all steps at a time: their state fits the processor's cache


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
        self.v = state_of(self.v, current)
        spikes = np.empty((steps, *self.v.shape), bool)
        course = np.empty((0 if v_course is None else steps, *self.v.shape), np.float32)
        for v, inputs, emitted, seen in blocks(self.v, current, spikes, course):
            change = np.empty_like(v)
            for step in range(steps):
                part = inputs[step % len(inputs)]
                v += part if self.gain == 1 else np.multiply(part, self.gain, out=change)
                np.greater_equal(v, self.threshold, out=emitted[step])
                if self.reset == "subtract":
                    np.copyto(change, emitted[step])
                    change *= self.threshold - self.v_rest
                    v -= change
                else:
                    np.copyto(v, self.v_rest, where=emitted[step])
                if len(seen):
                    seen[step] = v
        if v_course is not None:
            v_course.extend(course)
        return spikes

    def next_example(self) -> None:
        """Keep the state for the next example of a stream."""


class LeakyIntegrateAndFire:
    """Leaky integrate-and-fire neurons: spikes, bool.

    V starts at v_init. At each step V = v_rest + (V - v_rest) * decay + gain * I. If V >= threshold, the
    neuron spikes and is reset as IntegrateAndFire is. For the next `refractory_steps` steps V stays then, and
    the neuron does not spike. With a syn_decay, I_syn = I_syn * syn_decay + I takes the place of I at each
    step; it starts at 0. decay is exp(-dt / tau), or 1 - dt / tau for Euler steps, and syn_decay the same of
    tau_syn.
    """

    def __init__(  # type: ignore[no-untyped-def]
        self, threshold, reset, v_init, decay, v_rest=0.0, gain=1.0, refractory_steps=0, syn_decay=None
    ):
        self.threshold, self.reset, self.decay = np.float32(threshold), reset, np.float32(decay)
        self.v_rest, self.gain = np.float32(v_rest), np.float32(gain)
        self.refractory_steps = np.float32(refractory_steps)
        self.syn_decay = None if syn_decay is None else np.float32(syn_decay)
        self.v = np.asarray(v_init, np.float32)
        self.i_syn = np.zeros(1, np.float32)
        self.steps_left = np.zeros(1, np.float32)  # of the refractory time

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        self.v, self.steps_left = state_of(self.v, current), state_of(self.steps_left, current)
        self.i_syn = state_of(self.i_syn, current)
        spikes = np.empty((steps, *self.v.shape), bool)
        course = np.empty((0 if v_course is None else steps, *self.v.shape), np.float32)
        for v, i_syn, left, inputs, emitted, seen in blocks(
            self.v, self.i_syn, self.steps_left, current, spikes, course
        ):
            for step in range(steps):
                drive = inputs[step % len(inputs)]
                if self.syn_decay is not None:
                    i_syn *= self.syn_decay
                    i_syn += drive
                    drive = i_syn
                new = v - self.v_rest if self.v_rest else v * self.decay
                if self.v_rest:
                    new *= self.decay
                    new += self.v_rest
                new += drive if self.gain == 1 else drive * self.gain
                np.greater_equal(new, self.threshold, out=emitted[step])
                if self.refractory_steps:
                    refractory = left > 0
                    left -= refractory
                    np.copyto(new, v, where=refractory)
                    emitted[step] &= ~refractory
                    np.copyto(left, self.refractory_steps, where=emitted[step])
                if self.reset == "subtract":
                    new -= (self.threshold - self.v_rest) * emitted[step]
                else:
                    np.copyto(new, self.v_rest, where=emitted[step])
                v[:] = new
                if len(seen):
                    seen[step] = v
        if v_course is not None:
            v_course.extend(course)
        return spikes

    def next_example(self) -> None:
        """Keep the state for the next example of a stream."""


class SignedIntegrateAndFire:
    """Integrate-and-fire neurons that can take spikes back: spikes of +1 and -1, int8.

    V starts at v_init. At each step V += I. The spike is +1 if V >= threshold; it is -1 if
    V < negative_threshold and the sum of the spikes so far is above 0. Then V -= threshold * spike.
    """

    def __init__(self, threshold, negative_threshold, v_init):  # type: ignore[no-untyped-def]
        self.threshold, self.negative_threshold = np.float32(threshold), np.float32(negative_threshold)
        self.v = np.asarray(v_init, np.float32)
        self.sum = np.zeros(1, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        self.v, self.sum = state_of(self.v, current), state_of(self.sum, current)
        spikes = np.empty((steps, *self.v.shape), np.int8)
        course = np.empty((0 if v_course is None else steps, *self.v.shape), np.float32)
        for v, total, inputs, emitted, seen in blocks(self.v, self.sum, current, spikes, course):
            up, down, some = (np.empty(v.shape, bool) for _ in range(3))
            change = np.empty_like(v)
            for step in range(steps):
                v += inputs[step % len(inputs)]
                np.greater_equal(v, self.threshold, out=up)
                np.less(v, self.negative_threshold, out=down)
                np.greater(total, 0, out=some)
                down &= some
                np.subtract(up.view(np.int8), down.view(np.int8), out=emitted[step])
                np.copyto(change, emitted[step])
                total += change
                change *= self.threshold
                v -= change
                if len(seen):
                    seen[step] = v
        if v_course is not None:
            v_course.extend(course)
        return spikes

    def next_example(self) -> None:
        """Keep V for the next example of a stream, which has its own sum of spikes."""
        self.sum = np.zeros(1, np.float32)


class FewSpike:
    """Few-spike neurons: the value of all spikes of an example, uint16 (1, batch, ...).

    A spike at step k has the value 2^(K - 1 - k). First V = v_init + the current. Then, at each of the K
    steps in which it emits, the neuron spikes if V >= threshold 2^(K - 1 - k), and V is reduced by that. So
    its value is V / threshold, rounded down and clipped to 0 to 2^K - 1.
    """

    def __init__(self, threshold, v_init):  # type: ignore[no-untyped-def]
        self.threshold, self.v_init = np.float32(threshold), np.asarray(v_init, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        v = state_of(self.v_init, current)
        values = np.empty((1, *v.shape), np.uint16)
        for v_block, inputs, emitted in blocks(v, current, values):
            v_block += inputs[0]
            levels = v_block
            if np.frexp(self.threshold)[0] != 0.5:  # the quotient can round up, unlike that by a power of two
                levels = v_block.astype(np.float64)
            levels = levels / self.threshold
            np.clip(levels, 0, 2**steps - 1, out=levels)
            np.copyto(emitted[0], levels, casting="unsafe")
        if v_course is not None:
            spikes, v = few_spikes(values, steps), v.astype(np.float64)  # in which all differences are exact
            for weight, spike in zip(few_spike_weights(steps), spikes):
                v = v - np.float64(self.threshold * weight) * spike
                v_course.append(v.astype(np.float32))
        return values


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
    """The largest of several values of few-spike neurons, uint16 (1, batch, ...).

    current: the values of all trains, uint16 (1, batch, ..., trains).
    """

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        values: np.ndarray = current.max(axis=-1)
        if v_course is not None:
            rest = values[0].astype(np.float32)
            for weight, spike in zip(few_spike_weights(steps), few_spikes(values, steps)):
                rest = rest - weight * spike
                v_course.append(rest)
        return values


class Integrate:
    """Integrators that never spike: V, float32, which is the sum of the current.

    V after each step; only after the last one where the current is (1, batch, ...), summed over the steps.
    """

    def __init__(self) -> None:
        self.v = np.zeros(1, np.float32)

    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        course = np.array(current, np.float32)
        course[0] += self.v
        course = np.cumsum(course, axis=0, dtype=np.float32)
        self.v = course[-1]
        if v_course is not None:
            v_course.extend(course)
        return course


def state_of(values: np.ndarray, current: np.ndarray) -> np.ndarray:
    """A copy of the state of neurons, or of their start values, float32 (batch, ...)."""
    return np.array(np.broadcast_to(values, current.shape[1:]), np.float32, order="C")


def blocks(state: np.ndarray, *others: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yield views of some neurons of a state (batch, ...), (neurons,), and of arrays with a time axis.

    Arrays (steps, batch, ...) give (steps, neurons); other states (batch, ...) give (neurons,).
    """
    flat = [a.reshape(*a.shape[: a.ndim - state.ndim], state.size) for a in (state, *others)]
    for start in range(0, state.size, BLOCK):
        yield [a[..., start : start + BLOCK] for a in flat]


def few_spikes(values: np.ndarray, timesteps: int) -> np.ndarray:
    """The spikes of values of few-spike neurons, uint16 (1, batch, ...): bool (timesteps, batch, ...)."""
    digits = np.arange(timesteps - 1, -1, -1, dtype=np.uint16).reshape(-1, *[1] * (values.ndim - 1))
    return (values >> digits & 1).astype(bool)


def rate_weights(timesteps: int) -> np.ndarray:
    """The value of a spike at each step in a rate code: 1, float32 (timesteps,)."""
    return np.ones(timesteps, np.float32)


def few_spike_weights(timesteps: int) -> np.ndarray:
    """The value of a spike at each step k in the few-spike code: 2^(K - 1 - k), float32 (timesteps,)."""
    return np.float32(2) ** np.arange(timesteps - 1, -1, -1, dtype=np.float32)


def step_weights(timesteps: int, few_spike: bool) -> np.ndarray:
    """The value of a spike at each step in the code of a network, float32 (timesteps,)."""
    return few_spike_weights(timesteps) if few_spike else rate_weights(timesteps)


def time_blocks(timesteps: int, longest: int = LONGEST_PART) -> list[int]:
    """The lengths of the parts in which an example is simulated: `longest` steps each, then the rest.

    So memory does not depend on timesteps. Few-spike networks, which need all steps at once, have at most 16.
    """
    return [min(longest, timesteps - start) for start in range(0, timesteps, longest)]
