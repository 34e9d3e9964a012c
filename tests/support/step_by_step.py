"""A second simulation of networks, as document.md has it: one local step after the other.

All populations run their local step k before any runs step k + 1, and what each has emitted is kept in a
list: no parts, no pipeline, no state but V, a sum of spikes, and the trains of maximum neurons.
"""

from __future__ import annotations

import numpy as np

from tgenn_gen.network.model import Network, Population

# {input or population: its spikes, or V, at each step: (batch, *shape)}
Courses = dict[str, list[np.ndarray]]


def step_by_step(network: Network, examples: dict[str, np.ndarray], timesteps: int) -> Courses:
    """What each population emits, float64. examples: {input: (batch, *shape)}, of currents or 0/1."""
    emitted: Courses = {name: [] for name in network.shapes}
    neurons = {p.name: _Neurons(p, len(next(iter(examples.values())))) for p in network.populations}
    spikes = {i.name: i.encoding.spikes for i in network.inputs}
    for step in range(timesteps):
        for name in spikes:
            emitted[name].append(examples[name].astype(np.float64))
        for p in network.populations:
            current = 0.0 if p.bias is None else p.bias.values.astype(np.float64)
            for connection in p.inputs:
                if step >= connection.delay:
                    current = current + connection.apply(emitted[connection.source][step - connection.delay])
            emitted[p.name].append(neurons[p.name].step(current))
    return emitted


class _Neurons:
    """The state of a population."""

    def __init__(self, population: Population, batch: int) -> None:
        self.neuron = population.neuron
        self.v = np.full((batch, *population.shape), getattr(self.neuron, "v_init", 0.0), np.float64)
        self.sum = np.zeros_like(self.v)
        self.trains = np.zeros((batch, *self.neuron.current_shape(population.shape)))

    def step(self, current: np.ndarray) -> np.ndarray:
        neuron = self.neuron
        if neuron.kind == "maximum":
            before = self.trains.max(axis=-1)
            self.trains = self.trains + current
            return self.trains.max(axis=-1) - before
        self.v = self.v + current
        if neuron.kind == "integrate":
            return self.v
        spikes = (self.v >= neuron.threshold).astype(np.float64)
        if neuron.kind == "signed_integrate_and_fire":
            spikes -= (self.v < neuron.negative_threshold) & (self.sum > 0)
            self.sum = self.sum + spikes
        if getattr(neuron, "reset", "subtract") == "subtract":
            self.v = self.v - spikes * neuron.threshold
        else:
            assert neuron.reset == "zero"
            self.v = np.where(spikes > 0, 0.0, self.v)
        return spikes
