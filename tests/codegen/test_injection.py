"""Documents whose strings and keys would be code elsewhere: each is refused at its place, or stays text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from cpp_models import GENN_PATH
from golden import GENERATED
from payloads import (
    HOSTILE,
    NAMES,
    assert_printable,
    assert_same_code,
    cpp_tokens,
    plain_words,
    python_tokens,
)
from sample_networks import Weights, examples_for
from scripts import results, written

from tgenn_gen import Network, TgennError, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen.rendering import render
from tgenn_gen.document.canonical_text import document_data, document_hash, document_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.source import parse_source
from tgenn_gen.document.weight_files import WeightFolder
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Output, Population
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense

EVERY_KIND = Path(__file__).parent.parent / "document/formats/tgenn_1"
NOTES = {"model": "m.keras", "changes": ["one", "two"], "calibration": {"file": "x.npz"}}


def strings(data, path=()):
    """(path, whether it is the key there) of all strings and keys."""
    if isinstance(data, str):
        yield path, False
    for key, value in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        if isinstance(key, str):
            yield (*path, key), True
        yield from strings(value, (*path, key))


def changed(data, path, at_key, text):
    """The data with another string there."""
    if not path:
        return text
    if isinstance(data, list):
        return [changed(v, path[1:], at_key, text) if i == path[0] else v for i, v in enumerate(data)]
    new = text if at_key and len(path) == 1 else path[0]
    return {
        new if k == path[0] else k: v
        if k != path[0] or (at_key and len(path) == 1)
        else changed(v, path[1:], at_key, text)
        for k, v in data.items()
    }


def lines(text):
    """{path: (line of its key, or of the list's item; line of its value)}, from PyYAML's marks."""
    found = {}

    def visit(node, path, line):
        found[path] = (line, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                visit(value, (*path, key.value), key.start_mark.line + 1)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                visit(value, (*path, index), value.start_mark.line + 1)

    visit(yaml.compose(text, Loader=yaml.SafeLoader), (), 1)
    return found


def as_json(data):
    """JSON, which is YAML: a string a line."""
    return json.dumps(data, indent=1)


def without_hashes(network):
    """Its generated code but for the hashes of the document and of the script itself."""
    return {
        name: re.sub("[0-9a-f]{64}\n$", "", text.replace(document_hash(network), ""))
        for name, text in render(network).items()
    }


def outcome(text, folder):
    """The network, or the diagnostics, which can be printed."""
    try:
        return load_source(parse_source(text, "network.yaml"), WeightFolder(folder)), ()
    except TgennError as error:
        for diagnostic in error.diagnostics:
            said = str(diagnostic)
            assert_printable(said)
            assert said.count("\n") == bool(diagnostic.hint), said
        return None, error.diagnostics


def places(data):
    """(path, whether it is the key there) of a string of each kind: its keys, and the op or kind."""
    found = {}
    for path, at_key in strings(data):
        around = data
        for part in path[:-1]:
            around = around[part]
        kind = (around.get("op"), around.get("kind")) if isinstance(around, dict) else ()
        found.setdefault((at_key, *kind, *(p for p in path if isinstance(p, str))), (path, at_key))
    return list(found.values())


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a network of one population, and a provenance."""
    whole = load(GENERATED / "small_cnn")
    network = replace(
        whole,
        populations=(replace(whole.populations[0], bias=None),),
        outputs=(Output("conv1", "spike_count"),),
        provenance=NOTES,
    )
    save(network, tmp_path_factory.mktemp("small") / "n")
    return tmp_path_factory.getbasetemp() / "small0/n"


def assert_refused_or_a_note(data, folder, path, at_key, payload):
    """The network where the payload stands in the provenance; else None, and all is said at its place."""
    new = changed(data, path, at_key, payload)
    text = as_json(new)
    found, diagnostics = outcome(text, folder)
    if path[0] == "provenance" and len(path) > 1:
        assert document_data(found) == new
        assert load_source(parse_source(document_text(found), "network.yaml"), WeightFolder(folder)) == found
        return found
    assert diagnostics, (path, payload)
    where = lines(text)
    own, around = where[(*path[:-1], payload) if at_key else path], where[path[:-1]]
    expected = around[1] if at_key and path[-1] in ("op", "kind") else own[0]  # without them no key is known
    allowed = {own[0], around[1]} if at_key else set(own)  # the key, and what lacks the right one
    said = {d.location.line for d in diagnostics}
    assert expected in said and said <= allowed, (path, payload, diagnostics)
    return None


@pytest.mark.slow
def test_hostile_text_is_refused_at_its_line_or_stays_a_note(small):
    """In every string and as every key; notes in the provenance may be anything, and no code has them."""
    data = document_data(load(small))
    plain = load(small)
    code = without_hashes(plain)
    for number, (path, at_key) in enumerate(places(data)):
        every = path[0] == "provenance" or path[-1] in ("name", "file")
        for payload in HOSTILE if every and (at_key, len(path)) != (True, 1) else HOSTILE[number % 8 :: 8]:
            found = assert_refused_or_a_note(data, small, path, at_key, payload)
            if found is not None and payload in ("'''", "a\\\nb", "*/", HOSTILE[0]):
                assert without_hashes(found) == code


@pytest.mark.slow
def test_hostile_text_is_refused_at_its_line_in_every_kind_of_place():
    data = {**document_data(load(EVERY_KIND)), "provenance": NOTES}
    for number, (path, at_key) in enumerate(places(data)):
        assert_refused_or_a_note(data, EVERY_KIND, path, at_key, HOSTILE[number % len(HOSTILE)])


def printed(network):
    """All strings of a network that code has."""
    elements = (*network.inputs, *network.populations)
    return network.name, [e.name for e in elements], list(network.tensors)


def test_hostile_text_without_quotes_is_refused_where_it_stands_or_is_in_no_code(small):
    """Written into the text in place of a value or a key, it may be YAML of another structure."""
    text = (small / "network.yaml").read_text()
    plain = printed(load(small))
    scalars = [
        (token.start_mark, token.end_mark)
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, yaml.ScalarToken)
    ]
    for number, (start, end) in enumerate(scalars):
        for payload in HOSTILE[number % 6 :: 6]:
            found, diagnostics = outcome(text[: start.index] + payload + text[end.index :], small)
            if found is not None:
                assert printed(found) == plain
            if found is not None or payload[0] == "#":  # a comment: what it hides is said to be missing
                continue
            breaks = len(re.findall("[\n\r\x85\u2028]", payload))
            near = range(start.line + 1, start.line + breaks + 3)  # what ends a line may break the next
            said = [{d.location.line, *map(int, re.findall("line ([0-9]+)", d.hint))} for d in diagnostics]
            assert any(lines & {*near} for lines in said), (payload, start.line, diagnostics)


# Names that are names, and something else in Python, C++, YAML, GeNN, or in the generated code.


def renamed(network, names):
    """The network with these names for its inputs and populations, in their order."""
    new = dict(zip([n.name for n in (*network.inputs, *network.populations)], names, strict=True))

    def population(old):
        inputs = tuple(replace(c, source=new[c.source]) for c in old.inputs)
        return replace(old, name=new[old.name], inputs=inputs)

    return replace(
        network,
        inputs=tuple(replace(i, name=new[i.name]) for i in network.inputs),
        populations=tuple(map(population, network.populations)),
        outputs=tuple(replace(o, population=new[o.population]) for o in network.outputs),
    )


def names_to_collide(scripts):
    """Names of which an identifier would be made that stands in the code anyhow."""
    found = set()
    for script, text in scripts.items():
        tokens = cpp_tokens(text) if script.endswith(".cc") else python_tokens(text)
        identifiers = {text for kind, text in tokens if kind == "identifier"}
        made = {re.sub("plain[a-z]{2}x", "(.+)", i) for i in identifiers if "plain" in i}
        for pattern in made - {"(.+)"}:
            for other in (i for i in identifiers if "plain" not in i):
                found |= set(match.groups()) if (match := re.fullmatch(pattern, other)) else set()
    return sorted(name for name in found if re.fullmatch("[A-Za-z0-9_]{1,128}", name))


def in_groups(names, size):
    """Lists of so many names that differ in more than case."""
    groups = []
    for name in names:
        group = next((g for g in groups if len(g) < size and name.lower() not in map(str.lower, g)), None)
        if group is None:
            groups.append(group := [])
        group.append(name)
    return [[*g, *plain_words(40)[len(g) - size :]] if len(g) < size else g for g in groups]


def hostile_networks(golden):
    """A golden network with NAMES for names, and with all identifiers that stand in its code anyhow."""
    plain = load(GENERATED / golden)
    count = len(plain.inputs) + len(plain.populations)
    plain = renamed(replace(plain, name="plainzzx"), plain_words(count))
    code = render(plain)
    for group in in_groups([*NAMES, *names_to_collide(code)], count):
        yield renamed(replace(plain, name=group[-1]), group), code


@pytest.mark.parametrize("golden", ["mixed_inputs", pytest.param("every_op", marks=pytest.mark.slow)])
def test_names_that_mean_something_elsewhere_change_nothing_but_names_in_the_code(golden):
    for network, plain in hostile_networks(golden):
        for script, text in render(network).items():
            assert_same_code(script, text, plain[script])


@pytest.mark.parametrize(
    ("script", "new"),
    [
        ("reference.py", 'INPUTS = {"plainaax": os.system("touch pwned")}'),
        ("reference.py", "INPUTS = {np: 1}"),
        ("model.cc", "int plainaax; system();"),
        ("model.cc", "/* plainaax */ */ int plainaax;"),
        ("model.cc", "int x; // plainaax ??/\n;"),
    ],
)
def test_what_is_more_than_another_name_is_seen(script, new):
    """The comparison that the others rely on."""
    plain = 'INPUTS = {"plainaax": 1}' if script.endswith(".py") else "int plainaax;"
    assert_same_code(script, plain.replace("plainaax", "class_"), plain)
    with pytest.raises((AssertionError, SyntaxError)):
        assert_same_code(script, new, plain)


def test_names_that_mean_something_elsewhere_are_read_as_they_were_written(tmp_path):
    network, _ = next(hostile_networks("every_op"))
    save(network, tmp_path / "n")
    assert load(tmp_path / "n") == network
    assert yaml.safe_load((tmp_path / "n/network.yaml").read_text()) == document_data(network)


def test_the_same_is_computed_whatever_the_names(tmp_path):
    network, _ = next(hostile_networks("every_op"))
    plain = load(GENERATED / "every_op")
    outputs = []
    for name, one in (("plain", plain), ("hostile", network)):
        folder = written(one, tmp_path / name, **examples_for(one, 2))
        outputs.append(results(folder / "reference.py", folder / "data.npz")[1]["output"])
    np.testing.assert_array_equal(*outputs)


@pytest.mark.slow
@pytest.mark.genn_cpp
def test_a_compiler_takes_all_the_names_at_once(tmp_path):
    """A chain of populations: each reads the one before."""
    names = list({name.lower(): name for name in NAMES}.values())
    through = (Dense(Weights()("kernel", 1, 1)),)
    network = Network(
        name="class",
        inputs=(Input(names[0], (1,), ConstantCurrentInput()),),
        populations=tuple(
            Population(name, (1,), IntegrateAndFireNeuron(), (Connection(source, through),))
            for source, name in pairwise(names)
        ),
        outputs=(Output(names[-1], "spike_count"),),
    )
    path = tmp_path / "model.cc"
    path.write_text(render(network, ("cpp",))["model.cc"])
    include = [f"-I{GENN_PATH}/include/genn/genn", f"-I{GENN_PATH}/include/genn/third_party"]
    command = ["g++", "-std=c++17", "-fsyntax-only", *include, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


FILES = ["weights/class.npy", "-x.npy", "a//b.npy", "a/./b.npy", "..a.npy", "weights/..npy", "weights.npy"]


def with_kernel(small, folder, file):
    """The small network, its kernel in another file."""
    shutil.copytree(small, folder)
    (folder / file).parent.mkdir(exist_ok=True)
    shutil.copy(small / "weights/conv1.kernel.npy", folder / file)
    text = (small / "network.yaml").read_text().replace("weights/conv1.kernel.npy", file)
    (folder / "network.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("file", FILES)
def test_a_strange_path_of_weights_is_refused_or_changes_paths_in_the_code_alone(small, tmp_path, file):
    strange = with_kernel(small, tmp_path / "strange", file)
    if file in ("a//b.npy", "a/./b.npy"):
        with pytest.raises(TgennError, match="T301"):
            load(strange)
        return
    plain = with_kernel(small, tmp_path / "plain", re.sub("[^/]+$", "plainaax.npy", file))
    code = render(load(plain))
    for script, text in render(load(strange)).items():
        assert_same_code(script, text, code[script])


# What commands print.


def test_commands_print_what_a_terminal_shows_as_it_is(small, tmp_path, capsys):
    network = load(small)
    notes = {payload: [payload, *HOSTILE] for payload in HOSTILE}
    network = replace(network, provenance={**notes, "inner": {p: p for p in HOSTILE}})
    save(network, tmp_path / "n")
    before, after = str(small), str(tmp_path / "n")
    for status, *arguments in (
        (0, "check", after),
        (0, "show", after),
        (0, "show", after, "--json"),
        (0, "plan", after),
        (0, "plan", after, "--json"),
        (1, "diff", before, after),
        (1, "diff", after, before, "--json"),
        (0, "fmt", "--check", after),
        (0, "lock", after),
        (0, "set", after, "simulation.timesteps=9"),
        (0, "generate", after),
    ):
        assert main(arguments) == status, arguments
        said = capsys.readouterr()
        assert_printable(said.out + said.err)
    assert_printable((tmp_path / "n/network.yaml").read_text())
