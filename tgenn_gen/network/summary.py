"""A network at a glance: sizes of its populations, as text and as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tgenn_gen.network.fields import by
from tgenn_gen.network.graph_drawing import graph_svg
from tgenn_gen.network.model import Connection, Input, Network, Population
from tgenn_gen.network.tensors import Tensor

WIDTH = 110  # columns, where names are not too long
_HEAD = ("population", "neuron", "shape", "from", "neurons", "synapses", "parameters", "scale")
_WORDS = 4  # columns of words; the others have numbers
_NOTE = (
    "scale: the ANN's activation at one spike per time step. An input current, which is computed once per "
    "example, has no synapses."
)


@dataclass(frozen=True)
class Size:
    """The size of a population or of a network.

    synapses    of its inputs; an input current, which the host computes, has none
    weights     how many numbers kernels and biases have
    """

    neurons: int
    synapses: int
    weights: int


def population_sizes(network: Network) -> dict[str, Size]:
    """The size of each population, by name."""
    shapes = network.shapes
    return {
        p.name: Size(
            p.size,
            sum(c.synapses(shapes[c.source]) for c in with_synapses(network, p)),
            _weights([p]),
        )
        for p in network.populations
    }


def total_size(network: Network, sizes: Mapping[str, Size]) -> Size:
    """The size of the network; weights that populations share count once."""
    neurons = sum(size.neurons for size in sizes.values())
    return Size(neurons, sum(size.synapses for size in sizes.values()), _weights(network.populations))


def with_synapses(network: Network, population: Population) -> list[Connection]:
    """The inputs of a population whose source spikes; from other sources the host computes a current."""
    encodings = {i.name: i.encoding for i in network.inputs}
    return [c for c in population.inputs if c.source not in encodings or encodings[c.source].spikes]


def _weights(populations: Iterable[Population]) -> int:
    """How many numbers their kernels and biases have; a shared file counts once."""
    sizes = {}
    for population in populations:
        tensors = [t for c in population.inputs for m in c.through for t in m.tensors.values()]
        tensors += [] if population.bias is None else [population.bias]
        sizes.update({t.file or id(t): t.values.size for t in tensors})
    return sum(sizes.values())


def heading(network: Network) -> list[str]:
    """Lines on the network as a whole: time steps, readout, inputs."""
    simulation = network.simulation
    outputs = ", ".join(
        f"{o.readout} of {o.population}" + (f" ({o.activation})" if o.activation else "")
        for o in network.outputs
    )
    steps = f"{simulation.timesteps} time steps of {simulation.dt:g} ms per example"
    if simulation.reset == "never":
        steps += ", a stream in which neurons are never reset"
    text = f"{network.name}: {steps}; read out: {outputs}"
    lines = textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False)
    return lines + [f"input {i.name}: {i.form}, {i.encoding.describe()}{_less(i)}" for i in network.inputs]


def _less(network_input: Input) -> str:
    """What is subtracted from an input's data; "" if nothing is."""
    if not network_input.offset:
        return ""
    offset = network_input.offset
    return f", less {offset.file if isinstance(offset, Tensor) else f'{offset:g}'}"


def short_scale(population: Population) -> str:
    """The scale, or the smallest and the largest of the channels' scales."""
    low, high = population.scales.min(), population.scales.max()
    return f"{low:.3g}" if low == high else f"{low:.3g}-{high:.3g}"


def text_table(rows: Sequence[Sequence[str]], words: int) -> tuple[list[str], str]:
    """The lines of a table, and a rule as wide as it. words: how many columns are not numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(c.ljust(w) if i < words else c.rjust(w) for i, (c, w) in cells).rstrip())
    return lines, "-" * sum(widths, 2 * (len(widths) - 1))


def _rows(network: Network) -> list[tuple[str, ...]]:
    """The head, a row for each population, and the total."""
    sizes = population_sizes(network)
    rows = [
        (
            p.name,
            p.neuron.kind,
            by(p.shape),
            ", ".join(dict.fromkeys(c.source for c in p.inputs)),
            *_numbers(sizes[p.name]),
            short_scale(p),
        )
        for p in network.populations
    ]
    return [_HEAD, *rows, ("total", "", "", "", *_numbers(total_size(network, sizes)), "")]


def _numbers(size: Size) -> tuple[str, str, str]:
    return f"{size.neurons:,}", f"{size.synapses:,}", f"{size.weights:,}"


def summary_text(network: Network) -> str:
    """A table with a row for each population, for a terminal."""
    (head, *lines, total), rule = text_table(_rows(network), _WORDS)
    return "\n".join([*heading(network), "", head, rule, *lines, rule, total, *textwrap.wrap(_NOTE, WIDTH)])


def summary_html(network: Network) -> str:
    """The same table as HTML, and the graph as SVG."""
    head, *rows, total = _rows(network)

    def row(cells: Sequence[str], cell: str) -> str:
        aligned = (
            f'<{cell} style="text-align:{"left" if i < _WORDS else "right"}">{escape(c)}</{cell}>'
            for i, c in enumerate(cells)
        )
        return f"<tr>{''.join(aligned)}</tr>"

    first, *others = heading(network)
    return "".join(
        [
            f"<p>{'<br>'.join(map(escape, [first, *others]))}</p>",
            f"<table><thead>{row(head, 'th')}</thead>",
            f"<tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody>",
            f"<tfoot>{row(total, 'th')}</tfoot></table>",
            f"<p><small>{escape(_NOTE)}</small></p>",
            graph_svg(network),
        ]
    )
