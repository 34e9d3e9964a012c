"""tgenn demo: the whole path on real data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_command
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "demo",
        run,
        "train, convert and run a small network",
        "Train a small CNN on the digits of scikit-learn, convert it, run it and print what was lost. Takes "
        "about a minute.",
        "tgenn demo",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("tgenn_demo"),
        help="the folder to write, which must be new (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """The whole path on real data."""
    from tgenn_gen.cli.demo_network import run_demo

    run_demo(arguments.output)
    return FINE
