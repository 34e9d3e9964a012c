"""tgenn set: documents changed from scripts."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
from edits import commented, refused_edit
from sample_networks import branched, small_cnn

from tgenn_gen import load, save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.yaml_source import parse_source
from tgenn_gen.editing.set_values import edited
from tgenn_gen.editing.text_edits import edited_text, edits_towards
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron

KERNEL = "weights/dense.kernel.npy"


@pytest.fixture
def folder(tmp_path):
    return commented(tmp_path / "n")


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
        f"{folder / DOCUMENT}: written; next: tgenn generate {folder}\n"
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


def test_fields_of_leaky_neurons_are_changed_and_added(folder, capsys):
    assert main(["set", str(folder), "dense.neuron={kind: leaky_integrate_and_fire, tau: 20.0}"]) == 0
    edits = ["dense.neuron.tau=7.5", "dense.neuron.refractory=2.0", "dense.neuron.integration=euler"]
    assert main(["set", str(folder), *edits]) == 0
    neuron = LeakyIntegrateAndFireNeuron(tau=7.5, refractory=2.0, integration="euler")
    assert load(folder).population("dense").neuron == neuron
    before = (folder / DOCUMENT).read_text()
    assert main(["set", str(folder), "dense.neuron.refractory=2.5"]) == 2
    assert "the nearest are 2 or 3" in capsys.readouterr().err
    assert (folder / DOCUMENT).read_text() == before


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
        (
            "provenance={note: short, a: {b: 1}}",
            '|-   # of many lines\n      # text\n      more\n\n    words: # below:\n    - one\n    - "two"',
            "short\n    a: {b: 1}",
        ),
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
    assert refused_edit(folder, capsys, "set", "provenance.note=1") == [
        f"{DOCUMENT}: error[T123]: cannot make this change in the text: other values would change "
        "hint: make this change in a text editor"
    ]


def test_places_that_are_not_there_are_all_said_with_what_was_meant(folder, capsys):
    edits = {
        "cnv1.neuron.threshold=1": "there is no input, population or field 'cnv1' hint: did you mean 'conv1'?",
        "simulatoin.dt=1": "there is no input, population or field 'simulatoin' hint: did you mean 'simulation'?",
        "conv1.nueron.threshold=1": "'conv1' has no field 'nueron' hint: did you mean 'neuron'?",
        "conv1.neuron.treshold=1": "'neuron' has no field 'treshold' hint: did you mean 'threshold'?",
        "classes.reedout=membrane": "'classes' has no field 'reedout' hint: did you mean 'readout'?",
        "conv1.inputs.1.from=image": "'inputs' has no item '1': expected an index below 1, the first item is 0",
        "conv1.inputs.first=1": "'inputs' has no item 'first': expected an index below 1, the first item is 0",
        "conv1.scale.x=1": "'scale' is 2.0, which has no field 'x'",
        "conv1=1": "expected a field of 'conv1' after its name hint: known here: "
        "bias, inputs, max_value, name, neuron, scale, shape",
        "image.encoding.gain=1": "'encoding' has no field 'gain' hint: known here: kind",
    }
    said = {edit.split("=")[0]: message for edit, message in edits.items()}
    expected = [f"{path}: error[T121]: {message}" for path, message in said.items()]
    assert sorted(refused_edit(folder, capsys, "set", *edits)) == sorted(expected)


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
            "hint: check the text from line 1, column 1 on (while parsing a flow mapping)",
        ),
        (
            "conv1.scale=!x 1",
            "conv1.scale:1:1: error[T106]: the YAML tag !x is not allowed hint: remove the tag",
        ),
    ],
)
def test_what_is_no_edit_is_refused(folder, capsys, edit, expected):
    assert refused_edit(folder, capsys, "set", edit) == [expected]


def test_a_result_that_is_not_valid_is_refused_whole_at_its_places(folder, capsys):
    edits = ["conv1.neuron.reset=substract", "conv2.scale=", "dense.shape=[7]", "simulation.timesteps=9"]
    assert refused_edit(folder, capsys, "set", *edits) == [
        f"{DOCUMENT}:18:14: error[T113]: reset is \"substract\", expected subtract, zero or to_rest hint: did you mean 'subtract'?",
        f"{DOCUMENT}:37:12: error[T112]: scale is empty, expected a finite number",
        f"{DOCUMENT}:69:13: error[T205]: dense: expected input shape (..., 6), got (7,) hint: weights/classes.kernel.npy has shape [6, 5]: change it, or the shape of its input",
    ]


def test_an_index_of_thousands_of_digits_is_no_index(folder, capsys):
    index = "9" * 5000
    (line,) = refused_edit(folder, capsys, "set", f"conv1.shape.{index}=1")
    assert line.endswith(f"'shape' has no item '{index}': expected an index below 3, the first item is 0")


def test_what_cannot_be_printed_is_set_and_shown_escaped(folder, capsys):
    note = r'"\ud800\e[2J"'  # half of a character, and what clears a terminal
    assert main(["set", str(folder), f"provenance.note={note}"]) == 0
    assert capsys.readouterr().out.startswith('provenance.note: (not there) -> "\\ud800\\u001b[2J"\n')
    assert load(folder).provenance == {"note": "\ud800\x1b[2J"}


def test_what_is_no_mapping_cannot_be_edited(folder, capsys):
    (folder / DOCUMENT).write_text("- 1\n")
    assert refused_edit(folder, capsys, "set", "a=1") == [
        f"{DOCUMENT}:1:1: error[T112]: the document is a list, expected a mapping"
    ]
    assert refused_edit(folder, capsys, "lock") == [
        f"{DOCUMENT}:1:1: error[T112]: the document is a list, expected a mapping"
    ]


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
    assert (
        "error[T605]: was changed by another program since tgenn read it\n  hint: run the command again"
        in said
    )
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
