"""tgenn fmt: the values of a document in their canonical form."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document, given_document
from tgenn_gen.cli.console import DIFFERENCE, FINE, inform
from tgenn_gen.errors import printable


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "fmt",
        run,
        "format the values of a document",
        "Write each value that stands on one line in its canonical form: the shortest form of a number, "
        "quotes only where YAML needs them, a space after commas and colons in brackets. Lines, "
        "indentation, the order of keys and comments stay as they are.",
        "tgenn fmt mnist",
    )
    add_document(command)
    command.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if a value is not in its canonical form",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the canonical form, or check that it is there."""
    from tgenn_gen.editing.formatting import formatted
    from tgenn_gen.editing.text_edits import rewrite

    path, source, files = given_document(arguments)
    text = formatted(source, files)
    if text == source.text:
        inform(f"{path}: all values are in their canonical form")
        return FINE
    if arguments.check:
        print(printable(f"{path}: some values are not in their canonical form: run tgenn fmt"))
        return DIFFERENCE
    rewrite(path, source, text)
    inform(f"{path}: written")
    return FINE
