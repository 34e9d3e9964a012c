"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgenn_gen.document.weight_files import WeightFolder
    from tgenn_gen.document.yaml_source import Source


def add_document(command: argparse.ArgumentParser) -> None:
    """A document, and whether weights that are not below its folder are read."""
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    add_allow_outside(command)


def add_allow_outside(command: argparse.ArgumentParser) -> None:
    """Whether weights that are not below a document's folder are read."""
    command.add_argument(
        "--allow-outside",
        action="store_true",
        help="read weights outside of the document's folder, too, as where documents share some",
    )
    add_plugins(command)


def add_plugins(command: argparse.ArgumentParser) -> None:
    """Neuron kinds of one's own."""
    command.add_argument(
        "--plugin",
        metavar="FILE.py",
        type=Path,
        action="append",
        default=[],
        help="a neuron kind of your own, which is run: see docs/plugins.md; several times for several",
    )


def given_document(arguments: argparse.Namespace) -> tuple[Path, Source, WeightFolder]:
    """The document that is given, its text and the folder of its weights. Raises TgennError (T10x)."""
    from tgenn_gen.document.reading import document_path
    from tgenn_gen.document.weight_files import WeightFolder
    from tgenn_gen.document.yaml_source import read_source

    path = document_path(arguments.path)
    return path, read_source(path), WeightFolder(path.parent, arguments.allow_outside)


def as_given(arguments: argparse.Namespace) -> str:
    """The document for another command, in a message."""
    words = [str(arguments.path), *(["--allow-outside"] if arguments.allow_outside else [])]
    return shlex.join([*words, *(word for path in arguments.plugin for word in ("--plugin", str(path)))])


def add_templates(command: argparse.ArgumentParser) -> None:
    """A folder of one's own templates."""
    command.add_argument(
        "--templates",
        metavar="DIR",
        type=Path,
        help="templates of your own, which override the built-in ones of their names: see tgenn templates",
    )
