"""tgenn migrate: a document of an older format in the current one."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("migrate", help="bring a document of an older format to the current one")
    add_document(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say that a document is of the current format, the only one so far; another one is refused."""
    from tgenn_gen.document.canonical_text import FORMAT
    from tgenn_gen.document.reading import load

    load(arguments.path, allow_outside=arguments.allow_outside)
    print(f"{arguments.path}: is of the format {FORMAT}, the current one: nothing to migrate")
    return FINE
