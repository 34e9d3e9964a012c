"""Corrections without training, on calibration examples.

    offset     before normalization: one number is added to all logits of an output, so that none is below
               0, where a spiking output has nothing to say; the largest stays the largest

After normalization, layer by layer against the ANN (Li et al. 2021):

    bias       each channel's bias takes in the mean error of its activation (their bias calibration)
    potential  each neuron's V at the start takes in its own mean error (their potential calibration)

The error is what the ANN's activation, on the same calibration examples, has more than scale x spikes per
step. Layers are corrected from the input on, each given what the corrected ones before it emit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tgenn_gen.conversion.layerwise import Trial, adjusted_layerwise
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.engine.simulation import step_weights
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import Examples, count_of


def with_offset(
    network: Network, examples: Examples, outputs: Sequence[str]
) -> tuple[Network, dict[str, float]]:
    """The folded network with these outputs' smallest activations raised to 0, and which by how much."""
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
    """`network`, the normalized `folded`, with these corrections one after the other."""
    timesteps, dt = network.simulation.timesteps, network.simulation.dt
    weights = step_weights(network, timesteps)
    means = _mean_activations(folded, examples)
    for correction in (c for c in corrections if c in _CORRECT):

        def adjust(population: Population, trial: Trial, correction: str = correction) -> Population:
            if population.neuron.relays:
                return population
            error = means[population.name] - _mean_emitted(population, trial, weights)
            return _CORRECT[correction](population, error, dt, float(weights.sum()))

        network = adjusted_layerwise(network, examples, timesteps, adjust)
    return network


def _mean_activations(folded: Network, examples: Examples) -> dict[str, np.ndarray]:
    """The ANN's activations, their mean over examples: {population: (*shape)}."""
    sums = {p.name: np.zeros(p.shape) for p in folded.populations}
    for part in _parts(examples):
        for population, current in ann_currents(folded, part):
            sums[population.name] += population.activation(current).sum(axis=0, dtype=np.float64)
    count = count_of(examples)
    return {name: total / count for name, total in sums.items()}


def _mean_emitted(population: Population, trial: Trial, weights: np.ndarray) -> np.ndarray:
    """Scale x spikes per step, its mean over examples, (*shape)."""
    total, count = np.zeros(population.shape), 0
    for course in trial.emitted(population):
        value = np.tensordot(weights, course, 1) if population.neuron.spikes else course[-1]
        total += value.sum(axis=0, dtype=np.float64)
        count += course.shape[1]
    return population.scales * total / count / weights.sum()


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
