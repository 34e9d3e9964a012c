"""tgenn migrate: a document of an older format in the current one."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document, as_given, given_document
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "migrate",
        help="bring a document of an older format to the current one",
        description="Bring a document of an older format to the current one, where it stands. Comments stay, "
        "and the network is the same.",
    )
    add_document(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rewrite a document of an older format, if it is valid; say so of one of the current format."""
    from tgenn_gen.document.canonical_text import FORMAT
    from tgenn_gen.document.reading import load_source
    from tgenn_gen.editing.migration import is_of_old_format, migrated
    from tgenn_gen.editing.text_edits import write_data

    path, source, files = given_document(arguments)
    if not is_of_old_format(source):
        load_source(source, files)
        print(f"{path}: is of the format {FORMAT}, the current one: nothing to migrate")
        return FINE
    data, written = migrated(source, files)
    write_data(path, source, data, files, written)
    print(f"{path}: brought from {source.data['format']} to {FORMAT}")
    for name in written:
        print(f"{path.parent / name}: written")
    print(f"next: tgenn generate {as_given(arguments)}")
    return FINE
