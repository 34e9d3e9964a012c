"""tgenn lock: shapes and hashes of weights that were changed by hand."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document, given_document
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "lock",
        help="write shapes and hashes of weights as their files are now",
        description="Write the shapes of weights into a document, and their hashes into weights/SHA256SUMS, "
        "as the .npy files are now. Floats of another type or order, such as float64, are cast to float32 in "
        "C order.",
    )
    add_document(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Bring the document up to date with its weight files."""
    from tgenn_gen.editing.lock_weights import locked
    from tgenn_gen.editing.text_edits import write_data

    path, source, files = given_document(arguments)
    data, written, changes = locked(source, files)
    write_data(path, source, data, files, written)
    for change in changes:
        print(change)
    is_new = "written; tgenn generate writes its scripts"
    print(f"{path}: {is_new if changes else 'says what the weights are'}")
    return FINE
