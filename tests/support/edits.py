"""A document with comments, and what commands that edit it refuse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sample_networks import small_cnn

from tgenn_gen import save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT


def commented(folder: Path) -> Path:
    """small_cnn in a new folder, with comments."""
    save(small_cnn(), folder)
    document = folder / DOCUMENT
    text = document.read_text().replace("scale: 2.0", "scale: 2.0  # measured")
    document.write_text("# mine\n" + text.replace("  - name: conv2", "  # the second\n  - name: conv2"))
    return folder


def refused_edit(folder: Path, capsys: pytest.CaptureFixture, *arguments: str) -> list[str]:
    """What the command says, a diagnostic an item; it leaves the folder as it is."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main([arguments[0], str(folder), *arguments[1:]]) == 2
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.replace(f"{folder}{os.sep}", "").replace("\n  hint", " hint").splitlines()
