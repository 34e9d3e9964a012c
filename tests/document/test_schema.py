"""The published schema: complete, true to itself, and the page that is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from schema_page import PAGE, facts, page, resolved

from tgenn_gen.document.schema_check import schema


def fields(fragment: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of every mapping, {its path in the schema: its fragment}; not the conditions of an `if`."""
    if isinstance(fragment, list):
        for index, item in enumerate(fragment):
            yield from fields(item, f"{path}/{index}")
    elif isinstance(fragment, dict):
        for key, value in fragment.items():
            if key == "properties":
                yield from ((f"{path}/{name}", field) for name, field in value.items())
                for name, field in value.items():
                    yield from fields(field, f"{path}/{name}")
            elif key not in ("if", "examples", "default"):
                yield from fields(value, f"{path}/{key}")


FIELDS = dict(fields(schema()))


def test_every_field_and_definition_has_a_description():
    named = FIELDS | {f"/$defs/{name}": d for name, d in schema()["$defs"].items()}
    assert [path for path, field in named.items() if not resolved(field).get("description")] == []


def test_every_field_has_its_name_as_title():
    """Editors show it above the description."""
    assert [path for path, field in FIELDS.items() if field.get("title") != path.rsplit("/", 1)[-1]] == []


def test_every_field_has_examples_or_the_list_of_all_it_can_be():
    """But those that name another part of the document: editors offer examples, which no document has."""
    names_of_others = ["/$defs/connection/from", "/$defs/output/population"]

    def has_values(field):
        field = resolved(field)
        return {"examples", "enum", "const"} & set(field) or field.get("type") == "boolean"

    assert [path for path, field in FIELDS.items() if not has_values(field)] == names_of_others


def test_every_description_ends_with_the_range_and_the_default_that_the_schema_has():
    """An editor shows the description alone."""
    wrong = {path: facts(w) for path, field in FIELDS.items() if not says(w := resolved(field))}
    assert wrong == {}


def says(field) -> bool:
    return field["description"].endswith(facts(field))


@pytest.mark.parametrize("path", FIELDS)
def test_examples_and_defaults_are_valid(path):
    field = resolved(FIELDS[path])
    validator = jsonschema.Draft202012Validator({"$defs": schema()["$defs"], **field})
    for value in [*field.get("examples", ()), *([field["default"]] if "default" in field else ())]:
        validator.validate(value)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_page_is_what_the_schema_gives():
    assert PAGE.read_text("utf-8") == page(), "run python tests/support/schema_page.py"


def test_the_page_has_every_field_and_every_kind():
    text = PAGE.read_text("utf-8")
    rows = {
        path: f"| `{path.rsplit('/', 1)[-1]}` |" for path in FIELDS if not path.endswith(("/kind", "/op"))
    }
    assert [path for path, row in rows.items() if row not in text] == []
    kinds = [d for d in schema()["$defs"] if d.startswith(("op_", "neuron_", "encoding_"))]
    assert [kind for kind in kinds if f"\n### {kind.replace('_', ' ', 1)}\n" not in text] == []
    assert "| `neuron.kind` |" in text and "| `encoding.kind` |" in text
