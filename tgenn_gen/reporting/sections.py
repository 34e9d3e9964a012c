"""The sections of a report but accuracy: tables, charts and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from tgenn_gen.analysis.cost import Cost
from tgenn_gen.analysis.devices import joules
from tgenn_gen.analysis.verification import Verification
from tgenn_gen.codegen.network_table import population_extents, total_extent
from tgenn_gen.network.fields import by
from tgenn_gen.network.model import Input, Network, Population
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.reporting.charts import Line, histogram, line_chart, picture, raster, sparkline
from tgenn_gen.reporting.observations import Decisions, Observer
from tgenn_gen.reporting.tables import Cell, Figure, Row, Table, extent_of, percent
from tgenn_gen.runtime.data import Examples

BINS = 30
MOST_NEURONS = 120  # of a population in a raster
MOST_STEPS = 400


def layer_table(network: Network) -> Table:
    """A row for each population."""
    extents = population_extents(network)
    rows = []
    for p in network.populations:
        extent = extents[p.name]
        numbers = f"{extent.neurons:,}", f"{extent.synapses:,}", f"{extent.weights:,}"
        cells = [
            Cell(by(p.shape), False),
            Cell(p.neuron.describe().split(",")[0], False),
            *map(Cell, numbers),
            Cell(extent_of(p.scales)),
            Cell(_threshold(p)),
        ]
        rows.append(Row(p.name, tuple(cells), f"population-{p.name}"))
    total = total_extent(network, extents)
    sums = [f"{total.neurons:,}", f"{total.synapses:,}", f"{total.weights:,}", "", ""]
    rows.append(Row("total", (Cell("", False), Cell("", False), *map(Cell, sums))))
    columns = ("shape", "neuron model", "neurons", "synapses", "parameters", "scale", "threshold")
    return Table("Populations", "population", columns, tuple(rows))


def _threshold(population: Population) -> str:
    threshold = getattr(population.neuron, "threshold", None)
    return "" if threshold is None else f"{threshold:g}"


def activity_table(network: Network, observer: Observer | None, timesteps: int) -> Table:
    """Histograms of the weights and of the mean firing rates of each population."""
    rows = []
    for p in network.populations:
        kernels = [t.values.ravel() for c in p.inputs for m in c.through for t in m.tensors.values()]
        cells = [_weights(np.concatenate(kernels)) if kernels else Cell("none", False)]
        if observer is not None:
            cells += _rates(observer.counts.get(p.name), observer.done * timesteps)
        rows.append(Row(p.name, tuple(cells)))
    columns: tuple[str, ...] = ("weights",)
    if observer is not None:
        columns = ("weights", "rates: spikes per step", "mean rate", "silent neurons", "highest rate")
        inputs = [i.name for i in network.inputs if i.name in observer.counts]
        first = [
            Row(name, (Cell("input", False), *_rates(observer.counts[name], observer.done * timesteps)))
            for name in inputs
        ]
        rows = [*first, *rows]
    caption = "Weights" if observer is None else "Weights and firing rates"
    return Table(caption, "population", columns, tuple(rows))


def _weights(values: np.ndarray) -> Cell:
    low, high = float(values.min()), float(values.max())
    counts = np.histogram(values, BINS, (low, high if high > low else low + 1e-6))[0]
    text = (
        f"Histogram of {len(values):,} weights from {low:.3g} to {high:.3g}, mean {values.mean():.3g}, "
        f"standard deviation {values.std():.3g}"
    )
    return Cell(Markup(histogram(counts, low, high, text)), False)


def _rates(counts: np.ndarray | None, steps: int) -> list[Cell]:
    """Cells of a population's rates. counts: the spikes of each neuron in so many steps."""
    if counts is None:
        return [Cell("no spikes, V is the output", False), Cell(""), Cell(""), Cell("")]
    rates = counts.reshape(-1) / steps
    high = float(rates.max()) or 1.0
    silent = float((rates == 0).mean())
    text = (
        f"Histogram of the mean rates of {len(rates):,} neurons from 0 to {high:.3g}, mean {rates.mean():.3g}"
    )
    chart = Markup(histogram(np.histogram(rates, BINS, (0, high))[0], 0, high, text))
    return [
        Cell(chart, False),
        Cell(f"{rates.mean():.4f}"),
        Cell(percent(silent)),
        Cell(f"{rates.max():.3f}"),
    ]


def agreement_table(verification: Verification) -> Table:
    """Each population beside the ANN's layer."""
    rows = []
    for layer in verification.layers:
        shares = layer.silent, layer.saturated, layer.clipped
        numbers = [
            f"{layer.correlation:.4f}",
            percent(layer.relative_error),
            f"{layer.bias:+.3g}",
            *map(percent, shares),
            f"{layer.gain:.3f}",
            *map(percent, (layer.weights_error, layer.channel_error, layer.neuron_error)),
        ]
        cells = tuple(Cell("" if "nan" in n or "inf" in n else n) for n in numbers)
        rows.append(
            Row(layer.name, (*cells, Cell(layer.departs or "agrees", False, wrong=bool(layer.departs))))
        )
    columns = (
        *("correlation", "relative error", "bias", "silent", "saturated", "clipped"),
        *("gain", "weights", "channel", "neurons", "verdict"),
    )
    return Table("Agreement with the ANN", "population", columns, tuple(rows))


def cost_table(cost: Cost) -> Table:
    """Operations per example of each population."""
    rows = []
    for row in (*cost.populations, cost.total):
        sparsity = "" if row.activation_sparsity is None else percent(row.activation_sparsity)
        counts = row.spikes, row.effective_acs, row.effective_macs, row.dense, row.ann_macs
        cells = (*(Cell("" if v is None else f"{round(v):,}") for v in counts), Cell(sparsity))
        rows.append(Row(row.name, cells))
    columns = ("spikes", "effective ACs", "effective MACs", "dense", "the ANN's MACs", "activation sparsity")
    return Table("Operations per example", "population", columns, tuple(rows))


def energy_table(cost: Cost) -> Table:
    """The energy of an example on several devices."""
    rows = []
    for energy in cost.energy():
        device = energy.device
        values = (energy.joules, energy.ann_joules, device.synop, device.mac, device.neuron)
        cells = (*(Cell(joules(value) if value else "") for value in values), Cell(device.source, False))
        rows.append(Row(device.name, cells))
    columns = ("this network", "its ANN", "an AC", "a MAC", "a neuron update", "constants from")
    return Table(
        "Energy per example: estimates of arithmetic only", "device or arithmetic", columns, tuple(rows)
    )


def rasters(network: Network, observer: Observer) -> list[Figure]:
    """The spikes of the first example, a raster for each population."""
    figures = []
    for name, spikes in observer.first_spikes.items():
        neurons = spikes.shape[1]
        chosen = np.unique(np.linspace(0, neurons - 1, min(neurons, MOST_NEURONS)).round().astype(int))
        positive, negative = np.count_nonzero(spikes > 0), np.count_nonzero(spikes < 0)
        counted = f"{positive:,} spikes of +1, {negative:,} of -1" if negative else f"{positive:,} spikes"
        shown = f"; {len(chosen)} of them shown" if len(chosen) < neurons else ""
        if len(spikes) > MOST_STEPS:
            shown += f"; the first {MOST_STEPS} steps shown"
        text = f"Raster of {name}: {counted}"
        image = _image(raster(spikes[:MOST_STEPS, chosen]), text, "raster")
        share = percent((positive + negative) / spikes.size)
        caption = f"{counted}: {share} of {len(spikes):,} steps × {neurons:,} neurons{shown}"
        figures.append(Figure(image, caption, name))
    return figures


def output_course(network: Network, observer: Observer) -> Figure:
    """The first output for the first example, step by step: the four largest values at the end."""
    logits = observer.first_logits.reshape(len(observer.first_logits), -1)
    largest = np.argsort(-logits[-1], kind="stable")[:4]
    steps = [*range(1, len(logits) + 1)]
    output, decides = network.outputs[0], observer.decisions() is not None
    what = "class" if decides else "neuron"
    lines = [
        Line(f"{what} {index}: {logits[-1, index]:.3g}", steps, logits[:, index].tolist(), series)
        for series, index in enumerate(largest.tolist())
    ]
    read = "the membrane potential" if output.readout == "membrane" else f"`{output.readout}`"
    caption = (
        f"What is read out of {output.population} after each step ({read}, in units of the ANN's logits), "
        f"for its {len(lines)} largest values at the end."
    )
    if decides:
        caption += f" The topmost line{' after the last step' if network.few_spike else ''} is the answer."
    text = "; ".join(line.name.replace(":", " ends at") for line in lines)
    chart = line_chart(lines, "time steps", "output", f"Output over time: {text}", steps=True)
    return Figure(Markup(chart), caption, "Output over time")


def example_figures(
    network: Network, examples: Examples, decisions: Decisions, chosen: list[int]
) -> list[Figure]:
    """Examples as small pictures with what the network makes of them."""
    figures = []
    for i in chosen:
        words = f"class {decisions.found[i]}"
        if decisions.wanted is not None and decisions.found[i] != decisions.wanted[i]:
            words += f" instead of {decisions.wanted[i]}, margin {decisions.margins[i]:.3g}"
        if not network.few_spike:  # there is an answer at the last step alone
            words += f"; settled at step {decisions.settled[i]}"
        figures.append(Figure(input_picture(network, examples, i), words, f"Example {i}"))
    return figures


def input_picture(network: Network, examples: Examples, number: int) -> Markup:
    """The inputs of an example: images, or the course of a series; "" for others."""
    shown = []
    for i in network.inputs:
        x = np.asarray(examples[i.name][number]).reshape(i.frames, *i.shape).mean(axis=0)
        text = f"Input {i.name} of example {number}"
        if len(i.shape) == 3 and i.shape[2] == 2:  # polarities of an event camera: more of one or the other
            x = x[..., 1:] - x[..., :1]
        if len(i.shape) == 3 and i.shape[2] in (1, 2, 3):
            shown.append(_image(picture(x), text, "picture"))
        elif len(i.shape) == 2:
            shown.append(Markup(sparkline(x[:, 0], text)))
    return Markup("").join(shown)


def _image(uri: str, text: str, kind: str) -> Markup:
    return Markup('<img class="{}" alt="{}" src="{}">').format(kind, text, uri)


def provenance(network: Network) -> tuple[list[tuple[str, str]], list[str]]:
    """Where the network comes from, as names and values; and what the conversion changed."""
    data = dict(network.provenance)
    changes = data.pop("changes", ())
    if not isinstance(changes, list | tuple):  # a user wrote it
        changes = [changes]
    return [*_items(data)], [*map(str, changes)]


def _items(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _items(value, f"{prefix}{key}, ")
        elif isinstance(value, bool):
            yield prefix + str(key), "yes" if value else "no"
        else:
            listed = value if isinstance(value, list | tuple) else [value]
            yield prefix + str(key), ", ".join(map(str, listed))


def input_lines(network: Network) -> list[str]:
    """Each input in a sentence."""
    return [f"{i.name}: {i.form}, {i.encoding.describe()}{_as_taken(i)}" for i in network.inputs]


def _as_taken(i: Input) -> str:
    """What is done to an input's data before it is encoded."""
    done = [] if i.uint8_divisor == 1 else [f"uint8 data is divided by {i.uint8_divisor:g}"]
    if i.offset:
        offset = "an offset per channel" if isinstance(i.offset, Tensor) else f"{i.offset:g}"
        done.append(f"{offset} is subtracted")
    return "; " + ", then ".join(done) if done else ""
