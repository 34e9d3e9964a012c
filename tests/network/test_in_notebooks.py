"""What networks and results show of themselves: in a line, as a table, as HTML, and to tab completion."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from math import prod

import numpy as np
import pytest
from golden import golden_networks
from sample_networks import branched, dyadic_examples, examples_for, small_cnn, with_several

import tgenn_gen
from tgenn_gen.codegen.network_table import network_data
from tgenn_gen.network.model import Network
from tgenn_gen.network.tensors import Tensor

NETWORKS = [small_cnn(), *golden_networks().values(), *with_several().values()]
FEW_CHARACTERS = 300


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_a_network_and_its_parts_show_themselves_without_their_arrays(network):
    parts = [network, *network.inputs, *network.outputs, *network.populations, *network.tensors.values()]
    for part in parts:
        assert len(repr(part)) < FEW_CHARACTERS and "array(" not in repr(part) and "\n" not in repr(part)
    connections = [c for p in network.populations for c in p.inputs]
    assert not [c for c in connections if "array(" in repr(c)]
    assert all(f"{i.name} {i.form}" in repr(network) for i in network.inputs)
    neurons = sum(prod(p.shape) for p in network.populations)
    assert f"{len(network.populations)} populations, {neurons:,} neurons" in repr(network)


def test_a_tensor_shows_its_file_and_shape():
    assert repr(Tensor("weights/a.kernel.npy", np.zeros((3, 4)))) == "<Tensor weights/a.kernel.npy: 3x4>"
    assert repr(Tensor.unnamed(np.zeros(5))) == "<Tensor without a file: 5>"


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_a_network_gives_its_populations_and_inputs_by_name(network):
    for part in (*network.inputs, *network.populations):
        assert network[part.name] is part and part.name in network
    assert "nobody" not in network and 0 not in network
    assert network._ipython_key_completions_() == [*network.shapes]
    with pytest.raises(TypeError, match="not iterable"):
        iter(network)


def test_a_name_that_is_almost_right_is_answered_with_the_right_one():
    network = small_cnn()
    with pytest.raises(KeyError, match="no input or population 'conv'; did you mean 'conv2'"):
        network["conv"]
    with pytest.raises(
        KeyError, match="no input or population 'xyz'; known here: image, conv1, conv2, dense"
    ):
        network["xyz"]
    with pytest.raises(KeyError, match="no population 'image'; known here: conv1, "):
        network.population("image")


def cells_of(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_the_summary_has_the_numbers_of_tgenn_show(network, capsys):
    assert network.summary() is None
    printed = capsys.readouterr().out.splitlines()
    data = network_data(network)
    rows = {cells[0]: cells for line in printed if (cells := cells_of(line))}
    for population in network.populations:
        row, expected = rows[population.name], data["populations"][population.name]
        assert row[1:3] == [population.neuron.kind, "x".join(map(str, population.shape))]
        assert row[3].split(", ") == [*dict.fromkeys(c.source for c in population.inputs)]
        assert row[4:7] == [f"{expected[k]:,}" for k in ("neurons", "synapses", "weights")]
        assert float(row[7].split("-")[0]) == pytest.approx(population.scales.min(), rel=1e-2)
    total = [f"{data['total'][k]:,}" for k in ("neurons", "synapses", "weights")]
    assert rows["total"][1:] == total


def test_parameters_of_weights_without_a_file_are_counted():
    def unnamed(tensor: Tensor | None) -> Tensor | None:
        return tensor and Tensor.unnamed(tensor.values)

    network = branched()
    populations = []
    for p in network.populations:
        inputs = tuple(
            replace(
                c,
                through=tuple(replace(m, **{k: unnamed(t) for k, t in m.tensors.items()}) for m in c.through),
            )
            for c in p.inputs
        )
        populations.append(replace(p, inputs=inputs, bias=unnamed(p.bias)))
    nameless = replace(network, populations=tuple(populations))
    assert network_data(nameless)["total"]["weights"] == network_data(network)["total"]["weights"]


class Page(HTMLParser):
    """Checks that each tag is closed, and collects the rows of the table."""

    VOID = ("br",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert tag != "script"
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_a_notebook_shows_the_table_and_the_graph(network):
    html = network._repr_html_()
    page = Page(html)
    names = [p.name for p in network.populations]
    assert [row[0] for row in page.rows] == ["population", *names, "total"]
    assert len({len(row) for row in page.rows}) == 1
    assert html.count("<svg") == 1 and network.plot().svg in html
    assert len(html) < 50_000


def test_html_escapes_names():
    network = replace(small_cnn(), name="<b>&\"'")
    assert "<b>" not in network._repr_html_() and "&lt;b&gt;&amp;" in network._repr_html_()


def test_the_graph_is_an_object_that_a_notebook_shows_and_that_can_be_saved(tmp_path):
    drawing = small_cnn().plot(path=tmp_path / "graph.svg")
    assert drawing._repr_html_().startswith("<svg") and len(repr(drawing)) < 60
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg
    assert small_cnn().plot() == drawing
    for wrong in (tmp_path / "graph.png", tmp_path / "nowhere" / "graph.svg"):
        with pytest.raises(ValueError, match=str(wrong)):
            small_cnn().plot(path=wrong)


def test_results_and_evaluations_show_themselves_in_a_line():
    network = small_cnn()
    result = tgenn_gen.simulate(network, dyadic_examples((7, 10, 2), 6), record=["conv2"], record_v=["dense"])
    assert repr(result) == (
        "<Result: 6 examples, 7 time steps; outputs classes (6, 5); "
        "spike counts of conv1, conv2, dense; spikes of conv2; V of dense>"
    )
    x, y = dyadic_examples((7, 10, 2), 6), np.arange(6) % 5
    evaluation = tgenn_gen.evaluate(network, x, y)
    shown = repr(evaluation)
    assert "\n" not in shown and len(shown) < FEW_CHARACTERS
    accuracy = evaluation.outputs["classes"]["accuracy"]
    assert f"small_cnn: 6 examples, 7 time steps; classes: accuracy {accuracy:.4g} (with ReLU" in shown
    values = np.zeros((6, 5), np.float32)
    assert "classes: mean squared error" in repr(tgenn_gen.evaluate(network, x, values))


def test_tab_completion_offers_public_names_alone():
    network = small_cnn()
    x = dyadic_examples((7, 10, 2), 2)
    shown = [
        network,
        tgenn_gen.simulate(network, x),
        tgenn_gen.evaluate(network, x, [0, 1]),
        network["conv1"],
    ]
    for value in (*shown[:3], tgenn_gen):
        assert not [name for name in dir(value) if name.startswith("_") and name != "__version__"]
        assert all(hasattr(value, name) for name in dir(value))
    assert {"summary", "with_values", "plot", "populations", "name"} <= set(dir(network))
    assert not {"largest", "last_read_by", "presented"} & set(dir(network))
    assert {"outputs", "rates", "net_counts", "spikes", "predictions"} <= set(dir(shown[1]))
    assert sorted(dir(tgenn_gen)) == sorted(tgenn_gen.__all__)


@pytest.mark.parametrize("name", ["small_cnn", "few_spike", "signed_poisson", "branched"])
def test_rates_and_net_counts_are_there_for_all_that_spikes_with_the_populations_shapes(name):
    network: Network = golden_networks()[name]
    result = tgenn_gen.simulate(network, examples_for(network, 3), timesteps=5, record=None)
    assert result.timesteps == 5
    assert set(result.rates) == set(result.net_counts) == set(network.spiking)
    for population, rates in result.rates.items():
        assert rates.shape == (3, *network.shapes[population]) and rates.dtype == np.float32
        spikes = result.spikes[population].astype(int)
        np.testing.assert_array_equal(result.net_counts[population], spikes.sum(axis=1))
        np.testing.assert_allclose(rates, spikes.mean(axis=1), rtol=1e-6)
