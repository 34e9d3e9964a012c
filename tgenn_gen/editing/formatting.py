"""A document rewritten: canonical text that keeps the comments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tgenn_gen.document.canonical_text import HEADER, document_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.source import MAX_BYTES, Source, read_source
from tgenn_gen.document.weight_files import WeightFiles
from tgenn_gen.editing.comments import with_comments
from tgenn_gen.errors import TgennError
from tgenn_gen.files.folders import in_turn, replace_files


def canonical(source: Source, files: WeightFiles) -> str:
    """The canonical text of what a document says, with its comments. Raises TgennError as load does.

    The line that leads editors to the schema is a comment too: one that is there stays as it is.
    """
    text = document_text(load_source(source, files))
    if HEADER.partition("=")[0] in source.text:
        text = text.removeprefix(HEADER)
    return with_comments(text, source)


def write_changes(path: Path, source: Source, files: WeightFiles, changes: Sequence[str]) -> None:
    """Write a document whose data has these changes; without any it is checked alone. Raises TgennError."""
    text = canonical(source, files)
    if changes:
        rewrite(path, source, text)


def rewrite(path: Path, source: Source, text: str) -> None:
    """Replace a document that was read as `source`, whole or not at all; a link to it stays a link.

    Raises TgennError: T102 the text would be too large to be read again, T604 it cannot be written, T605
    it was changed since it was read.
    """
    content = text.encode()
    if len(content) > MAX_BYTES:
        message = f"would be larger than {MAX_BYTES // 2**20} MiB in its canonical form"
        raise TgennError.at(path, "T102", message)
    real = path.resolve()
    with in_turn(real.parent):
        if read_source(path).text != source.text:
            message, hint = "was changed since it was read", "run the command again"
            raise TgennError.at(path, "T605", message, hint)
        replace_files(real.parent, {real.name: content})
