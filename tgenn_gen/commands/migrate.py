"""tgenn migrate: a document of an older format in the current one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.commands.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("migrate", help="bring a document of an older format to the current one")
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say that a document is of the current format, the only one so far; another one is refused."""
    from tgenn_gen.document import load
    from tgenn_gen.spec import FORMAT

    load(arguments.path)
    print(f"{arguments.path}: is of the format {FORMAT}, the current one: nothing to migrate")
    return FINE
