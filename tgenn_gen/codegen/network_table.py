"""The size of a network on GeNN: as a table (tgenn show), and as JSON data."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass

from tgenn_gen.codegen.matrix_types import WEIGHT_BYTES, Connectivity, connectivity
from tgenn_gen.network.delays import lateness
from tgenn_gen.network.fields import by
from tgenn_gen.network.model import Connection, Network, Population
from tgenn_gen.network.summary import (
    WIDTH,
    Size,
    heading,
    population_sizes,
    short_scale,
    text_table,
    total_size,
    with_synapses,
)


@dataclass(frozen=True)
class Extent(Size):
    """The size of a population or of a network, and the memory that it needs.

    bytes       memory of kernels and biases
    sparse      bytes that GeNN needs for the synapses with `--connectivity sparse`
    toeplitz    the same with `--connectivity toeplitz`
    """

    bytes: int
    sparse: int
    toeplitz: int


def population_extents(network: Network) -> dict[str, Extent]:
    """The extent of each population, by name."""
    shapes, sizes = network.shapes, population_sizes(network)
    extents = {}
    for p in network.populations:
        kept = [_connectivity(c, shapes[c.source], p) for c in with_synapses(network, p)]
        sparse, toeplitz = sum(k.sparse_bytes for k in kept), sum(k.toeplitz_bytes for k in kept)
        extents[p.name] = _extent(sizes[p.name], sparse, toeplitz)
    return extents


def _extent(size: Size, sparse: int, toeplitz: int) -> Extent:
    return Extent(**asdict(size), bytes=size.weights * WEIGHT_BYTES, sparse=sparse, toeplitz=toeplitz)


def _connectivity(connection: Connection, shape: tuple[int, ...], population: Population) -> Connectivity:
    maps = len(connection.through)
    return connectivity(connection, shape, ("",) * maps, population.neuron.fan_in(maps))


def total_extent(network: Network, extents: dict[str, Extent]) -> Extent:
    """The extent of the network; weights that populations share count once."""
    sparse, toeplitz = (sum(getattr(e, name) for e in extents.values()) for name in ("sparse", "toeplitz"))
    return _extent(total_size(network, extents), sparse, toeplitz)


def network_data(network: Network) -> dict[str, object]:
    """The numbers of network_table as JSON data: of each population, and in total."""
    extents = population_extents(network)
    return {
        "name": network.name,
        "populations": {name: asdict(extent) for name, extent in extents.items()},
        "total": asdict(total_extent(network, extents)),
    }


def network_table(network: Network) -> str:
    """A table of populations with neurons, synapses and memory, details of each one below it, and a total."""
    extents = population_extents(network)
    head = ("population", "shape", "neurons", "synapses", "weights", "sparse", "toeplitz", "scale")
    rows = [(p.name, by(p.shape), *_columns(extents[p.name]), short_scale(p)) for p in network.populations]
    total = ("total", "", *_columns(total_extent(network, extents)), "")
    (first, *table, last), rule = text_table([head, *rows, total], 2)
    lines = [*heading(network), "", first, rule]
    for population, line in zip(network.populations, table, strict=True):
        lines += [line, *_details(population)]
    lines += [
        rule,
        last,
        "weights: memory of kernels and biases, with 4 bytes per number.",
        "sparse, toeplitz: memory of the synapses in GeNN, by the --connectivity option of simulate.py.",
    ]
    return "\n".join(lines)


def _columns(extent: Extent) -> tuple[str, ...]:
    memory = (extent.bytes, extent.sparse, extent.toeplitz)
    return (f"{extent.neurons:,}", f"{extent.synapses:,}", *map(in_units, memory))


def _details(population: Population) -> list[str]:
    chains = [
        f"from {c.source}{lateness(c)}: {', '.join(m.describe() for m in c.through) or 'one to one'}"
        for c in population.inputs
    ]
    text = "; ".join([population.neuron.describe(), *chains])
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def in_units(size: int) -> str:
    """A number of bytes in the largest unit in which it is at least 1."""
    units = ("B", "KiB", "MiB", "GiB")
    power = min(max(size.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{size / 1024**power:.1f} {units[power]}" if power else f"{size} B"
