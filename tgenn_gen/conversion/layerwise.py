"""Runs a spiking network layer by layer on a sample of calibration data, to adjust each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from tgenn_gen.conversion.calibration import Calibration
from tgenn_gen.engine.numpy_engines import fastest
from tgenn_gen.engine.simulation import made
from tgenn_gen.network.model import Network, Population
from tgenn_gen.runtime.data import Examples, count_of
from tgenn_gen.runtime.neuron_updates import few_spike_weights, time_blocks
from tgenn_gen.runtime.numpy_network import in_threads
from tgenn_gen.runtime.random_numbers import random_keys

SAMPLE = 256  # examples at most
MEMORY = 2**28  # bytes at most for the spikes of one population, one byte per spike
PART = 2**21  # elements of a part of currents, at most: they fit the processor's cache


@dataclass(frozen=True)
class Trial:
    """Runs candidates for one population on the spikes of the populations before it.

    steps                over how many steps courses and currents are summed: 1, or all in the few-spike code
    courses              {source: what it emits, (steps, examples, *shape)}; of a current one step, or one for
                         each frame
    currents(candidate)  its input current
    emitted(candidate)   what it emits
    Both functions give all examples in order, in parts (steps, examples, *shape). In the few-spike code all
    of these are sums over an example, (1, examples, *shape).
    """

    steps: float
    courses: Mapping[str, np.ndarray]
    currents: Callable[[Population], Iterator[np.ndarray]]
    emitted: Callable[[Population], Iterator[np.ndarray]]


Adjust = Callable[[Population, Trial], Population]


def sample_size(network: Network, calibration: Calibration, timesteps: int) -> int:
    """How many calibration examples a sample has: as many as memory allows, at most 256."""
    frames = sum(8 * i.frames * prod(i.shape) for i in network.inputs if i.frames > 1)  # in float64
    return max(1, min(SAMPLE, calibration.count, MEMORY // (timesteps * network.largest + frames)))


def adjusted_layerwise(network: Network, examples: Examples, timesteps: int, adjust: Adjust) -> Network:
    """Adjust one population after the other, on the spikes of the adjusted populations before it.

    examples: as the network takes them, with their frames. adjust(population, trial): returns the adjusted
    population.
    """
    dt = network.simulation.dt
    numbers = np.arange(count_of(examples))
    steps = float(few_spike_weights(timesteps).sum()) if network.few_spike else 1.0
    # float64 marks a current: a constant one has one step, beside the many of spikes, or one for each frame.
    presented = network.presented(examples)
    courses = {i.name: _shown(presented[i.name], i.frames, steps) for i in network.inputs}
    for stream, i in enumerate(network.inputs):
        if i.encoding.spikes:
            running = made(i.encoding.call(dt), random_keys(0, stream, numbers), i.shape)
            shown = _at_each_step(courses[i.name].astype(np.float32), timesteps)
            courses[i.name] = _run(running, shown, timesteps)
    last_read_by = network.last_read_by
    adjusted = []
    for stream, population in enumerate(network.populations, len(network.inputs)):
        trial = _trial(courses, population, timesteps, steps, dt, random_keys(0, stream, numbers))
        adjusted.append(adjust(population, trial))
        courses[population.name] = _joined(trial.emitted(adjusted[-1]), len(numbers))
        for source in last_read_by[population.name]:
            del courses[source]
    return replace(network, populations=tuple(adjusted))


def _shown(x: np.ndarray, frames: int, steps: float) -> np.ndarray:
    """What an input shows in an example, float64 (1, examples, *shape), or (frames, examples, *shape)."""
    shown = (x[None] if frames == 1 else x.swapaxes(0, 1)).astype(np.float64)
    return shown if steps == 1 else shown * steps


def _at_each_step(course: np.ndarray, timesteps: int) -> np.ndarray:
    """A course with each of its frames for as many steps as it is shown."""
    return course if len(course) in (1, timesteps) else np.repeat(course, timesteps // len(course), axis=0)


def _trial(
    courses: dict[str, np.ndarray],
    population: Population,
    timesteps: int,
    steps: float,
    dt: float,
    keys: np.ndarray,
) -> Trial:
    """steps: over how many steps currents are summed."""
    largest = max(population.size, *(int(np.prod(c.shape[2:])) for c in courses.values()))
    size = max(1, PART // (timesteps * largest))
    parts = [slice(start, start + size) for start in range(0, len(keys), size)]

    def current_function(candidate: Population) -> Callable[[slice], np.ndarray]:
        bias = None if candidate.bias is None else candidate.bias.values * np.float32(steps)
        compiled = fastest().current(candidate, bias)

        def of_part(part: slice) -> np.ndarray:
            read = {c.source: _at_each_step(courses[c.source][:, part], timesteps) for c in candidate.inputs}
            sources = [read[c.source] for c in candidate.inputs]
            found = compiled(sources) if compiled else candidate.current(read, steps)
            return found.astype(np.float32, copy=False)

        return of_part

    def currents(candidate: Population) -> Iterator[np.ndarray]:
        return in_threads(current_function(candidate), parts)

    def emitted(candidate: Population) -> Iterator[np.ndarray]:
        current = current_function(candidate)

        def run(part: slice) -> np.ndarray:
            neurons = made(candidate.neuron.call(dt), keys[part], candidate.shape)
            return _run(neurons, current(part), timesteps)

        return in_threads(run, parts)

    return Trial(steps, courses, currents, emitted)


def mean_over_steps(course: np.ndarray, steps: float) -> np.ndarray:
    """What is emitted a step, float32 (examples, *shape); a step at a time, to bound memory.

    course: (steps, examples, *shape), or (1, examples, *shape) summed over `steps` steps, as in a Trial.
    """
    total = np.zeros(course.shape[1:], np.float32)
    for emitted in course:
        total += emitted
    return total / np.float32(len(course) * steps)


def _run(neurons: Any, current: np.ndarray, timesteps: int) -> np.ndarray:
    """Run neurons for all time steps: what they emit, (timesteps, batch, ...)."""
    emitted, start = [], 0
    for steps in time_blocks(timesteps):
        part = current if len(current) == 1 else current[start : start + steps]
        emitted.append(neurons.run(part, steps))
        start += steps
    return emitted[0] if len(emitted) == 1 else np.concatenate(emitted)


def _joined(parts: Iterator[np.ndarray], count: int) -> np.ndarray:
    """Parts (steps, examples, *shape) as one array of `count` examples, never in memory twice."""
    first = next(parts)
    joined = np.empty((len(first), count, *first.shape[2:]), first.dtype)
    done = 0
    for part in chain([first], parts):
        joined[:, done : done + part.shape[1]] = part
        done += part.shape[1]
    return joined
