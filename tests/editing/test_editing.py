"""tgenn set and tgenn lock: documents changed from scripts, and brought up to date with their weights."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest
from broken import rename_weights
from sample_networks import branched, small_cnn

from tgenn_gen import load, save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.weight_hashes import SUMS
from tgenn_gen.document.yaml_source import parse_source
from tgenn_gen.editing.set_values import edited
from tgenn_gen.editing.text_edits import edited_text, edits_towards
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron

KERNEL = "weights/dense.kernel.npy"


@pytest.fixture
def folder(tmp_path):
    """small_cnn, with comments."""
    save(small_cnn(), tmp_path / "n")
    document = tmp_path / "n" / DOCUMENT
    text = document.read_text().replace("scale: 2.0", "scale: 2.0  # measured")
    document.write_text("# mine\n" + text.replace("  - name: conv2", "  # the second\n  - name: conv2"))
    return tmp_path / "n"


def refused(folder, capsys, *arguments: str) -> list[str]:
    """What the command says, a diagnostic an item; it leaves the document as it is."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main([arguments[0], str(folder), *arguments[1:]]) == 2
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.replace(f"{folder}{os.sep}", "").replace("\n  hint", " hint").splitlines()


def test_values_are_set_and_comments_kept(folder, capsys):
    before = (folder / DOCUMENT).read_text()
    edits = ["conv1.neuron.threshold=8e-1", "simulation.timesteps=9", "classes.readout=membrane"]
    edits += ["image.encoding.kind=spikes", "conv2.inputs.0.through.1.strides.0=2", "classes.start=3"]
    assert main(["set", str(folder), *edits]) == 0
    expected = before
    for old, new in (
        ("threshold: 1.0", "threshold: 0.8"),
        ("timesteps: 7", "timesteps: 9"),
        ("kind: constant_current", "kind: spikes"),
        ("readout: membrane", "readout: membrane, start: 3"),
    ):
        expected = expected.replace(old, new, 1)
    assert (folder / DOCUMENT).read_text() == expected
    assert capsys.readouterr().out == (
        "conv1.neuron.threshold: 1.0 -> 0.8\n"
        "simulation.timesteps: 7 -> 9\n"
        'image.encoding.kind: "constant_current" -> "spikes"\n'
        "classes.start: (not there) -> 3\n"
        f"{folder / DOCUMENT}: written; tgenn generate writes its scripts\n"
    )


def test_values_can_be_mappings_and_what_is_not_there_yet_is_added(folder):
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace("simulation: {dt: 1.0, timesteps: 7}\n", ""))
    neuron = "{kind: integrate_and_fire, threshold: 2, v_init: 0.25}"
    assert main(["set", str(folder), f"conv1.neuron={neuron}", "simulation.timesteps=5", "name=other"]) == 0
    network = load(folder)
    assert network.population("conv1").neuron == IntegrateAndFireNeuron(2.0, v_init=0.25)
    assert network.simulation.timesteps == 5 and network.name == "other"
    assert "# measured" in (folder / DOCUMENT).read_text()


def test_a_population_is_renamed_with_what_reads_it(folder):
    edits = ["conv1.name=first", "conv2.inputs.0.from=first"]
    assert main(["set", str(folder), *edits]) == 0
    assert [p.name for p in load(folder).populations] == ["first", "conv2", "dense", "classes"]


def test_of_names_with_dots_the_longest_that_has_the_field_is_meant(tmp_path):
    """branched has populations a.b and a-b; here it has an `a.b.neuron` too."""
    network = branched()
    twin = replace(network.population("a.b"), name="a.b.neuron")
    network = replace(network, populations=(*network.populations, twin))
    save(network, tmp_path / "n")
    edits = ["a.b.neuron.threshold=0.5", "a.b.neuron.scale=2", "a.b.scale=3"]
    assert main(["set", str(tmp_path / "n"), *edits]) == 0
    changed = load(tmp_path / "n")
    assert changed.population("a.b").neuron.threshold == 0.5
    assert changed.population("a.b.neuron").neuron.threshold == 0.75
    assert (changed.population("a.b").scale, changed.population("a.b.neuron").scale) == (3, 2)


def test_a_document_that_has_the_values_is_not_written(folder, capsys):
    before = (folder / DOCUMENT).stat()
    assert main(["set", str(folder), "conv1.scale=2.0", "conv1.neuron.reset=subtract"]) == 0
    assert capsys.readouterr().out == f"{folder / DOCUMENT}: has these values already\n"
    assert (folder / DOCUMENT).stat() == before


HANDWRITTEN = """\
provenance:
    note: |-   # of many lines
      # text
      more

    words: # below:
    - one
    - "two"
simulation:    {dt:  1e0,
  timesteps: 07, } # few
empty:
inputs:
 -  name:
        image
    encoding: { kind: constant_current }   # no spikes
    uint8_divisor: 255 # bytes

    # of the image
    shape:
     - 7 # rows
     - 10
populations: []
name: 'small_cnn'"""


@pytest.mark.parametrize(
    ("edit", "old", "new"),
    [
        ("simulation.dt=0.50", "1e0", "0.5"),
        ("simulation.timesteps=7", "", ""),
        ("image.name=picture", "        image", "        picture"),
        ("image.uint8_divisor=1", "255", "1"),
        ("image.shape.1=11", "10", "11"),
        ("name=small", "'small_cnn'", "small"),
        ("name=", "'small_cnn'", "null"),
        ("empty={a: 1}", "empty:", "empty: {a: 1}"),
        (
            "provenance.note=short",
            "|-   # of many lines\n      # text\n      more",
            "short   # of many lines",
        ),
        ("provenance.words=[a b]", '- one\n    - "two"', '  ["a b"]'),
        ("provenance.words.0={a: {b: -0.0}}", "one", "{a: {b: -0.0}}"),
        ("provenance.more=[1, {a: no}]", '- "two"', '- "two"\n    more: [1, {a: "no"}]'),
        ("image.shape=[6]", "\n     - 7 # rows\n     - 10", " [6]"),
        ("image.encoding={kind: spikes}", "constant_current", "spikes"),
        ("image.encoding={kind: spikes, gain: 2.0}", "constant_current", "spikes, gain: 2.0"),
        ("simulation={dt: 1.0, timesteps: 7, a: b}", "07", "07, a: b"),
        ("format=tgenn/2", "'small_cnn'", "'small_cnn'\nformat: tgenn/2"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_in_a_handwritten_document_only_the_value_changes(edit, old, new, line_end):
    before, old, new = (text.replace("\n", line_end) for text in (HANDWRITTEN, old, new))
    assert not old or before.count(old) == 1
    source = parse_source(before, DOCUMENT)
    data, _ = edited(source, [edit])
    after = edited_text(source, edits_towards(source, data), data)
    assert after == (before.replace(old, new) if old else before)
    assert parse_source(after, DOCUMENT).data == data


def test_a_value_that_cannot_be_written_where_it_stands_is_refused(folder, capsys):
    """{note} is YAML for {note: null}: the text has no place for another value."""
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(f"{text}provenance: {{note}}\n")
    assert refused(folder, capsys, "set", "provenance.note=1") == [
        f"{DOCUMENT}: error[T123]: this change cannot be made in its text: other values would change "
        "hint: change it in an editor"
    ]


def test_places_that_are_not_there_are_all_said_with_what_was_meant(folder, capsys):
    edits = {
        "cnv1.neuron.threshold=1": "there is no input, population or field 'cnv1' hint: did you mean 'conv1'?",
        "simulatoin.dt=1": "there is no input, population or field 'simulatoin' hint: did you mean 'simulation'?",
        "conv1.nueron.threshold=1": "'conv1' has no field 'nueron' hint: did you mean 'neuron'?",
        "conv1.neuron.treshold=1": "'neuron' has no field 'treshold' hint: did you mean 'threshold'?",
        "classes.reedout=membrane": "'classes' has no field 'reedout' hint: did you mean 'readout'?",
        "conv1.inputs.1.from=image": "'inputs' has no item '1': it has 1, which count from 0",
        "conv1.inputs.first=1": "'inputs' has no item 'first': it has 1, which count from 0",
        "conv1.scale.x=1": "'scale' is 2.0, and has no 'x'",
        "conv1=1": "names no field of 'conv1' hint: known here: "
        "bias, inputs, max_value, name, neuron, scale, shape",
        "image.encoding.gain=1": "'encoding' has no field 'gain' hint: known here: kind",
    }
    said = {edit.split("=")[0]: message for edit, message in edits.items()}
    expected = [f"{path}: error[T121]: {message}" for path, message in said.items()]
    assert sorted(refused(folder, capsys, "set", *edits)) == sorted(expected)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            "conv1.scale",
            "conv1.scale: error[T122]: is not PATH=VALUE hint: write it like conv2d.neuron.threshold=0.8",
        ),
        ("=3", "=3: error[T122]: is not PATH=VALUE hint: write it like conv2d.neuron.threshold=0.8"),
        (
            "conv1.scale={a",
            "conv1.scale:1:3: error[T103]: not YAML: expected ',' or '}', but got '<stream end>' "
            "hint: while parsing a flow mapping, which begins at line 1, column 1",
        ),
        ("conv1.scale=!x 1", "conv1.scale:1:1: error[T106]: tag !x hint: remove it: documents have no tags"),
    ],
)
def test_what_is_no_edit_is_refused(folder, capsys, edit, expected):
    assert refused(folder, capsys, "set", edit) == [expected]


def test_a_result_that_is_not_valid_is_refused_whole_at_its_places(folder, capsys):
    edits = ["conv1.neuron.reset=substract", "conv2.scale=", "dense.shape=[7]", "simulation.timesteps=9"]
    assert refused(folder, capsys, "set", *edits) == [
        f"{DOCUMENT}:14:63: error[T113]: reset is \"substract\", expected subtract, zero, to_rest hint: did you mean 'subtract'?",
        f"{DOCUMENT}:28:12: error[T112]: scale is empty, expected a finite number",
        f"{DOCUMENT}:55:13: error[T205]: dense takes (..., 6), its input is (7,)",
    ]


def test_an_index_of_thousands_of_digits_is_no_index(folder, capsys):
    index = "9" * 5000
    (line,) = refused(folder, capsys, "set", f"conv1.shape.{index}=1")
    assert line.endswith(f"'shape' has no item '{index}': it has 3, which count from 0")


def test_what_cannot_be_printed_is_set_and_shown_escaped(folder, capsys):
    note = r'"\ud800\e[2J"'  # half of a character, and what clears a terminal
    assert main(["set", str(folder), f"provenance.note={note}"]) == 0
    assert capsys.readouterr().out.startswith('provenance.note: (not there) -> "\\ud800\\u001b[2J"\n')
    assert load(folder).provenance == {"note": "\ud800\x1b[2J"}


def test_what_is_no_mapping_cannot_be_edited(folder, capsys):
    (folder / DOCUMENT).write_text("- 1\n")
    assert refused(folder, capsys, "set", "a=1") == [
        f"{DOCUMENT}:1:1: error[T112]: the document is a list, expected a mapping"
    ]
    assert refused(folder, capsys, "lock") == [
        f"{DOCUMENT}:1:1: error[T112]: the document is a list, expected a mapping"
    ]


def test_lock_writes_what_the_weights_are_now(folder, capsys):
    before = (folder / DOCUMENT).read_text()
    bias, kernel = np.load(folder / "weights/conv1.bias.npy") + 1, np.ones((24, 7), np.float32)
    after = np.ones((7, 5), np.float32)
    np.save(folder / "weights/conv1.bias.npy", bias)
    np.save(folder / KERNEL, kernel)
    np.save(folder / "weights/classes.kernel.npy", after)
    (folder / DOCUMENT).write_text(before.replace("shape: [6]", "shape: [7]"))
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out == (
        "weights/conv1.bias.npy: other values, [3]\n"
        f"{KERNEL}: [24, 6] -> [24, 7]\n"
        "weights/classes.kernel.npy: [6, 5] -> [7, 5]\n"
        f"{folder / DOCUMENT}: written; tgenn generate writes its scripts\n"
    )
    network = load(folder)
    np.testing.assert_array_equal(network.tensors["weights/conv1.bias.npy"].values, bias)
    np.testing.assert_array_equal(network.tensors[KERNEL].values, kernel)
    expected = (
        before.replace("shape: [6]", "shape: [7]").replace("[24, 6]", "[24, 7]").replace("[6, 5]", "[7, 5]")
    )
    assert (folder / DOCUMENT).read_text() == expected
    digests = {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in sorted(network.tensors)}
    assert (folder / SUMS).read_text() == "".join(f"{d}  {file}\n" for file, d in digests.items())
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / DOCUMENT}: says what the weights are\n"


@pytest.mark.parametrize(
    ("before", "comment", "between", "after"),
    [(" {", "", ", ", "}"), ("\n      ", "  # mine", "\n      ", "")],
)
def test_lock_completes_a_reference_that_names_its_file_alone(
    folder, capsys, before, comment, between, after
):
    """In braces, or on lines of their own."""
    np.save(folder / "weights/dense.bias.npy", np.ones(6, np.float32))
    text = (folder / DOCUMENT).read_text()
    start = f"    scale: 1.0\n    bias:{before}file: weights/dense.bias.npy"
    (folder / DOCUMENT).write_text(text.replace("    scale: 1.0\n", f"{start}{comment}{after}\n"))
    assert main(["lock", str(folder)]) == 0
    new = f"{start}{comment}{between}shape: [6]{after}"
    assert (folder / DOCUMENT).read_text() == text.replace("    scale: 1.0\n", f"{new}\n")
    assert capsys.readouterr().out.startswith("weights/dense.bias.npy: new, [6]\n")
    np.testing.assert_array_equal(load(folder).population("dense").bias.values, np.ones(6))


def test_lock_updates_every_reference_to_a_file(folder):
    network = small_cnn()
    twin = replace(network.population("dense"), name="twin")
    save(network, folder, force=True)
    network = replace(network, populations=(*network.populations, twin))
    save(network, folder, force=True)
    np.save(folder / KERNEL, np.ones((24, 6), np.float32))
    assert main(["lock", str(folder)]) == 0
    loaded = load(folder)
    assert loaded.population("dense").inputs[0].through[1] == loaded.population("twin").inputs[0].through[1]
    assert (loaded.tensors[KERNEL].values == 1).all()


def test_lock_refuses_weights_that_no_document_can_have(folder, capsys):
    np.save(folder / KERNEL, np.ones((24, 6), np.int64))
    np.save(folder / "weights/conv1.kernel.npy", np.full((4, 3, 2, 3), 1e39))
    np.save(folder / "weights/conv2.kernel.npy", np.full((2, 3, 3, 4), np.nan))
    (folder / "weights/conv2.bias.npy").write_bytes((folder / KERNEL).read_bytes()[:-8])
    (folder / "weights/classes.kernel.npy").unlink()
    found = refused(folder, capsys, "lock")
    assert [line.split(" hint: ")[0] for line in found] == [
        f"{DOCUMENT}:23:21: error[T308]: weights/conv1.kernel.npy: holds 1e+39 at index [0, 0, 0, 0], too large for float32",
        f"{DOCUMENT}:29:11: error[T304]: weights/conv2.bias.npy: holds int64, expected float32 in C order",
        f"{DOCUMENT}:37:21: error[T308]: weights/conv2.kernel.npy: holds nan at index [0, 0, 0, 0]",
        f"{DOCUMENT}:47:21: error[T304]: {KERNEL}: holds int64, expected float32 in C order",
        f"{DOCUMENT}:56:21: error[T302]: weights/classes.kernel.npy: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("dtype", "order", "said"),
    [
        ("<f8", "C", "float64"),
        (">f8", "F", ">f8 in Fortran order"),
        (">f4", "C", ">f4"),
        ("<f4", "F", "float32 in Fortran order"),
        ("<f2", "C", "float16"),
    ],
)
def test_lock_casts_floats_of_other_types_and_orders_and_says_so(folder, capsys, dtype, order, said):
    values = np.random.default_rng(0).normal(size=(24, 6))
    np.save(folder / KERNEL, np.asarray(values, dtype, order=order))
    text = (folder / DOCUMENT).read_text()
    assert main(["check", str(folder)]) == 2
    hint = "hint: run tgenn lock, which casts it"
    assert f"holds {said}, expected float32 in C order\n  {hint}" in capsys.readouterr().err
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out == (
        f"{KERNEL}: {said} cast to float32 in C order; other values, [24, 6]\n"
        f"{folder / DOCUMENT}: written; tgenn generate writes its scripts\n"
    )
    cast = np.load(folder / KERNEL)
    assert cast.dtype == np.dtype("<f4") and cast.flags.c_contiguous
    np.testing.assert_array_equal(cast, values.astype(dtype).astype(np.float32))
    assert (folder / DOCUMENT).read_text() == text
    assert main(["check", str(folder)]) == 0


def test_lock_casts_no_file_outside_of_the_folder(folder, capsys):
    """Another document may have it too, and its hash."""
    shared = folder.parent / "shared.npy"
    np.save(shared, np.ones((24, 6)))
    (folder / KERNEL).unlink()
    for there in (f"../{shared.name}", "weights/link.npy"):
        rename_weights(folder, KERNEL if there[0] == "." else f"../{shared.name}", there)
        (folder / "weights/link.npy").unlink(missing_ok=True)
        (folder / "weights/link.npy").symlink_to(shared)
        (line,) = refused(folder, capsys, "lock", "--allow-outside")
        assert line.startswith(
            f"{DOCUMENT}:47:21: error[T304]: {there}: holds float64, expected float32 in C"
        )
        assert "casts no file outside of the document's folder, or behind a link" in line
    assert np.load(shared).dtype == np.float64


@pytest.mark.parametrize(
    "broken",
    [
        None,
        b"",
        b"\xff\xfe",
        b"<<<<<<< HEAD\n",
        bytes(2**22 + 1),
    ],
)
def test_lock_writes_hashes_anew_that_are_missing_or_damaged(folder, capsys, broken):
    before = (folder / SUMS).read_bytes()
    (folder / SUMS).unlink()
    if broken is not None:
        (folder / SUMS).write_bytes(broken)
    assert main(["check", str(folder)]) == 2
    assert "tgenn lock" in capsys.readouterr().err
    assert main(["lock", str(folder)]) == 0
    assert (folder / SUMS).read_bytes() == before
    assert main(["check", str(folder)]) == 0


def test_lock_leaves_hashes_that_are_right_as_they_stand(folder):
    """In any order, with line ends of Windows, with the * of binary files."""
    lines = (folder / SUMS).read_text().splitlines()
    content = "".join(f"{line.replace('  ', ' *')}\r\n" for line in reversed(lines)).encode()
    (folder / SUMS).write_bytes(content)
    assert main(["check", str(folder)]) == main(["lock", str(folder)]) == 0
    assert (folder / SUMS).read_bytes() == content


def test_lines_of_files_that_a_document_does_not_name_are_noted_and_go_with_the_file(folder, capsys):
    """The files of another document in the same folder are not this one's to judge."""
    before = (folder / SUMS).read_text()
    np.save(folder / "weights/other.npy", np.ones(3))
    (folder / SUMS).write_text(f"{before}{'0' * 64}  weights/other.npy\n")
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().err == (
        f"note: {folder / SUMS}:7: {DOCUMENT} does not name weights/other.npy: "
        "if nothing else needs that file, remove it and run tgenn lock\n"
    )
    assert main(["lock", str(folder)]) == 0
    assert (folder / SUMS).read_text() != before
    (folder / "weights/other.npy").unlink()
    capsys.readouterr()
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out.startswith(
        "weights/other.npy: is gone, and now its line in weights/SHA256SUMS too\n"
    )
    assert (folder / SUMS).read_text() == before


def test_hashes_that_are_a_link_out_of_the_folder_are_not_read_or_written(folder, capsys):
    outside = folder.parent / "SUMS"
    (folder / SUMS).rename(outside)
    (folder / SUMS).symlink_to(outside)
    for command in ("check", "lock"):
        assert (
            f"{SUMS}: is a link that leads out of the document's folder"
            in refused(folder, capsys, command)[0]
        )
    assert main(["check", str(folder), "--allow-outside"]) == 0


def not_finite(path):
    np.save(path, np.full((24, 6), np.inf, np.float32))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-8])


def of_another_shape(path):
    np.save(path, np.ones((24, 7), np.float32))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (not_finite, f"47:21: error[T308]: {KERNEL}: holds inf at index [0, 0]"),
        (cut_off, f"47:21: error[T306]: {KERNEL}: holds 568 bytes of data, its shape needs 576"),
        (of_another_shape, "43:9: error[T205]: the chain from 'conv2' gives [7], 'dense' has shape [6]"),
    ],
)
def test_lock_writes_nothing_where_the_whole_is_not_valid(folder, capsys, change, expected):
    change(folder / KERNEL)
    (line,) = refused(folder, capsys, "lock")
    assert line.split(" hint: ")[0] == f"{DOCUMENT}:{expected}"


def test_lock_reads_nothing_outside_of_the_folder(folder, capsys):
    np.save(folder.parent / "secret.npy", np.ones((24, 6), np.float32))
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace(KERNEL, "../secret.npy"))
    (line,) = refused(folder, capsys, "lock")
    assert line.startswith(f"{DOCUMENT}:47:21: error[T301]: ../secret.npy: is not a path inside")


def test_of_edits_at_once_none_is_lost_unsaid(tmp_path, capsys, monkeypatch):
    """Another process writes the document between what this one reads and writes."""
    save(small_cnn(), tmp_path / "n")
    path = tmp_path / "n" / DOCUMENT

    def meanwhile(*arguments):
        if "timesteps: 9" not in path.read_text():
            path.write_text(path.read_text().replace("timesteps: 7", "timesteps: 9"))
        return edited_text(*arguments)

    monkeypatch.setattr("tgenn_gen.editing.text_edits.edited_text", meanwhile)
    assert main(["set", str(tmp_path / "n"), "simulation.dt=0.5"]) == 2
    said = capsys.readouterr().err
    assert "error[T605]: was changed since it was read\n  hint: run the command again" in said
    assert "timesteps: 9" in path.read_text() and "dt: 1.0" in path.read_text()
    assert main(["set", str(tmp_path / "n"), "simulation.dt=0.5"]) == 0
    assert "timesteps: 9" in path.read_text() and "dt: 0.5" in path.read_text()


def test_a_document_is_edited_where_no_file_can_be_locked_and_the_folder_above_is_read_only(
    tmp_path, monkeypatch
):
    fcntl = pytest.importorskip("fcntl", reason="not on Windows")

    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "above").mkdir()
    save(small_cnn(), tmp_path / "above/n")
    (tmp_path / "above").chmod(0o555)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert main(["set", str(tmp_path / "above/n"), "simulation.dt=0.5"]) == 0
    (tmp_path / "above").chmod(0o755)
    save(small_cnn(), tmp_path / "above/n", force=True)
    assert "dt: 1.0" in (tmp_path / "above/n" / DOCUMENT).read_text()
