"""tgenn set: values of a document changed from a script."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document, given_document
from tgenn_gen.cli.console import FINE
from tgenn_gen.errors import printable


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("set", help="change values of a document, and nothing else in its text")
    add_document(command)
    command.add_argument(
        "edits",
        metavar="PATH=VALUE",
        nargs="+",
        help="such as conv2d.neuron.threshold=0.8, simulation.timesteps=32, conv2d.inputs.0.from=image",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Change values, all or none."""
    from tgenn_gen.editing.set_values import edited
    from tgenn_gen.editing.text_edits import write_data

    path, source, files = given_document(arguments)
    data, changes = edited(source, arguments.edits)
    write_data(path, source, data, files)
    for change in changes:
        print(printable(change))
    print(
        f"{path}: {'written; tgenn generate writes its scripts' if changes else 'has these values already'}"
    )
    return FINE
