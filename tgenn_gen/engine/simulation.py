"""The NumPy engine: simulates a network layer by layer, many time steps at once.

At each local step a population sees the spikes that its sources emitted at the same local step. So no step of
a layer depends on a later layer: the time course of a layer is one array, its linear maps are large matrix
products, and only the neurons are updated step by step. Long examples are simulated in parts (time_blocks),
and so are those of networks in which spikes come back: no part is longer than they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.engine.numpy_engines import fastest
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.argument_checks import (
    Wrong,
    a_network,
    as_array,
    list_of_names,
    require,
    shown,
    whole_number,
)
from tgenn_gen.network.delays import longest_delays, longest_part
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Input, Network, Population
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.network.runtime_calls import Call, Keys, Uniform
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import (
    Examples,
    Table,
    count_of,
    examples_problem,
    frames_of,
    lengths_problem,
    range_problem,
    with_last_axis,
)
from tgenn_gen.runtime.input_encodings import values_problem
from tgenn_gen.runtime.messages import RunError, note
from tgenn_gen.runtime.neuron_updates import MAX_FEW_SPIKE_STEPS, MAX_STEPS, few_spike_weights
from tgenn_gen.runtime.numpy_batch import Batch
from tgenn_gen.runtime.numpy_network import NumpyNetwork
from tgenn_gen.runtime.random_numbers import Drawn
from tgenn_gen.runtime.readout_functions import each_step
from tgenn_gen.runtime.recording import Recording, neuron_numbers
from tgenn_gen.runtime.results import Result, joined


def simulate_in_numpy(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    *,
    timesteps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    record: Sequence[str] | None = (),
    record_v: Sequence[str] = (),
    record_i: Sequence[str] = (),
    neurons: Sequence[int] | np.ndarray | None = None,
) -> Result:
    """Simulate examples in NumPy, as :func:`tgenn_gen.simulate` describes it."""
    recorded = record, record_v, record_i, neurons
    examples, timesteps = checked("simulate", network, x, timesteps, seed, batch_size, *recorded)
    note_on_range(network, examples)
    return joined(simulated_batches(network, examples, timesteps, seed, batch_size, *recorded))


def note_on_range(network: Network, examples: Examples) -> None:
    """Print a note where the calibration data had another range than the examples."""
    if problem := range_problem(examples, input_table(network)):
        note(problem)


def input_table(network: Network) -> Table:
    """{input: its shape, uint8_divisor and so on}, as :mod:`tgenn_gen.runtime.data` takes it."""
    return {
        i.name: {
            "shape": i.shape,
            "frames": i.frames,
            "uint8_divisor": i.uint8_divisor,
            "values": (i.encoding.low, i.encoding.high, i.encoding.binary),
            "data_range": i.data_range,
            "offset": i.offsets,
        }
        for i in network.inputs
    }


def output_table(network: Network) -> Table:
    """{output population: its shape, start and activation}, as :mod:`tgenn_gen.runtime.data` takes it."""
    return {
        o.population: {
            "shape": network.population(o.population).shape,
            "start": o.start,
            "activation": o.activation,
        }
        for o in network.outputs
    }


def examples_of(x: Any, inputs: tuple[Input, ...], place: str) -> Examples:
    """An array, or a mapping, as {input: examples with their channel axis}.

    Raises TgennError (T503) at `place` where it does not have exactly the network's inputs.
    """
    names = [i.name for i in inputs]
    given = dict(x) if isinstance(x, Mapping) else {names[0]: x} if len(names) == 1 else None
    if given is None or sorted(given) != sorted(names):
        there = "one array" if isinstance(x, np.ndarray) else shown(x)
        there = there if given is None else ", ".join(map(str, given)) or "none"
        message = f"expected a dict with an array for each input ({', '.join(names)}), got {there}"
        raise TgennError.at(place, "T503", message)
    keys = {name: f"x[{name!r}]" if isinstance(x, Mapping) else "x" for name in names}
    arrays = {name: as_array(keys[name], given[name], place) for name in names}
    return {i.name: with_last_axis(arrays[i.name], i.example_shape) for i in inputs}


def checked(
    place: str,
    network: Network,
    x: Any,
    timesteps: int | None,
    seed: int,
    batch_size: int | None = None,
    record: Sequence[str] | None = (),
    record_v: Sequence[str] = (),
    record_i: Sequence[str] = (),
    neurons: Sequence[int] | np.ndarray | None = None,
) -> tuple[Examples, int]:
    """Check the arguments of a function: the examples {input: (n, *shape)}, and the number of time steps.

    x: arrays, or a mapping. Raises TgennError: T2xx for an invalid network, T503 for the other arguments.
    """
    require(place, "T503", a_network(network))
    require_valid(network)
    found = [
        *whole_number("timesteps", timesteps, 1, optional=True),
        *whole_number("batch_size", batch_size, 1, optional=True),
        *whole_number("seed", seed, 0, 2**32 - 1),
        *list_of_names("record", record, optional=True),
        *list_of_names("record_v", record_v),
        *list_of_names("record_i", record_i),
        *_neurons_problems(neurons),
    ]
    steps = network.simulation.timesteps if found or timesteps is None else int(timesteps)
    found = found or [*steps_problems(network, steps)]
    diagnostics = [Diagnostic.at(place, "T503", *each) for each in found]
    try:
        examples, inputs = examples_of(x, network.inputs, place), input_table(network)
        problem = examples_problem(examples, inputs) or lengths_problem(examples)
        if problem := problem or values_problem(examples, inputs):
            diagnostics.append(Diagnostic.at(place, "T503", problem))
    except TgennError as error:
        diagnostics += error.diagnostics
    if diagnostics:
        raise TgennError(diagnostics)
    return examples, steps


def _neurons_problems(neurons: Any) -> Iterator[Wrong]:
    """What is wrong if these are not the numbers of neurons."""
    try:
        neuron_numbers(neurons)
    except RunError as error:
        yield str(error), ""


def steps_problems(network: Network, timesteps: int) -> Iterator[Wrong]:
    """Why the network cannot run, or be read out, for so many time steps."""
    most = MAX_FEW_SPIKE_STEPS if network.few_spike else MAX_STEPS
    start = max(o.start for o in network.outputs)
    yield from whole_number("timesteps", timesteps, 1, most)
    if timesteps <= start:
        yield f"timesteps is {timesteps}, expected more than {start}, where the readout starts", ""
    if timesteps % (frames := frames_of(input_table(network))):
        yield f"timesteps is {timesteps}, expected a multiple of {frames}, the frames of an example", ""


def simulated_batches(
    network: Network,
    examples: Examples,
    timesteps: int,
    seed: int = 0,
    batch_size: int | None = None,
    record: Sequence[str] | None = (),
    record_v: Sequence[str] = (),
    record_i: Sequence[str] = (),
    neurons: Sequence[int] | np.ndarray | None = None,
    *,
    numbers: range | None = None,
    details: bool = True,
    count_updates: bool = False,
) -> Iterator[Result]:
    """Simulate checked examples, and yield the result of each batch.

    numbers: of the examples, on which their random numbers depend; by default from 0. details: whether
    results have spike counts, and the outputs after each step. count_updates: whether they have membrane
    updates too. Raises TgennError (T503) where a population cannot be recorded.
    """
    net = _in_numpy(network, timesteps, seed, batch_size)
    net.count_updates = count_updates
    try:
        numbers = range(count_of(examples)) if numbers is None else numbers
        recording = Recording(record, record_v, record_i, neuron_numbers(neurons), details=details)
        yield from net.batches(examples, numbers, timesteps, recording)
    except RunError as error:
        raise TgennError.at("simulate", "T503", str(error)) from None


def _in_numpy(network: Network, timesteps: int, seed: int, batch_size: int | None) -> NumpyNetwork:
    """The network in the form that runs in NumPy."""
    dt, last_read_by = network.simulation.dt, network.last_read_by
    engine = fastest()
    biases = {p.name: p.bias.values for p in network.populations if p.bias is not None}
    currents = {}
    for p in network.populations:
        of_a_step = p.neuron.spikes and not network.few_spike  # else the batch adds several steps' bias
        compiled = engine.current(p, biases.get(p.name) if of_a_step else None)
        currents[p.name] = compiled or p.mapped_each
        if compiled and of_a_step:
            biases.pop(p.name, None)

    def populations(batch: Batch) -> None:
        def emitted(name: str, call: Call, current: np.ndarray, stream: int, shape: Shape) -> np.ndarray:
            arguments = _arguments(call, batch.keys(stream), shape)
            neurons = engine.neurons.get(call.function, call.function)
            return batch.population(name, neurons, current, bias=biases.get(name), **arguments)

        courses: dict[str, np.ndarray] = {}
        for stream, i in enumerate(network.inputs):
            if i.encoding.spikes:
                x = batch.example(i.name)
                courses[i.name] = emitted(i.name, i.encoding.call(dt), x, stream, i.shape)
            else:
                courses[i.name] = batch.current(i.name)
        for stream, p in enumerate(network.populations, len(network.inputs)):
            sources = [batch.past(c.source, c.delay) if c.delay else courses[c.source] for c in p.inputs]
            if not p.neuron.spikes:
                sources = [*map(batch.course, sources)]
            elif net.count_updates and isinstance(p.neuron, FewSpikeNeuron):
                batch.count_updates(p.name, reading(p, p.neuron.v_init, batch, sources))
            courses[p.name] = emitted(p.name, p.neuron.call(dt), currents[p.name](sources), stream, p.shape)
            for source in last_read_by[p.name]:
                del courses[source]  # nothing reads it any more

    def reading(
        p: Population, v_init: float | Tensor, batch: Batch, sources: Sequence[np.ndarray]
    ) -> np.ndarray:
        """V of few-spike neurons after each step in which they read, (steps, batch, *shape)."""
        current = currents[p.name]([*map(batch.course, sources)])
        if p.bias is not None:
            current = current + p.bias.values * each_step(few_spike_weights(batch.steps), current)
        current = current.astype(np.float32)
        current[0] += v_init.values if isinstance(v_init, Tensor) else v_init
        return np.cumsum(current, axis=0)

    net = NumpyNetwork(
        network.name,
        None,
        populations,
        default_timesteps=timesteps,
        largest=network.largest,
        few_spike=network.few_spike,
        reset=network.simulation.reset,
        longest_part=longest_part(network),
        batch_size=batch_size,
        seed=seed,
    )
    net.spike_counts = engine.counts
    net.inputs.update(input_table(network))
    for name, delay in longest_delays(network).items():
        net.keep(name, network.shapes[name], delay, name in network.signed)
    for output in network.outputs:
        population, readout = network.population(output.population), READOUTS[output.readout]
        made_of = partial(_output, readout.output, population.scales)
        net.output(population.name, population.shape, readout.read, made_of, output.start, output.activation)
    return net


def _output(
    output: Callable[..., np.ndarray], scales: np.ndarray, read: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    return output(read, scales, steps)


def made(call: Call, keys: np.ndarray, shape: Shape) -> Any:
    """Make the neurons or the encoding of a call, an object of the runtime, for examples with these keys."""
    neurons = fastest().neurons.get(call.function, call.function)
    arguments = _arguments(call, keys, shape).items()
    return neurons(**{n: v.between(v.low, v.high) if isinstance(v, Drawn) else v for n, v in arguments})


def _arguments(call: Call, keys: np.ndarray, shape: Shape) -> dict[str, Any]:
    """The values of a call's arguments, as Batch.population takes them."""

    def value(argument: object) -> object:
        if isinstance(argument, Tensor):
            return argument.values
        if isinstance(argument, Uniform):
            return Drawn(keys, argument.low, argument.high, shape)
        return keys if isinstance(argument, Keys) else argument

    return {name: value(argument) for name, argument in call.arguments.items()}
