"""A batch of examples in NumPy: what the function `populations` of reference.py simulates a network with."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .data import Examples
from .neuron_settings import NeuronSettings
from .neuron_updates import Integrate, few_spike_weights, few_spikes, step_weights
from .random_numbers import Drawn, random_keys
from .readout_functions import each_step
from .recording import Recording

Weights = Callable[[str, tuple[int, ...]], np.ndarray]
SpikeCounts = Callable[[np.ndarray], "tuple[np.ndarray, np.ndarray]"]


class Batch:
    """Simulates a batch of examples, population by population, and records what it is asked for.

    The function `populations` is called for each part of the time steps (NumpyNetwork.parts).

    read_weights  a function of a weight file and its shape
    examples      {input: float32 (batch, *shape), or (batch, frames, *shape)}
    numbers       the examples' numbers, on which random numbers depend
    frames        {input: how many an example has}
    timesteps     of an example
    settings      parameters of neurons that the user set
    few_spike     whether spikes are in the few-spike code: then all time steps are one part
    no_spikes     {population: (steps, 1, *shape), zeros of its spikes' type}: of how many steps `past` needs
                  what it emitted
    outputs       the names of the output populations
    every_step    whether outputs are wanted after each step; where V or I is recorded, they are there too
    counts        whether spikes are counted
    count_updates whether changes of V are counted
    recording     what is recorded of the examples
    spike_counts  the function of that name, or one that does the same
    before        the batch that this one follows in a stream: neurons keep their state
    """

    def __init__(
        self,
        read_weights: Weights,
        examples: Examples,
        numbers: range,
        seed: int,
        *,
        frames: Mapping[str, int],
        timesteps: int,
        settings: NeuronSettings,
        few_spike: bool,
        no_spikes: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        every_step: bool,
        counts: bool,
        count_updates: bool,
        recording: Recording,
        spike_counts: SpikeCounts,
        before: Batch | None = None,
    ) -> None:
        self.weights, self._spike_counts = read_weights, spike_counts
        self.few_spike = few_spike
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.spiking: list[str] = []
        self.with_v: list[str] = []
        self.with_i: list[str] = []  # whose neurons have a current each
        self.emitted: dict[str, list[np.ndarray]] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.net_counts: dict[str, np.ndarray] = {}
        self.spikes: dict[str, list[np.ndarray]] = {}
        self.v: dict[str, list[np.ndarray]] = {}
        self.i: dict[str, list[np.ndarray]] = {}
        self._examples, self._numbers, self._seed = examples, numbers, seed
        self._settings = settings
        self._outputs, self._counted, self._asked = outputs, counts, recording
        rows = recording.rows(numbers)
        self._rows = slice(0) if rows is None else rows
        self.recording = Recording() if rows is None else recording  # of this batch
        self.every_step = every_step or bool(self.recording.v or self.recording.i)
        self._count_updates = count_updates
        self.membrane_updates: dict[str, np.ndarray] = {}
        self._last_v: dict[str, np.ndarray] = {}
        self.neurons: dict[str, Any] = {}
        for name, kept in ({} if before is None else before.neurons).items():
            if hasattr(kept, "next_example"):
                kept.next_example()
                self.neurons[name] = kept
        self._frames, self._timesteps = frames, timesteps
        self.first = self.steps = 0  # the first step of the present part, and how many it has
        # {population: the steps it has run, and what it emitted in the last of them, (steps, batch, *shape)}
        self._past = {name: (0, np.repeat(zeros, len(numbers), axis=1)) for name, zeros in no_spikes.items()}
        if before is not None:
            self._past = {name: (0, before.last(name, len(zeros))) for name, zeros in no_spikes.items()}

    # What reference.py calls.

    def example(self, name: str) -> np.ndarray:
        """What an input shows in this part of the time steps, float32 (1, batch, *shape)."""
        x = self._examples[name]
        if self._frames[name] > 1:
            x = x[:, self.first * self._frames[name] // self._timesteps]
        return x[None]

    def current(self, name: str) -> np.ndarray:
        """The constant current of an input, float64 (1, batch, *shape), so that sums do not depend on order.

        It is the current of a step; in the few-spike code its sum over an example, as `population` takes it.
        """
        current = self.example(name).astype(np.float64)
        return current * few_spike_weights(self.steps).sum(dtype=np.float64) if self.few_spike else current

    def course(self, source: np.ndarray) -> np.ndarray:
        """What an output population without spikes reads of a source, (steps or 1, batch, ...).

        At each step what the source emits, times the value of a spike at that step; the sum over these steps
        where outputs are not wanted after each step. source: as `population` or `current` gives it.
        """
        constant = source.dtype == np.float64
        if self.few_spike:
            if not self.every_step:
                return source
            weights = each_step(few_spike_weights(self.steps), source)
            return source / weights.sum() * weights if constant else few_spikes(source, self.steps) * weights
        if constant:
            return np.repeat(source, self.steps, axis=0) if self.every_step else source * self.steps
        return source if self.every_step else source.sum(axis=0, keepdims=True, dtype=np.float32)

    def past(self, name: str, delay: int) -> np.ndarray:
        """What a population, or an input that spikes, emitted `delay` steps earlier: (steps, batch, *shape).

        For steps before the example began: no spikes. It need not have run the present part, where that is
        not longer than the delay: so spikes can come back from a later population, or from itself.
        """
        ended, emitted = self._past[name]
        first = len(emitted) - (ended - self.first) - delay
        return emitted[first : first + self.steps]

    def population(
        self,
        name: str,
        neurons: Callable[..., Any],
        current: np.ndarray,
        bias: np.ndarray | None = None,
        **parameters: Any,
    ) -> np.ndarray:
        """Simulate a population: what it emits, (steps, batch, *shape), or as neuron_updates says.

        neurons: a class of neuron_updates or input_encodings. Its object is made with `parameters` when an
        example begins, and keeps the state for the next time steps of that example. current: of each step,
        or (1, batch, *shape) of a constant current. bias: is added to it at each step.
        """
        if name not in self.neurons:
            self.neurons[name] = neurons(**self._settings.applied(name, parameters))
        if name not in self.with_v and "v_course" in inspect.signature(self.neurons[name].run).parameters:
            self.with_v.append(name)
        if bias is not None:
            bias = bias * self._steps_of(self.neurons[name], current)
            if current.dtype == np.float32:
                current += bias  # in place: a map has made it
            else:
                current = current + bias
        if current.dtype == np.float64:
            current = current.astype(np.float32)
        seen = self._count_updates and (not self.few_spike or isinstance(self.neurons[name], Integrate))
        v_course: list[np.ndarray] = []
        if name in self.with_v and (name in self.recording.v or seen):
            emitted: np.ndarray = self.neurons[name].run(current, self.steps, v_course)
            if seen:
                self.count_updates(name, v_course)
        else:
            emitted = self.neurons[name].run(current, self.steps)
        if name not in self.shapes:
            self.shapes[name] = emitted.shape[2:]
            self._asked.require_neurons(name, math.prod(self.shapes[name]))
            if current.shape[2:] == emitted.shape[2:] and not self.few_spike:
                self.with_i.append(name)
        if name in self.recording.v and name in self.with_v:
            self._keep(self.v, name, v_course)
        if name in self.recording.i and name in self.with_i:
            self._keep(self.i, name, [current[step % len(current)] for step in range(self.steps)])
        if emitted.dtype != np.float32:  # not V
            self._count(name, emitted)
        if self._count_updates and self.few_spike and name in self.counts:  # V changes at each spike
            counts = self.counts[name]
            first = self.membrane_updates.get(name, counts.shape[1])
            self.membrane_updates[name] = first + counts.sum(axis=1, dtype=np.int64)
        if name in self._outputs:
            self.emitted.setdefault(name, []).append(self._spikes_of(emitted))
        if name in self._past:
            ended, before = self._past[name]
            self._past[name] = ended + self.steps, np.concatenate([before, emitted])
        return emitted

    def keys(self, stream: int) -> np.ndarray:
        """The random keys of the batch's examples. stream: the index of the population in the network."""
        return random_keys(self._seed, stream, np.array(self._numbers))

    def uniform(self, stream: int, low: float, high: float, shape: tuple[int, ...]) -> Drawn:
        """Random numbers in [low, high), (batch, *shape): v_init of `population`."""
        return Drawn(self.keys(stream), low, high, shape)

    # The rest is for the network.

    def begin(self, steps: int) -> None:
        """Begin the next part, of so many time steps. What no delay reaches any more is forgotten."""
        self._past = {name: (ended, past[self.steps :]) for name, (ended, past) in self._past.items()}
        self.first, self.steps = self.first + self.steps, steps

    def begin_with(self, examples: Examples) -> None:
        """Begin the next time step, in which the inputs show these examples or frames."""
        self._examples, self._frames = examples, dict.fromkeys(examples, 1)
        self.begin(1)

    def last(self, name: str, steps: int) -> np.ndarray:
        """What a population emitted in the last steps, (steps, batch, *shape)."""
        return self._past[name][1][-steps:]

    @property
    def size(self) -> int:
        """The number of examples."""
        return len(self._numbers)

    @property
    def thresholds(self) -> dict[str, float]:
        """{population of which V is recorded: V at which its neurons spike}, where that is one number."""
        found = {name: getattr(self.neurons[name], "threshold", None) for name in self.v}
        numbers = {name: float(t) for name, t in found.items() if isinstance(t, (int, float, np.number))}
        return {} if self.few_spike else numbers  # there it depends on the step

    def count_updates(self, name: str, v_course: np.ndarray | Sequence[np.ndarray]) -> None:
        """Count the changes of V of a population. v_course: V after each of the next steps, (batch, ...)."""
        first = v_course[0]
        changed = np.ones((len(v_course), len(first), first[0].size), bool)
        for step, v in enumerate(v_course):
            if name in self._last_v:
                np.not_equal(v, self._last_v[name], out=changed[step].reshape(v.shape))
            self._last_v[name] = v
        updates = self._spike_counts(changed)[0].sum(axis=1, dtype=np.int64)
        self.membrane_updates[name] = self.membrane_updates.get(name, 0) + updates

    def _steps_of(self, neurons: Any, current: np.ndarray) -> np.ndarray | np.float32:
        """How many steps each step of the current stands for, in units of the value of a spike."""
        values = step_weights(self.steps, self.few_spike)
        if isinstance(neurons, Integrate):
            return each_step(values, current) if self.every_step else values.sum()
        return values.sum() if self.few_spike else np.float32(1)

    def _spikes_of(self, emitted: np.ndarray) -> np.ndarray:
        """The spikes at each step; V as it is."""
        return few_spikes(emitted, self.steps) if emitted.dtype == np.uint16 else emitted

    def _count(self, name: str, emitted: np.ndarray) -> None:
        """Count the spikes of a population, and keep them if it is recorded."""
        if name not in self.spiking:
            self.spiking.append(name)
        flat = emitted.reshape(*emitted.shape[:2], -1)
        if self._counted:
            counts, sums = self._spike_counts(flat)
            self.counts[name] = self.counts.get(name, 0) + counts
            if emitted.dtype == np.int8:
                self.net_counts[name] = self.net_counts.get(name, 0) + sums
        if self.recording.spikes is None or name in self.recording.spikes:
            spikes = self._spikes_of(flat[:, self._rows]).swapaxes(0, 1).astype(np.int8)
            self.spikes.setdefault(name, []).append(spikes)

    def _keep(self, kept: dict[str, list[np.ndarray]], name: str, course: Sequence[np.ndarray]) -> None:
        """Keep the recorded examples' and neurons' part of a course: values after each step, (batch, ...)."""
        parts = [values[self._rows].reshape(-1, math.prod(values.shape[1:])) for values in course]
        found = np.stack([self.recording.of_kept(part) for part in parts], axis=1)
        kept.setdefault(name, []).append(found.astype(np.float32))  # a current can be a source's spikes


SPIKES_OF_VALUE = np.zeros(2**16, np.uint8)
"""The number of spikes of each value in the few-spike code."""
for _bit in range(16):
    SPIKES_OF_VALUE += (np.arange(2**16) >> _bit & 1).astype(np.uint8)


def spike_counts(emitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of spikes of each neuron, uint32, and the sum of their signs, int32: (batch, neurons).

    emitted: as neuron_updates says, (steps, batch, neurons).
    """
    if emitted.dtype == np.uint16:
        counts = SPIKES_OF_VALUE[emitted[0]].astype(np.uint32)
    else:
        counts = np.count_nonzero(emitted, axis=0).astype(np.uint32)
    signed = emitted.dtype == np.int8
    return counts, emitted.sum(axis=0, dtype=np.int32) if signed else counts.astype(np.int32)
