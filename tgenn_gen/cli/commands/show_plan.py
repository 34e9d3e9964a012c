"""tgenn plan: what the templates print of a document."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document
from tgenn_gen.cli.console import FINE

LINE = 110


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "plan",
        run,
        "show what templates can print",
        "Show the plan of a document: every field that a template can print, with its value.",
        "tgenn plan mnist",
    )
    add_document(command)
    command.add_argument("--json", action="store_true", help="print all of it as JSON, long values too")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, a line a field with the expression that prints it in a template, or as JSON."""
    import json
    from dataclasses import asdict

    from tgenn_gen.codegen.lowering import lower
    from tgenn_gen.document.reading import read_document

    plan = lower(read_document(arguments.path, allow_outside=arguments.allow_outside))
    print(json.dumps(asdict(plan), indent=2) if arguments.json else "\n".join(_lines("plan", plan)))
    return FINE


def _lines(expression: str, value: Any) -> Iterator[str]:
    """Expressions and their values, cut where they are long."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _lines(f"{expression}.{field.name}", getattr(value, field.name))
    elif isinstance(value, tuple) and any(map(is_dataclass, value)):
        for index, item in enumerate(value):
            yield from _lines(f"{expression}[{index}]", item)
    else:
        line = f"{expression} = {value!r}"
        yield line if len(line) <= LINE else f"{line[: LINE - 3]}..."
