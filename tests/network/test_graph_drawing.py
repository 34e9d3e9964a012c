"""The SVG of a network's graph: what is in it, and that its parts do not cover each other."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_networks import branched, every_op, of_all_kinds, recurrent, small_cnn, with_several

from tgenn_gen.network.graph_drawing import chain_text, graph_svg
from tgenn_gen.network.model import Connection
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.tensors import Tensor

SVG = "{http://www.w3.org/2000/svg}"
NETWORKS = {
    "small_cnn": small_cnn(),
    "branched": branched(),
    "every_op": every_op(),
    "recurrent": recurrent(),
    **with_several(),
    **of_all_kinds(),
}


def root(network, links=False):
    return ET.fromstring(graph_svg(network, links))


def texts(element):
    return [text.text for text in element.iter(f"{SVG}text")]


def rectangles(svg):
    """(left, top, right, bottom) of each box."""
    found = []
    for rect in svg.iter(f"{SVG}rect"):
        x, y, width, height = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def chain_of(n):
    """A network of n populations, each connected to the last one and to the one before it."""
    network = small_cnn()
    first = network.populations[0]
    layers = [replace(first, name="p0")]
    for i in range(1, n):
        inputs = tuple(Connection(f"p{j}") for j in (i - 1, i - 2) if j >= 0)
        layers.append(replace(first, name=f"p{i}", inputs=inputs))
    return replace(
        network, populations=tuple(layers), outputs=(replace(network.outputs[0], population=f"p{n - 1}"),)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_each_input_population_and_output_has_a_box_with_its_shape_and_kind(name):
    network = NETWORKS[name]
    svg = root(network)
    groups = {
        kind: [texts(g) for g in svg.iter(f"{SVG}g") if g.get("class") == f"tg-{kind}"]
        for kind in ("input", "population", "output")
    }
    shape = {name: "x".join(map(str, shape)) for name, shape in network.shapes.items()}
    assert groups["input"] == [[i.name, f"{shape[i.name]} · {i.encoding.kind}"] for i in network.inputs]
    assert groups["population"] == [
        [p.name, f"{shape[p.name]} · {p.neuron.kind}"] for p in network.populations
    ]
    assert [lines[0] for lines in groups["output"]] == ["output"] * len(network.outputs)
    for lines, output in zip(groups["output"], network.outputs, strict=True):
        assert lines[1].startswith(output.readout)


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_do_not_overlap_and_are_inside_the_drawing(name):
    svg = root(NETWORKS[name])
    width, height = float(svg.get("width")), float(svg.get("height"))
    assert svg.get("viewBox") == f"0 0 {width:g} {height:g}"
    boxes = rectangles(svg)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
    for a, b in combinations(boxes, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_connections_go_down_from_their_source_to_their_target(name):
    network = NETWORKS[name]
    svg = root(network)
    names = [i.name for i in network.inputs] + [p.name for p in network.populations]
    box = dict(zip(names, rectangles(svg), strict=False))
    paths = [p.get("d") for p in svg.iter(f"{SVG}path") if p.get("class") == "tg-edge"]
    connections = [
        (c.source, p.name)
        for p in network.populations
        for c in p.inputs
        if c.source not in network.recurrent[p.name]
    ]
    assert len(paths) == len(connections) + len(network.outputs)
    for (source, target), path in zip(connections, paths, strict=False):
        x, y = map(float, re.match(r"M([-\d.]+) ([-\d.]+)", path).groups())
        left, _, right, bottom = box[source]
        assert left <= x <= right and y == pytest.approx(bottom, abs=0.1)
        end = float(re.findall(r"[-\d.]+", path)[-1])
        assert box[target][1] - 5 < end < box[target][1]
        assert box[source][3] < box[target][1]


def test_recurrent_connections_are_dashed_and_their_arrows_point_up_to_their_targets():
    network = NETWORKS["recurrent"]
    svg = root(network)
    names = [i.name for i in network.inputs] + [p.name for p in network.populations]
    box = dict(zip(names, rectangles(svg), strict=False))
    paths = list(svg.iter(f"{SVG}path"))
    arrows = [paths[i + 1].get("d") for i, p in enumerate(paths) if p.get("class") == "tg-edge tg-back"]
    targets = [p.name for p in network.populations for c in p.inputs if c.source in network.recurrent[p.name]]
    assert len(arrows) == len(targets) == 4
    for target, arrow in zip(targets, arrows, strict=True):
        x, y = map(float, re.match(r"M([-\d.]+) ([-\d.]+)l-4 7h8z", arrow).groups())
        left, _, right, bottom = box[target]
        assert left < x < right and y == pytest.approx(bottom, abs=0.1)
    assert "conv2d 1x3, delay 1" in [text.text for text in svg.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", NETWORKS)
def test_no_connection_crosses_a_box(name):
    network = NETWORKS[name]
    svg = root(network)
    boxes = rectangles(svg)
    for path in (p.get("d") for p in svg.iter(f"{SVG}path") if "tg-edge" in p.get("class")):
        at = None
        for command, numbers in re.findall(r"([MVC])([-\d. ]+)", path):
            values = [float(v) for v in re.findall(r"-?[\d.]+", numbers)]
            to = (at[0], values[0]) if command == "V" else (values[-2], values[-1])
            if command != "M":
                for left, top, right, bottom in boxes:
                    inside = max(at[1], top + 0.2) < min(to[1], bottom - 0.2)
                    assert not inside or not left < min(at[0], to[0]) < right
            at = to


def test_connections_show_their_maps_in_short():
    kernel = Tensor.placeholder
    conv = Conv2D((2, 2), "same", kernel("k", (3, 3, 1, 4)))
    assert (
        chain_text(Connection("x", (conv, AvgPool2D((2, 2), (2, 2), "valid"))))
        == "conv2d 3x3 /2, avg_pool2d 2x2"
    )
    assert chain_text(Connection("x", (AvgPool2D((3, 2), (2, 1), "same"),))) == "avg_pool2d 3x2 /2x1"
    wide = Conv2D((1, 3), "valid", kernel("k", (1, 5, 4, 4)), groups=2)
    assert chain_text(Connection("x", (wide,))) == "conv2d 1x5 /1x3 groups 2"
    assert chain_text(Connection("x")) == "one to one"
    svg = root(small_cnn())
    shown = " ".join(t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "tg-chain")
    assert shown == " ".join(chain_text(p.inputs[0]) for p in small_cnn().populations)


def test_with_links_each_population_leads_to_its_row():
    network = branched()
    svg = root(network, links=True)
    assert [a.get("href") for a in svg.iter(f"{SVG}a")] == [
        f"#population-{p.name}" for p in network.populations
    ]
    assert svg.get("role") == "group"
    assert not list(root(network).iter(f"{SVG}a"))
    assert root(network).get("role") == "img"


def test_names_are_escaped_and_long_ones_are_cut_in_the_middle():
    network = small_cnn()
    odd, long = '<b>&"x', "a_very_long_name_" * 5
    first, *rest = network.populations
    second = replace(rest[0], name=long, inputs=(replace(rest[0].inputs[0], source=odd),))
    shown = replace(
        network,
        name="<network>",
        populations=(replace(first, name=odd), second),
        outputs=(replace(network.outputs[0], population=long),),
    )
    svg = root(shown, links=True)
    assert odd in texts(svg)
    assert svg.find(f"{SVG}title").text == "Graph of the network <network>"
    assert long not in texts(svg)
    assert any("…" in text and len(text) <= 41 for text in texts(svg))
    assert any(long in title.text for title in svg.iter(f"{SVG}title"))


@given(st.integers(3, 12))
def test_the_same_network_gives_the_same_text_and_skip_connections_pass_beside_the_boxes(n):
    network = chain_of(n)
    assert graph_svg(network) == graph_svg(chain_of(n))
    boxes = rectangles(root(network))[1 : n + 1]
    assert len({round(left + right) for left, _, right, _ in boxes}) == 1  # in one column


def test_a_network_of_a_hundred_layers_is_drawn_in_less_than_a_second():
    network = chain_of(100)
    started = time.perf_counter()
    graph_svg(network)
    assert time.perf_counter() - started < 1


def test_the_drawing_needs_nothing_from_elsewhere():
    text = graph_svg(branched())
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text and "<script" not in text
