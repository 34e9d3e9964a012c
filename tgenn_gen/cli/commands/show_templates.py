"""tgenn templates: the templates that scripts are made by, and copies of them to change."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "templates",
        help="the templates of the scripts, and copies to change",
        description="List the templates of the scripts, or copy them to change them. Templates are code, as "
        "scripts are, and can do whatever Python can: use only those that you trust.",
    )
    command.add_argument(
        "--eject",
        metavar="DIR",
        type=Path,
        help="copy them into DIR, over no file that is there: change some, delete the others, and "
        "give DIR to tgenn generate, or to tgenn-export, with --templates",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the templates, or copy them out."""
    from tgenn_gen.codegen.template_files import BUILT_IN, TEMPLATES

    if arguments.eject is None:
        width = max(map(len, TEMPLATES))
        for name, purpose in TEMPLATES.items():
            print(f"{name:{width}}  {purpose}")
        return FINE
    from tgenn_gen.project.writing import write_new_files

    write_new_files(arguments.eject, {name: (BUILT_IN / name).read_bytes() for name in TEMPLATES})
    print(f"{arguments.eject}: {len(TEMPLATES)} templates")
    return FINE
