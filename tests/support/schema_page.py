"""docs/reference/fields.md, made from the schema: `python tests/support/schema_page.py` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tgenn_gen.document.schema_check import schema

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "fields.md"
TYPES = {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "mapping"}
SECTIONS = ("input", "population", "connection", "op", "output", "tensor")  # definitions that fields link to
KINDS = {"input": "encoding", "population": "neuron", "op": "op"}  # what has kinds, by where they stand
INTRODUCTION = """\
All fields of a network.yaml, with their types, ranges and defaults. `tests/support/schema_page.py`
makes this page from the JSON Schema, `schema/network.schema.json`.

tgenn writes a copy of the schema next to each network.yaml. The first line of the document,
`# yaml-language-server: $schema=network.schema.json`, tells editors where the schema is. They then
complete fields, show these descriptions and mark errors, also without an internet connection.
`tgenn check` validates a document:

```sh
tgenn check mnist
```"""

Fragment = dict[str, Any]


def resolved(fragment: Fragment) -> Fragment:
    """The fragment with what it refers to; what it says itself counts first."""
    while "$ref" in fragment:
        target = schema()["$defs"][fragment["$ref"].removeprefix("#/$defs/")]
        fragment = target | {k: v for k, v in fragment.items() if k != "$ref"}
    return fragment


def text_of(value: Any) -> str:
    """A value as documents have it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace('"', "").replace("e+", "e")


def span(fragment: Fragment) -> str:
    """The range of a field's numbers and the length of its list in words; "" where there is none."""
    fragment = resolved(fragment)
    if "else" in fragment:  # a number, or something else
        return span(fragment["else"])
    if "minimum" in fragment:
        return f"from {text_of(fragment['minimum'])} to {text_of(fragment['maximum'])}"
    if "maxItems" not in fragment:
        return ""
    least, most, each = fragment.get("minItems", 0), fragment["maxItems"], span(fragment["items"])
    length = f"{least} to {most}" if least != most else f"{most}"
    return f"{length} numbers, each {each}" if each else f"at most {most}"


def facts(fragment: Fragment) -> str:
    """The sentences with which a field's description ends: its range and its default."""
    words = span(fragment)
    text = f" {words[0].upper()}{words[1:]}." if words else ""
    return f"{text} Default: {text_of(fragment['default'])}." if "default" in fragment else text


def type_of(fragment: Fragment) -> str:
    """The words for a field's type."""
    name = fragment.get("$ref", "").removeprefix("#/$defs/")
    if name in SECTIONS:
        return f"[{name}](#{name})"
    fragment = resolved(fragment)
    if "const" in fragment or "enum" in fragment:
        return " or ".join(f"`{v}`" for v in fragment.get("enum", [fragment.get("const")]))
    if "else" in fragment:
        return f"{type_of(fragment['else'])} or {type_of(fragment['then'])}"
    if fragment["type"] == "array":
        return f"list of {type_of(fragment['items'])}"
    return TYPES.get(fragment["type"], fragment["type"])


def row(name: str, field: Fragment, required: bool) -> str:
    """A field's line in a table."""
    whole = resolved(field)
    default = f"`{text_of(field['default'])}`" if "default" in field else "required" if required else ""
    meaning = whole["description"].removesuffix(facts(whole))
    examples = [text for e in whole.get("examples", ()) if len(text := text_of(e)) <= 60]
    shown = f" Example: {' or '.join(f'`{e}`' for e in examples)}." if examples else ""
    return f"| `{name}` | {type_of(field)} | {span(field)} | {default} | {meaning}{shown} |"


def table(fragment: Fragment) -> list[str]:
    """A mapping's description and fields, without the one that says what kind it is."""
    required = fragment.get("required", ())
    fields = {k: v for k, v in fragment["properties"].items() if not is_kind(k, v)}
    rows = []
    for name, field in fields.items():
        rows.append(row(name, field, name in required))
        if "kind" in (own := field.get("properties", {})):
            rows.append(row(f"{name}.kind", own["kind"], required=True))
    head = ["| field | type | range | default | meaning |", "|---|---|---|---|---|"]
    return [fragment["description"], "", *([*head, *rows, ""] if rows else [])]


def is_kind(name: str, field: Fragment) -> bool:
    """Whether a field is that which says what kind a mapping is."""
    return name in ("kind", "op") and "const" in field


def page() -> str:
    """The whole page."""
    definitions = schema()["$defs"]
    lines = ["# Fields of network.yaml", "", INTRODUCTION, ""]
    lines += [*table(schema()), "## simulation", "", *table(schema()["properties"]["simulation"])]
    for section in SECTIONS:
        lines += [f"## {section}", "", *table(definitions[section])]
        kinds = [name for name in definitions if name.startswith(f"{KINDS.get(section)}_")]
        for name in kinds:
            lines += [f"### {name.replace('_', ' ', 1)}", "", *table(definitions[name])]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
