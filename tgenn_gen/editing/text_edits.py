"""Spans of a document's text replaced: comments, blank lines and quotes stay because nobody touches them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tgenn_gen.document.canonical_text import flow_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.weight_files import WeightFiles
from tgenn_gen.document.yaml_source import MAX_BYTES, Source, parse_source
from tgenn_gen.errors import TgennError
from tgenn_gen.files.file_writing import alone_in, content_of, replace_files
from tgenn_gen.network.problems import PathInDocument

Edit = tuple[int, int, str]  # start and end of a span in the text, and what it becomes
LINE_END = re.compile("\r\n|[\n\r]")


def edits_towards(source: Source, data: Any) -> Iterator[Edit]:
    """The edits after which the document has this data; none if it has it, types of numbers included."""

    def visit(old: Any, new: Any, path: PathInDocument) -> Iterator[Edit]:
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
            for key in old:
                yield from visit(old[key], new[key], (*path, key))
            if added := {key: value for key, value in new.items() if key not in old}:
                yield _insertion(source, path, [*old], added)
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for index, item in enumerate(old):
                yield from visit(item, new[index], (*path, index))
        elif repr(old) != repr(new):
            yield _replacement(source, path, isinstance(old, dict | list), new)

    return visit(source.data, data, ())


def _replacement(source: Source, path: PathInDocument, is_collection: bool, value: Any) -> Edit:
    text, (start, end) = source.text, source.spans[path]
    new = flow_text(value)
    if start == end:  # an empty value, right behind its colon or dash
        return start, end, f" {new}"
    old = text[start:end].rstrip()
    if old[0] in "|>":  # a text on lines of its own, with a comment behind this mark perhaps
        new += LINE_END.split(old)[0].lstrip("|>+-0123456789")
    before = text[:start].rstrip()
    key_line = LINE_END.split(before)[-1]
    if is_collection and old[0] not in "{[" and path in source.keys:  # on lines of its own
        if key_line.endswith(":") and "#" not in key_line:
            return len(before), start + len(old), f" {new}"
        new = f"  {new}"  # there is a comment between; dashes may stand right below their key, no bracket may
    return start, start + len(old), new


def _insertion(source: Source, path: PathInDocument, keys: list[str], added: dict[str, Any]) -> Edit:
    """New keys behind the last one of a mapping: within its braces, or on lines of their own."""
    text, (start, end) = source.text, source.spans[path]
    entries = [flow_text({key: value})[1:-1] for key, value in added.items()]
    if not keys:
        return start + 1, start + 1, ", ".join(entries)
    first, last = (*path, keys[0]), (*path, keys[-1])
    if text[start] == "{":
        end = source.spans[last][1]
        return end, end, "".join(f", {entry}" for entry in entries)
    end = start + len(text[start:end].rstrip())
    behind, any_end = LINE_END.search(text, end), LINE_END.search(text)
    at = behind.start() if behind else len(text)
    new_line = (any_end[0] if any_end else "\n") + " " * (source.keys[first][1] - 1)
    return at, at, "".join(f"{new_line}{entry}" for entry in entries)


def edited_text(source: Source, edits: Iterable[Edit], data: Any) -> str:
    """The text after edits that do not overlap. Raises TgennError (T123) unless it has this data."""
    parts, done = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[0]):
        parts += [source.text[done:start], new]
        done = end
    text = "".join([*parts, source.text[done:]])
    try:
        reason = "other values would change" if any(edits_towards(parse_source(text, ""), data)) else ""
    except TgennError as error:
        reason = error.diagnostics[0].message
    if reason:
        hint = "change it in an editor"
        raise TgennError.at(source.file, "T123", f"this change cannot be made in its text: {reason}", hint)
    return text


def write_data(path: Path, source: Source, data: Any, files: WeightFiles) -> None:
    """Write a document with other data, if that is valid. Raises TgennError as load and rewrite do, T123."""
    load_source(replace(source, data=data), files)
    rewrite(path, source, edited_text(source, edits_towards(source, data), data))


def rewrite(path: Path, source: Source, text: str) -> None:
    """Replace a document that was read as `source`, whole or not at all; a link to it stays a link.

    Raises TgennError: T102 the text would be too large to be read again, T604 it cannot be written, T605
    it was changed since it was read.
    """
    if text == source.text:
        return
    content = text.encode()
    if len(content) > MAX_BYTES:
        raise TgennError.at(path, "T102", f"would be larger than {MAX_BYTES // 2**20} MiB")
    real = path.resolve()
    with alone_in(real.parent):
        if content_of(real) != source.text.encode():
            raise TgennError.at(path, "T605", "was changed since it was read", "run the command again")
        replace_files(real.parent, {real.name: content})
