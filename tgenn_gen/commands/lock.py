"""tgenn lock: shapes and hashes of weights that were changed by hand."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.commands.arguments import add_document
from tgenn_gen.commands.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "lock", help="write the shapes and hashes of changed weights into a document"
    )
    add_document(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Bring the document up to date with its weight files."""
    from tgenn_gen.document import document_path
    from tgenn_gen.formatting import write_changes
    from tgenn_gen.locking import locked
    from tgenn_gen.source import read_source
    from tgenn_gen.weight_files import WeightFolder

    path = document_path(arguments.path)
    files = WeightFolder(path.parent, arguments.allow_outside)
    source, changes = locked(read_source(path), files)
    write_changes(path, source, files, changes)
    for change in changes:
        print(change)
    print(
        f"{path}: {'written; tgenn generate writes its scripts' if changes else 'says what the weights are'}"
    )
    return FINE
