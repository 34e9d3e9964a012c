"""Broken documents, in tests/document/invalid/: each folder has the files that differ from invalid/valid.

`python tests/support/broken.py` writes what is said about each into its expected.txt: look at the difference.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tgenn_gen import TgennError, load
from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.weight_hashes import SUMS

INVALID = Path(__file__).parent.parent / "document/invalid"
VALID = INVALID / "valid"
EXPECTED = "expected.txt"
CASES = sorted(p.name for p in INVALID.iterdir() if p != VALID)


def whole(case: str, folder: Path) -> Path:
    """The case with what it shares with its valid neighbour, as the new `folder`."""
    shutil.copytree(VALID, folder)
    shutil.copytree(INVALID / case, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(EXPECTED))
    return folder


def edit(folder: Path, *changes: tuple[str, str]) -> None:
    """Replace text in the folder's document, each the first time that it stands there."""
    text = (folder / DOCUMENT).read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / DOCUMENT).write_text(text, "utf-8")


def rename_weights(folder: Path, old: str, new: str) -> None:
    """Let the document in a folder, and its hashes, name another weight file."""
    for path in (folder / DOCUMENT, folder / SUMS):
        path.write_text(path.read_text().replace(old, new))


def said(folder: Path) -> str:
    """What `tgenn check` prints about the document in `folder`, without its path."""
    try:
        load(folder)
    except TgennError as error:
        return "".join(f"{d.for_command_line()}\n" for d in error.diagnostics).replace(f"{folder}/", "")
    return ""


if __name__ == "__main__":
    for name in CASES:
        with tempfile.TemporaryDirectory() as there:
            text = said(whole(name, Path(there) / "n"))
        (INVALID / name / EXPECTED).write_text(text, "utf-8")
