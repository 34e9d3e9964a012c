"""What commands print, and their exit statuses.

Results go to stdout, all else to stderr. With --quiet only results and errors are printed.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import TextIO

from tgenn_gen.errors import Diagnostic, printable, with_options

FINE, DIFFERENCE, BAD_INPUT, MISSING_ENGINE = 0, 1, 2, 3

_COLORS = {"error": "1;31", "note": "1;36", "hint": "1"}
_quiet = False


def set_verbosity(quiet: bool, verbose: bool) -> None:
    """quiet: no notes, progress or advice. verbose: also each step of the work, with its time in seconds."""
    global _quiet
    _quiet = quiet
    logger = logging.getLogger("tgenn_gen")
    logger.handlers = [_Console()]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)


class _Console(logging.Handler):
    """Prints warnings as notes, and steps of the work with their time."""

    def emit(self, record: logging.LogRecord) -> None:
        text = with_options(record.getMessage())
        if record.levelno >= logging.WARNING:
            note(text)
        else:
            print(f"{record.relativeCreated / 1000:7.2f} s  {printable(text)}", file=sys.stderr)


def error(text: str) -> None:
    """An error that has no place or code, on stderr."""
    print(painted(f"error: {printable(text)}", sys.stderr), file=sys.stderr)


def diagnostic(found: Diagnostic) -> None:
    """An error with its place, code and hint, on stderr."""
    print(painted(found.for_command_line(), sys.stderr), file=sys.stderr)


def note(text: str) -> None:
    """Something that the user should know, on stderr."""
    if not _quiet:
        print(painted(f"note: {printable(text)}", sys.stderr), file=sys.stderr)


def inform(text: str) -> None:
    """What was done, or could be done next, on stdout."""
    if not _quiet:
        print(printable(text))


def note_unused_templates(templates: Path) -> None:
    """Name the files in a folder of templates that no template uses. Raises TgennError (T702)."""
    from tgenn_gen.codegen.template_files import without_effect

    for path, hint in without_effect(templates):
        note(f"{path}: overrides no template, and none there names it: {hint}")


def show_progress(done: int, total: int, unit: str = "examples") -> None:
    """Progress on stderr: one line that is rewritten, on a terminal only."""
    if sys.stderr.isatty() and not _quiet:
        end = "\n" if done >= total else ""
        print(f"\r{done}/{total} {unit}", end=end, file=sys.stderr, flush=True)


def takes_color(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user did not turn colours off (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def painted(text: str, stream: TextIO) -> str:
    """The words error, note and hint in colour, where the stream takes it."""
    if not takes_color(stream):
        return text

    def paint(match: re.Match[str]) -> str:
        return f"{match[1]}\033[{_COLORS[match[2]]}m{match[2]}{match[3]}:\033[0m"

    return re.sub(r"^(.*?)(error|note|hint)(\[T\d+\]|):", paint, text, flags=re.M)
