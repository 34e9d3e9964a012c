"""Validation against the JSON Schema in schema/, with messages about the user's mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import jsonschema

from tgenn_gen.resources import resource_folder
from tgenn_gen.source import PathInDocument, Problem

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


# What the patterns of the schema allow, by the key they are for.
_FORMS: dict[str | int, str] = {
    "file": "a path of letters, digits and _ . - / that ends in .npy",
    "sha256": "64 hexadecimal digits",
}
_NAME = "letters, digits and _ . -, with no . or - at the start"


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


def schema_problems(data: Any) -> list[Problem]:
    """Everything in which a document's data departs from the schema (T110 to T119)."""
    return [problem for error in _validator().iter_errors(data) for problem in _explain(error)]


def _explain(error: jsonschema.ValidationError) -> Iterator[Problem]:
    """What an error of the validator means to the user."""
    path, keyword = tuple(error.absolute_path), str(error.validator)
    limit: Any = error.validator_value
    value: Any = error.instance
    what = _named(path)
    allowed: list[str]
    if keyword == "additionalProperties":
        allowed = sorted(error.schema["properties"]) if isinstance(error.schema, dict) else []
        for key in value:
            if key not in allowed:
                hint = _suggestion(key, allowed, but=value)
                yield Problem((*path, key), "T110", f"unknown key '{key}' in {what}", hint, at_key=True)
    elif keyword == "required":
        missing = [key for key in limit if key not in value]
        for key in missing:
            if error.message.startswith(repr(key)):
                yield Problem(path, "T111", f"{what} has no '{key}'", f"add {key}: ...")
    elif keyword == "const" and limit == "uniform":
        yield Problem(path, "T113", f"{what} is {_shown(value)}, expected a number or uniform")
    elif keyword == "type":
        names = [limit] if isinstance(limit, str) else limit
        expected = " or ".join(_TYPES[n] for n in names)
        array = isinstance(value, list) and path[-1:] in (("v_init",), ("scale",))
        hint = "an array stands in a .npy file: {file: ..., shape: ..., dtype: float32, sha256: ...}"
        message = f"{what} is {_shown(value)}, expected {expected}"
        yield Problem(path, "T112", message, hint if array else "")
    elif keyword in ("enum", "const"):
        allowed = [str(v) for v in (limit if keyword == "enum" else [limit])]
        hint = _suggestion(str(value), allowed) if len(allowed) > 1 else ""
        expected = ", ".join(allowed) if len(allowed) > 1 else allowed[0]
        yield Problem(path, "T113", f"{what} is {_shown(value)}, expected {expected}", hint)
    elif keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        relation = {
            "minimum": "at least",
            "exclusiveMinimum": "more than",
            "maximum": "at most",
            "exclusiveMaximum": "less than",
        }[keyword]
        yield Problem(path, "T114", f"{what} is {_shown(value)}, expected {relation} {limit}")
    elif keyword in ("minItems", "maxItems"):
        relation = "at least" if keyword == "minItems" else "at most"
        yield Problem(path, "T115", f"{what} has {len(value)} items, expected {relation} {limit}")
    elif keyword in ("pattern", "maxLength"):
        rule = f"at most {limit} characters" if keyword == "maxLength" else _FORMS.get(path[-1], _NAME)
        yield Problem(path, "T116", f"{what} is {_shown(value)}, expected {rule}")
    else:
        yield Problem(path, "T119", f"{what} is {_shown(value)}, which is not allowed here")


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


def _suggestion(word: str, allowed: list[str], but: Container[str] = ()) -> str:
    """The word that was meant, of those allowed but not there yet; or all that are allowed."""
    close = get_close_matches(word, [a for a in allowed if a not in but], n=1)
    return f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(allowed)}"
