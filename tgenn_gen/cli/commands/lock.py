"""tgenn lock: shapes and hashes of weights that were changed by hand."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document, as_given, given_document
from tgenn_gen.cli.console import FINE, inform


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "lock",
        run,
        "accept weights that were changed",
        "Write the shapes of the .npy files, as they are now, into the document, and their hashes into "
        "weights/SHA256SUMS. Floats of another type or order, such as float64, are cast to float32 in C "
        "order.",
        "tgenn lock mnist",
    )
    add_document(command)


def run(arguments: argparse.Namespace) -> int:
    """Bring the document up to date with its weight files."""
    from tgenn_gen.editing.lock_weights import locked
    from tgenn_gen.editing.text_edits import write_data

    path, source, files = given_document(arguments)
    data, written, changes = locked(source, files)
    write_data(path, source, data, files, written)
    for change in changes:
        inform(change)
    done = (
        f"written; next: tgenn generate {as_given(arguments)}"
        if changes
        else "is up to date with the weights"
    )
    inform(f"{path}: {done}")
    return FINE
