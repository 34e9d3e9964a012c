"""Reports: their figures against ones computed otherwise, their HTML, and what they refuse."""

from __future__ import annotations

import base64
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from sample_networks import (
    branched,
    dyadic_examples,
    examples_for,
    of_all_kinds,
    recurrent,
    small_cnn,
    with_several,
)

import tgenn_gen
from tgenn_gen import TgennError, evaluate, save, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.engine.accuracy_interval import accuracy_interval
from tgenn_gen.engine.simulation import checked
from tgenn_gen.reporting.accuracy import confusion_table
from tgenn_gen.reporting.charts import Line, line_chart, png
from tgenn_gen.reporting.measures import measured
from tgenn_gen.reporting.page import _environment
from tgenn_gen.runtime.messages import RunError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page; raises where tags do not match."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.tables, self.text = [], [], {}, ""
        self._table = self._row = self._cell = None
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert len(found) == len(attributes), f"an attribute is given twice: {tag} {attributes}"
        self.elements.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = []
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th", "caption"):
            self._cell = ""

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "caption":
            self.caption = self._cell.strip()
        elif tag in ("td", "th"):
            self._table[-1].append(self._cell.strip())
        elif tag == "table":
            self.tables[self.caption] = self._table
        self._cell = None if tag in ("td", "th", "caption") else self._cell

    def handle_data(self, data):
        self.text += data
        if self._cell is not None:
            self._cell += data

    def attributes(self, name):
        return [found[name] for _, found in self.elements if found.get(name) is not None]

    def column(self, caption, name):
        """{row: its cell in this column}"""
        head, *rows = self.tables[caption]
        index = head.index(name)
        return {row[0]: row[index] for row in rows}


def classes(network, n):
    return np.arange(n) % network.populations[-1].size


def written(tmp_path, network, *arguments, **options):
    path = tmp_path / "report.html"
    tgenn_gen.report(network, path, *arguments, **options)
    return Page(path.read_text())


def number(text):
    return float(re.sub(r"[,%\s]", "", text))


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    """A network, its examples, targets, and its report."""
    network = small_cnn()
    x = dyadic_examples(network.inputs[0].shape, 20)
    y = classes(network, 20)
    return network, x, y, written(tmp_path_factory.mktemp("cnn"), network, x, y)


def test_accuracies_are_those_of_evaluate(cnn):
    network, x, y, page = cnn
    found = evaluate(network, x, y)
    name = network.outputs[0].population
    row = page.column("Accuracy after T time steps", f"T = {network.simulation.timesteps}")
    assert row[name] == f"{100 * found.outputs[name]['accuracy']:.2f} %"
    assert (
        page.column("Accuracy after T time steps", "with ReLUs")[name] == f"{100 * found.relu_accuracy:.2f} %"
    )
    matrix = page.tables["Confusion matrix: rows are the targets, columns the network's classes"][1:]
    counts = [[0 if cell == "·" else int(cell) for cell in row[1:]] for row in matrix]
    assert counts == found.outputs[name]["confusion_matrix"]


def test_spikes_and_rates_are_those_of_simulate(cnn):
    network, x, _, page = cnn
    counts = simulate(network, x).spike_counts
    steps = network.simulation.timesteps
    spikes = page.column("Operations per example", "spikes")
    means = page.column("Weights and firing rates", "mean rate")
    silent = page.column("Weights and firing rates", "silent neurons")
    for name, shaped in counts.items():
        found = shaped.reshape(len(x), -1)
        assert number(spikes[name]) == round(float(found.sum(axis=1).mean()))
        assert number(means[name]) == pytest.approx(found.mean() / steps, abs=5e-5)
        assert number(silent[name]) == pytest.approx(100 * (found.sum(axis=0) == 0).mean(), abs=5e-3)


@pytest.mark.parametrize("name", of_all_kinds())
def test_synaptic_events_up_to_the_last_step_are_the_additions_that_the_cost_counts(name):
    network = of_all_kinds()[name]
    examples, steps = checked("report", network, examples_for(network, 3), None, 0)
    found = measured(network, examples, {}, steps)
    events = found.observer.synaptic_events()
    assert events[-1] == pytest.approx(found.cost.total.effective_acs)
    assert (np.diff(events) >= 0).all()


def test_synaptic_events_at_each_step_are_spikes_times_the_weights_that_they_meet():
    network = small_cnn()
    x = dyadic_examples(network.inputs[0].shape, 4)
    examples, steps = checked("report", network, x, None, 0)
    observer = measured(network, examples, {}, steps).observer
    spikes = simulate(network, x, record=None).spikes
    expected = np.zeros(steps)
    for population in network.populations:
        for connection in (c for c in population.inputs if c.source in spikes):
            shape = network.shapes[connection.source]
            size = int(np.prod(shape))
            met = connection.apply(np.eye(size).reshape(size, *shape)).reshape(size, -1) != 0
            per_step = (spikes[connection.source] != 0).reshape(4, steps, size).mean(axis=0)
            expected += per_step @ met.sum(axis=1)
    assert observer.synaptic_events() == pytest.approx(np.cumsum(expected)[observer.points - 1])


def test_an_output_of_few_spike_neurons_comes_after_all_synaptic_events_of_the_populations_before_it():
    network = of_all_kinds()["few_spike"]
    examples, steps = checked("report", network, examples_for(network, 3), None, 0)
    found = measured(network, examples, {}, steps)
    output = network.outputs[0].population
    last = next(row for row in found.cost.populations if row.name == output).effective_acs
    before = found.cost.total.effective_acs - last
    events = found.observer.synaptic_events()
    assert last > 0 and before <= events[0] < events[-1]
    assert events[-1] == pytest.approx(before + last)


def test_steps_matter_where_accuracy_leaves_the_interval_of_the_last_one(cnn):
    network, x, y, page = cnn
    found = next(iter(evaluate(network, x, y).outputs.values()))
    low, high = accuracy_interval(found["accuracy"], len(x))
    far = [t for t, a in enumerate(found["accuracy_per_step"], 1) if not low <= a <= high]
    steps = f"From step {max(far, default=0) + 1} of {network.simulation.timesteps} on"
    assert f"{steps}, the accuracy stays in the 68 % interval of the last one" in page.text
    assert f"(68 % interval: {100 * low:.2f} to {100 * high:.2f} %)" in page.text
    assert f"68 % interval (Wilson) of the last value: {100 * low:.2f} to {100 * high:.2f} %." in page.text


def test_an_accuracy_of_100_percent_is_not_certain(tmp_path):
    network = small_cnn()
    x = dyadic_examples(network.inputs[0].shape, 19)
    page = written(tmp_path, network, x, simulate(network, x).predictions)
    assert "(68 % interval: 95.00 to 100.00 %)" in page.text


def with_few_spikes():
    network = of_all_kinds()["few_spike"]
    return replace(network, simulation=replace(network.simulation, timesteps=6))


def test_a_few_spike_network_has_one_accuracy_that_of_evaluate(tmp_path):
    network = with_few_spikes()
    x = examples_for(network, 12)
    y = classes(network, 12)
    page = written(tmp_path, network, x, y)
    head, (_, _, last) = page.tables["Accuracy after T time steps"]
    accuracy = 100 * evaluate(network, x, y).accuracy_per_step[-1]
    assert head[1:] == ["with ReLUs", "T = 6"] and last == f"{accuracy:.2f} %"
    curves = [label for label in page.attributes("aria-label") if label.startswith("Accuracy against")]
    assert len(curves) == 2 and f"network: {accuracy:.4g} % (6: {accuracy:.4g} %)" in curves[0]
    assert curves[1].count(f"{accuracy:.4g} %)") == 1
    assert "nan" not in (tmp_path / "report.html").read_text().lower()
    assert "settle" not in page.text and "Where the line is flat" not in page.text
    assert "each population takes all 6 steps before the next one starts" in page.text


def test_a_few_spike_network_stands_beside_one_with_a_rate_code(tmp_path):
    few, rate = with_few_spikes(), of_all_kinds()["signed"]
    x = dyadic_examples(rate.inputs[0].shape, 12)
    for name, network in (("few", few), ("rate", rate)):
        save(network, tmp_path / name)
    np.savez(tmp_path / "data.npz", x=x, y=classes(rate, 12))
    output = tmp_path / "r.html"
    paths = [str(tmp_path / name) for name in ("few", "rate")]
    assert main(["report", *paths, "--data", str(tmp_path / "data.npz"), "-o", str(output), "-q"]) == 0
    html = output.read_text()
    assert "nan" not in html.lower() and "an answer after the last step only" in html
    assert (
        html.count('<circle r="5" style="fill:var(--series-0)"') == 4
    )  # by steps and events, and in legends


def test_the_page_has_all_that_its_energies_are_made_of(cnn):
    network, x, _, page = cnn
    cost = tgenn_gen.cost(network, x)
    assert f"{cost.total.neuron_updates:,} neuron updates" in page.text
    caption = "Energy per example: estimates of arithmetic only"
    constants = [page.column(caption, name)["spinnaker2"] for name in ("an AC", "a MAC", "a neuron update")]
    assert constants == ["450 pJ", "", "2.19 nJ"]


def test_notes_on_the_page_name_no_arguments_of_python(cnn):
    assert "give the Keras model to compare" in cnn[3].text


def test_examples_settle_where_their_class_no_longer_changes(cnn):
    network, x, y, _ = cnn
    examples, steps = checked("report", network, x, None, 0)
    decisions = measured(network, examples, {network.outputs[0].population: y}, steps).observer.decisions()
    course = simulate(network, x).output_per_step.argmax(axis=-1)
    for i in range(len(x)):
        settled = next(t for t in range(1, steps + 1) if (course[t - 1 :, i] == course[-1, i]).all())
        assert decisions.settled[i] == settled
    worst = decisions.worst(3)
    logits = simulate(network, x).logits[network.outputs[0].population]
    margins = {i: logits[i].max() - logits[i, y[i]] for i in range(len(x)) if course[-1, i] != y[i]}
    assert worst == sorted(margins, key=lambda i: (-margins[i], i))[:3]


def test_a_page_is_valid_and_needs_nothing_from_elsewhere(cnn, tmp_path):
    *_, page = cnn
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in page.attributes("href") if link.startswith("#"))
    assert all(label in ids for label in page.attributes("aria-labelledby"))
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags and "iframe" not in tags
    assert tags.count("h1") == 1 and "main" in tags and "nav" in tags
    for tag, found in page.elements:
        assert tag != "img" or (found["alt"] and found["src"].startswith("data:image/png;base64,"))
        assert tag != "th" or found["scope"] in ("row", "col")
        assert not any(name.startswith("on") for name in found)
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels))
    links = [v for name in ("href", "src") for v in page.attributes(name)]
    assert not [link for link in links if not link.startswith(("#", "data:"))]


@pytest.mark.parametrize("name", [*with_several(), "branched"])
def test_networks_with_several_inputs_and_outputs_have_reports(name, tmp_path):
    network = {**with_several(), "branched": branched()}[name]
    x = examples_for(network, 6)
    page = written(tmp_path, network, x)
    for population in network.populations:
        assert population.name in page.column("Populations", "neurons")
        assert f"population-{population.name}" in page.attributes("id")
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


@pytest.mark.parametrize("name", of_all_kinds())
def test_every_kind_of_neuron_and_encoding_has_a_report(name, tmp_path):
    network = of_all_kinds()[name]
    x = examples_for(network, 3)
    page = written(tmp_path, network, x)
    assert "Agreement with the ANN" in page.tables
    first = simulate(network, x, record=None).spikes
    assert ("spike of −1" in page.text) == any((spikes[0] < 0).any() for spikes in first.values())


def test_without_examples_a_report_shows_the_network_alone(tmp_path):
    network = replace(small_cnn(), provenance={"model": "<a>.keras", "changes": ["b & c"]})
    page = written(tmp_path, network)
    assert [*page.tables] == ["Populations", "Weights"]
    assert "<a>.keras" in page.text and "b & c" in page.text
    assert page.column("Populations", "neurons")["total"] == f"{sum(p.size for p in network.populations):,}"


def test_the_lines_of_an_output_are_named_after_classes_where_it_has_classes(cnn):
    network, x, _, page = cnn
    (course,) = [label for label in page.attributes("aria-label") if label.startswith("Output over time")]
    logits = simulate(network, x[:1]).output_per_step[-1, 0]
    best = int(logits.argmax())
    assert course.startswith(f"Output over time: class {best} ends at {logits[best]:.3g}")


def test_regressions_have_errors_instead_of_accuracies(tmp_path):
    network = small_cnn()
    x = dyadic_examples(network.inputs[0].shape, 5)
    y = np.full((5, network.populations[-1].size), 0.25)
    page = written(tmp_path, network, x, y)
    error = evaluate(network, x, y).outputs[network.outputs[0].population]["mean_squared_error"]
    assert f"{error:.4g}" in page.text
    assert not [caption for caption in page.tables if caption.startswith("Confusion")]


def test_arguments_that_do_not_fit_are_refused(tmp_path):
    network = small_cnn()
    with pytest.raises(TgennError, match="y is given without x"):
        tgenn_gen.report(network, tmp_path / "r.html", y=np.zeros(3, int))
    with pytest.raises(TgennError, match="an example has shape"):
        tgenn_gen.report(network, tmp_path / "r.html", np.zeros((2, 3)))
    with pytest.raises(TgennError, match="T503"):
        tgenn_gen.report("network", tmp_path / "r.html")
    with pytest.raises(RunError, match="there is no folder no"):  # found before the examples are looked at
        tgenn_gen.report(network, "no/r.html", np.zeros((2, 3)))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two documents, a and b, and data for them."""
    there = tmp_path_factory.mktemp("documents")
    network = small_cnn()
    first, *rest = network.populations
    changed = replace(first, neuron=replace(first.neuron, threshold=2.0))
    save(network, there / "a")
    save(replace(network, populations=(changed, *rest)), there / "b")
    x = dyadic_examples(network.inputs[0].shape, 12)
    np.savez(there / "data.npz", x=x, y=classes(network, 12))
    return there


def test_the_command_writes_the_page_that_python_writes(folder, tmp_path, capsys):
    output = tmp_path / "r.html"
    arguments = [str(folder / "a"), "--data", str(folder / "data.npz"), "-n", "8", "-o", str(output)]
    assert main(["report", *arguments]) == 0
    assert "open it in a browser" in capsys.readouterr().out
    with np.load(folder / "data.npz") as data:
        tgenn_gen.report(tgenn_gen.load(folder / "a"), tmp_path / "p.html", data["x"][:8], data["y"][:8])
    assert output.read_text() == (tmp_path / "p.html").read_text()


@pytest.mark.parametrize(("classes", "coloured"), [(2, 4), (3, 9), (25, 0)])
def test_confusions_are_coloured_where_the_matrix_is_shown_whole(classes, coloured):
    matrix = (np.eye(classes, dtype=int) * 5 + 1).tolist()
    table = confusion_table(SimpleNamespace(outputs={"out": {"confusion_matrix": matrix}}))
    html = _environment().get_template("parts.html.j2").module.table(table)
    assert html.count("--share:") == coloured


def test_a_network_without_provenance_is_not_said_to_come_from_keras(tmp_path):
    network = replace(small_cnn(), provenance={})
    assert "converted from a Keras model" not in written(tmp_path, network).text
    converted = replace(network, provenance={"model": "m.keras"})
    assert "converted from a Keras model" in written(tmp_path, converted).text


@pytest.mark.slow
@pytest.mark.keras
def test_a_wrong_scale_is_named_on_the_page(tmp_path):
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(n, activation="relu", name=f"d{n}") for n in (12, 11)]
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(3, name="out")])
    x = np.random.default_rng(0).random((60, 6), np.float32)
    network = tgenn_gen.convert(model, x, "few_spike")
    assert "agrees" in written(tmp_path, network, x, model=model).text
    first, second, *rest = network.populations
    (connection,) = second.inputs
    (dense,) = connection.through
    kernel = replace(dense.kernel, values=dense.kernel.values * np.float32(1.3))
    wrong = replace(second, inputs=(replace(connection, through=(replace(dense, kernel=kernel),)),))
    page = written(tmp_path, replace(network, populations=(first, wrong, *rest)), x, model=model)
    assert "d11 is the first population that departs" in page.text
    verdicts = page.column("Agreement with the ANN", "verdict")
    assert verdicts["d12"] == "agrees" and verdicts["d11"] == "weights"
    weights = page.column("Agreement with the ANN", "weights")
    assert weights["d12"] == "0.00 %"
    assert (
        20 < float(weights["d11"].removesuffix(" %")) <= 30
    )  # 30 %, but currents above the scale are clipped


def test_two_documents_stand_side_by_side(folder, tmp_path):
    output = tmp_path / "ab.html"
    a, b = str(folder / "a"), str(folder / "b")
    assert main(["report", a, b, "--data", str(folder / "data.npz"), "-o", str(output), "-q"]) == 0
    page = Page(output.read_text())
    assert "neuron.threshold: 1.0 -> 2.0" in page.text
    name = small_cnn().populations[0].name
    neurons = page.column("Populations: what differs is coloured", "neuron model")
    assert neurons[name].count("threshold 1") == 1 and neurons[name].count("threshold 2") == 1
    with np.load(folder / "data.npz") as data:
        for path in (a, b):
            spikes = simulate(tgenn_gen.load(path), data["x"]).spike_counts[name].sum() / 12
            shown = page.column("Populations: what differs is coloured", f"{path}: spikes")[name]
            assert number(shown) == round(float(spikes))
    assert main(["report", a, b, "-o", str(output), "-q"]) == 0
    Page(output.read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "m.keras"], "--model: needs examples to simulate, give --data"),
        (["--timesteps", "3"], "--timesteps: needs examples to simulate, give --data"),
        (["-o", "r.txt"], "--output r.txt: expected a name that ends in .html"),
        (["GIVEN"], "is given twice, expected two documents"),
        (["GIVEN/network.yaml"], "is given twice, expected two documents"),
        (["--data", "missing.npz"], "missing.npz: cannot be read"),
        (["-o", "no/folder/r.html"], "no/folder/r.html: there is no folder no/folder"),
    ],
)
def test_wrong_options_are_named(folder, options, message, capsys):
    given = [option.replace("GIVEN", str(folder / "a")) for option in options]
    assert main(["report", str(folder / "a"), *given]) == 2
    assert message in capsys.readouterr().err


def test_charts_have_the_values_in_words_and_round_ticks():
    chart = line_chart([Line("a", (1, 2, 4, 16), (10, 40, 80, 81))], "steps", "accuracy", "a & b", steps=True)
    ticks = re.findall(r'text-anchor="middle">(\d+)</text>', chart)
    assert ticks == ["1", "2", "4", "8", "16"]
    assert 'aria-label="a &amp; b"' in chart
    x = [float(p.split(",")[0]) for p in re.search(r'points="([^"]+)"', chart)[1].split()]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)  # logarithmic
    assert x[3] - x[2] == pytest.approx(2 * (x[2] - x[1]), abs=0.2)


def test_a_line_of_one_point_is_a_dot_in_the_chart_and_in_its_legend():
    lines = [Line("a", (8,), (98,), 1), Line("b", (1, 8), (99, 99), 0, True)]
    chart, legend = line_chart(lines, "steps", "accuracy", "text", steps=True).split("</svg>", 1)
    (x, y) = re.search(r'<circle [^>]*--series-1[^>]* cx="([\d.]+)" cy="([\d.]+)"', chart).groups()
    ends = re.search(r'points="[\d.]+,([\d.]+) ([\d.]+),', chart)
    assert float(x) == float(ends[2]) and float(y) > float(ends[1])
    assert chart.count("<polyline") == 1 and legend.count("<circle") == 1


def test_no_tick_of_an_accuracy_is_above_100():
    chart = line_chart([Line("a", (1, 2), (100, 100))], "steps", "accuracy", "text", steps=True, unit=" %")
    assert max(float(tick) for tick in re.findall(r"([\d.]+) %</text>", chart)) == 100


def test_numbers_of_ticks_do_not_meet_the_name_of_their_axis():
    chart = line_chart([Line("a", (1, 2), (92.5, 97.25))], "steps", "accuracy", "text", unit=" %")
    places = [(float(x), n) for x, n in re.findall(r'<text x="([\d.]+)"[^>]*"end">([^<]+)</text>', chart)]
    name = float(re.search(r"translate\(([\d.]+)", chart)[1])
    assert min(x - 7 * len(number) for x, number in places) >= name + 6


@pytest.mark.parametrize(
    "values", [(100, 100), (99.94, 99.98), (98, 98.05), (0.2, 0.7), (5, 5), (1.0001, 1.0002), (0, 0), (-3, 4)]
)
def test_ticks_are_different_and_stand_at_their_numbers(values):
    chart = line_chart([Line("a", (1, 2), values)], "steps", "accuracy", "text", steps=True, unit=" %")
    found = re.findall(r'y="([-\d.]+)" text-anchor="end">(\S+) %</text>', chart)
    places, ticks = np.array(found, dtype=float).T
    assert len(ticks) > 1 and (np.diff(ticks) > 0).all()
    assert np.diff(ticks) / np.diff(places) == pytest.approx(np.diff(ticks)[0] / np.diff(places)[0], rel=0.02)


def test_images_are_png_with_the_pixels_given():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    data = base64.b64decode(png(pixels).split(",")[1])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind], at = body, at + 12 + length
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (7, 5)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, -1)
    assert (rows[:, 0] == 0).all() and (rows[:, 1:].reshape(5, 7, 4) == pixels).all()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH")
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_shows_a_page_without_errors_and_without_scrolling_sideways(cnn, tmp_path, width):
    network, x, y, _ = cnn
    tgenn_gen.report(network, tmp_path / "r.html", x, y)
    # a page around it measures how wide it is
    probe = "<script>document.title = document.documentElement.scrollWidth + '/' + innerWidth</script></body>"
    (tmp_path / "probe.html").write_text((tmp_path / "r.html").read_text().replace("</body>", probe))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    command += [
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command += ["--enable-logging=stderr", "--dump-dom", f"file://{tmp_path / 'probe.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    inside, shown = re.search(r"<title>(\d+)/(\d+)</title>", done.stdout).groups()
    assert int(inside) <= int(shown)


@pytest.mark.parametrize("changes", [None, "bias moved", ["bias moved"], {"bias": "moved"}])
def test_any_value_that_a_user_wrote_for_changes_is_shown(tmp_path, changes):
    network = replace(small_cnn(), provenance={"changes": changes})
    tgenn_gen.report(network, tmp_path / "report.html")
    assert ("moved" in (tmp_path / "report.html").read_text()) == (changes is not None)


def test_a_page_on_a_recurrent_network_has_all_but_the_ann(tmp_path):
    network = recurrent()
    x, y = examples_for(network, 6), np.arange(6) % 5
    tgenn_gen.report(network, tmp_path / "one.html", x, y)
    page = (tmp_path / "one.html").read_text()
    assert "The network has recurrent connections: an ANN has no time steps" in page
    assert 'id="agreement"' not in page and "with ReLUs in place" not in page
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()
    assert "Accuracy against time steps" in page and "synaptic operations" in page
    save(network, tmp_path / "a")
    save(network.with_values({"hidden.neuron.threshold": 0.5}), tmp_path / "b")
    np.savez(tmp_path / "d.npz", **x, y=y)
    folders, data = (str(tmp_path / "a"), str(tmp_path / "b")), ("--data", str(tmp_path / "d.npz"))
    assert main(["report", *folders, *data, "--output", str(tmp_path / "two.html")]) == 0
    assert "nan" not in re.sub(r"<[^>]*>", " ", (tmp_path / "two.html").read_text()).lower().split()


def test_a_page_on_a_stream_has_the_accuracy_of_evaluate(tmp_path):
    network = small_cnn()
    stream = replace(network, simulation=replace(network.simulation, reset="never"))
    x, y = examples_for(stream, 7), np.arange(7) % 5
    examples, timesteps = checked("report", stream, x, None, 0)
    found = measured(stream, examples, {"classes": y}, timesteps)
    assert found.evaluation.outputs == evaluate(stream, x, y).outputs
    tgenn_gen.report(stream, tmp_path / "page.html", x, y)
    assert "Accuracy against time steps" in (tmp_path / "page.html").read_text()
