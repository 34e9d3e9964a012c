"""A network in NumPy: simulated layer by layer, many time steps at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock

import numpy as np

from .data import Examples, count_of
from .messages import RunError
from .neuron_updates import time_blocks
from .numpy_batch import Batch
from .results import Result
from .runnable_network import ReadoutFunction, RunnableNetwork, require_recordable
from .threads import in_threads

# read(what a population emits (steps, batch, *shape), start, the value of a spike at each step): what is read
ReadFunction = Callable[[np.ndarray, int, np.ndarray], np.ndarray]


class NumpyNetwork(RunnableNetwork):
    """A network in NumPy. The function `populations` of reference.py simulates it.

    default_timesteps  time steps per example in network.yaml
    largest      the largest number of elements of an input or of the current of a population
    timesteps    time steps per example
    batch_size   examples at a time; by default as many as the processor's cache suits
    seed         seed of random numbers, if the network uses any
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
        self._loading = Lock()

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
        with self._loading:
            if file not in self._loaded:
                self._loaded[file] = super().weights(file, shape)
            return self._loaded[file]

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

        def simulated(start: int) -> Result:
            shown = self.shown(examples, start, start + size)
            return self._simulated(shown, start, timesteps, record, record_v, details)

        yield from in_threads(simulated, range(0, total, size))

    def _simulated(
        self,
        examples: Examples,
        first: int,
        timesteps: int,
        record: Sequence[str] | None,
        record_v: Sequence[str],
        details: bool,
    ) -> Result:
        """The result of a batch, whose first example has the number `first`."""
        from_start = all(not output["start"] for output in self.outputs.values())
        batch = Batch(
            self.weights,
            examples,
            first + np.arange(count_of(examples)),
            self.seed,
            few_spike=self.few_spike,
            outputs=[*self.outputs],
            every_step=details or bool(record_v) or not from_start,
            counts=details,
            record=record,
            record_v=record_v,
        )
        for batch.steps in time_blocks(timesteps):
            self.populations(batch)
            require_recordable("record", record, batch.spiking)
            require_recordable("record_v", record_v, batch.with_v)
        weights, logits = self.step_weights(timesteps), {}
        for name, output in self.outputs.items():
            values = self._read[name](np.concatenate(batch.emitted.pop(name)), output["start"], weights)
            logits[name] = self.logits_of(name, values if batch.every_step else values[-1:], timesteps)
        return Result(
            {name: values[-1] for name, values in logits.items()},
            logits,
            batch.counts,
            batch.net_counts,
            {name: np.concatenate(parts, axis=1) for name, parts in batch.spikes.items()},
            {name: np.concatenate(parts, axis=1) for name, parts in batch.v.items()},
            self.activations,
        )


def batch_size_that_fits(timesteps: int, neurons: int, outputs: int) -> int:
    """The number of examples at a time for which the currents of the largest population take some 4 MB.

    neurons: of that population. outputs: of all output populations, whose values of all steps are kept.
    """
    return max(1, min(256, 2**20 // max(time_blocks(timesteps)[0] * neurons, timesteps * outputs)))
