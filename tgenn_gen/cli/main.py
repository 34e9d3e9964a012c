"""The commands tgenn-export and tgenn. Heavy imports wait until a command needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tgenn_gen.cli.commands import (
    check,
    demo,
    evaluate,
    example_data,
    export,
    fmt,
    generate,
    git_setup,
    layers,
    lock,
    migrate,
    set_value,
    show,
    show_diff,
    show_plan,
    show_templates,
)
from tgenn_gen.cli.console import BAD_INPUT, FINE, MISSING_ENGINE, say
from tgenn_gen.errors import Diagnostic, MissingEngineError, TgennError
from tgenn_gen.runtime import __version__
from tgenn_gen.runtime.messages import RunError

COMMANDS = (  # in the order of the help
    check,
    fmt,
    set_value,
    lock,
    migrate,
    layers,
    generate,
    show,
    show_diff,
    git_setup,
    evaluate,
    example_data,
    show_plan,
    show_templates,
    demo,
)


def parser() -> argparse.ArgumentParser:
    """tgenn's options."""
    top = argparse.ArgumentParser(
        prog="tgenn",
        description="Spiking network documents: check them, show them, generate code from them.",
        epilog="tgenn-export MODEL makes a document of a Keras model: see tgenn-export --help.",
    )
    top.add_argument("--version", action="version", version=f"tgenn {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return top


def _guarded(run: Callable[[], int]) -> int:
    """Run a command; what is wrong goes to stderr, and into the exit status."""
    try:
        return run()
    except TgennError as error:
        for diagnostic in error.diagnostics:
            print(diagnostic, file=sys.stderr)
        return BAD_INPUT
    except RunError as error:
        say(f"error: {error}")
        return error.status
    except MissingEngineError as error:
        say(f"error: {error}")
        return MISSING_ENGINE
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return FINE
    except MemoryError:
        print(Diagnostic.at("memory", "T604", "there is not enough memory"), file=sys.stderr)
        return BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """The command tgenn."""
    arguments = parser().parse_args(argv)

    def run() -> int:
        if plugins := getattr(arguments, "plugin", ()):
            from tgenn_gen.document.plugins import load_plugin

            for path in plugins:
                load_plugin(path)
        status: int = arguments.run(arguments)
        return status

    return _guarded(run)


def export_main(argv: Sequence[str] | None = None) -> int:
    """The command tgenn-export."""
    arguments = export.parser().parse_args(argv)
    return _guarded(lambda: export.run(arguments))
