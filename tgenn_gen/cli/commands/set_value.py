"""tgenn set: values of a document changed from a script."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document, as_given, given_document
from tgenn_gen.cli.console import FINE, inform


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "set",
        run,
        "change values of a document",
        "Change values of a document, all or none, and nothing else in its text. PATH is the name of an "
        "input, population or output, or a field of the document, followed by fields and list indices (from "
        "0) between dots. VALUE is YAML. A result that tgenn check would refuse is not written.",
        "tgenn set mnist conv2d.neuron.threshold=0.9 simulation.timesteps=8",
    )
    add_document(command)
    command.add_argument(
        "edits",
        metavar="PATH=VALUE",
        nargs="+",
        help="such as conv2d.neuron.threshold=0.8, classes.readout=membrane, conv2d.inputs.0.from=image",
    )


def run(arguments: argparse.Namespace) -> int:
    """Change values, all or none."""
    from tgenn_gen.editing.set_values import edited
    from tgenn_gen.editing.text_edits import write_data

    path, source, files = given_document(arguments)
    data, changes = edited(source, arguments.edits)
    write_data(path, source, data, files)
    for change in changes:
        inform(change)
    done = f"written; next: tgenn generate {as_given(arguments)}" if changes else "has these values already"
    inform(f"{path}: {done}")
    return FINE
