"""What commands say to their user, and their exit statuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tgenn_gen.errors import printable

FINE, DIFFERENCE, BAD_INPUT, MISSING_ENGINE = 0, 1, 2, 3


def say(text: str) -> None:
    """A line to the user on stderr."""
    print(printable(text), file=sys.stderr)


def say_without_effect(templates: Path) -> None:
    """Name the files in a folder of templates that do nothing. Raises TgennError (T702)."""
    from tgenn_gen.codegen.template_files import without_effect

    for path, hint in without_effect(templates):
        say(f"note: {path}: overrides no template, and none there names it: {hint}")


def show_progress(done: int, total: int) -> None:
    """Progress on stderr: one line that is rewritten, on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(f"\r{done}/{total} examples", end=end, file=sys.stderr, flush=True)


def takes_color() -> bool:
    """Whether stdout is a terminal whose user did not turn colours off (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
