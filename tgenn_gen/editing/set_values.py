"""Changes values of a document by their paths, such as conv2d.neuron.threshold=0.8."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from tgenn_gen.document.name_check import elements, text_of
from tgenn_gen.document.schema_check import known_keys, schema_problems
from tgenn_gen.document.yaml_source import Source, parse_source
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.problems import PathInDocument, suggestion

_NAMED_BY = {"inputs": "name", "populations": "name", "outputs": "population"}


def edited(source: Source, edits: Sequence[str]) -> tuple[Any, list[str]]:
    """(data, changes): the document's data after the edits, in their order; a line for each change.

    edits: PATH=VALUE, with VALUE in YAML. PATH has fields and list indices between dots, and starts with the
    name of an input, population or output, or with a top-level field. Raises TgennError with all errors in
    the edits: T103 to T107 VALUE is not YAML, T121 PATH does not exist, T122 not PATH=VALUE.
    """
    if not isinstance(source.data, dict):
        raise TgennError(source.diagnostics(schema_problems(source.data)))
    data, changes = deepcopy(source.data), []
    found: list[Diagnostic] = []
    for edit in edits:
        try:
            changes += _apply(data, edit)
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    return data, changes


def _apply(data: dict[str, Any], edit: str) -> list[str]:
    """Change data in place. Returns a line that describes the change; [] if nothing changed."""
    text, mark, value_text = edit.partition("=")
    if not mark or not text:
        raise TgennError.at(edit, "T122", "is not PATH=VALUE", "write it like conv2d.neuron.threshold=0.8")
    value = parse_source(value_text, text).data
    _, old = put(data, text, value)
    return [f"{text}: {old} -> {_shown(value)}"] if _shown(value) != old else []


def put(data: dict[str, Any], text: str, value: Any) -> tuple[PathInDocument, str]:
    """Set the value that PATH `text` means in data, in place. Returns its path, and the old value as text.

    Raises TgennError (T121).
    """
    path = _Resolver(data, text).path()
    *parents, last = path
    holder: Any = data
    for part in parents:
        holder = holder[part]
    is_there = isinstance(holder, list) or last in holder
    old = _shown(holder[last]) if is_there else "(not there)"
    holder[last] = value
    return path, old


class _Resolver:
    """Finds the path in a document's data for the text of a PATH."""

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self.data = data
        self.text = text
        self.named = [
            (name, path)
            for section, key in _NAMED_BY.items()
            for path, element in elements(data, section)
            if (name := text_of(element, key)) is not None
        ]

    def path(self) -> PathInDocument:
        """The path. Names may have dots: the longest name with such a field counts. Raises TgennError."""
        meant = [(n, p) for n, p in self.named if f"{self.text}.".startswith(f"{n}.")]
        meant.sort(key=lambda named: -len(named[0]))
        for name, base in [*meant, ("", ())]:
            first, *others = self._fields_after(name)
            if first in self._value(base) or first in known_keys(self.data, base):
                return self._below((*base, first), others)
        if meant:
            name = meant[0][0]
            fields = {key for n, base in meant if n == name for key in known_keys(self.data, base)}
            word = self._fields_after(name)[0]
            message = (
                f"'{name}' has no field '{word}'" if word else f"expected a field of '{name}' after its name"
            )
            below = [f"{key}.{word}" for n, base in meant if n == name for key in self._holders(base, word)]
            raise self._missing(message, below[0] if below else word, below or sorted(fields))
        word = self._fields_after("")[0]
        known = [*dict.fromkeys(name for name, _ in self.named), *known_keys(self.data, ())]
        raise self._missing(f"there is no input, population or field '{word}'", word, known)

    def _fields_after(self, name: str) -> list[str]:
        return self.text[len(name) + 1 if name else 0 :].split(".")

    def _below(self, path: PathInDocument, parts: list[str]) -> PathInDocument:
        """The path extended by `parts`. Adds missing mappings to the data. Raises TgennError (T121)."""
        for part in parts:
            value = self._value(path)
            if isinstance(value, list):
                if not (re.fullmatch("[0-9]{1,9}", part) and int(part) < len(value)):
                    message = f"'{path[-1]}' has no item '{part}': expected an index below {len(value)}"
                    message += ", the first item is 0"
                    raise TgennError.at(self.text, "T121", message)
                path = (*path, int(part))
                continue
            if not isinstance(value, dict):
                raise TgennError.at(
                    self.text, "T121", f"'{path[-1]}' is {_shown(value)}, which has no field '{part}'"
                )
            known = [] if part in value else known_keys(self.data, path)
            if known and part not in known:
                raise self._missing(f"'{path[-1]}' has no field '{part}'", part, known)
            path = (*path, part)
        return path

    def _value(self, path: PathInDocument) -> Any:
        value: Any = self.data
        for part in path:
            value = value.setdefault(part, {}) if isinstance(value, dict) else value[part]
        return value

    def _holders(self, base: PathInDocument, word: str) -> list[str]:
        """The fields at `base` that have a field `word`."""
        return [key for key, value in self._value(base).items() if isinstance(value, dict) and word in value]

    def _missing(self, message: str, word: str, known: list[str]) -> TgennError:
        return TgennError.at(self.text, "T121", message, suggestion(word, known))


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
