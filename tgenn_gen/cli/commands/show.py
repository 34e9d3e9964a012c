"""tgenn show: a table of a network, or the numbers of an array."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.argument_types import whole_number
from tgenn_gen.cli.arguments import add_allow_outside, add_command
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "show",
        run,
        "show a network, or an array, as a table",
        "Show the populations of a document, their synapses, and the memory that runs need on a GPU, on a "
        "CPU and in NumPy; or, of a .npy file, shape, hash, norm, mean and percentiles.",
        "tgenn show mnist\ntgenn show mnist/weights/conv2d.kernel.npy",
    )
    command.add_argument(
        "path",
        metavar="SPEC-or-FILE.npy",
        type=Path,
        help="a network.yaml, or its folder; or an array",
    )
    command.add_argument(
        "--batch-size",
        metavar="N",
        type=whole_number,
        action="append",
        help="a batch size on a GPU; repeat it for several (default: 1, 32, 128 and 512)",
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
    from tgenn_gen.codegen.lowering import lower
    from tgenn_gen.codegen.memory import BATCH_SIZES, memory_data, memory_table
    from tgenn_gen.codegen.network_table import network_data, network_table
    from tgenn_gen.document.reading import read_document

    document = read_document(arguments.path, allow_outside=arguments.allow_outside)
    network = document.network
    memory = memory_data(network, lower(document), arguments.batch_size or BATCH_SIZES)
    if arguments.json:
        print(json.dumps({**network_data(network), "memory": memory}, indent=2))
    else:
        print(f"{network_table(network)}\n\n{memory_table(memory)}")
    return FINE
