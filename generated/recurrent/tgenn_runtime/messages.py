"""Errors and notes for the user of a script or of its functions."""

from __future__ import annotations

import sys
from pathlib import Path


class RunError(ValueError):
    """A network or data that cannot be simulated. The message is one line.

    status   the exit status of a script: 2 for wrong input or usage, 3 if something is not installed
    option   the wrong argument, such as batch_size: the message starts with batch_size in Python, and with
             --batch-size on the command line
    """

    def __init__(self, message: str, status: int = 2, option: str = "") -> None:
        super().__init__(printable(f"{option} {message}" if option else message))
        self.status, self.option = status, option

    def for_command_line(self) -> str:
        """The message with the option's name on the command line."""
        option = self.option.replace("_", "-")
        return f"--{option}{str(self)[len(option) :]}" if option else str(self)


def printable(text: str) -> str:
    """The text in one line, with control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """A wrong argument as Python code, or what it is."""
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def note(message: str) -> None:
    """Print one line on stderr."""
    print(f"{Path(sys.argv[0]).name}: note: {printable(message)}", file=sys.stderr)
