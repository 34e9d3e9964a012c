"""The size of a network: as a table (tgenn show), and as JSON data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from tgenn_gen.codegen.matrix_types import Connectivity, connectivity, synapses
from tgenn_gen.network.model import Connection, Input, Network, Population
from tgenn_gen.network.tensors import Tensor

WIDTH = 110  # columns, where names are not too long


@dataclass(frozen=True)
class Extent:
    """The size of a population or of a network.

    synapses    of its inputs; an input current, which the host computes, has none
    weights     how many numbers kernels and biases have
    bytes       memory of these numbers
    sparse      bytes that GeNN needs for the synapses with `--connectivity sparse`
    toeplitz    the same with `--connectivity toeplitz`
    """

    neurons: int
    synapses: int
    weights: int
    bytes: int
    sparse: int
    toeplitz: int


def population_extents(network: Network) -> dict[str, Extent]:
    """The extent of each population, by name."""
    shapes = network.shapes
    extents = {}
    for population in network.populations:
        connections = [c for c in population.inputs if _spikes(network, c)]
        kept = [_connectivity(c, shapes[c.source], population) for c in connections]
        weights = _weights([population])
        extents[population.name] = Extent(
            neurons=population.size,
            synapses=sum(synapses(c, shapes[c.source]) for c in connections),
            weights=weights,
            bytes=weights * 4,
            sparse=sum(k.sparse_bytes for k in kept),
            toeplitz=sum(k.toeplitz_bytes for k in kept),
        )
    return extents


def _spikes(network: Network, connection: Connection) -> bool:
    """Whether a connection's source spikes; if not, the host computes a current."""
    encodings = {i.name: i.encoding for i in network.inputs}
    return connection.source not in encodings or encodings[connection.source].spikes


def _connectivity(connection: Connection, shape: tuple[int, ...], population: Population) -> Connectivity:
    maps = len(connection.through)
    return connectivity(connection, shape, ("",) * maps, population.neuron.fan_in(maps))


def _weights(populations: Iterable[Population]) -> int:
    """How many numbers their kernels and biases have; a shared file counts once."""
    sizes = {}
    for population in populations:
        tensors = [t for c in population.inputs for m in c.through for t in m.tensors.values()]
        tensors += [] if population.bias is None else [population.bias]
        sizes.update({t.file: t.values.size for t in tensors})
    return sum(sizes.values())


def total_extent(network: Network, extents: dict[str, Extent]) -> Extent:
    """The extent of the network; weights that populations share count once."""
    rows = [asdict(extent) for extent in extents.values()]
    total = Extent(**{name: sum(row[name] for row in rows) for name in rows[0]})
    weights = _weights(network.populations)
    return replace(total, weights=weights, bytes=weights * 4)


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
    rows = [(p.name, _by(p.shape), *_columns(extents[p.name]), _short_scale(p)) for p in network.populations]
    total = ("total", "", *_columns(total_extent(network, extents)), "")
    widths = [max(map(len, column)) for column in zip(head, *rows, total, strict=True)]
    rule = "-" * sum(widths, 2 * (len(widths) - 1))
    lines = [*_heading(network), "", _line(head, widths), rule]
    for population, row in zip(network.populations, rows, strict=True):
        lines += [_line(row, widths), *_details(population)]
    lines += [
        rule,
        _line(total, widths),
        "weights: memory of kernels and biases, with 4 bytes per number.",
        "sparse, toeplitz: memory of the synapses in GeNN, by the --connectivity option of simulate.py.",
    ]
    return "\n".join(line.rstrip() for line in lines)


def _heading(network: Network) -> list[str]:
    simulation = network.simulation
    outputs = ", ".join(
        f"{o.readout} of {o.population}" + (f" ({o.activation})" if o.activation else "")
        for o in network.outputs
    )
    steps = f"{simulation.timesteps} time steps of {simulation.dt:g} ms per example"
    heading = f"{network.name}: {steps}; read out: {outputs}"
    lines = textwrap.wrap(heading, WIDTH, subsequent_indent="    ", break_long_words=False)
    return lines + [
        f"input {i.name}: {_by(i.shape)}, {i.encoding.describe()}{_less(i)}" for i in network.inputs
    ]


def _less(network_input: Input) -> str:
    """What is subtracted from an input's data; "" if nothing is."""
    if not network_input.offset:
        return ""
    offset = network_input.offset
    return f", less {offset.file if isinstance(offset, Tensor) else f'{offset:g}'}"


def _columns(extent: Extent) -> tuple[str, ...]:
    memory = (extent.bytes, extent.sparse, extent.toeplitz)
    return (f"{extent.neurons:,}", f"{extent.synapses:,}", *map(_memory, memory))


def _details(population: Population) -> list[str]:
    chains = [
        f"from {c.source}: {', '.join(m.describe() for m in c.through) or 'one to one'}"
        for c in population.inputs
    ]
    text = "; ".join([population.neuron.describe(), *chains])
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """A line of the table; all but the name and the shape are numbers."""
    cells = zip(row, widths, strict=True)
    return "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(cells))


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _short_scale(population: Population) -> str:
    low, high = population.scales.min(), population.scales.max()
    return f"{low:.3g}" if low == high else f"{low:.3g}-{high:.3g}"


def _memory(size: int) -> str:
    """A number of bytes in the largest unit in which it is at least 1."""
    units = ("B", "KiB", "MiB", "GiB")
    power = min(max(size.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{size / 1024**power:.1f} {units[power]}" if power else f"{size} B"
