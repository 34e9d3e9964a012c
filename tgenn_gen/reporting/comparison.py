"""Two networks side by side, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from tgenn_gen.analysis.cost import PopulationCost
from tgenn_gen.analysis.verification import LayerAgreement
from tgenn_gen.diff.diff_report import diff_text
from tgenn_gen.diff.network_diff import diff_networks
from tgenn_gen.network.fields import by
from tgenn_gen.network.graph_drawing import graph_svg
from tgenn_gen.network.model import Network
from tgenn_gen.reporting.accuracy import courses, score_chart
from tgenn_gen.reporting.key_figures import key_figures
from tgenn_gen.reporting.measures import Measures
from tgenn_gen.reporting.page import rendered
from tgenn_gen.reporting.tables import Cell, Figure, Row, Table, extent_of, percent


def comparison_html(networks: Mapping[str, Network], measures: Mapping[str, Measures]) -> str:
    """Two networks side by side. networks: {label: network}; measures: the same labels, or {}."""
    before, after = networks.values()
    return rendered(
        "comparison.html.j2",
        title=f"{' and '.join(networks)}: report",
        labels=[*networks],
        measures=measures,
        figures=_figures_table(networks, measures),
        curves=[*_curves(measures)],
        layers=_layers_table(networks, measures),
        differences=diff_text(diff_networks(before, after)),
        graphs=[(label, Markup(graph_svg(network))) for label, network in networks.items()],
    )


def _figures_table(networks: Mapping[str, Network], measures: Mapping[str, Measures]) -> Table:
    keys = {
        label: {key.name: key for key in key_figures(network, measures.get(label))}
        for label, network in networks.items()
    }
    names = dict.fromkeys(name for found in keys.values() for name in found)
    cell = Markup("<strong>{}</strong><br>{}")
    rows = [
        Row(
            name,
            tuple(
                Cell(cell.format(found[name].value, found[name].meaning) if name in found else "", False)
                for found in keys.values()
            ),
        )
        for name in names
    ]
    return Table("Key figures side by side", "figure", tuple(networks), tuple(rows))


def _curves(measures: Mapping[str, Measures]) -> Iterator[Figure]:
    """Scores of the first output against time steps and synaptic events."""
    found = {
        label: courses(m.evaluation, m.ann)[0] for label, m in measures.items() if m.evaluation is not None
    }
    if not found:
        return
    course = next(iter(found.values()))
    lines = [c.line(label, series) for series, (label, c) in enumerate(found.items())]
    last = max(c.timesteps for c in found.values())
    if len({(c.reference, c.best) for c in found.values()}) == 1:
        levels = course.levels(course.reference, 1, last, len(found))
    else:
        levels = [
            level
            for series, (label, c) in enumerate(found.items())
            for level in c.levels(f"{label}, {c.reference}", 1, last, series)
        ]
    title = f"{course.kind.capitalize()} against time steps"
    caption = f"Read out after each step, over {next(iter(measures.values())).observer.done:,} examples."
    if any(m.observer.network.few_spike for m in measures.values()):
        caption += " With the few-spike code there is an answer after the last step only."
    yield score_chart(title, [*lines, *levels], "time steps", caption, course)
    lines = [
        c.against_events(measures[label].observer, line)
        for (label, c), line in zip(found.items(), lines, strict=True)
    ]
    if all(line.x[-1] > 0 for line in lines):
        title = f"{course.kind.capitalize()} against synaptic events"
        caption = (
            "One event for each spike and synapse with a weight that is not 0. The further left a curve "
            "rises, the less is computed for an accuracy."
        )
        yield score_chart(title, lines, "synaptic events per example", caption, course)


def _layers_table(networks: Mapping[str, Network], measures: Mapping[str, Measures]) -> Table:
    """Each population of both, and what differs in it."""
    costs = {label: {row.name: row for row in m.cost.populations} for label, m in measures.items()}
    agreements = {
        label: {row.name: row for row in m.verification.layers} if m.verification else {}
        for label, m in measures.items()
    }
    names = dict.fromkeys(p.name for network in networks.values() for p in network.populations)
    both = Markup("{}<br>{}")  # the first network's above the second's
    rows = []
    for name in names:
        populations = [{p.name: p for p in n.populations}.get(name) for n in networks.values()]
        texts = [
            [by(p.shape), p.neuron.describe(), extent_of(p.scales)] if p else ["-", "-", "-"]
            for p in populations
        ]
        cells = [
            Cell(a if a == b else both.format(a, b), number, wrong=a != b)
            for a, b, number in zip(*texts, (False, False, True), strict=True)
        ]
        measured = [_measured(costs[label].get(name), agreements[label].get(name)) for label in measures]
        cells += [cell for column in zip(*measured, strict=True) for cell in column]
        rows.append(Row(name, tuple(cells)))
    figures = ("spikes", "ACs", "relative error")
    columns = ["shape", "neuron model", "scale", *(f"{label}: {f}" for f in figures for label in measures)]
    return Table("Populations: what differs is coloured", "population", tuple(columns), tuple(rows))


def _measured(cost: PopulationCost | None, agreement: LayerAgreement | None) -> list[Cell]:
    """Spikes, ACs and the relative error."""
    found = ["", ""] if cost is None else [f"{round(v):,}" for v in (cost.spikes, cost.effective_acs)]
    return [*map(Cell, found), Cell("" if agreement is None else percent(agreement.relative_error))]
