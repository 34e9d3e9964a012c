"""A command, and arguments that several commands take."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tgenn_gen.cli.argument_types import whole_number

if TYPE_CHECKING:
    from tgenn_gen.cli.command_parser import CommandParser
    from tgenn_gen.document.weight_files import WeightFolder
    from tgenn_gen.document.yaml_source import Source


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    example: str,
    add_options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> CommandParser:
    """Add a command to tgenn's.

    run           does the work; returns the exit status
    summary       a few words for the list of commands
    description   sentences for its --help
    example       a command, or several lines of them
    add_options   options of slow modules (CommandParser)
    """
    command: CommandParser = commands.add_parser(
        name, help=summary, description=_wrapped(description), example=example, add_options=add_options
    )
    command.add_argument("-q", "--quiet", action="store_true", help="print only results and errors")
    command.add_argument(
        "-v", "--verbose", action="store_true", help="print each step of the work with its time, on stderr"
    )
    command.set_defaults(run=run)
    return command


def _wrapped(text: str) -> str:
    """Paragraphs, wrapped."""
    import textwrap

    return "\n\n".join(textwrap.fill(paragraph, 100) for paragraph in text.split("\n\n"))


def add_document(command: argparse.ArgumentParser) -> None:
    """A document, and whether weights outside its folder are read."""
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or its folder")
    add_allow_outside(command)


def add_allow_outside(command: argparse.ArgumentParser) -> None:
    """Whether weights outside a document's folder are read, and plugins."""
    command.add_argument(
        "--allow-outside",
        action="store_true",
        help="also read weights outside the document's folder, which several documents share",
    )
    command.add_argument(
        "--plugin",
        metavar="FILE.py",
        type=Path,
        action="append",
        default=[],
        help="a Python file with a neuron kind of your own; its code is run; repeat it for several files",
    )


def add_limit(command: argparse.ArgumentParser, default: int | None = None) -> None:
    """How many examples are used; by default all."""
    words = f"the first N examples (default: {default or 'all'})"
    command.add_argument("-n", "--limit", metavar="N", type=whole_number, default=default, help=words)


def add_templates(command: argparse.ArgumentParser) -> None:
    """A folder of the user's templates."""
    command.add_argument(
        "--templates",
        metavar="DIR",
        type=Path,
        help="your own templates, which replace the built-in ones of the same name; see tgenn templates",
    )


def given_document(arguments: argparse.Namespace) -> tuple[Path, Source, WeightFolder]:
    """The given document: its path, its text and the folder of its weights. Raises TgennError (T10x)."""
    from tgenn_gen.document.reading import document_path
    from tgenn_gen.document.weight_files import WeightFolder
    from tgenn_gen.document.yaml_source import read_source

    path = document_path(arguments.path)
    return path, read_source(path), WeightFolder(path.parent, arguments.allow_outside)


def as_given(arguments: argparse.Namespace) -> str:
    """The document and its options as a message repeats them for the next command."""
    words = [str(arguments.path), *(["--allow-outside"] if arguments.allow_outside else [])]
    return shlex.join([*words, *(word for path in arguments.plugin for word in ("--plugin", str(path)))])


def load_plugins(arguments: argparse.Namespace) -> None:
    """Load the plugins that a command is given. Raises TgennError (T711)."""
    for path in getattr(arguments, "plugin", ()):
        from tgenn_gen.document.plugins import load_plugin

        load_plugin(path)
