"""tgenn generate: the scripts of a document."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_document, add_templates, as_given
from tgenn_gen.cli.console import DIFFERENCE, FINE, say, say_without_effect


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser(
        "generate", help="write simulate.py, model.cc and reference.py beside a document"
    )
    add_document(command)
    command.add_argument(
        "--target", default="pygenn,cpp,numpy", metavar="NAMES", help="which of %(default)s (all)"
    )
    add_templates(command)
    command.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if a script is missing, not up to date or edited by hand",
    )
    command.add_argument("--force", action="store_true", help="write anew what was edited by hand, too")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Generate the scripts, or check that they are up to date."""
    from tgenn_gen.codegen.departures import departures
    from tgenn_gen.codegen.lowering import lower
    from tgenn_gen.codegen.rendering import render
    from tgenn_gen.document.reading import document_path, read_document
    from tgenn_gen.project import writing

    document = read_document(arguments.path, allow_outside=arguments.allow_outside)
    folder = document_path(arguments.path).parent
    targets = tuple(t for t in arguments.target.split(",") if t)
    given = as_given(arguments)
    if arguments.templates is not None:
        given += f" --templates {arguments.templates}"
        say_without_effect(arguments.templates)
        rendered = render(document, targets, arguments.templates)
        for departure in departures(lower(document), rendered):
            say(f"note: {departure}")
    if arguments.check:
        stale = writing.stale_scripts(document, folder, targets, arguments.templates)
        for path, reason in stale.items():
            say(f"{path}: {reason}")
        if stale:
            say(f"tgenn generate {given} writes them anew; with --force also what was edited by hand")
        return DIFFERENCE if stale else FINE
    changed = writing.write_scripts(document, folder, targets, arguments.templates, force=arguments.force)
    for path in changed:
        print(f"{path}: written")
    if not changed:
        print("all scripts are up to date")
    return FINE
