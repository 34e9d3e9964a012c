"""Formats of documents: a kept example of each is read for ever, what is not known is refused."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from broken import whole

from tgenn_gen import load, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import FORMAT

KEPT = Path(__file__).parent / "formats"  # a folder a format, never changed: documents of users look like it
FORMATS = sorted(p.name for p in KEPT.iterdir())
HASHES = {"tgenn_1": "2a6dc7c1e9b37bf203b5acd3a93ca88c92470b301bd25712648ce2476907d013"}  # of their documents


def test_there_is_a_kept_example_of_every_format_there_has_been():
    current = int(FORMAT.removeprefix("tgenn/"))
    assert FORMATS == sorted(HASHES) == [f"tgenn_{n}" for n in range(1, current + 1)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_kept_example_is_read_as_it_was_written(tmp_path, name, capsys):
    folder = tmp_path / "n"
    shutil.copytree(KEPT / name, folder)
    before = (folder / "network.yaml").read_bytes()
    assert hashlib.sha256(before).hexdigest() == HASHES[name]
    assert main(["migrate", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said == f"{folder}: is of the format {FORMAT}, the current one: nothing to migrate\n"
    assert (folder / "network.yaml").read_bytes() == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_kept_example_means_what_it_meant(name):
    """expected.npz: three examples x (steps of 1/8: sums are exact), and the output that they gave then."""
    expected = np.load(KEPT / name / "expected.npz")
    np.testing.assert_allclose(simulate(load(KEPT / name), expected["x"]).output, expected["output"])


@pytest.mark.parametrize("case", ["format_of_a_newer_version", "format_of_an_older_version", "no_format"])
def test_migrate_refuses_a_format_that_it_does_not_know_and_changes_nothing(tmp_path, capsys, case):
    folder = whole(case, tmp_path / "n")
    before = (folder / "network.yaml").read_bytes()
    assert main(["migrate", str(folder)]) == 2
    assert "format" in capsys.readouterr().err
    assert (folder / "network.yaml").read_bytes() == before
