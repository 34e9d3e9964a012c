"""tgenn templates: the templates that scripts are made by, and copies of them to change."""

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
        "templates",
        run,
        "list the templates, or copy them",
        "List the templates of the scripts, or copy them so that you can change them. Templates are code "
        "and can do whatever Python can: use only templates that you trust.",
        "tgenn templates --eject my_templates\ntgenn generate mnist --templates my_templates",
    )
    command.add_argument(
        "--eject",
        metavar="DIR",
        type=Path,
        help="copy them into DIR, without replacing files; change some, delete the others, and give DIR to "
        "tgenn generate or tgenn export with --templates",
    )


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
    inform(f"{arguments.eject}: {len(TEMPLATES)} templates")
    return FINE
