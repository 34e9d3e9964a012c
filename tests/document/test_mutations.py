"""Any network comes back from its document; any change of one field is said in its place, or can be run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from payloads import assert_printable
from profiles import tries
from sample_networks import (
    autoencoder,
    branched,
    every_op,
    examples_for,
    of_all_kinds,
    small_cnn,
    with_several,
)
from scripts import assert_equal_arrays, results
from synapse_matrices import synapse_matrices

from tgenn_gen import TgennError, generate, load, save
from tgenn_gen.document.canonical_text import document_data, require_valid
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.weight_files import WeightFolder
from tgenn_gen.document.yaml_source import parse_source
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron

NETWORKS = {
    "every_op": every_op(),
    "branched": branched(),
    "small_cnn": small_cnn(),
    "autoencoder": autoencoder(),
    **with_several(),
    **of_all_kinds(),
}
FINITE = st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-30)
POSITIVE = st.floats(1e-20, 1e20)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True)
NOTES = st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=9)


@st.composite
def neurons(draw, old):
    """Another neuron of the same kind."""
    if isinstance(old, IntegrateAndFireNeuron):
        v_rest = draw(st.floats(-100, 0))
        v_init = "uniform" if draw(st.booleans()) else draw(st.floats(-100, 100))
        reset = draw(st.sampled_from(["subtract", "zero", "to_rest"]))
        return replace(old, threshold=draw(st.floats(0.5, 9)), reset=reset, v_init=v_init, v_rest=v_rest)
    if isinstance(old, LeakyIntegrateAndFireNeuron):
        threshold, tau_syn = draw(st.floats(0.5, 9)), draw(st.none() | POSITIVE)
        return replace(
            old, threshold=threshold, tau=draw(POSITIVE), tau_syn=tau_syn, v_rest=0.0, refractory=0.0
        )
    if isinstance(old, SignedIntegrateAndFireNeuron):
        return replace(old, threshold=draw(POSITIVE), negative_threshold=-draw(POSITIVE), v_init=draw(FINITE))
    return replace(old, v_init=draw(FINITE)) if isinstance(old, FewSpikeNeuron) else old


@st.composite
def networks(draw):
    """A network of any kinds with other numbers, weights, names and notes."""
    network = draw(st.sampled_from([*NETWORKS.values()]))
    elements = [*network.inputs, *network.populations]
    names = draw(st.lists(NAMES, min_size=len(elements), max_size=len(elements), unique_by=str.lower))
    new = {e.name: name for e, name in zip(elements, names, strict=True)}
    inputs = tuple(
        replace(i, name=new[i.name], uint8_divisor=draw(st.floats(1e-3, 1e3))) for i in network.inputs
    )
    populations = []
    for p in network.populations:
        scale = draw(POSITIVE) if isinstance(p.scale, float) else p.scale
        connections = tuple(replace(c, source=new[c.source]) for c in p.inputs)
        neuron = draw(neurons(p.neuron)) if draw(st.booleans()) else p.neuron
        populations.append(replace(p, name=new[p.name], neuron=neuron, scale=scale, inputs=connections))
    return replace(
        network,
        name=draw(NAMES),
        inputs=inputs,
        populations=tuple(populations),
        outputs=tuple(replace(o, population=new[o.population]) for o in network.outputs),
        simulation=replace(network.simulation, dt=draw(st.floats(1e-3, 1e3))),
        provenance=draw(st.dictionaries(st.text(max_size=9), NOTES | st.lists(NOTES))),
    )


@given(networks())
@settings(tries(60), derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_network_of_any_kinds_comes_back_from_its_document(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("network") / "n"
    try:
        require_valid(network)
    except TgennError:  # not every neuron takes every number
        reject()
    save(network, folder)
    assert load(folder) == network


# One field changed.

TRIED = tries(160)
AGAIN = "@again"  # behind a key in the data: it stands in the text twice
ODD = [0, -1, 1, 2, 3, 1.5, -0.0, 65536, 65537, 10**8, 10**8 + 1, 1e30, 1e31, -1e30, 1e-30, 1e300, 10**400]
ODD += [None, True, False, "", "x", "uniform", "same", "0", [], {}, [1], [1, 1], [2, 3, 4], {"file": "x.npy"}]
ODD += ["poisson", "integrate", "integrate_and_fire", "few_spike", "flatten", "dense", "spike_count"]


def places(data, path=()):
    """The paths of all values in a document's data, but for the whole."""
    if path:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@st.composite
def mutated(draw):
    """(network's name, path, the data with one thing changed there)."""
    name = draw(st.sampled_from(sorted(NETWORKS)))
    data = json.loads(json.dumps(document_data(NETWORKS[name])))
    path = draw(st.sampled_from([*places(data)]))
    around = data
    for part in path[:-1]:
        around = around[part]
    key, value = path[-1], around[path[-1]]
    changes = {"odd": draw(st.sampled_from(ODD)), "in a list": [value], "as text": str(value)}
    if type(value) in (int, float):
        changes |= {"one more": value + 1, "one less": value - 1, "double": value * 2}
    ways = ["gone", *(["again", "misspelt"] if isinstance(key, str) else ["twice"]), *changes]
    way = draw(st.sampled_from(ways))
    if way in changes:
        around[key] = changes[way]
    elif way == "twice":
        around.insert(key, value)
    elif way == "again":
        path = (*path[:-1], f"{key}{AGAIN}")
        around[path[-1]] = value
    else:
        del around[key]
    if way == "misspelt":
        path = (*path[:-1], f"{key}x")
        around[path[-1]] = value
    return name, path, data


def node_lines(text):
    """{path: (line of the key, or item, first line, last line of the value)}, by PyYAML's own marks."""
    found = {}

    def visit(node, path, line):
        found[path] = (line, node.start_mark.line + 1, node.end_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                name = f"{key.value}{AGAIN}" if key.value in seen else key.value
                seen.add(name)
                visit(value, (*path, name), key.start_mark.line + 1)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                visit(value, (*path, index), value.start_mark.line + 1)

    visit(yaml.compose(text, Loader=yaml.SafeLoader), (), 1)
    return found


def near(diagnostic, path, lines, data, names):
    """Whether a diagnostic is in the right place for a change at `path`.

    What the schema says (T1xx) is at the changed key or value, in it, or where it is missing; for op and
    kind, on which the keys beside them depend, around it. What has to do with the meaning is in the changed
    input, population or output, or in one that names it.
    """
    line = diagnostic.location.line
    own, around = lines.get(path), lines[path[:-1]]
    inside = own is not None and own[0] <= line <= own[2]
    discriminates = str(path[-1]).startswith(("op", "kind"))
    if diagnostic.code.startswith("T1") and not (discriminates and around[1] <= line <= around[2]):
        return inside or line in around[:2]
    if len(path) == 1 or path[0] == "simulation":
        return True
    elements = [p for p in lines if len(p) == 2 and lines[p][1] <= line <= lines[p][2]]
    return inside or any(p == path[:2] or names & strings(data[p[0]][p[1]]) for p in elements)


def strings(data):
    """All strings in a document's data."""
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return {data} if isinstance(data, str) else set().union(*map(strings, inner))


def element_names(data, path):
    """The name of the input or population around a path, or of the one that an output reads."""
    around = data.get(path[0])
    element = (
        around[path[1]] if len(path) > 1 and isinstance(around, list) and path[1] < len(around) else None
    )
    return {str(element.get("name", element.get("population")))} if isinstance(element, dict) else set()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """{network: its folder}."""
    folder = tmp_path_factory.mktemp("networks")
    for name, network in NETWORKS.items():
        save(network, folder / name)
    return folder


def change_of_one_field(folders, fake_genn, tmp_path, outcomes, mutation):
    name, path, data = mutation
    text = json.dumps(data, indent=1).replace(AGAIN, "")
    folder = folders / name
    try:
        network = load_source(parse_source(text, "network.yaml"), WeightFolder(folder))
    except TgennError as error:
        assert_printable(str(error))
        lines, before = node_lines(text), document_data(NETWORKS[name])
        names = element_names(before, path) | element_names(data, path)
        for diagnostic in error.diagnostics:
            assert near(diagnostic, path, lines, data, names), (path, diagnostic)
        outcomes["said"] += 1
        return
    assert not str(path[-1]).endswith(AGAIN)
    if sum(int(np.prod(shape)) for shape in network.shapes.values()) > 10**5:
        return
    steps = max([1, *(o.start for o in network.outputs)]) + 2
    if network.few_spike:
        steps = min(steps, 16)
    np.savez(tmp_path / "data.npz", **examples_for(network, 2))
    np.savez(fake_genn, **synapse_matrices(network))
    generate(network, folder, ("numpy", "pygenn"))
    with np.errstate(all="ignore"):
        found = [
            results(folder / script, tmp_path / "data.npz", "--timesteps", steps)[1]
            for script in ("simulate.py", "reference.py")
        ]
    assert_equal_arrays(*found)
    outcomes["run"] += 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_change_of_one_field_is_said_in_its_place_or_can_be_run(folders, fake_genn, tmp_path):
    outcomes = Counter()

    @given(mutated())
    @settings(TRIED, derandomize=True, suppress_health_check=list(HealthCheck))
    def each(mutation):
        change_of_one_field(folders, fake_genn, tmp_path, outcomes, mutation)

    each()
    tried = TRIED.max_examples
    assert outcomes["said"] > tried * 3 // 8 and outcomes["run"] > tried // 32, outcomes
