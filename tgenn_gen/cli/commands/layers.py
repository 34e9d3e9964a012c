"""tgenn layers: the Keras layers that are supported."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_command
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    add_command(
        commands,
        "layers",
        run,
        "list the Keras layers that can be converted",
        "List the Keras layers that can be converted, and what they become, as a Markdown table.",
        "tgenn layers",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the Keras layers that are supported."""
    from tgenn_gen.conversion.layer_table import supported_table

    print(supported_table())
    return FINE
