"""tgenn show: a table of a network, or the numbers of an array."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_allow_outside, add_command
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "show",
        run,
        "show a network, or an array, as a table",
        "Show the populations of a document, their synapses and the memory that they need on GeNN; or, of a "
        ".npy file, shape, hash, norm, mean and percentiles.",
        "tgenn show mnist\ntgenn show mnist/weights/conv2d.kernel.npy",
    )
    command.add_argument(
        "path",
        metavar="SPEC-or-FILE.npy",
        type=Path,
        help="a network.yaml, or its folder; or an array",
    )
    command.add_argument("--json", action="store_true", help="print the numbers as JSON")
    add_allow_outside(command)


def run(arguments: argparse.Namespace) -> int:
    """Print a table of the network, or of an array's numbers; or the same as JSON."""
    import json

    if arguments.path.suffix == ".npy" and not arguments.path.is_dir():
        from tgenn_gen.diff.array_summary import array_data, array_text

        data = array_data(arguments.path)
        print(json.dumps(data, indent=2) if arguments.json else array_text(data))
        return FINE
    from tgenn_gen.codegen.network_table import network_data, network_table
    from tgenn_gen.document.reading import load

    network = load(arguments.path, allow_outside=arguments.allow_outside)
    print(json.dumps(network_data(network), indent=2) if arguments.json else network_table(network))
    return FINE
