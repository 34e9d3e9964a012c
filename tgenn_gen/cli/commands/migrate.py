"""tgenn migrate: a document of an older format in the current one."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document, as_given, given_document
from tgenn_gen.cli.console import FINE, inform


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "migrate",
        run,
        "convert a document of an older format",
        "Convert a document of an older format to the current one, in place. Comments stay, and the network "
        "stays the same.",
        "tgenn migrate mnist",
    )
    add_document(command)


def run(arguments: argparse.Namespace) -> int:
    """Rewrite a document of an older format, if it is valid; say so of one of the current format."""
    from tgenn_gen.document.canonical_text import FORMAT
    from tgenn_gen.document.reading import load_source
    from tgenn_gen.editing.migration import is_of_old_format, migrated
    from tgenn_gen.editing.text_edits import write_data

    path, source, files = given_document(arguments)
    if not is_of_old_format(source):
        load_source(source, files)
        inform(f"{path}: has the current format, {FORMAT}: nothing to do")
        return FINE
    data, written = migrated(source, files)
    write_data(path, source, data, files, written)
    inform(f"{path}: converted from {source.data['format']} to {FORMAT}")
    for name in written:
        inform(f"{path.parent / name}: written")
    inform(f"next: tgenn generate {as_given(arguments)}")
    return FINE
