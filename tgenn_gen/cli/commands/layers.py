"""tgenn layers: the Keras layers that are supported."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "layers", help="the Keras layers that can be converted, and what they become"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the Keras layers that are supported."""
    from tgenn_gen.conversion.layer_table import supported_table

    print(supported_table())
    return FINE
