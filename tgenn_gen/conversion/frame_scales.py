"""Scales for inputs that have several frames.

Normalization chooses scales for the mean over the frames. In a single frame the current of a neuron can be
several times as large, but the neuron spikes once a step at most: what stays in V is emitted late, or after
the end of the example. A larger scale asks for fewer spikes, at coarser steps of the activation. So the
scales of each population are multiplied by the factor, from 1 to the number of frames, for which scale x
spikes per step is nearest to the ANN's activation: it has the least squared error in a simulation of
calibration examples, layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, log2

import numpy as np

from tgenn_gen.conversion.layerwise import Trial, adjusted_layerwise, mean_over_steps
from tgenn_gen.conversion.normalization import Scales, rescale
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.network.model import Network, Population
from tgenn_gen.runtime.data import Examples, count_of
from tgenn_gen.runtime.numpy_network import in_threads

FACTORS_A_DOUBLING = 2  # that are tried
PART = 16  # examples that the ANN runs at a time


def scales_for_frames(network: Network, scales: Scales, examples: Examples) -> tuple[Scales, list[str]]:
    """Scales of a folded network, multiplied for its frames, and a note on them.

    examples: {input: (n, frames, *shape), or (n, *shape) for inputs without frames}.
    """
    frames = max(i.frames for i in network.inputs)
    tried = [2 ** (step / FACTORS_A_DOUBLING) for step in range(ceil(FACTORS_A_DOUBLING * log2(frames)) + 1)]
    search = _Search(network, dict(scales), examples, [min(factor, frames) for factor in tried])
    adjusted_layerwise(network, examples, network.simulation.timesteps, search.population_with_best_scales)
    factors = search.factors.values()
    note = (
        f"scales are multiplied by {min(factors):.2g} to {max(factors):.2g}, "
        "because single frames drive neurons harder than their mean"
    )
    return search.scales, [note] if max(factors, default=1) > 1 else []


@dataclass
class _Search:
    """The scales so far, and the factors in them.

    tried: the factors to choose from.
    """

    network: Network
    scales: Scales
    examples: Examples
    tried: list[float]
    factors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mean, count = self.network.frames_mean(self.examples), count_of(self.examples)
        parts = [{name: x[at : at + PART] for name, x in mean.items()} for at in range(0, count, PART)]
        self._running = [ann_currents(self.network, part) for part in parts]

    def population_with_best_scales(self, population: Population, trial: Trial) -> Population:
        """A population after normalization with the best factor, which is kept in the scales."""
        current = np.concatenate([current for _, current in in_threads(next, self._running)])
        if population.neuron.spikes and not population.neuron.relays:
            wanted = population.activation(current)
            errors = {factor: self._error(population.name, trial, wanted, factor) for factor in self.tried}
            best = min(errors, key=errors.__getitem__)
            self.factors[population.name] = best
            self.scales[population.name] = self._multiplied(population, best)
        return rescale(self.network, self.scales).population(population.name)

    def _multiplied(self, population: Population, factor: float) -> np.ndarray:
        most = np.inf if population.max_value is None else population.max_value
        return np.minimum(self.scales[population.name] * factor, most)

    def _error(self, name: str, trial: Trial, wanted: np.ndarray, factor: float) -> float:
        """The sum of squared errors of the activations (examples, *shape) with a factor."""
        scale = self._multiplied(self.network.population(name), factor)
        candidate = rescale(self.network, {**self.scales, name: scale}).population(name)
        done, error = 0, 0.0
        for course in trial.emitted(candidate):
            found = mean_over_steps(course, trial.steps) * candidate.scales
            error += float(np.square(found - wanted[done : done + len(found)]).sum(dtype=np.float64))
            done += len(found)
        return error
