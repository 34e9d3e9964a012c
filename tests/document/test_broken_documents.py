"""The broken documents in tests/document/invalid/: all that is said about each, and nothing but it."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from broken import CASES, EXPECTED, INVALID, VALID, whole
from sample_networks import small_cnn

from tgenn_gen import load
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT, SCHEMA, document_of


def files_below(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_all_that_is_wrong_is_said_at_its_place(tmp_path, capsys, case):
    folder = whole(case, tmp_path / "n")
    before = files_below(folder)
    expected = (INVALID / case / EXPECTED).read_text("utf-8")
    assert main(["check", str(folder)]) == 2
    captured = capsys.readouterr()
    assert expected and captured.err.replace(f"{folder}/", "") == expected, (
        "run python tests/support/broken.py, and look at the difference"
    )
    assert captured.out == ""
    assert main(["generate", str(folder)]) == 2
    assert files_below(folder) == before


def test_the_valid_neighbour_is_valid_and_what_the_tool_writes():
    assert load(VALID) == small_cnn()
    files = document_of(small_cnn()).files()
    assert {**files_below(VALID), SCHEMA: files[SCHEMA]} == files


@pytest.mark.parametrize("case", CASES)
def test_a_person_sees_in_what_a_case_differs_from_its_valid_neighbour(case):
    """In two files at most, and in a few places of the document."""
    files = files_below(INVALID / case)
    del files[EXPECTED]
    assert 1 <= len(files) <= 2
    valid = files_below(VALID)
    assert all(content != valid.get(name) for name, content in files.items())
    lines = [f[DOCUMENT].decode("latin1").splitlines() for f in (valid, {**valid, **files})]
    changes = [c for c in SequenceMatcher(None, *lines, autojunk=False).get_opcodes() if c[0] != "equal"]
    assert len(changes) <= 5 and sum(end - start for *_, start, end in changes) <= 12
