"""tgenn fmt: a document in its canonical form."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document, document_of
from tgenn_gen.cli.console import DIFFERENCE, FINE, say


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("fmt", help="rewrite a document in its canonical form, comments kept")
    add_document(command)
    command.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if something would change"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the canonical form, or check that it is there."""
    from tgenn_gen.editing.formatting import canonical, rewrite

    path, source, files = document_of(arguments)
    text = canonical(source, files)
    if text == source.text:
        print(f"{path}: is in its canonical form")
        return FINE
    if arguments.check:
        say(f"{path}: is not in its canonical form: run tgenn fmt")
        return DIFFERENCE
    rewrite(path, source, text)
    print(f"{path}: written")
    return FINE
