"""tgenn fmt: the values of a document in their canonical form."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document, given_document
from tgenn_gen.cli.console import DIFFERENCE, FINE, say


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "fmt",
        help="write the values of a document as tgenn does, each where it stands",
        description="Write each value that stands on one line as tgenn does: numbers in their shortest form, "
        "quotes where they are needed, a space behind commas and colons in brackets. "
        "Lines, indentation, the order of keys and comments stay.",
    )
    add_document(command)
    command.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a value would be written otherwise"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the canonical form, or check that it is there."""
    from tgenn_gen.editing.formatting import formatted
    from tgenn_gen.editing.text_edits import rewrite

    path, source, files = given_document(arguments)
    text = formatted(source, files)
    if text == source.text:
        print(f"{path}: has all values in their canonical form")
        return FINE
    if arguments.check:
        say(f"{path}: has values that are not in their canonical form: run tgenn fmt")
        return DIFFERENCE
    rewrite(path, source, text)
    print(f"{path}: written")
    return FINE
