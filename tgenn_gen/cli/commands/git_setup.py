"""tgenn git-setup: plain `git diff` shows what changed in .npy files, and leaves generated scripts out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("git-setup", help="let git diff show what changed in .npy files")
    command.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        default=Path(),
        help="the folder of the networks, in a git repository: its .gitattributes is written (%(default)s)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write .gitattributes and git's configuration, and say so."""
    from tgenn_gen.project.git_configuration import set_up

    for line in set_up(arguments.folder):
        print(line)
    return FINE
