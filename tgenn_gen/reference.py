"""The NumPy engine: what a network means (DESIGN section 3), a layer at a time, many steps at once.

Populations see the spikes that their sources emitted at the same local step, so that no step of a layer
depends on a later layer: a layer's time course is one array, its linear maps are large matrix products,
and only the neurons' own updates run step by step. Long examples are simulated in parts (time_blocks).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.document import require_valid
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.meaning import MAX_FEW_SPIKE_STEPS, MAX_STEPS
from tgenn_gen.readouts import READOUTS
from tgenn_gen.runtime import neurons
from tgenn_gen.runtime.command_line import as_current, examples_problem
from tgenn_gen.runtime.encodings import input_problem
from tgenn_gen.runtime.random_numbers import random_keys, uniform_between
from tgenn_gen.spec import Call, Keys, Network, Shape, Uniform
from tgenn_gen.tensors import Tensor


@dataclass(frozen=True, eq=False)
class Result:
    """What a simulation gives for n examples.

    output            (n, classes): the readout after the last step, in the units of the ANN's activations
    output_per_step   (timesteps, n, classes): the readout after each step
    spike_counts      {population: (n, *shape)}: spikes of each neuron of the spiking populations
    """

    output: np.ndarray
    output_per_step: np.ndarray
    spike_counts: dict[str, np.ndarray]

    @property
    def predictions(self) -> np.ndarray:
        """(n,): the class of the largest output."""
        return self.output.argmax(axis=1)


def simulate(
    network: Network,
    x: np.ndarray,
    *,
    timesteps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> Result:
    """Simulate the network on examples x (n, *input shape); a missing channel axis of length 1 is added.

    timesteps    steps an example; by default the document's
    batch_size   examples at a time; by default what fits some 100 MB. It bounds memory
    seed         for what is random (Poisson spikes, V drawn at random); 0 to 2^32 - 1
    Raises TgennError for a network without meaning (T2xx), and for what cannot be simulated (T503).
    """
    x, timesteps = checked(network, x, timesteps, seed, batch_size)
    results = [*simulated_batches(network, x, timesteps, seed, batch_size)]
    per_step = np.concatenate([output for output, _ in results], axis=1)
    counts = {name: np.concatenate([c[name] for _, c in results]) for name in network.spiking}
    return Result(per_step[-1], per_step, counts)


def checked(
    network: Network, x: np.ndarray, timesteps: int | None, seed: int, batch_size: int | None = None
) -> tuple[np.ndarray, int]:
    """The examples with their channel axis, and the number of time steps. Raises TgennError (T2xx, T503)."""
    require_valid(network)
    shape, start = network.inputs[0].shape, network.outputs[0].start
    if isinstance(x, np.ndarray) and shape[-1] == 1 and x.shape[1:] == shape[:-1]:
        x = x[..., None]
    problem = examples_problem(x, shape)
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
        raise _refusal(problem)
    return x, timesteps


def simulated_batches(
    network: Network, x: np.ndarray, timesteps: int, seed: int, batch_size: int | None = None
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """For one batch after the other: the output after each step, and each population's spike counts."""
    size = batch_size or neurons.batch_size_that_fits(timesteps, network.largest)
    for start in range(0, len(x), size):
        yield _simulate_batch(network, x[start : start + size], timesteps, seed, start)


def _refusal(problem: str) -> TgennError:
    return TgennError(Diagnostic(Location("simulate"), "T503", problem))


def _simulate_batch(
    network: Network, x: np.ndarray, timesteps: int, seed: int, start: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The output after each step (timesteps, batch, classes), and each population's spike counts."""
    encoding = network.inputs[0].encoding
    x = as_current(x, network.inputs[0].uint8_divisor)
    if problem := input_problem(x, encoding.low, encoding.high, encoding.binary):
        raise _refusal(problem)
    output, courses = network.outputs[0], []
    counts: dict[str, Any] = {}
    for name, course in time_courses(network, x, timesteps, seed, start):
        if name in network.spiking:
            counts[name] = counts.get(name, 0) + np.count_nonzero(course, axis=0).astype(np.uint32)
        if name == output.population:
            courses.append(course)
    readout = READOUTS[output.readout]
    weights = step_weights(network, timesteps)
    read = readout.read(np.concatenate(courses), output.start, weights)
    scales = network.population(output.population).scales
    return readout.output(read, scales, output.start, weights), counts


def step_weights(network: Network, timesteps: int) -> np.ndarray:
    """What a spike of each step stands for in the network's code, float32 (timesteps,)."""
    return neurons.few_spike_weights(timesteps) if network.few_spike else neurons.rate_weights(timesteps)


def time_courses(
    network: Network, x: np.ndarray, timesteps: int, seed: int = 0, start: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """What each population emits for examples x, float32 (batch, *input shape), numbered from `start` on.

    Pairs of its name and its spikes (bool, or int8 where they have a sign) or membrane potentials (float32),
    (steps, batch, *shape), for one part of the time steps after the other.
    """
    last_reader = {c.source: p.name for p in network.populations for c in p.inputs}
    network_input = network.inputs[0]
    numbers = start + np.arange(len(x))
    dt = network.simulation.dt
    calls = [(network_input.name, network_input.shape, network_input.encoding.call(dt))]
    calls += [(p.name, p.shape, p.neuron.call(dt)) for p in network.populations]
    running = {
        name: made(call, timesteps, random_keys(seed, stream, numbers), shape)
        for stream, (name, shape, call) in enumerate(calls)
    }
    for steps in neurons.time_blocks(timesteps):
        courses = {network_input.name: running[network_input.name].run(x[None], steps)}
        if network_input.encoding.spikes:
            yield network_input.name, courses[network_input.name]
        for population in network.populations:
            current = population.current(courses)
            courses[population.name] = running[population.name].run(current, steps)
            yield population.name, courses[population.name]
            for source in {c.source for c in population.inputs}:
                if last_reader[source] == population.name:
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
