"""Validates a document against the JSON Schema in schema/, and explains the errors to the user."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from itertools import islice
from typing import Any

import jsonschema

from tgenn_gen.document.yaml_source import MAX_PROBLEMS, MEND, MORE, parse_scalar
from tgenn_gen.files.resources import resource_folder
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.plugin_neuron import PluginNeuron
from tgenn_gen.network.problems import PathInDocument, Problem, look_alike, suggestion

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
    """The JSON Schema of network.yaml as text, with the kinds of loaded plugins."""
    return json.dumps(schema(), indent=2) + "\n" if _plugin_kinds() else _schema_file()


def _schema_file() -> str:
    return (resource_folder("schema") / "network.schema.json").read_text("utf-8")


def _plugin_kinds() -> dict[str, type[PluginNeuron]]:
    return {kind: cls for kind, cls in NEURONS.items() if issubclass(cls, PluginNeuron)}


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of network.yaml as data, with the kinds of loaded plugins."""
    parsed: dict[str, Any] = json.loads(_schema_file())
    for kind, cls in _plugin_kinds().items():
        name, neuron = f"neuron_{kind}", parsed["$defs"]["population"]["properties"]["neuron"]
        neuron["properties"]["kind"]["enum"] = sorted([*neuron["properties"]["kind"]["enum"], kind])
        condition = {"required": ["kind"], "properties": {"kind": {"const": kind}}}
        neuron["allOf"].append({"if": condition, "then": {"$ref": f"#/$defs/{name}"}})
        parameters = {key: {"title": key, **fragment} for key, fragment in cls.plugin.PARAMETERS.items()}
        properties = {"kind": {"title": "kind", "const": kind}, **parameters}
        parsed["$defs"][name] = {"additionalProperties": False, "properties": properties}
    return parsed


def schema_changed() -> None:
    """Drop the cached schema: call it after a plugin was loaded."""
    schema.cache_clear()
    _validator.cache_clear()


# The patterns of the schema in words, by key.
_FORMS: dict[str | int, str] = {
    "file": "a path of letters, digits and _ . - / that ends in .npy",
}
_NAME = "letters, digits and _ . -, with no . or - at the start"


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: object, value: object) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


@cache
def _validator(definition: str = "") -> Any:
    """The validator of the whole schema, or of one of its definitions."""
    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine("integer", _is_integer).redefine("number", _is_number)
    validator: Any = jsonschema.validators
    whole = schema()
    part = {"$defs": whole["$defs"], "$ref": f"#/$defs/{definition}"} if definition else whole
    return validator.extend(base, type_checker=types)(part)


def fits(definition: str, data: Any) -> bool:
    """Whether data is valid by one of the schema's definitions, such as "name" or "tensor"."""
    valid: bool = _validator(definition).is_valid(data)
    return valid


def other_format(data: Any) -> list[Problem]:
    """The error (T117) of a document whose format this version does not read; [] otherwise."""
    current = schema()["properties"]["format"]["const"]
    found = re.fullmatch(r"tgenn/([0-9]{1,9})", str(data.get("format"))) if isinstance(data, dict) else None
    if not found or found[0] == current:
        return []
    if int(found[1]) < int(current.removeprefix("tgenn/")):
        if int(found[1]) == 0:
            return [Problem(("format",), "T117", "there is no format tgenn/0", f"write {current}")]
        hint = "run tgenn migrate; if the document is in a git revision, check that revision out first"
        return [Problem(("format",), "T117", f"the format {found[0]} is older than {current}", hint)]
    message = f"the format {found[0]} is newer than {current}, the newest that this version of tgenn reads"
    return [Problem(("format",), "T117", message, "install a newer version of tgenn")]


def schema_problems(data: Any) -> list[Problem]:
    """All violations of the schema (T110 to T119); after MAX_PROBLEMS of them T108."""
    found = (problem for error in _validator().iter_errors(data) for problem in _explain(error))
    return [*islice(found, MAX_PROBLEMS), *(Problem((), "T108", MORE, MEND) for _ in islice(found, 1))]


def known_keys(data: Any, path: PathInDocument) -> list[str]:
    """The keys that the schema allows in the mapping at `path`; [] if it allows any key."""
    probe = deepcopy(data)
    mapping = probe
    for part in path:
        mapping = mapping[part]
    mapping["\0"] = None
    for error in _validator().iter_errors(probe):
        if error.validator == "additionalProperties" and tuple(error.absolute_path) == path:
            schema_of_it: Any = error.schema
            return sorted(schema_of_it.get("properties", ()))
    return []


def _explain(error: jsonschema.ValidationError) -> Iterator[Problem]:
    """The problems to report for one error of the validator."""
    path, keyword = tuple(error.absolute_path), str(error.validator)
    limit: Any = error.validator_value
    value: Any = error.instance
    what = _named(path)
    allowed: list[str]
    if keyword == "additionalProperties":
        allowed = sorted(error.schema["properties"]) if isinstance(error.schema, dict) else []
        for key in value:
            if key not in allowed:
                hint = "; ".join(filter(None, (_belongs(key, path), suggestion(key, allowed, but=value))))
                if value[key] is None and re.split(r":(?=\S)", key)[0] in allowed:
                    hint = "put a space after the colon"
                yield Problem((*path, key), "T110", f"unknown key '{key}' in {what}", hint, at_key=True)
    elif keyword == "not":  # a key that provenance, which takes all others, may not have
        message = f"'{value}' is inside provenance, where it has no effect"
        hint = "move it to the top level of the document, on a line without indentation"
        yield Problem((*path, value), "T110", message, hint, at_key=True)
    elif keyword == "required":
        missing = [key for key in limit if key not in value]
        for key in missing:
            if error.message.startswith(repr(key)):
                hint = f"add {key}: {_such_as(error.schema, key)}"
                if key != "file" and fits("file", value.get("file")):
                    hint = "run tgenn lock, which reads it from the file"
                yield Problem(path, "T111", f"{what} has no '{key}'", hint)
    elif keyword == "const" and limit == "uniform":
        hint = suggestion(value, [limit])
        yield Problem(path, "T113", f"{what} is {_shown(value)}, expected a number or uniform", hint)
    elif keyword == "type":
        names = [limit] if isinstance(limit, str) else limit
        expected = " or ".join(_TYPES[n] for n in names)
        message = f"{what} is {_shown(value)}, expected {expected}"
        yield Problem(path, "T112", message, _other_type(value, names, path))
    elif keyword in ("enum", "const"):
        allowed = [str(v) for v in (limit if keyword == "enum" else [limit])]
        hint = suggestion(str(value), allowed) if len(allowed) > 1 else f"write {allowed[0]}"
        expected = " or ".join(filter(None, (", ".join(allowed[:-1]), allowed[-1])))
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
        yield Problem(path, "T116", f"{what} is {_shown(value)}, expected {rule}", look_alike(value))
    else:
        yield Problem(path, "T119", f"{what} is {_shown(value)}, which is not allowed here")


@cache
def _homes() -> dict[str, list[str]]:
    """{key: the parts of a document that may have it}."""
    whole = schema()
    parts = {
        "the top level of the document": whole,
        "simulation": whole["properties"]["simulation"],
        **{name: whole["$defs"][name] for name in ("input", "population", "connection", "output", "tensor")},
        **{name: d for name, d in whole["$defs"].items() if name.startswith(("neuron_", "encoding_", "op_"))},
    }
    homes: dict[str, list[str]] = {}
    for part, fragment in parts.items():
        for key in fragment["properties"]:
            homes.setdefault(key, []).append(part)
    return homes


_PARTS = {
    "input": "a network input",
    "population": "a population",
    "connection": "an item of a population's inputs",
    "output": "an output",
    "tensor": "a reference to a .npy file",
}


def _belongs(key: str, path: PathInDocument) -> str:
    """A hint where a misplaced key belongs; "" if no part of a document has such a key."""
    here = "op" if path[-2:-1] == ("through",) else str(path[-1]) if path else ""
    places: dict[str, list[str]] = {}
    for part in _homes().get(key, []):
        what, _, kind = part.partition("_")
        places.setdefault(_PARTS.get(what, what), []).extend([kind] if kind else [])
    places = {place: kinds for place, kinds in places.items() if place == here} or places
    words = [f"{place} ({', '.join(kinds)})" if kinds else place for place, kinds in places.items()]
    advice = ": remove it, or change the kind" if places.get(here) else ""
    return f"it belongs to {' or '.join(words)}{advice}" if words else ""


def _such_as(fragment: Any, key: str) -> str:
    """A value for a missing key: all allowed words, or an example."""
    field = fragment["properties"][key]
    field = {**schema()["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {}), **field}
    words = field.get("enum", [field["const"]] if "const" in field else [])
    if words:
        return " or ".join(words)
    example = next(iter(field.get("examples", ())), None)
    if isinstance(example, dict):
        return f"such as {{{', '.join(f'{k}: {v}' for k, v in example.items())}}}"
    plain = all(isinstance(v, int | float) for v in (example if isinstance(example, list) else [example]))
    return f"..., such as {json.dumps(example)}" if plain else "..."


def _other_type(value: Any, expected: list[str], path: PathInDocument) -> str:
    """A hint how to write a value with the expected type; "" if there is no obvious way."""
    if isinstance(value, list) and path[-1:] in (("v_init",), ("scale",), ("offset",)):
        return "store the array in a .npy file and write {file: ..., shape: ...}"
    if isinstance(value, float) and expected == ["integer"] and value.is_integer():
        return f"write {int(value)}"
    if isinstance(value, str):
        meant = {"yes": True, "on": True, "no": False, "off": False}.get(value.lower(), parse_scalar(value))
        if any(_validator().is_type(meant, name) for name in expected):
            return f"write {json.dumps(meant)}" + ("" if isinstance(meant, bool) else ", without quotes")
    return ""


def _named(path: PathInDocument) -> str:
    """The place in words: "the document", "threshold", "inputs[0]"."""
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
