"""Documents that are wrong in ways that no file in tests/document/invalid/ can hold, and networks built in memory."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import hashlib
import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from broken import edit, whole
from sample_networks import small_cnn

from tgenn_gen import TgennError, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.weight_hashes import SUMS
from tgenn_gen.network.model import Connection
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.tensors import Tensor


@pytest.fixture
def folder(tmp_path):
    save(small_cnn(), tmp_path / "n")
    return tmp_path / "n"


def diagnostics(path) -> list[str]:
    """The error lines that loading gives, without the folder's path."""
    with pytest.raises(TgennError) as caught:
        load(path)
    return [str(d).replace(f"{path}{os.sep}", "") for d in caught.value.diagnostics]


def test_nesting_of_any_depth_is_refused(tmp_path):
    (tmp_path / DOCUMENT).write_bytes(b"[" * 100000)
    assert diagnostics(tmp_path) == [
        "network.yaml:1:34: error[T105]: nested more than 32 levels deep\n  hint: check the brackets and the indentation"
    ]


def test_a_missing_document_and_a_folder_without_one_are_said(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.yaml")]) == 2
    assert main(["check", str(tmp_path)]) == 2
    hint = "  hint: give the path of a network.yaml, or of the folder it is in\n"
    assert capsys.readouterr().err == (
        f"{tmp_path / 'no.yaml'}: error[T101]: cannot be read: No such file or directory\n{hint}"
        f"{tmp_path / DOCUMENT}: error[T101]: cannot be read: No such file or directory\n{hint}"
    )


def test_a_document_of_many_megabytes_is_not_read(tmp_path):
    with (tmp_path / DOCUMENT).open("wb") as file:
        file.truncate(2**30)
    assert diagnostics(tmp_path) == [
        "network.yaml: error[T102]: larger than 1 MiB, the largest document that tgenn reads\n"
        "  hint: give a network.yaml; arrays belong in .npy files"
    ]


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_a_model_in_place_of_a_document_is_said_to_be_one(tmp_path, start):
    (tmp_path / DOCUMENT).write_bytes(start + bytes(2**21))
    assert diagnostics(tmp_path) == [
        "network.yaml: error[T102]: is a model file, expected a network document\n"
        "  hint: give the folder that the export of the model wrote"
    ]


def test_a_scale_that_cannot_be_read_is_not_said_to_be_0(tmp_path):
    folder = whole("weights_other_values", tmp_path / "n")
    edit(folder, ("scale: 2.0", "scale: {file: weights/no.npy, shape: [3]}"))
    assert [text.split("[")[1][:4] for text in diagnostics(folder)] == ["T302", "T307"]


KERNEL = "weights/dense.kernel.npy"
RESTORE = "\n  hint: restore the file, or export the network again"


def sha256(folder) -> str:
    return hashlib.sha256((folder / KERNEL).read_bytes()).hexdigest()


def test_changed_weights_are_taken_with_their_new_hash(folder):
    before = sha256(folder)
    np.save(folder / KERNEL, np.load(folder / KERNEL) + 1)
    (folder / SUMS).write_text((folder / SUMS).read_text().replace(before, sha256(folder)))
    assert main(["check", str(folder)]) == 0


def test_a_huge_shape_takes_no_memory(tmp_path):
    """The file's own header may claim anything too: sizes are compared before anything is allocated."""
    folder = whole("weights_of_a_huge_shape", tmp_path / "n")
    tracemalloc.start()
    diagnostics(folder)
    assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    tracemalloc.stop()


def changed(index: int, **values):
    """small_cnn with fields of its population `index` changed."""
    network = small_cnn()
    populations = list(network.populations)
    populations[index] = replace(populations[index], **values)
    return replace(network, populations=tuple(populations))


def tensor(*shape: int) -> Tensor:
    return Tensor("weights/x.npy", np.ones(shape))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            changed(0, inputs=(Connection("image", (Conv2D((1, 2), "valid", tensor(8, 3, 2, 3)),)),)),
            "populations.0.inputs.0.through.0: conv2d: a window of 8x3 is larger than the input, 7x10",
        ),
        (
            changed(2, inputs=(Connection("conv2", (Flatten((2, 3, 4)), Dense(tensor(24, 6, 1)))),)),
            "populations.2.inputs.0.through.1: dense: expected kernel shape (inputs, units), got (24, 6, 1)",
        ),
        (
            changed(0, bias=tensor(4)),
            "populations.0.bias: weights/x.npy has shape [4], expected [3] (one a channel) or [7, 5, 3] (one a neuron)",
        ),
        (
            changed(1, inputs=(Connection("conv1", (Scale(tensor(2)),)),)),
            "populations.1.inputs.0.through.0: scale: expected 1 factor, or 3: one for each channel of (7, 5, 3), got 2",
        ),
    ],
)
def test_a_network_without_meaning_is_not_written(tmp_path, network, expected):
    with pytest.raises(TgennError) as caught:
        save(network, tmp_path / "n")
    assert f": {expected}" in str(caught.value).split("\n")[0]
    assert not (tmp_path / "n").exists()


def test_a_network_built_in_memory_is_held_to_the_same_rules(tmp_path):
    """Names and paths are printed into code, so that they are checked wherever a network comes from."""
    for network, message in (
        (changed(0, name='x"); import os #'), r"populations.0.name: name is .* expected letters, digits"),
        (
            changed(0, bias=Tensor('weights/x");import os#.npy', np.ones(3))),
            r"bias.file: file is .* expected a path of letters",
        ),
        (
            changed(0, bias=Tensor("../x.npy", np.ones(3))),
            r"../x.npy: is not below the folder that is written",
        ),
    ):
        with pytest.raises(TgennError, match=message):
            save(network, tmp_path / "bad")
        assert not (tmp_path / "bad").exists() and not (tmp_path / "x.npy").exists()


TOP_LEVEL = ["format", "name", "provenance", "simulation", "inputs", "populations", "outputs"]


@pytest.mark.parametrize("key", TOP_LEVEL)
def test_a_key_of_the_top_level_is_refused_where_it_stands_in_the_provenance(folder, key):
    edit(folder, ("simulation:", f"provenance:\n  model: m.keras\n  {key}: {{dt: 1.0}}\nsimulation:"))
    assert diagnostics(folder) == [
        f"network.yaml:6:3: error[T110]: '{key}' is inside provenance, where it has no effect\n"
        "  hint: move it to the top level of the document, on a line without indentation"
    ]


@pytest.mark.parametrize("key", ["simulation", "inputs", "populations", "outputs"])
def test_a_line_that_is_indented_too_far_is_named(folder, key):
    edit(folder, (f"\n{key}:", f"\nextra: text\n  {key}:"))
    text = (folder / DOCUMENT).read_text()
    line = text.split(f"  {key}:")[0].count("\n") + 1
    assert diagnostics(folder) == [
        f"network.yaml:{line}:{len(key) + 3}: error[T103]: not YAML: mapping values are not allowed here"
        f"\n  hint: indent this line less: as it is, {key} continues the text above it"
    ]


def test_a_document_without_a_simulation_is_refused_whatever_has_one(folder):
    """A `simulation` deeper in the provenance is a note; the document still has none."""
    edit(folder, ("simulation:", "provenance:\n  run:\n    simulation:"))
    assert diagnostics(folder)[0].startswith(
        "network.yaml:2:1: error[T111]: the document has no 'simulation'\n  hint: add simulation:"
    )


def test_a_pipe_is_no_document_and_no_weights(folder):
    """Opening one would wait for a writer for ever."""
    (folder / KERNEL).unlink()
    os.mkfifo(folder / KERNEL)
    assert diagnostics(folder) == [
        f"network.yaml:58:21: error[T302]: {KERNEL}: cannot be read: not a regular file{RESTORE}"
    ]
    (folder / DOCUMENT).unlink()
    os.mkfifo(folder / DOCUMENT)
    assert diagnostics(folder)[0].startswith("network.yaml: error[T101]: cannot be read: not a regular file")


def test_mistakes_against_the_schema_hide_no_others(folder):
    """Those of parts that fulfil it, and of names and weights; what hangs on a misspelt part is not guessed."""
    edit(
        folder,
        ("uint8_divisor: 255.0", "uint8_diviser: 255.0"),
        ("reset: subtract", "reset: substract"),
        ("from: conv2", "from: cnv2"),
        ("shape: [5]", "shape: [6]"),
        ("{population: classes,", "{population: clases,"),
    )
    np.save(folder / KERNEL, np.load(folder / KERNEL) + 1)
    assert [d.split("\n") for d in diagnostics(folder)] == [
        [
            "network.yaml:10:5: error[T110]: unknown key 'uint8_diviser' in inputs[0]",
            "  hint: did you mean 'uint8_divisor'?",
        ],
        [
            'network.yaml:17:14: error[T113]: reset is "substract", expected subtract, zero or to_rest',
            "  hint: did you mean 'subtract'?",
        ],
        [
            "network.yaml:54:15: error[T202]: there is no input or population 'cnv2'",
            "  hint: did you mean 'conv2'?",
        ],
        [
            f"network.yaml:58:21: error[T307]: {KERNEL}: has sha256 {sha256(folder)}, {SUMS}:6 says "
            f"{small_cnn().tensors[KERNEL].sha256}",
            "  hint: run tgenn lock, if it was changed on purpose; or restore the file, or export the network again",
        ],
        [
            "network.yaml:65:9: error[T205]: the chain from 'dense' gives [5], 'classes' has shape [6]",
            "  hint: give 'classes' the shape [5], or change the maps that lead to it",
        ],
        [
            "network.yaml:70:18: error[T202]: there is no population 'clases'",
            "  hint: did you mean 'classes'?",
        ],
    ]


def test_a_population_whose_name_is_missing_makes_no_other_name_unknown(folder):
    edit(folder, ("- name: conv1", "- nme: conv1"))
    assert [d.split("\n")[0] for d in diagnostics(folder)] == [
        "network.yaml:12:5: error[T110]: unknown key 'nme' in populations[0]",
        "network.yaml:12:5: error[T111]: populations[0] has no 'name'",
    ]


def test_a_misspelt_uniform_gets_the_word_that_was_meant(folder):
    edit(folder, ("v_init: 0.5", "v_init: unifrom"))
    assert diagnostics(folder) == [
        'network.yaml:18:15: error[T113]: v_init is "unifrom", expected a number or uniform\n'
        "  hint: did you mean 'uniform'?"
    ]


def test_of_very_many_unknown_names_the_first_fifty_get_hints(folder):
    """Each hint compares a name with all others, which takes minutes where there are thousands."""
    populations = "".join(
        f"  - {{name: p{i}, shape: [2], neuron: {{kind: integrate}}, inputs: [{{from: q{i}_}}]}}\n"
        for i in range(200)
    )
    edit(folder, ("outputs:\n", f"{populations}outputs:\n"))
    found = diagnostics(folder)
    assert len(found) == 200 and sum("hint" in line for line in found) == 50
    assert found[0].endswith("and 174 more")  # names, of which 30 are listed
