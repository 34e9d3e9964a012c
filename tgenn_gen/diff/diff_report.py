"""Prints the differences between networks as text and as JSON data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tgenn_gen.diff.network_diff import FieldChange, NetworkDiff, Section, WeightChange, is_weight
from tgenn_gen.document.yaml_source import parse_scalar
from tgenn_gen.errors import printable

LONG = 60  # two values with more characters together get lines of their own
COLORS = {"+": "\033[32m", "-": "\033[31m", "~": "\033[33m"}  # by the first character of a line
PLAIN = "\033[0m"


def diff_data(diff: NetworkDiff) -> dict[str, Any]:
    """All differences as JSON data."""
    return {"different": bool(diff), **asdict(diff)}


def diff_text(diff: NetworkDiff) -> str:
    """All differences, one on each line: + added, - removed, ~ changed."""
    kinds = {"input": diff.inputs, "population": diff.populations, "output": diff.outputs}
    lines = [line for change in diff.fields for line in _field_lines("~ ", change)]
    for kind, section in kinds.items():
        lines += _section_lines(kind, section)
    lines += [line for change in diff.weights for line in _weight_lines(change)]
    return "\n".join(map(printable, lines))


def painted(text: str) -> str:
    """The text with colours for a terminal."""
    return "\n".join(
        f"{COLORS[line[0]]}{line}{PLAIN}" if line[:1] in COLORS else line for line in text.splitlines()
    )


def _section_lines(kind: str, section: Section) -> Iterator[str]:
    for name, data in section.removed.items():
        yield f"- {kind} {name}: {_described(data)}"
    for name, data in section.added.items():
        yield f"+ {kind} {name}: {_described(data)}"
    for old, new in section.renamed.items():
        yield f"~ {kind} {old} -> {new}: renamed"
    for name, changes in section.changed.items():
        yield f"~ {kind} {name}"
        for change in changes:
            yield from _field_lines("    ", change)


def _described(data: dict[str, Any]) -> str:
    """A short description of an input, a population or an output."""
    if "readout" in data:
        return ", ".join(data[key] for key in ("readout", "activation") if key in data)
    kind = (data["neuron"] if "neuron" in data else data["encoding"])["kind"]
    sources = f", from {', '.join(c['from'] for c in data['inputs'])}" if "inputs" in data else ""
    return f"{data['shape']}, {kind}{sources}"


def _field_lines(start: str, change: FieldChange) -> Iterator[str]:
    before, after = _value(change.before), _value(change.after)
    if change.before is None or change.after is None:
        yield f"{start}{change.field}: {f'added, {after}' if change.before is None else f'removed, {before}'}"
    elif len(before) + len(after) <= LONG:
        yield f"{start}{change.field}: {before} -> {after}"
    else:
        yield f"{start}{change.field}:"
        yield f"       {before}"
        yield f"    -> {after}"


def _value(value: Any) -> str:
    """The value as one line of YAML; weights as file and shape only."""
    if is_weight(value):
        return f"{value['file']} {value['shape']}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    plain = isinstance(value, str) and parse_scalar(value) == value  # "1.0" is no number
    return value if plain else json.dumps(value, ensure_ascii=False)


def _weight_lines(change: WeightChange) -> Iterator[str]:
    files = dict.fromkeys((change.before_file, change.after_file))
    shapes = dict.fromkeys((str(list(change.before_shape)), str(list(change.after_shape))))
    yield f"~ {' -> '.join(files)} {' -> '.join(shapes)}, {', '.join(change.places)}"
    if (values := change.values) is None:
        return
    size = round(values.changed / values.changed_share)
    index, cosine = list(values.max_index), values.cosine
    yield f"    changed: {values.changed} of {size} elements ({100 * values.changed_share:.3g} %)"
    yield f"    largest change: {values.max_change:.6g} at {index}, {values.before:.6g} -> {values.after:.6g}"
    yield f"    mean |change|: {values.mean_change:.6g}"
    yield f"    cosine similarity: {'none, of zeros' if cosine is None else f'{cosine:.8f}'}"
