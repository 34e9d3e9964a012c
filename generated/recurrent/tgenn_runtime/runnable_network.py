"""The common part of the networks of simulate.py and reference.py: inputs, outputs, weights and `run`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from .data import (
    Examples,
    Table,
    count_of,
    examples_problem,
    lengths_problem,
    presented,
    range_problem,
    with_last_axis,
)
from .input_encodings import values_problem
from .messages import RunError, note
from .neuron_settings import NeuronSettings
from .neuron_updates import MAX_FEW_SPIKE_STEPS, MAX_STEPS, step_weights
from .readout_functions import each_step, steps_so_far
from .results import Recording, Result, joined
from .weights import ProjectFolder

# readout(what is read (steps, batch, *shape), steps so far (steps, 1, ...)): logits in the ANN's units
ReadoutFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]


class RunnableNetwork(ABC):
    """A network that can simulate examples.

    script      the script of a project that defines it; None without a project
    timesteps   time steps per example
    few_spike   whether its spikes are in the few-spike code
    shapes      {population: its shape}, of those that spike, once something was simulated
    """

    def __init__(self, name: str, script: str | None, *, timesteps: int, few_spike: bool, seed: int) -> None:
        self.name, self.timesteps, self.few_spike, self.seed = name, timesteps, few_spike, seed
        self.inputs: Table = {}
        self.outputs: Table = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.readouts: dict[str, ReadoutFunction] = {}
        self.settings = NeuronSettings()
        self.folder = ProjectFolder(script or __file__)
        if script is not None:
            self.folder.warn_if_outdated()
        if not 0 <= seed < 2**32:
            raise RunError(f"{seed}: expected 0 to 2^32 - 1", option="seed")

    def input(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        uint8_divisor: float = 1.0,
        values: tuple[float, float] = (-np.inf, np.inf),
        binary: bool = False,
        data_range: tuple[float, float] | None = None,
        offset: float | np.ndarray = 0.0,
    ) -> None:
        """Declare an input.

        uint8_divisor   uint8 examples are divided by it
        values          the smallest and the largest value that its encoding takes
        binary          whether the encoding takes only 0 and 1
        data_range      the smallest and the largest value of the calibration data
        offset          subtracted from examples, after that division: one number, or one for each channel
        """
        self.inputs[name] = {
            "shape": shape,
            "uint8_divisor": uint8_divisor,
            "values": (*values, binary),
            "data_range": data_range,
            "offset": np.float32(offset),
        }

    def weights(self, file: str, shape: tuple[int, ...]) -> np.ndarray:
        """The array in a weight file. Raises RunError if it is not float32 of this shape."""
        return self.folder.weights(file, shape)

    def set(self, population: str, **values: float) -> None:
        """Set parameters of a population's neurons, by their names in network.yaml, for all later runs.

        For example net.set("conv2d", threshold=0.9). Raises RunError where a value is not possible; in NumPy
        the names are checked in the next run.
        """
        self.settings = self.settings.with_values(population, values)

    @abstractmethod
    def prepare(self, examples: int, recording: Recording) -> None:
        """Get ready to simulate so many examples. Raises RunError, also for unknown populations."""

    @abstractmethod
    def batches(
        self, examples: Examples, numbers: range, timesteps: int, recording: Recording
    ) -> Iterator[Result]:
        """Simulate checked examples, and yield the result of each batch. Raises RunError.

        numbers: of the examples, in the same order. An example's random numbers depend on its number.
        """

    def run(
        self,
        x: np.ndarray | Mapping[str, np.ndarray],
        *,
        timesteps: int | None = None,
        record: Sequence[str] | None = (),
        record_v: Sequence[str] = (),
    ) -> Result:
        """Simulate examples x (n, *input shape), or {input: array} for several inputs. Raises RunError.

        timesteps        time steps per example; by default those that the network was built with
        record           populations to record spikes of; None: all that spike
        record_v         populations to record the membrane potential of
        """
        examples = self.examples_of(x)
        steps = self.timesteps if timesteps is None else timesteps
        record = [record] if isinstance(record, str) else record
        record_v = [record_v] if isinstance(record_v, str) else record_v
        if problem := range_problem(examples, self.inputs):
            note(problem)
        self.check_timesteps(steps)
        recording = Recording(record, record_v)
        return joined(self.batches(examples, range(count_of(examples)), steps, recording))

    def examples_of(self, x: np.ndarray | Mapping[str, np.ndarray]) -> Examples:
        """An array, or {input: array}, as {input: examples}. Raises RunError if the network cannot take x."""
        names = list(self.inputs)
        given = dict(x) if isinstance(x, Mapping) else dict.fromkeys(names[:1], x)
        if sorted(given) != sorted(names):
            raise RunError(f"expected an array for each input ({', '.join(names)}), got {', '.join(given)}")
        examples = {name: with_last_axis(given[name], self.inputs[name]["shape"]) for name in names}
        problem = examples_problem(examples, self.inputs) or lengths_problem(examples)
        if problem := problem or values_problem(examples, self.inputs):
            raise RunError(problem)
        return examples

    def check_timesteps(self, timesteps: int) -> None:
        """Raise RunError where the network cannot run, or be read out, for so many time steps."""
        if timesteps < 1:
            raise RunError(f"{timesteps}: expected at least 1", option="timesteps")
        start = max(output["start"] for output in self.outputs.values())
        most = MAX_FEW_SPIKE_STEPS if self.few_spike else MAX_STEPS
        if timesteps > most:
            raise RunError(f"{timesteps}: expected at most {most}", option="timesteps")
        if timesteps <= start:
            message = f"{timesteps}: expected more than {start}, where the readout starts"
            raise RunError(message, option="timesteps")

    def step_weights(self, timesteps: int) -> np.ndarray:
        """The value of a spike at each step, float32 (timesteps,): 1, or 2^(timesteps - 1 - step)."""
        return step_weights(timesteps, self.few_spike)

    @property
    def activations(self) -> dict[str, str | None]:
        """{output: the function of the ANN's output}."""
        return {name: output["activation"] for name, output in self.outputs.items()}

    def logits_of(self, name: str, read: np.ndarray, timesteps: int) -> np.ndarray:
        """The logits of an output (steps, batch, *shape).

        read: the values after each step, or after the last one only.
        """
        so_far = steps_so_far(self.step_weights(timesteps), self.outputs[name]["start"])
        return self.readouts[name](read, each_step(so_far[-len(read) :], read))

    def shown(self, examples: Examples, start: int, stop: int) -> Examples:
        """Examples `start` to `stop` - 1 as the encodings take them, float32."""
        return presented(examples, start, min(stop, count_of(examples)), self.inputs)


def require_recordable(option: str, names: Sequence[str] | None, known: Collection[str]) -> None:
    """Raise RunError where an option names an unknown population."""
    if unknown := [name for name in names or () if name not in known]:
        raise RunError(f"{', '.join(unknown)}: expected populations of {', '.join(known)}", option=option)
