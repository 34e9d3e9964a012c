"""Two networks side by side, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan

from markupsafe import Markup

from tgenn_gen.analysis.cost import PopulationCost
from tgenn_gen.analysis.verification import LayerAgreement
from tgenn_gen.diff.diff_report import diff_text
from tgenn_gen.diff.network_diff import diff_networks
from tgenn_gen.network.fields import by
from tgenn_gen.network.graph_drawing import graph_svg
from tgenn_gen.network.model import Network
from tgenn_gen.reporting.charts import Line, line_chart
from tgenn_gen.reporting.key_figures import key_figures
from tgenn_gen.reporting.measures import Measures
from tgenn_gen.reporting.page import rendered
from tgenn_gen.reporting.sections import Cell, Figure, Row, Table, extent_of, percent


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
    return Table("Figures side by side", "figure", tuple(networks), tuple(rows))


def _curves(measures: Mapping[str, Measures]) -> Iterator[Figure]:
    """Scores of the first output against time steps and synaptic events."""
    evaluations = {label: m.evaluation for label, m in measures.items() if m.evaluation is not None}
    if not evaluations:
        return
    by_steps, by_events = [], []
    words, unit = "accuracy", " %"
    for series, (label, evaluation) in enumerate(evaluations.items()):
        name, found = next(iter(evaluation.outputs.items()))
        accurate = "accuracy" in found
        key, factor = ("accuracy", 100) if accurate else ("mean_squared_error", 1)
        words, unit = (words, unit) if accurate else ("mean squared error", "")
        per_step = [factor * value for value in found[f"{key}_per_step"]]
        m = measures[label]
        ann = evaluation.relu_outputs[name] if m.ann is None else m.ann[name]
        reference = (
            f"{label}: {'with ReLUs' if m.ann is None else 'Keras model'}, {factor * ann[key]:.4g}{unit}"
        )
        shown, level = f"{label}: {per_step[-1]:.4g}{unit}", (factor * ann[key],) * 2
        answers = [step for step, value in enumerate(per_step, 1) if not isnan(value)]
        by_steps += [
            Line(shown, answers, [per_step[step - 1] for step in answers], series),
            Line(reference, (1, len(per_step)), level, series, True),
        ]
        places = zip(m.observer.synaptic_events(), m.observer.points, strict=True)
        reached, scores = zip(*((x, per_step[t - 1]) for x, t in places if t in answers), strict=True)
        by_events += [Line(shown, reached, scores, series)]
    n = next(iter(evaluations.values())).n
    text = "; ".join(line.name for line in by_steps)
    titles = f"{words.capitalize()} against time steps", f"{words.capitalize()} against synaptic events"
    chart = line_chart(by_steps, "time steps", words, f"{titles[0]}: {text}", steps=True, unit=unit)
    caption = f"Read out after each step, over {n:,} examples."
    if any(m.observer.network.few_spike for m in measures.values()):
        caption += " With the few-spike code there is an answer after the last step only."
    yield Figure(Markup(chart), caption, titles[0])
    if all(line.x[-1] > 0 for line in by_events):
        chart = line_chart(by_events, "synaptic events per example", words, f"{titles[1]}: {text}", unit=unit)
        caption = "The further left a curve rises, the less is computed for an accuracy."
        yield Figure(Markup(chart), caption, titles[1])


def _layers_table(networks: Mapping[str, Network], measures: Mapping[str, Measures]) -> Table:
    """Each population of both, and what differs in it."""
    costs = {label: {row.name: row for row in m.cost.populations} for label, m in measures.items()}
    agreements = {label: {row.name: row for row in m.verification.layers} for label, m in measures.items()}
    names = dict.fromkeys(p.name for network in networks.values() for p in network.populations)
    rows = []
    for name in names:
        populations = [{p.name: p for p in n.populations}.get(name) for n in networks.values()]
        texts = [
            [by(p.shape), p.neuron.describe(), extent_of(p.scales)] if p else ["-", "-", "-"]
            for p in populations
        ]
        cells = [
            Cell(a if a == b else f"{a} | {b}", False, wrong=a != b) for a, b in zip(*texts, strict=True)
        ]
        for label in measures:
            cells += _measured(costs[label].get(name), agreements[label].get(name))
        rows.append(Row(name, tuple(cells)))
    columns = ["shape", "neurons are", "scale"]
    for label in measures:
        columns += [f"{label}: spikes", f"{label}: ACs", f"{label}: relative error"]
    return Table("Populations: what differs is coloured", "population", tuple(columns), tuple(rows))


def _measured(cost: PopulationCost | None, agreement: LayerAgreement | None) -> list[Cell]:
    found = ["", ""] if cost is None else [f"{round(v):,}" for v in (cost.spikes, cost.effective_acs)]
    return [*map(Cell, found), Cell("" if agreement is None else percent(agreement.relative_error))]
