"""Corrections without training, on calibration examples.

    offset     before normalization: one number is added to all logits, so that none is below 0, where a
               spiking output has nothing to say; the largest stays the largest

After normalization, layer by layer against the ANN (Li et al. 2021):

    bias       each channel's bias takes in the mean error of its activation (their bias calibration)
    potential  each neuron's V at the start takes in its own mean error (their potential calibration)

The error is what the ANN's activation, on the same calibration examples, has more than scale x spikes per
step. Layers are corrected from the input on, each given what the corrected ones before it emit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tgenn_gen.activations import ann_currents
from tgenn_gen.calibration import Calibration
from tgenn_gen.layerwise import Trial, adjusted_layerwise, sample_of
from tgenn_gen.reference import step_weights
from tgenn_gen.spec import Network, Population
from tgenn_gen.tensors import Tensor


def with_offset(network: Network, calibration: Calibration) -> tuple[Network, float]:
    """The folded network with its output's smallest activation raised to 0, and by how much."""
    x = sample_of(network, calibration, 1)
    output = network.outputs[0].population
    lowest = 0.0
    for start in range(0, len(x), 16):
        for population, current in ann_currents(network, x[start : start + 16]):
            if population.name == output:
                lowest = min(lowest, float(current.min()))
    if lowest == 0:
        return network, 0.0
    population = network.population(output)
    bias = np.zeros(population.shape[-1]) if population.bias is None else population.bias.values
    raised = replace(population, bias=Tensor(f"weights/{output}.bias.npy", bias - lowest))
    populations = tuple(raised if p.name == output else p for p in network.populations)
    return replace(network, populations=populations), -lowest


def corrected(
    network: Network, folded: Network, calibration: Calibration, corrections: tuple[str, ...]
) -> Network:
    """`network`, the normalized `folded`, with these corrections one after the other."""
    timesteps, dt = network.simulation.timesteps, network.simulation.dt
    x = sample_of(network, calibration, timesteps)
    weights = step_weights(network, timesteps)
    means = _mean_activations(folded, x)
    for correction in (c for c in corrections if c in _CORRECT):

        def adjust(population: Population, trial: Trial, correction: str = correction) -> Population:
            error = means[population.name] - _mean_emitted(population, trial, weights)
            return _CORRECT[correction](population, error, dt, float(weights.sum()))

        network = adjusted_layerwise(network, x, timesteps, adjust)
    return network


def _mean_activations(folded: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """The ANN's activations, their mean over examples: {population: (*shape)}."""
    sums = {p.name: np.zeros(p.shape) for p in folded.populations}
    for start in range(0, len(x), 16):
        for population, current in ann_currents(folded, x[start : start + 16]):
            values = np.maximum(current, 0) if population.neuron.spikes else current
            sums[population.name] += values.sum(axis=0, dtype=np.float64)
    return {name: total / len(x) for name, total in sums.items()}


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
    return replace(population, bias=Tensor(f"weights/{population.name}.bias.npy", before + change))


def _correct_potential(population: Population, error: np.ndarray, dt: float, steps: float) -> Population:
    if not population.neuron.spikes:
        return population
    neuron = population.neuron
    rise = neuron.threshold - getattr(neuron, "v_rest", 0.0)  # type: ignore[attr-defined]
    start = neuron.v_init  # type: ignore[attr-defined]
    before = start.values if isinstance(start, Tensor) else start
    change = error / population.scales * rise * steps
    v_init = Tensor(
        f"weights/{population.name}.v_init.npy", np.broadcast_to(before + change, population.shape)
    )
    return replace(population, neuron=replace(neuron, v_init=v_init))  # type: ignore[type-var]


_CORRECT = {"bias": _correct_bias, "potential": _correct_potential}
