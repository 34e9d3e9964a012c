"""tgenn demo: the whole path on real data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("demo", help="train, convert and run a small network on real data")
    command.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("tgenn_demo"), help="(%(default)s)"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The whole path on real data."""
    from tgenn_gen.cli.demo_network import run_demo

    run_demo(arguments.output)
    return FINE
