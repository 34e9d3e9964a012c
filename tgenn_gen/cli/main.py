"""The commands tgenn and tgenn-export. Heavy imports wait until a command needs them."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from tgenn_gen.cli.arguments import load_plugins
from tgenn_gen.cli.command_parser import CommandParser
from tgenn_gen.cli.commands import (
    check,
    completion,
    demo,
    evaluate,
    example_data,
    export,
    fmt,
    frames,
    generate,
    git_setup,
    layers,
    lock,
    merge,
    migrate,
    report,
    run_sweep,
    set_value,
    show,
    show_diff,
    show_plan,
    show_templates,
    verify,
)
from tgenn_gen.cli.console import BAD_INPUT, FINE, MISSING_ENGINE, diagnostic, error, set_verbosity
from tgenn_gen.errors import Diagnostic, MissingEngineError, TgennError
from tgenn_gen.runtime import __version__
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.mpi_ranks import ALONE, ranks_of_run

GROUPS = {  # in the order of the help
    "convert": (export, check, layers, demo),
    "edit a document": (set_value, fmt, lock, migrate),
    "look and compare": (show, show_diff, evaluate, verify, report, git_setup),
    "scripts": (generate, merge, run_sweep, frames, example_data, show_templates, show_plan),
    "shell": (completion,),
}


def parser() -> CommandParser:
    """tgenn's options."""
    top = CommandParser(
        prog="tgenn",
        usage="tgenn [-h] [--version] COMMAND ...",
        description="Convert trained Keras models to spiking networks on GeNN, and work with the result.",
        example="tgenn export model.keras --calibration train.npz -o my_network",
    )
    top.add_argument("--version", action="version", version=f"tgenn {__version__}")
    commands = top.add_subparsers(prog="tgenn", metavar="COMMAND", help=argparse.SUPPRESS)
    lines = []
    for title, group in GROUPS.items():
        lines.append(f"\n{title}:")
        for module in group:
            module.add(commands)
            summary = commands._choices_actions[-1]  # of argparse: name and help of a command
            lines.append(f"  {summary.dest:12}{summary.help}")
    top.set_defaults(parser=parser)  # for tgenn completion
    top.epilog = "\n".join(["commands:", *lines, "", str(top.epilog), "", "tgenn COMMAND --help has more."])
    return top


def _guarded(run: Callable[[], int]) -> int:
    """Run a command; what is wrong goes to stderr, and into the exit status."""
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()  # here, where a closed pipe is expected
    except TgennError as problem:
        for found in problem.diagnostics:
            diagnostic(found)
        return BAD_INPUT
    except RunError as problem:
        error(problem.for_command_line())
        return problem.status
    except MissingEngineError as problem:
        error(str(problem))
        return MISSING_ENGINE
    except KeyboardInterrupt:
        error("interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's flush at the end
        return FINE
    except MemoryError:
        diagnostic(Diagnostic.at("memory", "T604", "there is not enough memory"))
        return BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """The command tgenn. Returns the exit status; argparse ends the process for bad usage and --help."""

    ranks = ALONE

    def run() -> int:
        nonlocal ranks
        top = parser()
        arguments = top.parse_args(argv)
        if not hasattr(arguments, "run"):
            top.print_help()
            return FINE
        set_verbosity(arguments.quiet, arguments.verbose)
        if not getattr(arguments, "loads_plugins", False):
            load_plugins(arguments)
        if getattr(arguments, "shared_by_ranks", False):
            ranks = arguments.ranks = ranks_of_run()
        with ranks.one_voice():
            status: int = arguments.run(arguments)
        return status

    try:
        status = _guarded(run)
    except Exception:
        if ranks.size > 1:
            traceback.print_exc()
            ranks.end_all(1)
        raise
    if status != FINE:
        ranks.end_all(status)
    return status


def export_main(argv: Sequence[str] | None = None) -> int:
    """The command tgenn-export, which is tgenn export."""
    return main(["export", *(sys.argv[1:] if argv is None else argv)])
