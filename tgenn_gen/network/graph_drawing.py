"""The graph of a network as SVG: inputs at the top, outputs at the bottom.

The layout is that of Sugiyama et al. 1981, as in graphviz' dot: longest paths give the rows, barycenters the
order in them. The chain of linear maps of a connection stands on its line, between two rows of boxes: a box
for each map, as Netron and Keras' plot_model draw them, takes several times the height. A connection that
passes rows has a lane beside their boxes. A recurrent connection is drawn in dashes, with its arrow at the
upper end; one from a population to itself is a loop below it.
"""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import pairwise

from tgenn_gen.network.fields import by
from tgenn_gen.network.model import Connection, Network, Output
from tgenn_gen.network.ops.linear_map import LinearMap

BOX_HEIGHT, LINE_HEIGHT, ROW_GAP, COLUMN_GAP, MARGIN = 40, 14, 13, 16, 8
LONGEST_NAME, LONGEST_LINE = 40, 30  # characters
SWEEPS = 8

STYLE = """
svg:root { color: #1b1f24; background: #fff }
@media (prefers-color-scheme: dark) { svg:root { color: #e6e8eb; background: #16191d } }
.tg-graph text { font: 11px system-ui, sans-serif; fill: currentColor; text-anchor: middle }
.tg-graph .tg-name { font-weight: 600; font-size: 12px }
.tg-graph .tg-chain { font-size: 10.5px; opacity: .85 }
.tg-graph rect { fill: currentColor; fill-opacity: .05; stroke: currentColor; stroke-opacity: .6 }
.tg-graph .tg-input rect { fill: #2f81d0; fill-opacity: .22 }
.tg-graph .tg-output rect { fill: #2e9e5b; fill-opacity: .22 }
.tg-graph .tg-edge { fill: none; stroke: currentColor; stroke-opacity: .55; stroke-width: 1.3 }
.tg-graph .tg-back { stroke-dasharray: 5 3 }
.tg-graph .tg-arrow { fill: currentColor; fill-opacity: .7 }
.tg-graph a:hover rect, .tg-graph a:focus rect { stroke-opacity: 1; stroke-width: 2.5 }
"""


def graph_svg(network: Network, links: bool = False) -> str:
    """The graph of a network as a standalone SVG, readable on light and dark backgrounds.

    Boxes are inputs, populations and outputs; a connection shows its chain of linear maps. The same network
    gives the same text. links: each population's box is a link to `#population-NAME`.
    """
    layout = _Layout(network)
    width, height = layout.width, layout.height
    connections = sum(len(p.inputs) for p in network.populations)
    title = f"Graph of the network {network.name}"
    description = (
        f"{len(network.inputs)} inputs, {len(network.populations)} populations and {connections} "
        "connections, from the inputs at the top to the outputs at the bottom."
    )
    edges = [part for i, edge in enumerate(layout.edges) for part in _edge_svg(edge, i in layout.back)]
    boxes = [_box_svg(box, links) for box in layout.boxes]
    role = "group" if links else "img"  # an image hides links from screen readers
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tg-graph" role="{role}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    parts = [f"<title>{escape(title)}</title>", f"<desc>{escape(description)}</desc>"]
    return "\n".join([head, *parts, f"<style>{STYLE}</style>", *edges, *boxes, "</svg>"]) + "\n"


def chain_text(connection: Connection) -> str:
    """The chain of a connection in short, such as "avg_pool2d 2x2, conv2d 3x3 /2"."""
    delay = [f"delay {connection.delay}"] if connection.delay else []
    return ", ".join([*map(_map_text, connection.through), *delay]) or "one to one"


def _map_text(m: LinearMap) -> str:
    """A map in short: its size, and its strides after a slash where they are not the usual ones."""
    strides, usual = getattr(m, "strides", 1), getattr(m, "pool", None)  # a pool's strides are its size
    each = strides if isinstance(strides, tuple) else (strides,)
    text = re.sub(r" (same|valid|causal)\b| strides [0-9x]+", "", m.describe())
    if strides == usual or (usual is None and set(each) == {1}):
        return text
    shown = str(each[0]) if len(set(each)) == 1 else by(each)
    return re.sub(r"( [0-9x]+)?( |$)", rf"\1 /{shown}\2", text, count=1)


@dataclass
class _Cell:
    """What stands in a row: a box, the text of a chain, or (width 0) a place where a connection passes."""

    row: int
    lines: tuple[str, ...] = ()
    kind: str = ""  # "input", "population" or "output" of a box
    name: str = ""
    details: str = ""
    width: float = 0.0
    height: float = 0.0
    x: float = 0.0
    y: float = 0.0


@dataclass
class _Layout:
    """Cells with their places. Rows with even numbers have boxes, the others chains."""

    network: Network
    boxes: list[_Cell] = field(default_factory=list)
    edges: list[list[_Cell]] = field(default_factory=list)  # from box to box, or for a loop to the same box
    back: set[int] = field(default_factory=set)  # the places of recurrent connections in `edges`

    def __post_init__(self) -> None:
        self._make_boxes()
        cells = [*self.boxes, *(cell for edge in self.edges for cell in edge[1:-1])]
        self.rows: list[list[_Cell]] = [[] for _ in range(1 + max(cell.row for cell in cells))]
        for cell in cells:
            self.rows[cell.row].append(cell)
        self._order()
        self._place()
        left = min(c.x - c.width / 2 for c in cells) - MARGIN
        for cell in cells:
            cell.x -= left
        self.width = round(max(c.x + c.width / 2 for c in cells) + MARGIN)
        top = float(MARGIN)
        for row in self.rows:
            height = max(8, *(cell.height for cell in row))
            for cell in row:
                cell.y = top + height / 2
                cell.height = cell.height or height
            top += height + ROW_GAP
        self.height = round(top - ROW_GAP + MARGIN)

    def _make_boxes(self) -> None:
        network, places = self.network, self._ranks()
        boxes: dict[str, _Cell] = {}
        for i in network.inputs:
            lines = (_clipped(i.name), f"{by(i.shape)} · {i.encoding.kind}")
            details = f"input {i.name}: {i.form}, {i.encoding.describe()}"
            boxes[i.name] = _box(2 * places[i.name], lines, "input", i.name, details)
        for p in network.populations:
            lines = (_clipped(p.name), f"{by(p.shape)} · {p.neuron.kind}")
            details = f"{p.name}: {by(p.shape)}, {p.size:,} neurons, {p.neuron.describe()}"
            boxes[p.name] = _box(2 * places[p.name], lines, "population", p.name, details)
        recurrent = network.recurrent
        for p in network.populations:
            for connection in p.inputs:
                ends = boxes[connection.source], boxes[p.name]
                upper, lower = sorted(ends, key=lambda box: box.row)
                if connection.source in recurrent[p.name]:
                    self.back.add(len(self.edges))
                self._connect(upper, lower, chain_text(connection))
        self.boxes = [*boxes.values()]
        for output in network.outputs:
            source = boxes[output.population]
            lines = ("output", _read_out(output))
            details = f"output of {output.population}: {_read_out(output)}"
            box = _box(source.row + 2, lines, "output", output.population, details)
            self.boxes.append(box)
            self._connect(source, box, "")

    def _ranks(self) -> dict[str, int]:
        """The rank of each box: the longest path from an input. An input stands just above what it drives."""
        ranks = {i.name: 0 for i in self.network.inputs}
        for p in self.network.populations:
            ranks[p.name] = 1 + max((ranks[c.source] for c in p.inputs if c.source in ranks), default=0)
        for i in self.network.inputs:
            driven = [ranks[p.name] for p in self.network.populations for c in p.inputs if c.source == i.name]
            ranks[i.name] = min(driven, default=1) - 1
        return ranks

    def _connect(self, source: _Cell, target: _Cell, chain: str) -> None:
        whole = chain.replace(" ", "\xa0").replace(",\xa0", ", ")  # lines end between maps
        wrapped = textwrap.wrap(whole, LONGEST_LINE, break_long_words=False)
        lines = tuple(line.replace("\xa0", " ") for line in wrapped)
        width = 6.0 * max(map(len, lines), default=0) + 4
        passed = [_Cell(row) for row in range(source.row + 1, max(target.row, source.row + 2))]
        passed[-1] = replace(passed[-1], lines=lines, width=width, height=LINE_HEIGHT * len(lines))
        self.edges.append([source, *passed, target])

    def _order(self) -> None:
        """Order each row by the mean place of what its cells are connected to, row after row, several times.

        What stays is the order with the fewest crossings.
        """
        above, below = defaultdict(list), defaultdict(list)
        for upper, lower in self._segments():
            above[id(lower)].append(upper)
            below[id(upper)].append(lower)
        place = {id(cell): float(i) for row in self.rows for i, cell in enumerate(row)}
        best, fewest = [[*row] for row in self.rows], self._crossings(place)
        for sweep in range(SWEEPS):
            connected, rows = (above, self.rows) if sweep % 2 == 0 else (below, self.rows[::-1])
            for row in rows:
                wanted = {id(c): _mean([place[id(n)] for n in connected[id(c)]], place[id(c)]) for c in row}
                row.sort(key=lambda cell: wanted[id(cell)])
                place.update({id(cell): float(i) for i, cell in enumerate(row)})
            if (crossings := self._crossings(place)) < fewest:
                best, fewest = [[*row] for row in self.rows], crossings
        self.rows = best

    def _crossings(self, place: dict[int, float]) -> int:
        """How many pairs of lines cross between rows."""
        lines: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for upper, lower in self._segments():
            lines[upper.row].append((place[id(upper)], place[id(lower)]))
        crossings = 0
        for pairs in lines.values():
            ends: list[float] = []
            for _, end in sorted(pairs):
                crossings += len(ends) - bisect_right(ends, end)
                insort(ends, end)
        return crossings

    def _segments(self) -> Iterator[tuple[_Cell, _Cell]]:
        for edge in self.edges:
            yield from ((upper, lower) for upper, lower in pairwise(edge) if upper.row < lower.row)

    def _place(self) -> None:
        """Give each cell its x. Boxes and direct connections stand straight; lanes give way to them."""
        above: dict[int, list[tuple[_Cell, bool]]] = defaultdict(list)
        below: dict[int, list[tuple[_Cell, bool]]] = defaultdict(list)
        straight = {id(box) for box in self.boxes}
        for edge in self.edges:
            direct = len(edge) == 3 and edge[0] is not edge[2]
            straight |= {id(edge[1])} if direct else set()
            for i, (upper, lower) in enumerate(pairwise(edge if edge[0] is not edge[-1] else edge[:-1])):
                strong = direct or 0 < i < len(edge) - 2
                above[id(lower)].append((upper, strong))
                below[id(upper)].append((lower, strong))
        for sweep in range(SWEEPS):
            connected, rows = (above, self.rows) if sweep % 2 == 0 else (below, self.rows[::-1])
            for row in rows:
                wanted = [_wanted(cell, connected[id(cell)]) for cell in row]
                weights = [1e4 if id(cell) in straight else 1.0 for cell in row]
                for cell, x in zip(row, _apart(wanted, weights, row), strict=True):
                    cell.x = x


def _wanted(cell: _Cell, connected: Sequence[tuple[_Cell, bool]]) -> float:
    """The mean x of the cells that it is strongly connected to; of all if there are none."""
    strong = [other.x for other, is_strong in connected if is_strong]
    return _mean(strong or [other.x for other, _ in connected], cell.x)


def _apart(wanted: list[float], weights: list[float], row: list[_Cell]) -> list[float]:
    """The x of a row's cells, in order and without overlap, that are nearest to those wanted.

    Weighted least squares: an isotonic regression of wanted x less the sum of the distances before it.
    """
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + COLUMN_GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight, cells
    for x, weight, offset in zip(wanted, weights, offsets, strict=True):
        pool = (x - offset, weight, 1)
        while pools and pools[-1][0] >= pool[0]:
            mean, heavy, cells = pools.pop()
            total = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / total, total, cells + pool[2])
        pools.append(pool)
    means = [mean for mean, _, cells in pools for _ in range(cells)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _box(row: int, lines: tuple[str, str], kind: str, name: str, details: str) -> _Cell:
    width = max(7.6 * len(lines[0]), 6.3 * len(lines[1])) + 20
    return _Cell(row, lines, kind, name, details, width, BOX_HEIGHT)


def _read_out(output: Output) -> str:
    return output.readout + (f", {output.activation}" if output.activation else "")


def _clipped(name: str) -> str:
    """A name without its middle, if it is long."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def _box_svg(box: _Cell, links: bool) -> str:
    corner = {"input": BOX_HEIGHT / 2, "population": 4, "output": BOX_HEIGHT / 2}[box.kind]
    left, top = box.x - box.width / 2, box.y - BOX_HEIGHT / 2
    svg = (
        f'<g class="tg-{box.kind}"><title>{escape(box.details)}</title>'
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{BOX_HEIGHT}" rx="{corner:g}"/>'
        f'<text class="tg-name" x="{box.x:.1f}" y="{top + 17:.1f}">{escape(box.lines[0])}</text>'
        f'<text x="{box.x:.1f}" y="{top + 32:.1f}">{escape(box.lines[1])}</text></g>'
    )
    linked = links and box.kind == "population"
    return f'<a href="#population-{escape(box.name)}">{svg}</a>' if linked else svg


def _edge_svg(edge: list[_Cell], back: bool) -> Iterator[str]:
    """A connection: a line from box to box that is vertical where it passes a row, an arrow, its chain.

    back: whether its arrow is at the upper end.
    """
    yield from _loop_svg(edge) if edge[0] is edge[-1] else _line_svg(edge, back)
    label = edge[-2]
    for i, line in enumerate(label.lines):
        baseline = label.y - label.height / 2 + LINE_HEIGHT * i + 10.5
        yield f'<text class="tg-chain" x="{label.x:.1f}" y="{baseline:.1f}">{escape(line)}</text>'


def _loop_svg(edge: list[_Cell]) -> Iterator[str]:
    """Lines down from a box to the text of a chain, and up to the box again."""
    box, label, _ = edge
    x, y = _within(box, label.x), box.y + BOX_HEIGHT / 2
    down, middle = label.y - label.height / 2, (y + label.y - label.height / 2) / 2
    left, right = x - 7, x + 7
    yield (
        f'<path class="tg-edge tg-back" d="M{right:.1f} {y:.1f}C{right:.1f} {middle:.1f} {label.x + 7:.1f} '
        f"{middle:.1f} {label.x + 7:.1f} {down:.1f}M{label.x - 7:.1f} {down:.1f}C{label.x - 7:.1f} "
        f'{middle:.1f} {left:.1f} {middle:.1f} {left:.1f} {y + 3:.1f}"/>'
    )
    yield f'<path class="tg-arrow" d="M{left:.1f} {y:.1f}l-4 7h8z"/>'


def _line_svg(edge: list[_Cell], back: bool) -> Iterator[str]:
    source, *passed, target = edge
    start = _within(source, passed[0].x), source.y + BOX_HEIGHT / 2
    end = _within(target, passed[-1].x), target.y - BOX_HEIGHT / 2
    tip = start if back else end
    path, at = f"M{start[0]:.1f} {start[1] + 3 * back:.1f}", start
    row_ends = [(c.x, c.y + sign * c.height / 2) for c in passed for sign in (-1, 1)]
    for i, (x, y) in enumerate([*row_ends, (end[0], end[1] - 3 * (not back))]):
        middle = (at[1] + y) / 2
        if abs(x - at[0]) < 0.05:
            path += f"V{y:.1f}"
        else:
            path += f"C{at[0]:.1f} {middle:.1f} {x:.1f} {middle:.1f} {x:.1f} {y:.1f}"
        if i == len(row_ends) - 2 and passed[-1].lines:  # the text of the chain interrupts the line
            path += f"M{x:.1f} {row_ends[-1][1]:.1f}"
        at = x, y
    yield f'<path class="tg-edge{" tg-back" if back else ""}" d="{path}"/>'
    yield f'<path class="tg-arrow" d="M{tip[0]:.1f} {tip[1]:.1f}l-4 {"" if back else "-"}7h8z"/>'


def _within(box: _Cell, x: float) -> float:
    """The x where a connection meets a box."""
    half = box.width / 2 - 12
    return min(max(x, box.x - half), box.x + half)
