"""A network in NumPy: simulated layer by layer, many time steps at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .data import Examples, count_of
from .messages import RunError
from .neuron_updates import batch_size_that_fits, time_blocks
from .random_numbers import Drawn, random_keys
from .results import Result
from .runnable_network import ReadoutFunction, RunnableNetwork, require_recordable

# read(what a population emits (steps, batch, *shape), start, the value of a spike at each step): what is read
ReadFunction = Callable[[np.ndarray, int, np.ndarray], np.ndarray]


class NumpyNetwork(RunnableNetwork):
    """A network in NumPy. The function `populations` of reference.py simulates it.

    default_timesteps  time steps per example in network.yaml
    largest      the largest number of elements of an input or of the current of a population
    timesteps    time steps per example
    batch_size   examples at a time; by default as many as fit into some 100 MB
    seed         seed of random numbers, if the network uses any
    """

    def __init__(
        self,
        name: str,
        script: str | None,
        populations: Callable[[NumpyNetwork], None],
        *,
        default_timesteps: int,
        largest: int,
        few_spike: bool = False,
        timesteps: int | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        steps = default_timesteps if timesteps is None else timesteps
        super().__init__(name, script, timesteps=steps, few_spike=few_spike, seed=seed)
        if batch_size is not None and batch_size < 1:
            raise RunError(f"{batch_size}: expected at least 1", option="batch_size")
        self.populations, self.largest, self.batch_size = populations, largest, batch_size
        self._read: dict[str, ReadFunction] = {}
        self._loaded: dict[str, np.ndarray] = {}
        self._batch: _Batch

    def output(
        self,
        name: str,
        shape: tuple[int, ...],
        read: ReadFunction,
        readout: ReadoutFunction,
        start: int = 0,
        activation: str | None = None,
    ) -> None:
        """Declare an output population.

        start       the first step of an example that the readout uses
        activation  the function of the ANN's output: softmax, sigmoid or tanh
        """
        self.outputs[name] = {"shape": shape, "start": start, "activation": activation}
        self._read[name], self.readouts[name] = read, readout

    def weights(self, file: str, shape: tuple[int, ...]) -> np.ndarray:
        if file not in self._loaded:
            self._loaded[file] = super().weights(file, shape)
        return self._loaded[file]

    def example(self, name: str) -> np.ndarray:
        """The examples of an input, float32 (1, batch, *shape): the same at each time step."""
        return self._batch.examples[name][None]

    def population(
        self, name: str, neurons: Callable[..., Any], current: np.ndarray, **parameters: Any
    ) -> np.ndarray:
        """Simulate a population with this current: what it emits, (steps, batch, *shape).

        neurons: a class of neuron_updates or input_encodings. Its object is made with `parameters` when an
        example begins, and keeps the state for the next time steps of that example.
        """
        batch = self._batch
        if name not in batch.neurons:
            batch.neurons[name] = neurons(**self.settings.applied(name, parameters))
            if "v_course" in inspect.signature(batch.neurons[name].run).parameters:
                batch.with_v.append(name)
        if name in batch.with_v and name in batch.v:
            v_course: list[np.ndarray] = []
            course: np.ndarray = batch.neurons[name].run(current, batch.steps, v_course)
            batch.v[name].append(np.stack(v_course, axis=1).reshape(len(v_course[0]), batch.steps, -1))
        else:
            course = batch.neurons[name].run(current, batch.steps)
        if course.dtype != np.float32:  # spikes: bool, or int8 with a sign
            batch.count(name, course)
        if name in self.outputs:
            batch.emitted.setdefault(name, []).append(course)
        return course

    def spike_weights(self) -> np.ndarray:
        """The value of a spike at each step of an example, float32 (timesteps,)."""
        return self.step_weights(self._batch.timesteps)

    def keys(self, stream: int) -> np.ndarray:
        """The random keys of the batch's examples. stream: the index of the population in the network."""
        return random_keys(self.seed, stream, self._batch.numbers)

    def uniform(self, stream: int, low: float, high: float, shape: tuple[int, ...]) -> Drawn:
        """Random numbers in [low, high), (batch, *shape): v_init of `population`."""
        return Drawn(self.keys(stream), low, high, shape)

    def prepare(self, examples: int, record: Sequence[str] | None, record_v: Sequence[str]) -> None:
        pass  # the names of the populations are known only after the first part of a batch

    def batches(
        self,
        examples: Examples,
        timesteps: int,
        record: Sequence[str] | None,
        record_v: Sequence[str],
        details: bool,
    ) -> Iterator[Result]:
        total = count_of(examples)
        read = sum(int(np.prod(output["shape"])) for output in self.outputs.values())
        size = self.batch_size or batch_size_that_fits(timesteps, self.largest, read)
        weights = self.step_weights(timesteps)
        for start in range(0, total, size):
            shown = self.shown(examples, start, start + size)
            numbers = start + np.arange(count_of(shown))
            self._batch = batch = _Batch(shown, numbers, timesteps, record, record_v)
            for batch.steps in time_blocks(timesteps):
                self.populations(self)
                self.settings.require_known(batch.neurons)
                require_recordable("record", record, batch.counts)
                require_recordable("record_v", record_v, batch.with_v)
            logits = {}
            for name, output in self.outputs.items():
                values = self._read[name](np.concatenate(batch.emitted.pop(name)), output["start"], weights)
                logits[name] = self.logits_of(name, values, timesteps)
            yield Result(
                {name: values[-1] for name, values in logits.items()},
                logits,
                batch.counts,
                batch.net_counts,
                {name: np.concatenate(parts, axis=1) for name, parts in batch.spikes.items()},
                {name: np.concatenate(parts, axis=1) for name, parts in batch.v.items()},
                self.activations,
            )


class _Batch:
    """A batch of examples, and what was recorded so far."""

    def __init__(
        self,
        examples: Examples,
        numbers: np.ndarray,
        timesteps: int,
        record: Sequence[str] | None,
        record_v: Sequence[str],
    ) -> None:
        self.examples, self.numbers, self.timesteps, self.steps = examples, numbers, timesteps, 0
        self.neurons: dict[str, Any] = {}
        self.with_v: list[str] = []
        self.emitted: dict[str, list[np.ndarray]] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.net_counts: dict[str, np.ndarray] = {}
        self.record_all = record is None
        self.spikes: dict[str, list[np.ndarray]] = {name: [] for name in record or ()}
        self.v: dict[str, list[np.ndarray]] = {name: [] for name in record_v}

    def count(self, name: str, course: np.ndarray) -> None:
        """Count the spikes of a population, (steps, batch, ...), and keep them if it is recorded."""
        flat = course.reshape(*course.shape[:2], -1)
        self.counts[name] = self.counts.get(name, 0) + np.count_nonzero(flat, axis=0).astype(np.uint32)
        if course.dtype == np.int8:
            self.net_counts[name] = self.net_counts.get(name, 0) + flat.sum(axis=0, dtype=np.int32)
        if self.record_all:
            self.spikes.setdefault(name, [])
        if name in self.spikes:
            self.spikes[name].append(flat.swapaxes(0, 1).astype(np.int8))
