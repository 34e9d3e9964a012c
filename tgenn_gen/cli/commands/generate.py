"""tgenn generate: the scripts of a document."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document, add_templates, as_given
from tgenn_gen.cli.console import DIFFERENCE, FINE, inform, note, note_unused_templates
from tgenn_gen.errors import printable


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "generate",
        run,
        "write the scripts of a document",
        "Write simulate.py (PyGeNN), model.cc (GeNN, C++) and reference.py (NumPy), and the files that they "
        "need, beside a document. A script that was edited by hand is kept, unless --force is given.",
        "tgenn generate mnist\ntgenn generate mnist --check",
    )
    add_document(command)
    command.add_argument(
        "--target",
        default="pygenn,cpp,numpy",
        metavar="NAMES",
        help="which of them, separated by commas (default: %(default)s)",
    )
    add_templates(command)
    command.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if a script is missing, out of date or edited by hand",
    )
    command.add_argument("--force", action="store_true", help="also replace scripts that were edited by hand")


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
        note_unused_templates(arguments.templates)
        rendered = render(document, targets, arguments.templates)
        for departure in departures(lower(document), rendered):
            note(str(departure))
    if arguments.check:
        stale = writing.stale_scripts(document, folder, targets, arguments.templates)
        for path, reason in stale.items():
            print(printable(f"{path}: {reason}"))
        if stale:
            note(f"tgenn generate {given} writes them again; with --force also those edited by hand")
        return DIFFERENCE if stale else FINE
    changed = writing.write_scripts(document, folder, targets, arguments.templates, force=arguments.force)
    for path in changed:
        inform(f"{path}: written")
    if not changed:
        inform("all scripts are up to date")
    return FINE
