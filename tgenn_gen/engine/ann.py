"""Runs a network as an ANN, with ReLUs for its neurons, by the fastest engine that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tgenn_gen.engine.numpy_engines import fastest
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.runtime.data import Examples

SMALL = 2**17  # weights of a kernel: compiled sums take at most half of NumPy's time up to 64 channels


def ann_currents(network: Network, examples: Examples) -> Iterator[tuple[Population, np.ndarray]]:
    """Run a folded network (all scales 1) as an ANN: each population and its current, (batch, *shape).

    examples: {input: (batch, *shape)}, as the ANN takes them. The current is the pre-activation: no ReLU is
    applied to it.
    """
    return _run(network, network.presented(examples), lambda neuron, current: current)


def ann_rates(network: Network, values: Examples) -> Iterator[tuple[Population, np.ndarray]]:
    """Run a network as an ANN: each population and its firing rates, (batch, *shape), before the ReLU.

    values: {input: (batch, *shape)}, less the inputs' offsets.
    """
    return _run(network, values, lambda neuron, current: neuron.rates(current, network.simulation.dt))


def _run(
    network: Network, values: Examples, rates_of: Callable[[Neuron, np.ndarray], np.ndarray]
) -> Iterator[tuple[Population, np.ndarray]]:
    """rates_of(neuron, current): what the ReLU is applied to."""
    values = dict(values)
    last_read_by = network.last_read_by
    for population in network.populations:
        rates = rates_of(population.neuron, _current(population, values))
        values[population.name] = population.activation(rates)
        yield population, rates
        for source in last_read_by[population.name]:
            del values[source]  # nothing reads it any more


def _current(population: Population, values: Examples) -> np.ndarray:
    """As `population.current`, up to rounding. Where kernels are large, NumPy's products are the fastest."""
    sources = [values[c.source] for c in population.inputs]
    tensors = [t for c in population.inputs for m in c.through for t in m.tensors.values()]
    if all(t.values.size <= SMALL for t in tensors) and all(x.dtype == np.float32 for x in sources):
        bias = None if population.bias is None else population.bias.values
        if compiled := fastest().current(population, bias):
            return compiled([x[None] for x in sources])[0]  # [None]: an axis of steps
    return population.current(values)
