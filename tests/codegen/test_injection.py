"""Names, paths and notes of a document never become code: they are refused, or change nothing but names."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from itertools import pairwise

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
from sample_networks import examples_for
from scripts import results

from tgenn_gen import Network, TgennError, generate, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen.rendering import render
from tgenn_gen.codegen.runtime_files import runtime_files
from tgenn_gen.document.canonical_text import document_data, document_of
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.weight_files import WeightFolder
from tgenn_gen.document.yaml_source import parse_source
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Output, Population
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.tensors import Tensor

NOTES = {"model": "m.keras", "changes": ["one", "two"], "calibration": {"file": "x.npz"}}


def chain(*names: str, name: str = "net", file: str = "weights/w.npy") -> Network:
    """An input and populations of these names, each of which reads the one before."""
    through = (Dense(Tensor(file, np.ones((1, 1)))),)
    populations = tuple(
        Population(reader, (1,), IntegrateAndFireNeuron(), (Connection(source, through),))
        for source, reader in pairwise(names)
    )
    inputs = (Input(names[0], (1,), ConstantCurrentInput()),)
    return Network(name, inputs, populations, (Output(names[-1], "spike_count"),), provenance=NOTES)


PLACES = {
    "the network": lambda text: chain("image", "dense", name=text),
    "an input": lambda text: chain(text, "dense"),
    "a population": lambda text: chain("image", text),
    "weights": lambda text: chain("image", "dense", file=text),
}
PATHS = ["weights/class.npy", "-x.npy", "..a.npy", "weights/..npy", "weights.npy"]


@pytest.mark.parametrize("place", PLACES)
def test_hostile_names_and_paths_are_refused(place):
    for payload in HOSTILE:
        with pytest.raises(TgennError) as caught:
            render(document_of(PLACES[place](payload)))
        assert_printable(str(caught.value))


@pytest.mark.parametrize("path", PATHS)
def test_a_strange_path_changes_nothing_but_paths_in_the_code(path):
    plain = render(document_of(PLACES["weights"](re.sub("[^/]+$", "plainaax.npy", path))))
    for script, text in render(document_of(PLACES["weights"](path))).items():
        assert_same_code(script, text, plain[script])


@pytest.mark.slow
def test_hostile_text_in_place_of_any_string_of_a_document_is_refused_or_stays_a_note(tmp_path):
    """Keys and values, one of each; hostile text in quotes, and as it is, which may be any YAML."""
    plain = chain("image", "dense")
    save(plain, tmp_path / "n")
    text = json.dumps(document_data(plain), indent=1)  # JSON is YAML, and has a string of each kind a line
    strings = {found[0].strip(): found for found in re.finditer(r'(?m)^ *("[^"]*")|(?<=: )("[^"]*")', text)}
    accepted = 0
    for number, found in enumerate(strings.values()):
        for payload in HOSTILE[number % 5 :: 5]:
            for hostile in (json.dumps(payload), payload):
                start, end = found.span(found.lastindex)
                source = f"{text[:start]}{hostile}{text[end:]}"
                try:
                    network = load_source(parse_source(source, "network.yaml"), WeightFolder(tmp_path / "n"))
                except TgennError as error:
                    assert_printable(str(error))
                    assert all(str(d).count("\n") == bool(d.hint) for d in error.diagnostics)
                else:
                    assert replace(network, provenance=NOTES) == plain, source
                    accepted += 1
    assert len(strings) > 40 and accepted > 20


def without_hashes(network):
    """Its generated code but for the hashes of the document and of the script itself."""
    document = document_of(network)
    return {
        name: re.sub("[0-9a-f]{64}\n$", "", text.replace(document.sha256, ""))
        for name, text in render(document).items()
    }


def test_hostile_notes_are_kept_but_are_in_no_code_and_printed_escaped(tmp_path, capsys):
    plain = chain("image", "dense")
    hostile = replace(plain, provenance={**{p: [p] for p in HOSTILE}, "in": {p: p for p in HOSTILE}})
    assert without_hashes(hostile) == without_hashes(plain)
    before, after = str(tmp_path / "plain"), str(tmp_path / "n")
    save(plain, before)
    save(hostile, after)
    assert load(after) == hostile
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


# Names that are names, and something else in Python, C++, YAML, GeNN, or in the generated code.


def renamed(network, names=()):
    """The network with these names for its inputs and populations, then plain words; the last for itself."""
    elements = (*network.inputs, *network.populations)
    names = [*names, *plain_words(len(elements))[len(names) :]]
    new = dict(zip([e.name for e in elements], names, strict=True))

    def population(old):
        inputs = tuple(replace(c, source=new[c.source]) for c in old.inputs)
        return replace(old, name=new[old.name], inputs=inputs)

    return replace(
        network,
        name=names[-1],
        inputs=tuple(replace(i, name=new[i.name]) for i in network.inputs),
        populations=tuple(map(population, network.populations)),
        outputs=tuple(replace(o, population=new[o.population]) for o in network.outputs),
    )


def hostile_networks(network, names):
    """The network with these names for its own, as many times as it takes to use all of them."""
    size = len(network.inputs) + len(network.populations)
    names = sorted({*names}, key=str.lower)  # those that differ in case alone come into different networks
    count = -(-len(names) // size)
    return [renamed(network, names[i::count]) for i in range(count)]


NETWORKS = {
    "a long chain": chain(*plain_words(60)),
    "every_op": load(GENERATED / "every_op"),
    "mixed_inputs": load(GENERATED / "mixed_inputs"),
}


@pytest.mark.parametrize(
    "network", ["a long chain", *(pytest.param(n, marks=pytest.mark.slow) for n in [*NETWORKS][1:])]
)
def test_names_that_mean_something_elsewhere_change_nothing_but_names_in_the_code(network):
    plain = render(document_of(renamed(NETWORKS[network])))
    for hostile in hostile_networks(NETWORKS[network], NAMES):
        for script, text in render(document_of(hostile)).items():
            assert_same_code(script, text, plain[script])


def test_no_name_makes_an_identifier_that_stands_in_the_code_anyhow():
    for network in NETWORKS.values():
        for script, text in render(document_of(renamed(network))).items():
            tokens = cpp_tokens(text) if script.endswith((".cc", ".h")) else python_tokens(text)
            identifiers = {text for kind, text in tokens if kind == "identifier"}
            made = {name for name in identifiers if "plain" in name}
            patterns = {re.sub("plain[a-z]{2}x", ".+", name) for name in made}
            assert len(patterns) > 1 or not script.startswith(("simulate", "model"))
            for pattern in patterns - {".+"}:  # a name alone is a string or an argument
                assert not [name for name in identifiers - made if re.fullmatch(pattern, name)], pattern


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


def test_names_that_mean_something_elsewhere_are_read_as_written_and_the_same_is_computed(tmp_path):
    outputs = []
    plain = NETWORKS["every_op"]
    for network in (plain, hostile_networks(plain, NAMES)[0]):
        folder = tmp_path / network.name
        save(network, folder)
        assert load(folder) == network
        assert yaml.safe_load((folder / "network.yaml").read_text()) == document_data(network)
        generate(network, folder, ("numpy",))
        np.savez(tmp_path / "x.npz", **examples_for(network, 2))
        outputs.append(results(folder / "reference.py", tmp_path / "x.npz")[1]["output"])
    np.testing.assert_array_equal(*outputs)


@pytest.mark.slow
@pytest.mark.genn_cpp
def test_a_compiler_takes_the_names(tmp_path):
    for network in hostile_networks(NETWORKS["a long chain"], NAMES):
        path = tmp_path / "model.cc"
        for name, text in render(document_of(network), ("cpp",)).items():
            (tmp_path / name).write_text(text)
        (tmp_path / "tgenn_runtime").mkdir(exist_ok=True)
        for name, content in runtime_files().items():
            (tmp_path / name).write_bytes(content)
        include = [f"-I{GENN_PATH}/include/genn/genn", f"-I{GENN_PATH}/include/genn/third_party"]
        command = ["g++", "-std=c++17", "-fsyntax-only", *include, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
