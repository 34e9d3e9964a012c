"""Max-pooling of values that may be negative, by a shift: max(x) = max(relu(x + c)) - c where max(x) >= -c.

Maximum neurons compare spikes, which stand for activations of 0 or more. So the population before the maximum
gets the bias c, and the populations behind it the bias -chain(c), in which padding does not count. c is one
number per channel: the smallest maximum in the calibration data is 10 % of their range above -c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from tgenn_gen.conversion.folding import FoldedModel
from tgenn_gen.conversion.folding_state import one_a_channel
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import Examples, count_of

MARGIN = 0.1  # of the range of the maxima, below the smallest one


def shifted(folded: FoldedModel, batches: Iterable[Examples]) -> FoldedModel:
    """The folded model with the shifts that its max-pooling needs, from examples, which are read once."""
    if not folded.shifts:
        return folded
    layers = {shift.maximum: shift for shift in folded.shifts}
    channels = {name: folded.network.population(name).shape[-1] for name in layers}
    smallest = {name: np.full(n, np.inf) for name, n in channels.items()}
    largest = {name: np.full(n, -np.inf) for name, n in channels.items()}
    count = 0
    for examples in batches:
        for name, maxima in _maxima(folded, examples):
            rows = maxima.reshape(-1, channels[name])
            np.minimum(smallest[name], rows.min(axis=0), out=smallest[name])
            np.maximum(largest[name], rows.max(axis=0), out=largest[name])
        count += count_of(examples)
    found, notes = {}, []
    for name, shift in layers.items():
        margin = MARGIN * (largest[name] - smallest[name])
        found[shift.population] = np.maximum(margin - smallest[name], 0)
        up_to = found[shift.population].max()
        notes.append(
            f"{shift.layer}: shifted by up to {up_to:.3g}, from the smallest maxima in {count} examples and "
            f"{100 * MARGIN:g} % of their range: smaller ones are cut there"
            if up_to
            else f"{shift.layer}: not shifted, because no maximum in {count} examples is below 0"
        )
    network = with_shifts(folded.network, found)
    return replace(folded, network=network, notes=(*folded.notes, *notes))


def _maxima(folded: FoldedModel, examples: Examples) -> Iterator[tuple[str, np.ndarray]]:
    """Run the ANN without shifts: the maximum neurons that end a pooling, and their values, (batch, *shape).

    Padding counts as 0 in windows, and must not win. So maximum neurons get what their values are above the
    smallest one of their channel in this batch.
    """
    network = folded.network
    values = network.presented(examples)
    above: Examples = {}
    lowest: dict[str, np.ndarray] = {}
    marked, wanted = {s.population for s in folded.shifts}, {s.maximum for s in folded.shifts}
    last_read_by = network.last_read_by
    for population in network.populations:
        name, source = population.name, population.inputs[0].source
        if name in marked:
            values[name] = population.current(values)
            lowest[name] = values[name].reshape(-1, population.shape[-1]).min(axis=0)
            above[name] = values[name] - lowest[name]
        elif population.neuron.relays and source in above:
            lowest[name] = lowest[source]
            above[name] = population.activation(population.current(above))
            values[name] = above[name] + lowest[name]
        else:
            values[name] = population.activation(population.current(values))
        if name in wanted:
            yield name, values[name]
            wanted.remove(name)
        if not wanted:
            return
        for read in last_read_by[name]:
            del values[read]
            above.pop(read, None)


def with_shifts(network: Network, shifts: Mapping[str, np.ndarray]) -> Network:
    """Add shifts {population: (channels,)} to biases, and subtract them behind the maximum neurons."""
    raised: dict[str, np.ndarray] = {}  # what is to be subtracted from the activations of a population
    shapes, populations = network.shapes, []
    for population in network.populations:
        if population.neuron.relays:
            source = population.inputs[0].source
            raised |= {population.name: raised[source]} if source in raised else {}
            populations.append(population)
            continue
        change: np.ndarray | int = -sum(
            connection.apply(np.broadcast_to(raised[connection.source], shapes[connection.source]))
            for connection in population.inputs
            if connection.source in raised
        )
        if population.name in shifts:
            raised[population.name] = shifts[population.name]
            change = change + shifts[population.name]
        populations.append(_with_bias(population, change))
    return replace(network, populations=tuple(populations))


def _with_bias(population: Population, change: np.ndarray | int) -> Population:
    before = 0.0 if population.bias is None else population.bias.values.astype(np.float64)
    bias = one_a_channel(np.broadcast_to(before + change, population.shape))
    return replace(population, bias=Tensor.unnamed(bias) if bias.any() else None)
