"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path


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


def add_templates(command: argparse.ArgumentParser) -> None:
    """A folder of one's own templates."""
    command.add_argument(
        "--templates",
        metavar="DIR",
        type=Path,
        help="templates of your own, which override the built-in ones of their names: see tgenn templates",
    )
