"""The NumPy engine: what a network means, a layer at a time, many steps at once.

Populations see the spikes that their sources emitted at the same local step, so that no step of a layer
depends on a later layer: a layer's time course is one array, its linear maps are large matrix products,
and only the neurons' own updates run step by step. Long examples are simulated in parts (time_blocks).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.errors import TgennError
from tgenn_gen.network.checks import MAX_FEW_SPIKE_STEPS, MAX_STEPS
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Input, Network
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.network.runtime_calls import Call, Keys, Uniform
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import neuron_updates
from tgenn_gen.runtime.data import (
    Examples,
    Table,
    count_of,
    currents_of,
    examples_problem,
    lengths_problem,
    with_last_axis,
)
from tgenn_gen.runtime.input_encodings import values_problem
from tgenn_gen.runtime.random_numbers import random_keys, uniform_between


@dataclass(frozen=True, eq=False)
class Result:
    """What a simulation gives for n examples.

    outputs            {population: (n, *shape)}: the readout after the last step, in the units of the ANN's
                       activations
    outputs_per_step   {population: (timesteps, n, *shape)}: the readout after each step
    spike_counts       {population: (n, *shape)}: spikes of each neuron of the spiking populations
    """

    outputs: dict[str, np.ndarray]
    outputs_per_step: dict[str, np.ndarray]
    spike_counts: dict[str, np.ndarray]

    @property
    def output(self) -> np.ndarray:
        """(n, *shape): the network's first output after the last step."""
        return next(iter(self.outputs.values()))

    @property
    def output_per_step(self) -> np.ndarray:
        """(timesteps, n, *shape): the network's first output after each step."""
        return next(iter(self.outputs_per_step.values()))

    @property
    def predictions(self) -> np.ndarray:
        """(n,): the class, or element, of the network's first output that is largest."""
        return self.output.reshape(len(self.output), -1).argmax(axis=1)


def simulate(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    *,
    timesteps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> Result:
    """Simulate the network on examples x (n, *input shape); a missing channel axis of length 1 is added.

    x            an array for a network with one input, or {input: array} with an equal number of examples
    timesteps    steps an example; by default the document's
    batch_size   examples at a time; by default what fits some 100 MB. It bounds memory
    seed         for what is random (Poisson spikes, V drawn at random); 0 to 2^32 - 1
    Raises TgennError for a network without meaning (T2xx), and for what cannot be simulated (T503).
    """
    examples, timesteps = checked(network, x, timesteps, seed, batch_size)
    results = [*simulated_batches(network, examples, timesteps, seed, batch_size)]
    per_step = {
        o.population: np.concatenate([outputs[o.population] for outputs, _ in results], axis=1)
        for o in network.outputs
    }
    counts = {name: np.concatenate([c[name] for _, c in results]) for name in network.spiking}
    return Result({name: output[-1] for name, output in per_step.items()}, per_step, counts)


def input_table(network: Network) -> Table:
    """The inputs by name, as :mod:`tgenn_gen.runtime.data` takes them: INPUTS in the scripts."""
    return {
        i.name: {
            "shape": i.shape,
            "uint8_divisor": i.uint8_divisor,
            "values": (i.encoding.low, i.encoding.high, i.encoding.binary),
        }
        for i in network.inputs
    }


def output_table(network: Network) -> Table:
    """The outputs by population, as :mod:`tgenn_gen.runtime.data` takes them: OUTPUTS in the scripts."""
    return {
        o.population: {"shape": network.population(o.population).shape, "start": o.start}
        for o in network.outputs
    }


def examples_of(x: Any, inputs: tuple[Input, ...], place: str) -> Examples:
    """An array, or a mapping, as {input: examples with their channel axis}.

    Raises TgennError (T503) at `place` where it has not what the inputs are.
    """
    names = [i.name for i in inputs]
    given = dict(x) if isinstance(x, Mapping) else {names[0]: x} if len(names) == 1 else None
    if given is None or sorted(given) != sorted(names):
        there = "one array" if given is None else ", ".join(map(str, given)) or "none"
        message = f"expected a dict with an array for each input ({', '.join(names)}), got {there}"
        raise TgennError.at(place, "T503", message)
    return {i.name: with_last_axis(given[i.name], i.shape) for i in inputs}


def checked(
    network: Network, x: Any, timesteps: int | None, seed: int, batch_size: int | None = None
) -> tuple[Examples, int]:
    """The examples {input: (n, *shape)} that x, an array or a mapping, gives, and the number of time steps.

    Raises TgennError (T2xx, T503).
    """
    require_valid(network)
    start = max(o.start for o in network.outputs)
    examples = examples_of(x, network.inputs, "simulate")
    problem = examples_problem(examples, input_table(network)) or lengths_problem(examples)
    for name, value in (("timesteps", timesteps), ("batch_size", batch_size)):
        if value is not None and not value >= 1:
            problem = problem or f"{name} is {value}, expected at least 1"
    timesteps = timesteps or network.simulation.timesteps
    most = MAX_FEW_SPIKE_STEPS if network.few_spike else MAX_STEPS
    if timesteps > most:
        problem = problem or f"timesteps is {timesteps}, the network takes at most {most}"
    if timesteps <= start:
        problem = problem or f"timesteps is {timesteps}, the readout starts only after {start}"
    if not 0 <= seed < 2**32:
        problem = problem or f"seed is {seed}, expected 0 to 2^32 - 1"
    if problem:
        raise TgennError.at("simulate", "T503", problem)
    return examples, timesteps


def simulated_batches(
    network: Network, examples: Examples, timesteps: int, seed: int, batch_size: int | None = None
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """For one batch after the other: {output: its values after each step}, {population: spike counts}.

    Outputs are (timesteps, batch, *shape), spike counts (batch, *shape).
    """
    read = sum(network.population(o.population).size for o in network.outputs)
    size = batch_size or neuron_updates.batch_size_that_fits(timesteps, network.largest, read)
    inputs = input_table(network)
    for start in range(0, count_of(examples), size):
        currents = currents_of(examples, start, start + size, inputs)
        if problem := values_problem(currents, inputs):
            raise TgennError.at("simulate", "T503", problem)
        yield _simulate_batch(network, currents, timesteps, seed, start)


def _simulate_batch(
    network: Network, currents: Examples, timesteps: int, seed: int, start: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    courses: dict[str, list[np.ndarray]] = {o.population: [] for o in network.outputs}
    counts: dict[str, Any] = {}
    for name, course in time_courses(network, currents, timesteps, seed, start):
        if name in network.spiking:
            counts[name] = counts.get(name, 0) + np.count_nonzero(course, axis=0).astype(np.uint32)
        if name in courses:
            courses[name].append(course)
    weights = step_weights(network, timesteps)
    outputs = {}
    for output in network.outputs:
        readout, scales = READOUTS[output.readout], network.population(output.population).scales
        read = readout.read(np.concatenate(courses.pop(output.population)), output.start, weights)
        outputs[output.population] = readout.output(read, scales, output.start, weights)
    return outputs, counts


def step_weights(network: Network, timesteps: int) -> np.ndarray:
    """What a spike of each step stands for in the network's code, float32 (timesteps,)."""
    return (
        neuron_updates.few_spike_weights(timesteps)
        if network.few_spike
        else neuron_updates.rate_weights(timesteps)
    )


def time_courses(
    network: Network, examples: Examples, timesteps: int, seed: int = 0, start: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """What each population emits for examples, {input: float32 (batch, *shape)}, numbered from `start` on.

    Pairs of its name and its spikes (bool, or int8 where they have a sign) or membrane potentials (float32),
    (steps, batch, *shape), for one part of the time steps after the other.
    """
    last_read_by = network.last_read_by
    numbers = start + np.arange(count_of(examples))
    dt = network.simulation.dt
    calls = [(i.name, i.shape, i.encoding.call(dt)) for i in network.inputs]
    calls += [(p.name, p.shape, p.neuron.call(dt)) for p in network.populations]
    running = {
        name: made(call, timesteps, random_keys(seed, stream, numbers), shape)
        for stream, (name, shape, call) in enumerate(calls)
    }
    for steps in neuron_updates.time_blocks(timesteps):
        courses = {name: running[name].run(x[None], steps) for name, x in examples.items()}
        yield from ((name, courses[name]) for name in network.spiking_inputs)
        for population in network.populations:
            current = population.current(courses)
            courses[population.name] = running[population.name].run(current, steps)
            yield population.name, courses[population.name]
            for source in last_read_by[population.name]:
                del courses[source]  # nothing reads it any more


def made(call: Call, timesteps: int, keys: np.ndarray, shape: Shape) -> Any:
    """The object of :mod:`tgenn_gen.runtime` that a call makes, for examples with these random keys."""

    def value(argument: object) -> object:
        if isinstance(argument, Tensor):
            return argument.values
        if isinstance(argument, Uniform):
            return uniform_between(keys, argument.low, argument.high, shape)
        if isinstance(argument, Keys):
            return keys
        return argument(timesteps) if callable(argument) else argument

    return call.function(**{name: value(argument) for name, argument in call.arguments.items()})
