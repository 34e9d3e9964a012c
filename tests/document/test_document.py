"""The document: round trips, canonical bytes, what the YAML reader makes of scalars."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from sample_networks import branched, small_cnn

from tgenn_gen import Network, TgennError, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT, SCHEMA, document_data, document_of, document_text
from tgenn_gen.document.reading import read_document
from tgenn_gen.document.schema_check import schema
from tgenn_gen.document.yaml_source import parse_source
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.model import Connection, Input, Output, Population, Simulation
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops import OPS
from tgenn_gen.network.tensors import Tensor

positive = st.floats(1e-30, 1e30)
texts = st.text(max_size=30) | st.lists(st.text(max_size=30), max_size=20).map(" ".join)

notes = texts | st.booleans() | st.none() | st.integers() | positive


@st.composite
def networks(draw) -> Network:
    network = draw(st.sampled_from([small_cnn(), branched()]))
    neuron = IntegrateAndFireNeuron(
        draw(positive), draw(st.sampled_from(["subtract", "zero"])), draw(st.floats(-9, 9))
    )
    first = network.populations[0]
    first = replace(first, neuron=neuron, scale=draw(positive))
    low, high = sorted(draw(st.tuples(positive, positive)))
    inputs = [replace(i, data_range=draw(st.none() | st.just((-low, high)))) for i in network.inputs]
    return replace(
        network,
        inputs=tuple(inputs),
        populations=(first, *network.populations[1:]),
        simulation=Simulation(draw(st.floats(1e-9, 1000)), draw(st.integers(1, 100000))),
        provenance=draw(st.dictionaries(st.text(max_size=30), notes | st.lists(notes, max_size=40))),
    )


@given(networks())
@tries(40)
def test_a_saved_network_loads_as_the_same_network(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("network") / "saved"
    save(network, folder)
    assert load(folder) == network
    assert load(folder / "network.yaml") == network


@given(networks())
@tries(40)
def test_other_yaml_readers_read_the_same_data(network):
    """PyYAML's own loader knows YAML 1.1: no value means one thing here and another there."""
    assert yaml.safe_load(document_text(network)) == document_data(network)


def test_the_same_network_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from sample_networks import branched\n"
        "from tgenn_gen.document.canonical_text import document_of\n"
        "print(hashlib.sha256(repr(document_of(branched()).files()).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(__file__).parent.parent / "support"),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "random")
    }
    assert len(digests) == 1


def test_weights_are_plain_float32_npy_files(tmp_path):
    save(small_cnn(), tmp_path / "n")
    kernel = np.load(tmp_path / "n/weights/conv1.kernel.npy", allow_pickle=False)
    assert kernel.dtype == np.dtype("<f4") and kernel.flags.c_contiguous
    np.testing.assert_array_equal(kernel, small_cnn().tensors["weights/conv1.kernel.npy"].values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.0e+5", 1e5),
        ("+.5", 0.5),
        ("12", 12),
        ("-0", 0),
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'1'", "1"),
        ('"no"', "no"),
        (".inf", float("inf")),
    ],
)
def test_scalars_are_read_by_the_core_schema_of_yaml_1_2(text, value):
    read = parse_source(f"key: {text}", "x.yaml").data["key"]
    assert read == value and type(read) is type(value)


def test_positions_count_from_one_and_point_at_values():
    source = parse_source("a:\n  - b: 1\n    c: {d: 2}\n", "x.yaml")
    assert str(source.location(("a", 0, "c", "d"))) == "x.yaml:3:12"
    assert str(source.location(("a", 0, "c", "d"), key=True)) == "x.yaml:3:9"
    assert str(source.location(("a", 0, "missing"))) == "x.yaml:2:5"


def test_documents_that_are_written_fulfil_the_published_schema():
    for network in (small_cnn(), branched()):
        jsonschema.Draft202012Validator(schema()).validate(document_data(network))


def test_defaults_in_the_schema_are_those_of_the_dataclasses():
    network, defs = document_data(small_cnn()), schema()["$defs"]
    named = {
        Simulation: schema()["properties"]["simulation"],
        Input: defs["input"],
        Population: defs["population"],
        Connection: defs["connection"],
        Output: defs["output"],
    }
    named |= {cls: defs[f"neuron_{kind}"] for kind, cls in NEURONS.items()}
    named |= {cls: defs[f"encoding_{kind}"] for kind, cls in ENCODINGS.items()}
    named |= {cls: defs[f"op_{op}"] for op, cls in OPS.items()}
    for cls, fragment in named.items():
        fields = {{"source": "from"}.get(f.name, f.name): f for f in dataclasses.fields(cls)}
        keys = set(fragment["properties"]) - {"op", "kind"}
        assert set(fields) == keys, cls
        for key in keys:
            if "default" in fragment["properties"][key]:
                default = fragment["properties"][key]["default"]
                assert fields[key].default == (tuple(default) if isinstance(default, list) else default), (
                    cls,
                    key,
                )
            else:
                required = key in fragment.get("required", ()) or fields[key].default is None
                assert required, (cls, key)
    assert network["format"] == schema()["properties"]["format"]["const"]


def test_document_files_are_the_document_its_schema_its_weights_and_their_hashes():
    files = document_of(small_cnn()).files()
    others = ["network.yaml", "network.schema.json", "weights/SHA256SUMS"]
    assert sorted(files) == sorted([*others, *small_cnn().tensors])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_checks_the_weights_of_a_document(tmp_path):
    save(branched(), tmp_path / "n")

    def check() -> tuple[int, list[str]]:
        command = ["sha256sum", "-c", "--strict", "weights/SHA256SUMS"]
        done = subprocess.run(command, cwd=tmp_path / "n", capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()

    files = sorted(branched().tensors)
    assert check() == (0, [f"{file}: OK" for file in files])
    kernel = np.load(tmp_path / "n" / files[0])
    np.save(tmp_path / "n" / files[0], kernel + 1)
    assert check() == (1, [f"{files[0]}: FAILED", *(f"{file}: OK" for file in files[1:])])


def test_a_network_without_weights_has_no_file_of_hashes(tmp_path):
    save(small_cnn(), tmp_path / "n")
    neurons = Population("all", (7, 10, 2), IntegrateAndFireNeuron(), (Connection("image"),))
    network = replace(small_cnn(), populations=(neurons,), outputs=(Output("all", "spike_count"),))
    save(network, tmp_path / "n", force=True)
    assert sorted(p.name for p in (tmp_path / "n").iterdir()) == [SCHEMA, DOCUMENT, "weights"]
    assert [*(tmp_path / "n/weights").iterdir()] == []
    assert load(tmp_path / "n") == network


LONG = {
    "changes": ["short words", "some more words, " * 12, "x" * 150, "a 'b' \"c\"  d\\ e " * 12],
    "numbers": [*range(100)],
    "calibration": {"file": "train.npz", "sha256": "0" * 64, "examples": 60000, "another_key": "twelve"},
}


def test_lines_fit_120_columns_where_a_value_can_be_broken(tmp_path):
    network = replace(small_cnn(), provenance=LONG)
    text = document_text(network)
    assert [line.strip() for line in text.splitlines() if len(line) > 120] == ["- " + "x" * 150]
    assert max(len(line) for line in text.splitlines() if "more words" in line) > 100
    assert yaml.safe_load(text) == document_data(network)
    save(network, tmp_path / "n")
    assert load(tmp_path / "n") == network
    assert main(["fmt", "--check", str(tmp_path / "n")]) == 0


def test_the_hash_of_a_document_is_that_of_its_text_as_it_stands_in_the_file(tmp_path):
    save(small_cnn(), tmp_path / "n")
    path = tmp_path / "n/network.yaml"
    text = path.read_text() + "# by hand\n"
    for end in ("\n", "\r\n"):
        path.write_bytes(text.replace("\n", end).encode())
        document = read_document(tmp_path / "n")
        assert document.network == small_cnn() and document.text == text.replace("\n", end)
        assert document.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_first_line_points_editors_at_the_schema_beside_the_document():
    """A relative path: it works offline, and wherever the folder is moved."""
    files = document_of(small_cnn()).files()
    line = files["network.yaml"].decode().splitlines()[0]
    file = line.removeprefix("# yaml-language-server: $schema=")
    assert json.loads(files[file]) == schema()


def test_a_schema_that_tgenn_wrote_is_replaced_and_another_one_is_not(tmp_path):
    save(small_cnn(), tmp_path / "n")
    file = tmp_path / "n/network.schema.json"
    content = file.read_text()
    file.write_text(content.replace("urn:tgenn:network:2", "urn:tgenn:network:1"))
    save(small_cnn(), tmp_path / "n", force=True)
    assert file.read_text() == content
    file.write_text("{}")
    with pytest.raises(TgennError, match=r"network.schema.json: error\[T603\]: was not written by tgenn"):
        save(small_cnn(), tmp_path / "n", force=True)
    assert file.read_text() == "{}"


def test_numpy_numbers_are_written_as_numbers(tmp_path):
    network = replace(
        small_cnn(), simulation=Simulation(np.float64(0.5), np.int64(4)), provenance={"a": np.float32(0.5)}
    )
    save(network, tmp_path / "n")
    assert load(tmp_path / "n") == network


def test_a_file_that_is_named_twice_is_read_once(tmp_path):
    network = small_cnn()
    kernel = network.population("dense").inputs
    twin = replace(network.population("dense"), name="twin", inputs=kernel)
    network = replace(network, populations=(*network.populations[:3], twin, network.populations[3]))
    save(network, tmp_path / "n")
    loaded = load(tmp_path / "n")
    first, second = (loaded.population(n).inputs[0].through[1].kernel for n in ("dense", "twin"))
    assert first is second


def test_where_activations_are_clipped_is_written_only_where_they_are(tmp_path):
    network = small_cnn()
    assert "max_value" not in document_text(network)
    first, *others = network.populations
    network = replace(network, populations=(replace(first, max_value=6.0), *others))
    save(network, tmp_path / "n")
    assert "max_value: 6.0" in (tmp_path / "n/network.yaml").read_text()
    assert load(tmp_path / "n") == network


@pytest.mark.parametrize("offset", [-0.5, Tensor("weights/image.offset.npy", np.float32([1e9, -2]))])
def test_an_offset_is_a_number_or_one_number_a_channel(tmp_path, offset):
    network = small_cnn()
    network = replace(network, inputs=(replace(network.inputs[0], offset=offset),))
    save(network, tmp_path / "net")
    assert load(tmp_path / "net") == network
    wrong = Tensor("weights/image.offset.npy", np.ones(3, np.float32))
    match = r"inputs.0.offset: weights/image.offset.npy has shape \[3\], expected \[2\]"
    with pytest.raises(TgennError, match=match) as caught:
        save(replace(network, inputs=(replace(network.inputs[0], offset=wrong),)), tmp_path / "wrong")
    assert caught.value.diagnostics[0].code == "T206"
