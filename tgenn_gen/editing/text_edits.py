"""Replaces spans of a document's text; everything else, such as comments and blank lines, stays as it is."""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from tgenn_gen.document.canonical_text import flow_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.weight_files import WeightFiles
from tgenn_gen.document.yaml_source import LINE_END, MAX_BYTES, Source, parse_source
from tgenn_gen.errors import Location, TgennError
from tgenn_gen.files.file_writing import alone_in, content_of, replace_files
from tgenn_gen.network.problems import PathInDocument

Edit = tuple[int, int, str]  # start and end of a span in the text, and its new text
_COMMA = re.compile(r"(?:[^,#]|#[^\r\n]*(?=[\r\n]|\Z))*,")  # up to the first comma outside of a comment


def edits_towards(source: Source, data: Any) -> Iterator[Edit]:
    """The edits that give the document this data; none if it has it already, with the same number types."""

    def visit(old: Any, new: Any, path: PathInDocument) -> Iterator[Edit]:
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
            for key in old:
                yield from visit(old[key], new[key], (*path, key))
            if added := {key: value for key, value in new.items() if key not in old}:
                yield _insertion(source, path, [*old], added)
        elif isinstance(old, dict) and isinstance(new, dict) and new and new.keys() < old.keys():
            for key in new:
                yield from visit(old[key], new[key], (*path, key))
            yield from _removals(source, path, [*old], new.keys())
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for index, item in enumerate(old):
                yield from visit(item, new[index], (*path, index))
        elif repr(old) != repr(new):
            yield _replacement(source, path, old, new)

    return visit(source.data, data, ())


def _replacement(source: Source, path: PathInDocument, old_value: Any, value: Any) -> Edit:
    text, (start, end) = source.text, source.spans[path]
    new = flow_text(value)
    if start == end:  # an empty value, right after its colon or dash
        return start, end, f" {new}"
    old = text[start:end].rstrip()
    is_block = isinstance(old_value, dict | list) and old[0] not in "{["
    if is_block and isinstance(old_value, dict) and isinstance(value, dict) and value:
        new_line = _new_line(source, (*path, next(iter(old_value))))
        return start, start + len(old), new_line.join(_entries(value))
    if old[0] in "|>":  # a block of text; a comment may follow the mark
        new += LINE_END.split(old)[0].lstrip("|>+-0123456789")
    before = text[:start].rstrip()
    key_line = LINE_END.split(before)[-1]
    if is_block and path in source.keys:  # on lines of its own
        if key_line.endswith(":") and "#" not in key_line:
            return len(before), start + len(old), f" {new}"
        new = f"  {new}"  # there is a comment between; dashes may stand right below their key, no bracket may
    return start, start + len(old), new


def _insertion(source: Source, path: PathInDocument, keys: list[str], added: dict[str, Any]) -> Edit:
    """Add keys at the end of a mapping: inside its braces, or on new lines."""
    text, (start, end) = source.text, source.spans[path]
    entries = _entries(added)
    if not keys:
        return start + 1, start + 1, ", ".join(entries)
    first, last = (*path, keys[0]), (*path, keys[-1])
    if text[start] == "{":
        end = source.spans[last][1]
        return end, end, "".join(f", {entry}" for entry in entries)
    end = start + len(text[start:end].rstrip())
    behind = LINE_END.search(text, end)
    at = behind.start() if behind else len(text)
    new_line = _new_line(source, first)
    return at, at, "".join(f"{new_line}{entry}" for entry in entries)


def _entries(mapping: dict[str, Any]) -> list[str]:
    return [flow_text({key: value})[1:-1] for key, value in mapping.items()]


def _new_line(source: Source, first: PathInDocument) -> str:
    """The line end and the indentation of another key in a block that starts with this one."""
    line_end = LINE_END.search(source.text)
    return (line_end[0] if line_end else "\n") + " " * (source.keys[first][1] - 1)


def _removals(source: Source, path: PathInDocument, keys: list[str], kept: Collection[str]) -> Iterator[Edit]:
    """Remove keys of a mapping and their values; comments around them stay."""
    spans = []
    for key in keys:
        place = (*path, key)
        line, column = source.keys[place]
        spans.append((source.line_starts[line - 1] + column - 1, source.spans[place][1]))
    in_braces = source.text[source.spans[path][0]] == "{"
    first_kept = min(map(keys.index, kept))
    for number, (start, end) in enumerate(spans):
        if keys[number] in kept:
            continue
        if not in_braces:
            yield _line_removal(source, start, end)
            continue
        yield start, end, ""
        gap = (end, spans[number + 1][0]) if number < first_kept else (spans[number - 1][1], start)
        yield from _comma_removal(source.text, *gap)


def _line_removal(source: Source, start: int, end: int) -> Edit:
    """Remove an entry of a block mapping, and its whole line if nothing else is on it."""
    found = LINE_END.search(source.text, end)
    line_start = source.line_starts[bisect_right(source.line_starts, start) - 1]
    line_end, next_line = found.span() if found else (len(source.text), len(source.text))
    rest = source.text[end:line_end].lstrip(" ")
    is_alone = not rest and not source.text[line_start:start].strip()
    return (line_start, next_line, "") if is_alone else (start, line_end - len(rest), "")


def _comma_removal(text: str, start: int, end: int) -> Iterator[Edit]:
    """Remove the comma between two entries in braces, and the spaces if nothing else is between them."""
    if (between := text[start:end]).strip(" ") == ",":
        yield start, end, ""
    elif comma := _COMMA.match(between):
        yield start + comma.end() - 1, start + comma.end(), ""


def edited_text(source: Source, edits: Iterable[Edit], data: Any) -> str:
    """The text after edits that do not overlap. Raises TgennError (T123) if it does not give `data`."""
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
        hint = "make this change in a text editor"
        raise TgennError.at(source.file, "T123", f"cannot make this change in the text: {reason}", hint)
    return text


def weight_references(data: Any) -> Iterator[tuple[PathInDocument, dict[str, Any]]]:
    """(path, reference) for each reference to a weight file in a document's data, valid or not."""

    def visit(value: Any, path: PathInDocument) -> Iterator[tuple[PathInDocument, dict[str, Any]]]:
        if isinstance(value, dict) and isinstance(value.get("file"), str):
            yield path, value
        elif isinstance(value, dict | list):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                yield from visit(item, (*path, key))

    if isinstance(data, dict):
        yield from visit(data.get("inputs"), ("inputs",))
        yield from visit(data.get("populations"), ("populations",))


@dataclass(frozen=True)
class _ChangedFiles:
    """The files of a document, some of them with new content that is not written yet."""

    files: WeightFiles
    changed: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def allow_outside(self) -> bool:
        return self.files.allow_outside

    def name(self, file: str) -> str:
        return self.files.name(file)

    def open(self, file: str, place: Location) -> BinaryIO:
        return io.BytesIO(self.changed[file]) if file in self.changed else self.files.open(file, place)


def write_data(
    path: Path, source: Source, data: Any, files: WeightFiles, beside: Mapping[str, bytes] | None = None
) -> None:
    """Write a document with new data, and the files `beside` it, if the result is valid.

    Raises TgennError as load and rewrite do; T123 if the text cannot take the change.
    """
    load_source(replace(source, data=data), _ChangedFiles(files, beside or {}))
    rewrite(path, source, edited_text(source, edits_towards(source, data), data), beside)


def rewrite(path: Path, source: Source, text: str, beside: Mapping[str, bytes] | None = None) -> None:
    """Replace the text of a document that was read as `source`. A link to it stays a link.

    beside: {path from its folder: bytes} of files that are written before it. Raises TgennError: T102 the
    text would be too large, T604 cannot be written, T605 the document was changed since it was read.
    """
    if text == source.text and not beside:
        return
    content = text.encode()
    if len(content) > MAX_BYTES:
        raise TgennError.at(path, "T102", f"would become larger than {MAX_BYTES // 2**20} MiB")
    real = path.resolve()
    with ExitStack() as held:
        for folder in {real.parent, path.parent.resolve()}:
            held.enter_context(alone_in(folder))
        if content_of(real) != source.text.encode():
            raise TgennError.at(
                path, "T605", "was changed by another program since tgenn read it", "run the command again"
            )
        if beside:
            replace_files(path.parent, beside)
        if text != source.text:
            replace_files(real.parent, {real.name: content})
