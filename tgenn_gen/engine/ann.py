"""Runs a network as an ANN, with ReLUs for its neurons, by the fastest engine that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tgenn_gen.engine.numpy_engines import fastest
from tgenn_gen.network.model import Network, Population
from tgenn_gen.runtime.data import Examples

SMALL = 2**17  # weights of a kernel: compiled sums take at most half of NumPy's time up to 64 channels


def ann_currents(network: Network, examples: Examples) -> Iterator[tuple[Population, np.ndarray]]:
    """Run a folded network (all scales 1) as an ANN: each population and its current, (batch, *shape).

    examples: {input: (batch, *shape)}, as the ANN takes them. The current is the pre-activation: no ReLU is
    applied to it.
    """
    return ann_rates(
        network, network.presented(examples), dict.fromkeys((p.name for p in network.populations), 1.0)
    )


def ann_rates(
    network: Network, values: Examples, units: Mapping[str, float]
) -> Iterator[tuple[Population, np.ndarray]]:
    """Run a network as an ANN: each population and its current / its unit, (batch, *shape), before the ReLU.

    values: {input: (batch, *shape)}, less the inputs' offsets. units: {population: the current that makes it
    spike at every step}.
    """
    values = dict(values)
    last_read_by = network.last_read_by
    for population in network.populations:
        unit = units[population.name]
        current = _current(population, values)
        rates = current if unit == 1 else current / np.float32(unit)
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
