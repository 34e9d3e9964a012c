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
    frames_of,
    lengths_problem,
    presented,
    range_problem,
    shape_of,
    with_last_axis,
)
from .input_encodings import values_problem
from .messages import RunError, note
from .neuron_settings import NeuronSettings
from .neuron_updates import MAX_FEW_SPIKE_STEPS, MAX_STEPS, step_weights
from .readout_functions import activated, each_step, steps_so_far
from .recording import Recording, neuron_numbers
from .results import Result, joined
from .weights import ProjectFolder

# readout(what is read (steps, batch, *shape), steps so far (steps, 1, ...)): logits in the ANN's units
ReadoutFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]


class RunnableNetwork(ABC):
    """A network that can simulate examples.

    script      the script of a project that defines it; None without a project
    timesteps   time steps per example
    few_spike   whether its spikes are in the few-spike code
    reset       "example": neurons start anew with each example; "never": examples are a stream
    shapes      {population: its shape}, once something was simulated
    """

    def __init__(
        self, name: str, script: str | None, *, timesteps: int, few_spike: bool, reset: str, seed: int
    ) -> None:
        self.name, self.timesteps, self.few_spike, self.seed = name, timesteps, few_spike, seed
        self.reset = reset
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
        frames: int = 1,
        uint8_divisor: float = 1.0,
        values: tuple[float, float] = (-np.inf, np.inf),
        binary: bool = False,
        data_range: tuple[float, float] | None = None,
        offset: float | np.ndarray = 0.0,
    ) -> None:
        """Declare an input.

        frames          how many an example has, (frames, *shape); each is shown timesteps / frames steps
        uint8_divisor   uint8 examples are divided by it
        values          the smallest and the largest value that its encoding takes
        binary          whether the encoding takes only 0 and 1
        data_range      the smallest and the largest value of the calibration data
        offset          subtracted from examples, after that division: one number, or one for each channel
        """
        self.inputs[name] = {
            "shape": shape,
            "frames": frames,
            "uint8_divisor": uint8_divisor,
            "values": (*values, binary),
            "data_range": data_range,
            "offset": np.float32(offset),
        }

    def weights(self, file: str, shape: tuple[int, ...]) -> np.ndarray:
        """The array in a weight file. Raises RunError if it is not float32 of this shape."""
        return self.folder.weights(file, shape)

    def set(self, population: str, **values: float) -> None:
        """Set parameters of a population's neurons, by their names in reference.py, for all later runs.

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
        record_i: Sequence[str] = (),
        neurons: Sequence[int] | np.ndarray | None = None,
    ) -> Result:
        """Simulate examples x (n, *input shape), or {input: array} for several inputs. Raises RunError.

        timesteps        time steps per example; by default those that the network was built with
        record           populations to record spikes of; None: all that spike
        record_v         populations to record the membrane potential of
        record_i         populations to record the input current of
        neurons          the numbers of the neurons whose V and I are kept, such as range(10); None: all
        """
        examples = self.examples_of(x)
        steps = self.timesteps if timesteps is None else timesteps
        record = [record] if isinstance(record, str) else record
        record_v = [record_v] if isinstance(record_v, str) else record_v
        record_i = [record_i] if isinstance(record_i, str) else record_i
        recording = Recording(record, record_v, record_i, neuron_numbers(neurons))
        if problem := range_problem(examples, self.inputs):
            note(problem)
        self.check_timesteps(steps)
        self.check_frames(steps)
        return joined(self.batches(examples, range(count_of(examples)), steps, recording))

    @property
    @abstractmethod
    def delays(self) -> dict[str, int]:
        """{output: how many steps after an input `step` gives the answer to it}."""

    @abstractmethod
    def step(self, x: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
        """Show x (batch, *input shape), or {input: array}, for one time step, and simulate that step.

        Returns {output: the ANN's output (batch, *shape)}, of the time steps of an example so far, up to the
        one that was shown `delays[output]` steps ago; None in the first steps. An example has `timesteps`
        steps; then the next one begins, as `reset` says. The first call after `run` begins a new stream.

        Raises RunError: the network cannot take x, or x has another batch size than before.
        """

    def examples_of(self, x: np.ndarray | Mapping[str, np.ndarray]) -> Examples:
        """An array, or {input: array}, as {input: examples}. Raises RunError if the network cannot take x."""
        return examples_for(x, self.inputs)

    def shown_in_step(self, x: np.ndarray | Mapping[str, np.ndarray]) -> Examples:
        """What `step` shows, as the encodings take it: {input: float32 (batch, *shape)}. Raises RunError."""
        self.check_timesteps(self.timesteps)
        inputs = {name: {**entry, "frames": 1} for name, entry in self.inputs.items()}
        return presented(examples_for(x, inputs), 0, None, inputs)

    def answer(self, name: str, read: np.ndarray, step: int) -> np.ndarray:
        """The ANN's output of an output population after a step of an example, from what is read there."""
        output = self.outputs[name]
        if step < output["start"]:
            read = np.zeros(read.shape, np.float32)
        so_far = steps_so_far(self.step_weights(self.timesteps), output["start"])[step]
        read = read.reshape(1, -1, *output["shape"])
        logits = self.readouts[name](read, each_step(so_far, read))
        return activated(logits, output["activation"])[0]

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

    def check_frames(self, timesteps: int) -> None:
        """Raise RunError where the frames of an example cannot be shown for equally many time steps."""
        if timesteps % self.frames:
            message = f"{timesteps}: expected a multiple of {self.frames}, the frames of an example"
            raise RunError(message, option="timesteps")

    @property
    def frames(self) -> int:
        """How many times an example changes: the least common multiple of the inputs' frames."""
        return frames_of(self.inputs)

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


def examples_for(x: np.ndarray | Mapping[str, np.ndarray], inputs: Table) -> Examples:
    """An array, or {input: array}, as {input: examples}. Raises RunError if the inputs cannot take x."""
    names = list(inputs)
    given = dict(x) if isinstance(x, Mapping) else dict.fromkeys(names[:1], x)
    if sorted(given) != sorted(names):
        raise RunError(f"expected an array for each input ({', '.join(names)}), got {', '.join(given)}")
    examples = {name: with_last_axis(given[name], shape_of(inputs[name])) for name in names}
    problem = examples_problem(examples, inputs) or lengths_problem(examples)
    if problem := problem or values_problem(examples, inputs):
        raise RunError(problem)
    return examples


def require_recordable(
    recording: Recording,
    spiking: Collection[str],
    with_v: Collection[str],
    with_i: Collection[str],
    populations: Collection[str],
    few_spike: bool,
) -> None:
    """Raise RunError where a population cannot be recorded: these are those that can be, and all."""
    _require_known("record", recording.spikes, spiking)
    _require_known("record_v", recording.v, with_v)
    if few_spike and recording.i:
        message = "the few-spike code has no current of each step: NumPy adds up that of an example at once"
        raise RunError(f"{', '.join(recording.i)}: {message}", option="record_i")
    if trains := [name for name in recording.i if name in populations and name not in with_i]:
        message = "its neurons have no current: those of maximum take several spike trains apart"
        raise RunError(
            f"{trains[0]}: {message}: expected populations of {', '.join(with_i)}", option="record_i"
        )
    _require_known("record_i", recording.i, with_i)


def _require_known(option: str, names: Sequence[str] | None, known: Collection[str]) -> None:
    if unknown := [name for name in names or () if name not in known]:
        raise RunError(f"{', '.join(unknown)}: expected populations of {', '.join(known)}", option=option)
