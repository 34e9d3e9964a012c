"""tgenn fmt: canonical text, with every comment where it stood."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from golden import GENERATED, golden_networks
from handwriting import Hand
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_networks import autoencoder, branched, every_op, of_all_kinds, small_cnn, with_several

from tgenn_gen import Network, save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT, HEADER, SCHEMA, document_data, document_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.source import parse_source
from tgenn_gen.document.weight_files import WeightFolder
from tgenn_gen.editing.formatting import canonical


@cache
def networks() -> dict[str, Network]:
    """By name; with notes that have what starts comments in them."""
    all_of_them = [small_cnn(), branched(), every_op(), autoencoder()]
    all_of_them += [*of_all_kinds().values(), *with_several().values()]
    notes = {"a # b": "'#' is no comment # here", "changes": ["x: #1", "# y", "z\n  # w"], "deep": {"k": "#"}}
    return {n.name: replace(n, provenance=notes) for n in all_of_them}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """The folder of each network's weights."""
    top = tmp_path_factory.mktemp("networks")
    for name, network in networks().items():
        save(network, top / name)
    return {name: top / name for name in networks()}


names = st.sampled_from(sorted(networks()))
hands = st.integers(0, 2**32 - 1).map(random.Random)


@given(names, hands, st.sampled_from([0.05, 0.3, 0.9]))
@settings(deadline=None, max_examples=15)
def test_a_handwritten_document_becomes_canonical_and_keeps_its_comments(folders, name, rng, often):
    hand, folder = Hand(rng, often), folders[name]
    source = parse_source(hand.document(document_data(networks()[name])), "by_hand.yaml")
    assert load_source(source, WeightFolder(folder)) == networks()[name]  # the hand wrote what it was given

    text = canonical(source, WeightFolder(folder))
    formatted = parse_source(text, "formatted.yaml")
    assert load_source(formatted, WeightFolder(folder)) == networks()[name]
    assert canonical(formatted, WeightFolder(folder)) == text

    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    comments_behind = []
    bare_text = document_text(load_source(source, WeightFolder(folder))).removeprefix(HEADER)
    for line, bare in zip(lines, bare_text.split("\n"), strict=True):
        assert line == bare or line.startswith(f"{bare}  #")
        comments_behind += line[len(bare) :].split(";")
    own = [line.strip() for line in text.replace(HEADER, "").split("\n") if line.lstrip().startswith("#")]
    found = [c.strip() for c in (*comments_behind, *own) if c.strip()]
    assert sorted(c.rstrip(";") for c in found) == sorted(c.rstrip(";") for c in hand.comments)


@given(names, hands)
@settings(deadline=None, max_examples=15)
def test_comments_stay_at_their_keys(folders, name, rng):
    """Behind them on their line, or on lines of their own above."""
    hand, folder = Hand(rng, 0.4), folders[name]
    source = parse_source(hand.document(document_data(networks()[name])), "by_hand.yaml")
    above: list[str] = []
    checked = 0
    for line in canonical(source, WeightFolder(folder)).split("\n"):
        if line.lstrip().startswith("#"):
            above.append(line)
            continue
        bare, *behind = line.split("  #")
        for comment in (*above, *behind):
            if " at " in comment:
                key = comment.rsplit(" at ")[1].rstrip(";")
                assert key in bare.replace('"', ""), line
                checked += 1
        above = []
    assert checked == sum(" at " in comment for comment in hand.comments)


@given(names, hands)
@settings(deadline=None, max_examples=30)
def test_a_document_without_comments_becomes_what_the_writer_writes(folders, name, rng):
    """Of notes, the writer keeps the order."""
    network = replace(networks()[name], provenance={})
    text = Hand(rng, 0).document(document_data(network))
    assert canonical(parse_source(text, "by_hand.yaml"), WeightFolder(folders[name])) == document_text(
        network
    )


def test_golden_documents_are_canonical(capsys):
    for name in golden_networks():
        assert main(["fmt", "--check", str(GENERATED / name)]) == 0
    assert capsys.readouterr().err == ""


@pytest.fixture
def folder(tmp_path):
    save(small_cnn(), tmp_path / "n")
    return tmp_path / "n"


BEFORE = """\
# A licence.

# yaml-language-server: $schema=x
name: small_cnn  # the name
# which format
format: tgenn/1
simulation: {timesteps: 7,  # few
    # ms
    dt: 1}
inputs:
  # what is seen
  -  # grey
    shape: [7, 10,  # width
            2]
    name: image
    encoding:
      # no spikes
      kind: constant_current
    uint8_divisor: 255
# in order
populations:  # all of them
"""
AFTER = """\
# A licence.
# yaml-language-server: $schema=x
# which format
format: tgenn/1
name: small_cnn  # the name
# ms
simulation: {dt: 1.0, timesteps: 7}  # few
inputs:
  # what is seen
  # grey
  - name: image
    shape: [7, 10, 2]  # width
    # no spikes
    encoding: {kind: constant_current}
    uint8_divisor: 255.0
# in order
populations:  # all of them
"""


def test_comments_by_example(folder, capsys):
    others = (folder / DOCUMENT).read_text().split("populations:\n")[1]
    (folder / DOCUMENT).write_text(f"{BEFORE}{others}  # the\n# end")
    assert main(["fmt", "--check", str(folder)]) == 1
    assert (folder / DOCUMENT).read_text() == f"{BEFORE}{others}  # the\n# end"
    assert main(["fmt", str(folder)]) == 0
    assert (folder / DOCUMENT).read_text() == f"{AFTER}{others}# the\n# end\n"
    assert main(["fmt", "--check", str(folder / DOCUMENT)]) == 0
    captured, path = capsys.readouterr(), folder / DOCUMENT
    assert captured.err == f"{path}: is not in its canonical form: run tgenn fmt\n"
    assert captured.out == f"{path}: written\n{path}: is in its canonical form\n"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_marks_of_other_systems_go_and_comments_stay(folder, end):
    text = (folder / DOCUMENT).read_text()
    commented = f"\ufeff# top\n{text}".replace("dt: 1.0", "dt: 1.0,  # ms").replace(
        ", timesteps", "\n  timesteps"
    )
    (folder / DOCUMENT).write_bytes(commented.replace("\n", end).encode())
    assert main(["fmt", str(folder)]) == 0
    expected = f"# top\n{text}".replace("timesteps: 7}", "timesteps: 7}  # ms").encode()
    assert (folder / DOCUMENT).read_bytes() == expected


def test_comments_at_texts_of_many_lines_are_told_from_the_texts(folder):
    text = (folder / DOCUMENT).read_text()
    note = "provenance:\n  note: |-  # behind\n    # text\n    more\n # after\n"
    (folder / DOCUMENT).write_text(text.replace("simulation:", f"{note}simulation:"))
    assert main(["fmt", str(folder)]) == 0
    note = 'provenance: {note: "# text\\nmore"}  # behind\n# after\n'
    assert (folder / DOCUMENT).read_text() == text.replace("simulation:", f"{note}simulation:")


def test_comments_of_what_a_document_leaves_out_go_to_what_is_around_it(folder):
    """`start: 0` is the default, and said only where it is another."""
    text = (folder / DOCUMENT).read_text()
    long = "  - population: classes\n    readout: membrane\n    # from the first\n    start: 0  # step on\n"
    (folder / DOCUMENT).write_text(text.replace("  - {population: classes, readout: membrane}\n", long))
    assert main(["fmt", str(folder)]) == 0
    assert (folder / DOCUMENT).read_text() == text.replace(
        "  - {population: classes, readout: membrane}\n",
        "  # from the first\n  - {population: classes, readout: membrane}  # step on\n",
    )


def test_an_invalid_document_is_refused_as_check_refuses_it_and_left_alone(folder, capsys):
    text = (folder / DOCUMENT).read_text().replace("threshold: 1.0", "treshold: 1", 1)
    (folder / DOCUMENT).write_text(text)
    (folder / "weights/dense.kernel.npy").unlink()
    assert main(["check", str(folder)]) == 2
    said = capsys.readouterr().err
    for options in ([], ["--check"]):
        assert main(["fmt", *options, str(folder)]) == 2
        assert capsys.readouterr().err == said
    assert "did you mean 'threshold'?" in said and "T302" in said
    assert (folder / DOCUMENT).read_text() == text


def test_a_link_to_a_document_stays_a_link(folder, tmp_path):
    shutil.copytree(folder / "weights", tmp_path / "weights")
    (tmp_path / "linked.yaml").symlink_to(folder / DOCUMENT)
    with (folder / DOCUMENT).open("a") as file:
        file.write("   # end\n")
    assert main(["fmt", str(tmp_path / "linked.yaml")]) == 0
    assert (tmp_path / "linked.yaml").is_symlink()
    assert (folder / DOCUMENT).read_text().endswith("}\n# end\n")
    assert sorted(p.name for p in folder.iterdir()) == [SCHEMA, DOCUMENT, "weights"]


def test_a_document_that_could_not_be_read_again_is_not_written(folder, capsys, monkeypatch):
    """Canonical text can be longer than what a person wrote."""
    text = (folder / DOCUMENT).read_text().replace("\nsimulation: {dt: 1.0, timesteps: 7}", "")
    (folder / DOCUMENT).write_text(text.replace(" 255.0", " 255"))
    monkeypatch.setattr("tgenn_gen.editing.formatting.MAX_BYTES", len(text))
    assert main(["fmt", str(folder)]) == 2
    assert "error[T102]: would be larger than" in capsys.readouterr().err
    assert "255\n" in (folder / DOCUMENT).read_text()
