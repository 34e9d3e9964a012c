"""tgenn fmt: canonical spelling of each value that stands on one line, and of nothing else."""

from __future__ import annotations

import shutil

import pytest
from golden import GENERATED, golden_networks
from sample_networks import small_cnn

from tgenn_gen import save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT, SCHEMA


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

name: "small_cnn"  # the name
format: 'tgenn/2'
provenance:
  "a key": |-  # of many lines
    # text
    more
  nothing:
  notes: [ 'one two',three,   "four" ]
  folded: one
    two

simulation: {timesteps: +7,  # few
    # ms
    dt: 1e0}
inputs:
-   shape: [7, 10,  # width
            02]
    name: image
    encoding:
       # no spikes
       kind: "constant_current"
    uint8_divisor: 255
populations:
"""
AFTER = """\
# A licence.

name: small_cnn  # the name
format: tgenn/2
provenance:
  "a key": |-  # of many lines
    # text
    more
  nothing:
  notes: ["one two", three, four]
  folded: one
    two

simulation: {timesteps: 7,  # few
    # ms
    dt: 1.0}
inputs:
-   shape: [7, 10,  # width
            2]
    name: image
    encoding:
       # no spikes
       kind: constant_current
    uint8_divisor: 255.0
populations:
"""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_values_by_example(folder, capsys, end):
    """Also with line ends, and a mark before the text, of other systems."""
    path = folder / DOCUMENT
    others = path.read_text().split("populations:\n")[1] + "  # the\n# end"
    before, after = (f"\ufeff{text}{others}".replace("\n", end).encode() for text in (BEFORE, AFTER))
    path.write_bytes(before)
    assert main(["fmt", "--check", str(folder)]) == 1
    assert path.read_bytes() == before
    assert main(["fmt", str(folder)]) == 0
    assert path.read_bytes() == after
    assert main(["fmt", "--check", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{path}: some values are not in their canonical form: run tgenn fmt",
        f"{path}: written",
        f"{path}: all values are in their canonical form",
    ]


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
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace("scale: 2.0", "scale: 2"))
    assert main(["fmt", str(tmp_path / "linked.yaml")]) == 0
    assert (tmp_path / "linked.yaml").is_symlink()
    assert (folder / DOCUMENT).read_text() == text
    assert sorted(p.name for p in folder.iterdir()) == [SCHEMA, DOCUMENT, "weights"]


def test_a_document_that_could_not_be_read_again_is_not_written(folder, capsys, monkeypatch):
    """Canonical text can be longer than what a person wrote."""
    text = (folder / DOCUMENT).read_text().replace(" 255.0", " 255")
    (folder / DOCUMENT).write_text(text)
    monkeypatch.setattr("tgenn_gen.editing.text_edits.MAX_BYTES", len(text))
    assert main(["fmt", str(folder)]) == 2
    assert "error[T102]: would become larger than" in capsys.readouterr().err
    assert "255\n" in (folder / DOCUMENT).read_text()
