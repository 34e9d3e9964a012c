"""tgenn diff: what differs between two documents."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tgenn_gen.cli.arguments import add_allow_outside, add_command
from tgenn_gen.cli.console import DIFFERENCE, FINE, takes_color


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "diff",
        run,
        "show what differs between two documents",
        "Show what document B changes of document A: populations, inputs and outputs that were added, "
        "removed or renamed, fields, and weights: how many elements changed, by how much and where. The "
        "exit status is 1 if there is a difference.",
        "tgenn diff mnist few_spike",
    )
    what = "a network.yaml, or its folder; or either in a git revision, REVISION:path"
    command.add_argument("before", metavar="A", help=what)
    command.add_argument("after", metavar="B", help="the same")
    command.add_argument("--json", action="store_true", help="print the differences as JSON")
    add_allow_outside(command)


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
        print(painted(text) if takes_color(sys.stdout) else text)
    else:
        print("no differences")
    return DIFFERENCE if diff else FINE
