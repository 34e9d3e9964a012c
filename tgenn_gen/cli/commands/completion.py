"""tgenn completion: a script that completes tgenn's commands and options in a shell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_command
from tgenn_gen.cli.console import FINE
from tgenn_gen.errors import MissingEngineError

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "completion",
        run,
        "complete commands and options in a shell",
        "Print a script that completes commands, options and files in a shell. Needs shtab.",
        "tgenn completion bash > tgenn_completion.sh",
    )
    command.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError:
        raise MissingEngineError(
            "tgenn completion needs shtab: pip install 'tgenn-gen[completion]'"
        ) from None
    top = arguments.parser()
    commands = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    commands.help = "a command"  # shtab leaves out what the help leaves out
    for command in [top, *commands.choices.values()]:
        command.add_all_options()
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE
    print(shtab.complete(top, arguments.shell))
    return FINE
