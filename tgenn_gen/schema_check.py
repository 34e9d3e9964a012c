"""Validation against the JSON Schema in schema/, with messages about the user's mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import jsonschema

from tgenn_gen.errors import Diagnostic
from tgenn_gen.resources import resource_folder
from tgenn_gen.source import PathInDocument, Source

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a finite number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}


def schema_text() -> str:
    """The JSON Schema of network.yaml."""
    return (resource_folder("schema") / "network.schema.json").read_text("utf-8")


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of network.yaml, parsed."""
    parsed: dict[str, Any] = json.loads(schema_text())
    return parsed


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: object, value: object) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


@cache
def _validator() -> Any:
    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
    validator: Any = jsonschema.validators
    return validator.extend(base, type_checker=types)(schema())


def schema_diagnostics(source: Source) -> list[Diagnostic]:
    """Everything in which the document departs from the schema (T110 to T119), by place."""
    found = []
    for error in _validator().iter_errors(source.data):
        for path, is_key, code, message, hint in _explain(error):
            found.append(Diagnostic(source.location(path, key=is_key), code, message, hint))
    return sorted(set(found))


def _explain(error: jsonschema.ValidationError) -> Iterator[tuple[PathInDocument, bool, str, str, str]]:
    """(path, whether it is the key that is wrong, code, message, hint)."""
    path, keyword = tuple(error.absolute_path), str(error.validator)
    limit: Any = error.validator_value
    value: Any = error.instance
    what = _named(path)
    allowed: list[str]
    if keyword == "additionalProperties":
        allowed = sorted(error.schema["properties"]) if isinstance(error.schema, dict) else []
        for key in value:
            if key not in allowed:
                hint = _suggestion(key, allowed)
                yield (*path, key), True, "T110", f"unknown key '{key}' in {what}", hint
    elif keyword == "required":
        missing = [key for key in limit if key not in value]
        for key in missing:
            if error.message.startswith(repr(key)):
                yield path, False, "T111", f"{what} has no '{key}'", f"add {key}: ..."
    elif keyword == "type":
        names = [limit] if isinstance(limit, str) else limit
        expected = " or ".join(_TYPES[n] for n in names)
        yield path, False, "T112", f"{what} is {_shown(value)}, expected {expected}", ""
    elif keyword in ("enum", "const"):
        allowed = [str(v) for v in (limit if keyword == "enum" else [limit])]
        hint = _suggestion(str(value), allowed)
        expected = ", ".join(allowed) if len(allowed) > 1 else allowed[0]
        yield (
            path,
            False,
            "T113",
            f"{what} is {_shown(value)}, expected {expected}",
            hint if len(allowed) > 1 else "",
        )
    elif keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        relation = {
            "minimum": "at least",
            "exclusiveMinimum": "more than",
            "maximum": "at most",
            "exclusiveMaximum": "less than",
        }[keyword]
        yield path, False, "T114", f"{what} is {_shown(value)}, expected {relation} {limit}", ""
    elif keyword in ("minItems", "maxItems"):
        relation = "at least" if keyword == "minItems" else "at most"
        yield path, False, "T115", f"{what} has {len(value)} items, expected {relation} {limit}", ""
    elif keyword in ("pattern", "maxLength"):
        rule = f"at most {limit} characters" if keyword == "maxLength" else f"text of the form {limit}"
        yield path, False, "T116", f"{what} is {_shown(value)}, expected {rule}", ""
    else:
        yield path, False, "T119", f"{what} is {_shown(value)}, which is not allowed here", ""


def _named(path: PathInDocument) -> str:
    """The words for a place: "the document", "threshold", "inputs[0]"."""
    words = ""
    for part in path[-2:] if path and isinstance(path[-1], int) else path[-1:]:
        words += f"[{part}]" if isinstance(part, int) else f"{part}"
    return words or "the document"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _suggestion(word: str, allowed: list[str]) -> str:
    close = get_close_matches(word, allowed, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(allowed)}"
