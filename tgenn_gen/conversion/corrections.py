"""Corrections without training, on calibration examples.

    offset     before normalization: one number is added to all logits of an output, so that none is below
               0, because a spike count cannot be negative; the largest logit stays the largest

After normalization, layer by layer against the ANN:

    weights    the kernels and the biases for which the currents are nearest to the ANN's, by least squares
               (:mod:`tgenn_gen.conversion.least_squares`; Li et al. 2021 find weights by gradient descent)
    bias       the mean error of each channel is added to its bias (their bias calibration)
    potential  the mean error of each neuron is added to its initial potential (their potential calibration)

error = ANN activation - scale x spikes per step, on the same calibration examples (Li et al. 2021). Layers
are corrected in order, from the input on; each one gets the spikes of the corrected layers before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tgenn_gen.conversion.layerwise import Trial, adjusted_layerwise
from tgenn_gen.conversion.least_squares import fitted
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import Examples, count_of
from tgenn_gen.runtime.neuron_updates import step_weights
from tgenn_gen.runtime.numpy_network import in_threads


def with_offset(
    network: Network, examples: Examples, outputs: Sequence[str]
) -> tuple[Network, dict[str, float]]:
    """Raise these outputs so that their smallest activation is 0: the network, and {output: number added}."""
    lowest = dict.fromkeys(outputs, 0.0)
    for part in _parts(examples):
        for population, current in ann_currents(network, part):
            if population.name in lowest:
                lowest[population.name] = min(
                    lowest[population.name], float(population.logits(current).min())
                )
    offsets = {name: -value for name, value in lowest.items() if value < 0}
    populations = tuple(_raised(p, offsets[p.name]) if p.name in offsets else p for p in network.populations)
    return replace(network, populations=populations), offsets


def _raised(population: Population, offset: float) -> Population:
    bias = np.zeros(population.shape[-1]) if population.bias is None else population.bias.values
    return replace(population, bias=Tensor.unnamed(bias + offset))


def _parts(examples: Examples) -> Iterator[Examples]:
    """The examples, 16 at a time."""
    for start in range(0, count_of(examples), 16):
        yield {name: x[start : start + 16] for name, x in examples.items()}


def corrected(network: Network, folded: Network, examples: Examples, corrections: tuple[str, ...]) -> Network:
    """Apply these corrections to `network`, which is `folded` after normalization, one after the other."""
    timesteps, dt = network.simulation.timesteps, network.simulation.dt
    steps = float(step_weights(timesteps, network.few_spike).sum())
    if "weights" in corrections:
        network = _with_fitted_weights(network, folded, examples)
    chosen = [c for c in corrections if c in _CORRECT]
    means = _mean_activations(folded, examples) if chosen else {}
    for correction in chosen:

        def adjust(population: Population, trial: Trial, correction: str = correction) -> Population:
            if population.neuron.relays:
                return population
            error = means[population.name] - _mean_emitted(population, trial, steps)
            return _CORRECT[correction](population, error, dt, steps)

        network = adjusted_layerwise(network, examples, timesteps, adjust)
    return network


def _with_fitted_weights(network: Network, folded: Network, examples: Examples) -> Network:
    """Fit one population after the other, on the spikes that it gets, to the ANN's current."""
    dt, analog = network.simulation.dt, {i.name for i in network.inputs if not i.encoding.spikes}
    running = [ann_currents(folded, part) for part in _parts(examples)]

    def adjust(population: Population, trial: Trial) -> Population:
        current = np.concatenate([current for _, current in in_threads(next, running)])
        sources = {c.source for c in population.inputs}
        if population.neuron.relays or sources <= analog:
            return population
        values = {source: _rates(trial.courses[source], trial.steps) for source in sources}
        wanted = current * (population.neuron.unit(dt) / population.scales) + population.neuron.leak(dt)
        return fitted(population, values, wanted.astype(np.float32))

    return adjusted_layerwise(network, examples, network.simulation.timesteps, adjust)


def _mean_activations(folded: Network, examples: Examples) -> dict[str, np.ndarray]:
    """{population: the mean of the ANN's activations over the examples, (*shape)}."""
    sums = {p.name: np.zeros(p.shape) for p in folded.populations}
    for part in _parts(examples):
        for population, current in ann_currents(folded, part):
            sums[population.name] += population.activation(current).sum(axis=0, dtype=np.float64)
    count = count_of(examples)
    return {name: total / count for name, total in sums.items()}


def _mean_emitted(population: Population, trial: Trial, steps: float) -> np.ndarray:
    """The mean of scale x spikes per step over the examples, (*shape)."""
    total, count = np.zeros(population.shape), 0
    for course in trial.emitted(population):
        if population.neuron.spikes:
            value = _mean_over_steps(course, trial.steps)
        else:
            value = course[-1] / np.float32(steps)  # V after all steps
        total += value.sum(axis=0, dtype=np.float64)
        count += course.shape[1]
    return population.scales * total / count


def _rates(course: np.ndarray, steps: float) -> np.ndarray:
    """As `_mean_over_steps`, in threads."""
    parts = [course[:, start : start + 16] for start in range(0, course.shape[1], 16)]
    return np.concatenate([*in_threads(lambda part: _mean_over_steps(part, steps), parts)])


def _mean_over_steps(course: np.ndarray, steps: float) -> np.ndarray:
    """What is emitted a step, float32 (examples, *shape); a step at a time, to bound memory.

    course: (steps, examples, *shape), or (1, examples, *shape) summed over `steps` steps, as in a Trial.
    """
    total = np.zeros(course.shape[1:], np.float32)
    for emitted in course:
        total += emitted
    return total / np.float32(len(course) * steps)


def _correct_bias(population: Population, error: np.ndarray, dt: float, steps: float) -> Population:
    mean = error.reshape(-1, population.shape[-1]).mean(axis=0)
    change = mean / population.scales * population.neuron.unit(dt)
    before = 0.0 if population.bias is None else population.bias.values
    return replace(population, bias=Tensor.unnamed(before + change))


def _correct_potential(population: Population, error: np.ndarray, dt: float, steps: float) -> Population:
    if not population.neuron.spikes:
        return population
    neuron = population.neuron
    rise = neuron.threshold - getattr(neuron, "v_rest", 0.0)  # type: ignore[attr-defined]
    start = neuron.v_init  # type: ignore[attr-defined]
    before = start.values if isinstance(start, Tensor) else start
    change = error / population.scales * rise * steps
    v_init = Tensor.unnamed(np.broadcast_to(before + change, population.shape))
    return replace(population, neuron=replace(neuron, v_init=v_init))  # type: ignore[type-var]


_CORRECT = {"bias": _correct_bias, "potential": _correct_potential}
