"""tgenn lock: shapes and hashes of weights that were changed by hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.commands.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "lock", help="write the shapes and hashes of changed weights into a document"
    )
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Bring the document up to date with its weight files."""
    from tgenn_gen.document import document_path
    from tgenn_gen.formatting import write_changes
    from tgenn_gen.locking import locked
    from tgenn_gen.source import read_source

    path = document_path(arguments.path)
    source, changes = locked(read_source(path), path.parent)
    write_changes(path, source, changes)
    for change in changes:
        print(change)
    print(f"{path}: {'written' if changes else 'says what the weights are'}")
    return FINE
