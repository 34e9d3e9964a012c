"""A network in NumPy: simulated layer by layer, many time steps at once, a batch in each of several threads.

NumPy's products use all processor cores by themselves, everything else only one. So each thread simulates a
batch of its own, and its products use one core. There are as many threads as products would use: all cores,
or what OMP_NUM_THREADS says; one without the package threadpoolctl, which sets that.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from .data import Examples, count_of
from .messages import RunError
from .neuron_updates import LONGEST_PART, time_blocks
from .numpy_batch import Batch, SpikeCounts, spike_counts
from .recording import Recording
from .results import Result
from .runnable_network import ReadoutFunction, RunnableNetwork, require_recordable

try:
    from threadpoolctl import ThreadpoolController
except ImportError:
    ThreadpoolController = None

# read(what a population emits (steps, batch, *shape), start, the value of a spike at each step): what is read
ReadFunction = Callable[[np.ndarray, int, np.ndarray], np.ndarray]

Argument = TypeVar("Argument")
Value = TypeVar("Value")

BATCH = 2**21  # elements of the currents of a batch: they fit the processor's cache


class NumpyNetwork(RunnableNetwork):
    """A network in NumPy. The function `populations` of reference.py simulates it.

    default_timesteps  time steps per example in network.yaml
    largest      the largest number of elements of an input or of the current of a population
    longest_part  the most time steps at a time: the smallest delay of connections through which spikes come
                 back, if there are any
    timesteps    time steps per example
    batch_size   examples at a time; by default as many as the processor's cache suits
    seed         seed of random numbers, if the network uses any

    Results have membrane updates where `count_updates` is set.
    """

    def __init__(
        self,
        name: str,
        script: str | None,
        populations: Callable[[Batch], None],
        *,
        default_timesteps: int,
        largest: int,
        few_spike: bool = False,
        reset: str = "example",
        longest_part: int = LONGEST_PART,
        timesteps: int | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        steps = default_timesteps if timesteps is None else timesteps
        super().__init__(name, script, timesteps=steps, few_spike=few_spike, reset=reset, seed=seed)
        if batch_size is not None and batch_size < 1:
            raise RunError(f"{batch_size}: expected at least 1", option="batch_size")
        self.populations, self.largest, self.batch_size = populations, largest, batch_size
        self.longest_part = longest_part
        self._no_spikes: dict[str, np.ndarray] = {}
        self._read: dict[str, ReadFunction] = {}
        self._loaded: dict[str, np.ndarray] = {}
        self._loading = Lock()
        self.spike_counts: SpikeCounts = spike_counts
        self.count_updates = False
        self._stream: Batch | None = None  # of the steps of an example so far
        self._steps = 0  # of the stream

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

    def keep(self, name: str, shape: tuple[int, ...], steps: int, signed: bool = False) -> None:
        """Declare the largest delay with which the spikes of a population are read (Batch.past).

        signed: whether its spikes have a sign.
        """
        self._no_spikes[name] = np.zeros((steps, 1, *shape), np.int8 if signed else bool)

    def weights(self, file: str, shape: tuple[int, ...]) -> np.ndarray:
        with self._loading:
            if file not in self._loaded:
                self._loaded[file] = super().weights(file, shape)
            return self._loaded[file]

    def parts(self, timesteps: int) -> list[int]:
        """The lengths of the parts of an example's time steps that are simulated one after the other.

        In a part no input changes, and no spikes come back.
        """
        return time_blocks(timesteps // self.frames, self.longest_part) * self.frames

    def prepare(self, examples: int, recording: Recording) -> None:
        pass  # the names of the populations are known only after the first part of a batch

    def batches(
        self, examples: Examples, numbers: range, timesteps: int, recording: Recording
    ) -> Iterator[Result]:
        self._stream, self._steps = None, 0
        total = count_of(examples)
        if self.reset == "never":
            yield from self._one_after_the_other(examples, numbers, timesteps, recording)
            return
        read = sum(int(np.prod(output["shape"])) for output in self.outputs.values())
        at_a_time = 1 if self.few_spike and not self.count_updates else self.parts(timesteps)[0]
        size = self.batch_size or batch_size_that_fits(at_a_time, self.largest, read * timesteps)

        def simulated(start: int) -> Result:
            shown = self.shown(examples, start, start + size)
            batch = self._batch(shown, numbers[start : start + size], timesteps, recording)
            return self._simulated(batch, timesteps, recording)

        yield from in_threads(simulated, range(0, total, size))

    def _one_after_the_other(
        self, examples: Examples, numbers: range, timesteps: int, recording: Recording
    ) -> Iterator[Result]:
        """Simulate the examples of a stream: neurons keep their state from one to the next."""
        if self.batch_size not in (None, 1):
            message = f"{self.batch_size}: expected 1, because the examples are a stream"
            raise RunError(message, option="batch_size")
        before = None
        for index in range(len(numbers)):
            shown = self.shown(examples, index, index + 1)
            batch = self._batch(shown, numbers[index : index + 1], timesteps, recording, before)
            yield self._simulated(batch, timesteps, recording)
            before = batch

    @property
    def delays(self) -> dict[str, int]:
        return dict.fromkeys(self.outputs, 0)

    def step(self, x: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
        if self.few_spike:
            raise RunError("few-spike neurons decode whole examples: use `run`")
        shown, local = self.shown_in_step(x), self._steps % self.timesteps
        size = count_of(shown)
        if self._stream is not None and size != self._stream.size:
            raise RunError(f"{size} examples in a step, expected {self._stream.size}")
        if local == 0:
            first = self._steps // self.timesteps * size
            before = self._stream if self.reset == "never" else None
            numbers = range(first, first + size)
            self._stream = self._batch(shown, numbers, self.timesteps, Recording(), before)
        self._steps += 1
        stream = self._stream
        assert stream is not None
        stream.begin_with(shown)
        self.populations(stream)
        self.settings.require_known(stream.neurons)
        answers: dict[str, np.ndarray | None] = {}
        weights = self.step_weights(self.timesteps)[: local + 1]
        for name, output in self.outputs.items():
            course = np.concatenate(stream.emitted[name])
            stream.emitted[name] = [course]
            read = course[-1]
            if local >= output["start"]:
                read = self._read[name](course, output["start"], weights)[-1]
            answers[name] = self.answer(name, read, local)
        return answers

    def _batch(
        self,
        examples: Examples,
        numbers: range,
        timesteps: int,
        recording: Recording,
        before: Batch | None = None,
    ) -> Batch:
        """A batch of examples with these numbers. before: the examples that they follow in a stream."""
        every_step = recording.details or any(output["start"] for output in self.outputs.values())
        return Batch(
            self.weights,
            examples,
            numbers,
            self.seed,
            frames={name: entry["frames"] for name, entry in self.inputs.items()},
            timesteps=timesteps,
            settings=self.settings,
            few_spike=self.few_spike,
            no_spikes=self._no_spikes,
            outputs=[*self.outputs],
            every_step=every_step,
            counts=recording.details,
            count_updates=self.count_updates,
            recording=recording,
            spike_counts=self.spike_counts,
            before=before,
        )

    def _simulated(self, batch: Batch, timesteps: int, recording: Recording) -> Result:
        """The result of a batch."""
        for steps in self.parts(timesteps):
            batch.begin(steps)
            self.populations(batch)
            self.settings.require_known(batch.neurons)
            can = batch.spiking, batch.with_v, batch.with_i, batch.shapes
            require_recordable(recording, *can, self.few_spike)
        self.shapes.update(batch.shapes)

        def together(recorded: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
            return {name: np.concatenate(parts, axis=1) for name, parts in recorded.items()}

        every_step = recording.details or any(output["start"] for output in self.outputs.values())
        weights, logits = self.step_weights(timesteps), {}
        for name, output in self.outputs.items():
            values = self._read[name](np.concatenate(batch.emitted.pop(name)), output["start"], weights)
            logits[name] = self.logits_of(name, values if every_step else values[-1:], timesteps)
        return Result(
            {name: values[-1] for name, values in logits.items()},
            logits,
            batch.counts,
            batch.net_counts,
            together(batch.spikes),
            together(batch.v),
            self.activations,
            batch.membrane_updates,
            together(batch.i),
            recording.neurons,
            batch.thresholds,
        )


def batch_size_that_fits(steps: int, neurons: int, outputs: int) -> int:
    """The number of examples at a time for which the currents of the largest population take some 8 MB.

    steps: at a time. neurons: of that population. outputs: of all output populations, times the steps of
    which they are kept.
    """
    return max(1, min(256, BATCH // max(steps * neurons, outputs)))


def in_threads(function: Callable[[Argument], Value], arguments: Iterable[Argument]) -> Iterator[Value]:
    """Yield function(argument) for all arguments, in their order; a few are computed ahead."""
    running: deque[Future[Value]] = deque()
    with _ONE_CORE as threads, ThreadPoolExecutor(threads) as pool:
        try:
            for argument in arguments:
                running.append(pool.submit(function, argument))
                if len(running) > threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class _ProductsOnOneCore:
    """Entered, it limits NumPy's matrix products to one core, and gives the number that they had used.

    The limit is one of the process: it ends when all that have entered have left.
    """

    def __init__(self) -> None:
        self.lock, self.entered, self.threads = Lock(), 0, 1
        self.products: Any = None  # found once: that takes 10 ms

    def __enter__(self) -> int:
        with self.lock:
            if self.entered == 0 and ThreadpoolController is not None:
                self.products = self.products or ThreadpoolController().select(user_api="blas")
                pools = [pool["num_threads"] for pool in self.products.info()]
                self.threads = max(pools, default=os.cpu_count() or 1)
                self.limits = self.products.limit(limits=1)
            self.entered += 1
            return self.threads if ThreadpoolController is not None else 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.entered -= 1
            if self.entered == 0 and ThreadpoolController is not None:
                self.limits.restore_original_limits()


_ONE_CORE = _ProductsOnOneCore()
