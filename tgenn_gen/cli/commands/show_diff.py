"""tgenn diff: what differs between two documents."""

from __future__ import annotations

import argparse
from typing import Any

from tgenn_gen.cli.arguments import add_allow_outside
from tgenn_gen.cli.console import DIFFERENCE, FINE, takes_color


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("diff", help="what differs between two documents; exit 1 if anything does")
    what = "a network.yaml, or its folder; or either in a git revision: REV:path"
    command.add_argument("before", metavar="A", help=what)
    command.add_argument("after", metavar="B", help="the same")
    command.add_argument("--json", action="store_true", help="print the differences as JSON")
    add_allow_outside(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the differences."""
    import json

    from tgenn_gen.diff.diff_report import diff_data, diff_text, painted
    from tgenn_gen.diff.network_diff import diff_networks
    from tgenn_gen.diff.revisions import load_both

    networks = load_both(arguments.before, arguments.after, allow_outside=arguments.allow_outside)
    diff = diff_networks(*networks)
    if arguments.json:
        print(json.dumps(diff_data(diff), indent=2))
    elif diff:
        text = diff_text(diff)
        print(painted(text) if takes_color() else text)
    else:
        print("no differences")
    return DIFFERENCE if diff else FINE
