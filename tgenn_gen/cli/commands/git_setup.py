"""tgenn git-setup: plain `git diff` shows what changed in .npy files, and leaves generated scripts out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_command
from tgenn_gen.cli.console import FINE, inform


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "git-setup",
        run,
        "let git diff show changes of .npy files",
        "Set up a git repository so that plain git diff, git show and git log -p show .npy files as text, "
        "and leave tgenn_runtime/ out. Adds lines to .gitattributes and .gitignore in FOLDER, which you "
        "commit, and sets diff.tgenn-npy.textconv in this clone. Run it once in each clone.",
        "tgenn git-setup mnist",
    )
    command.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        default=Path(),
        help="the folder of the networks, in a git repository (default: the current folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write .gitattributes and git's configuration, and say so."""
    from tgenn_gen.project.git_configuration import set_up

    for line in set_up(arguments.folder):
        inform(line)
    return FINE
