"""Parses YAML text into plain data, with the position of every key and value.

Scalars follow YAML 1.2's core schema, not YAML 1.1: `1e-3` is a number and `no` is a string.
Aliases, tags, duplicate keys and deep nesting are refused: documents may come from strangers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.network.problems import PathInDocument, Problem

MODEL_FILES = (b"PK\x03\x04", b"\x89HDF")  # how a .keras and an .h5 file begin
MAX_BYTES = 2**20  # a document of 1000 populations has about half of it
MAX_VALUES = 100_000  # a document of MAX_BYTES has fewer: about 13 characters for each value
MAX_DEPTH = 32
MAX_PROBLEMS = 100  # the most that are reported of a document's text, and of its data
MEND = "correct these errors, then check the document again"
MORE = f"has more than {MAX_PROBLEMS} errors; the others are not shown"

# Characters after which YAML counts other lines than an editor, or which change the direction of text.
_MISLEADING = re.compile("[\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONFLICT = re.compile("^(<<<<<<<|=======$|>>>>>>>)", re.MULTILINE)  # what git leaves
LINE_END = re.compile("\r\n|[\n\r]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS |= {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
_WORDS |= {word: float("nan") for word in (".nan", ".NaN", ".NAN")}


@dataclass(frozen=True)
class Source:
    """A document's data and text, with the position of each part.

    values, keys   {path: (line, column)}, from 1
    spans          {path: (start, end)} of values, indices into the text
    """

    file: str
    data: Any
    values: dict[PathInDocument, tuple[int, int]] = field(default_factory=dict)
    keys: dict[PathInDocument, tuple[int, int]] = field(default_factory=dict)
    spans: dict[PathInDocument, tuple[int, int]] = field(default_factory=dict)
    text: str = ""

    @cached_property
    def line_starts(self) -> list[int]:
        """The index into the text at which each line starts."""
        return [0, *(end.end() for end in LINE_END.finditer(self.text))]

    def diagnostics(self, problems: Iterable[Problem]) -> list[Diagnostic]:
        """The problems as diagnostics, at their place in the text; with their paths if there is no text."""
        found = []
        for p in problems:
            if self.values:
                found.append(Diagnostic.at(self.location(p.path, key=p.at_key), p.code, p.message, p.hint))
            else:
                where = ".".join(map(str, p.path))
                found.append(Diagnostic.at(self.file, p.code, f"{where}: {p.message}", p.hint))
        return found

    def location(self, path: PathInDocument, *, key: bool = False) -> Location:
        """The place of the value at `path`, or of its key; else of the nearest enclosing value."""
        if key and path in self.keys:
            return Location(self.file, *self.keys[path])
        while path and path not in self.values:
            path = path[:-1]
        return Location(self.file, *self.values.get(path, (1, 1)))


def parse_scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        # int() refuses numbers of more than some thousand digits
        return int(text) if len(text) < 4000 else float(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_source(
    path: Path, hint: str = "give the path of a network.yaml, or of the folder it is in"
) -> Source:
    """Read a YAML file. Raises TgennError with all errors in it (T101 to T108).

    hint: what to do if there is no such file.
    """
    name = str(path)
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TgennError.at(name, "T101", f"cannot be read: {error.strerror}", hint) from None
    return source_of(raw, name)


def source_of(raw: bytes, name: str) -> Source:
    """Parse a YAML file's bytes. Raises TgennError (T102 to T108)."""
    if raw.startswith(MODEL_FILES):
        message = "is a model file, expected a network document"
        raise TgennError.at(name, "T102", message, "give the folder that the export of the model wrote")
    if len(raw) > MAX_BYTES:
        message = f"larger than {MAX_BYTES // 2**20} MiB, the largest document that tgenn reads"
        raise TgennError.at(name, "T102", message, "give a network.yaml; arrays belong in .npy files")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place(name, raw[: error.start].decode("utf-8"))
        hint = "give a network.yaml, saved as UTF-8"
        raise TgennError.at(place, "T102", "not UTF-8 text, so not a network document", hint) from None
    return parse_source(text, name)


def parse_source(text: str, name: str) -> Source:
    """Parse YAML text. Raises TgennError (T102 to T108)."""
    if misleading := [*islice(_MISLEADING.finditer(text), MAX_PROBLEMS)]:
        hint = 'remove it, or write "\\u{:04X}" in quotes'
        raise TgennError([_not_allowed(name, text[: m.start()], m[0], hint) for m in misleading])
    reader = _Reader(name)
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        data = reader.document(events)
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark if _is_no_field(error) else error.problem_mark or error.context_mark
        place = Location(name, mark.line + 1, mark.column + 1) if mark else Location(name)
        hint = "resolve the merge conflict" if _CONFLICT.search(text) else _yaml_hint(error, text)
        found = Diagnostic.at(place, "T103", f"not YAML: {error.problem}", hint)
        raise TgennError([*reader.problems, found]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        raise TgennError(_not_allowed(name, before, error.character, "remove it")) from None
    except (ValueError, OverflowError):  # PyYAML, on an escape like "\UFFFFFFFF"
        escapes = (e for e in re.finditer(r"\\U([0-9a-fA-F]{8})", text) if int(e[1], 16) > sys.maxunicode)
        first = next(escapes, None)
        place = _place(name, text[: first.start()]) if first else Location(name)
        message = "not YAML: this \\U escape is not a Unicode character"
        raise TgennError.at(place, "T103", message, "the largest one is \\U0010FFFF") from None
    if reader.problems:
        raise TgennError(reader.problems)
    return Source(name, data, reader.values, reader.keys, reader.spans, text)


def _not_allowed(name: str, before: str, character: int | str, hint: str) -> Diagnostic:
    code = _code_point(character)
    message = f"character U+{code:04X} is not allowed"
    return Diagnostic.at(_place(name, before), "T103", message, hint.format(code))


def _place(name: str, before: str) -> Location:
    """The place in a file right after the text `before`."""
    return Location(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _yaml_hint(error: yaml.MarkedYAMLError, text: str) -> str:
    """The hint for `text` that is not YAML."""
    problem = error.problem or ""
    if "'\\t'" in problem:
        return "indent with spaces, not with tabs"
    if _is_no_field(error):
        return "write a field as `name: value`, with a space after the colon"
    if problem.startswith("mapping values"):
        at = error.problem_mark.index if error.problem_mark else 0
        if key := re.fullmatch(r"[ \t-]+(\w+)", text[text.rfind("\n", 0, at) + 1 : at]):
            return f"indent this line less: as it is, {key[1]} continues the text above it"
        return "put quotes around text that contains a colon"
    if error.context and error.context_mark:
        mark = error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}"
        return f"check the text from {where} on ({error.context})"
    return ""


def _is_no_field(error: yaml.MarkedYAMLError) -> bool:
    """Whether a line among fields is none, such as `threshold:1.0`; PyYAML's problem is at the next line."""
    return error.context == "while scanning a simple key"


def _code_point(character: int | str) -> int:
    """The code point of a character, which PyYAML gives as int or str."""
    return character if isinstance(character, int) else ord(character)


def _position(event: Any) -> tuple[int, int]:
    """Line and column of an event's first character, from 1."""
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Reader:
    """Builds data from YAML events, and records positions and problems."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[PathInDocument, tuple[int, int]] = {(): (1, 1)}
        self.keys: dict[PathInDocument, tuple[int, int]] = {}
        self.spans: dict[PathInDocument, tuple[int, int]] = {}
        self.end = 0  # the end of the last scalar or bracket: a block collection ends there
        self.problems: list[Diagnostic] = []
        self.count = 0  # of values, including those that do not become data

    def problem(self, event: Any, code: str, message: str, hint: str = "") -> None:
        if len(self.problems) == MAX_PROBLEMS:
            raise TgennError([*self.problems, Diagnostic.at(self.name, "T108", MORE, MEND)])
        self.problems.append(Diagnostic.at(Location(self.name, *_position(event)), code, message, hint))

    def document(self, events: Iterator[yaml.Event]) -> Any:
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    message = "the file has a second YAML document"
                    self.problem(event, "T104", message, "remove the --- line and all that follows it")
                    return data
                data = self.value(next(events), events, ())
        return data

    def value(self, event: Any, events: Iterator[yaml.Event], path: PathInDocument) -> Any:
        self.end = event.end_mark.index
        data = self.contents(event, events, path)
        self.spans[path] = event.start_mark.index, self.end
        return data

    def contents(self, event: Any, events: Iterator[yaml.Event], path: PathInDocument) -> Any:
        self.values[path] = _position(event)
        self.count += 1
        if self.count > MAX_VALUES:
            self.problem(event, "T102", f"has more than {MAX_VALUES} values", "arrays belong in .npy files")
            raise TgennError(self.problems)
        if len(path) > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            self.problem(event, "T105", message, "check the brackets and the indentation")
            raise TgennError(self.problems)
        if isinstance(event, yaml.AliasEvent):
            message = f"the YAML alias *{event.anchor} is not allowed"
            self.problem(event, "T106", message, "write the value itself in its place")
            return None
        if event.tag is not None and event.tag != "!":
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(event, "T106", f"the YAML tag {tag} is not allowed", "remove the tag")
        if isinstance(event, yaml.ScalarEvent):
            return parse_scalar(event.value) if event.style is None else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                items.append(self.value(item, events, (*path, len(items))))
            self.end_at(item)
            return items
        mapping: dict[str, Any] = {}
        while not isinstance(item := next(events), yaml.MappingEndEvent):
            self.entry(item, events, path, mapping)
        self.end_at(item)
        return mapping

    def end_at(self, event: Any) -> None:
        if event.end_mark.index > event.start_mark.index:  # a bracket; the end of a block has no text
            self.end = event.end_mark.index

    def entry(
        self, event: Any, events: Iterator[yaml.Event], path: PathInDocument, mapping: dict[str, Any]
    ) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self.problem(
                event,
                "T103",
                "expected a name as key, got a list or a mapping",
                "write a name, such as threshold",
            )
            self.value(event, events, (*path, "?"))
            self.value(next(events), events, (*path, "?"))
            return
        inner = (*path, event.value)
        if event.value in mapping:
            hint = f"remove one of the two; the first is at line {self.keys[inner][0]}"
            self.problem(event, "T107", f"duplicate key '{event.value}'", hint)
            self.value(next(events), events, (*path, "?"))
            return
        self.keys[inner] = _position(event)
        mapping[event.value] = self.value(next(events), events, inner)
