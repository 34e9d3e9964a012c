"""argparse as tgenn uses it: no abbreviations, and errors that say what to do."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """The parser of tgenn, or of one of its commands.

    example      commands to show at the end of --help
    add_options  adds options whose modules take long to import, when the command is chosen
    """

    def __init__(
        self,
        *,
        example: str = "",
        add_options: Callable[[argparse.ArgumentParser], None] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(
            allow_abbrev=False,  # an abbreviation in a script would break when an option is added
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **keywords,
        )
        self.example = example
        self._add_options = add_options
        if example:
            self.epilog = "\n  ".join(["example:", *example.splitlines()])

    def add_all_options(self) -> None:
        """Add the options that wait until the command is chosen."""
        add_options, self._add_options = self._add_options, None
        if add_options is not None:
            add_options(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's; but an unknown argument is an error of this command, not of tgenn."""
        self.add_all_options()
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].split("=")[0]
            kind = "option" if word.startswith("-") else "argument"
            options = [name for action in self._actions for name in action.option_strings]
            self._end(f"unknown {kind} {word}", did_you_mean(word, options))
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """End with status 2 and a message that names the option."""
        message = re.sub("^argument ", "", message)
        choice = re.fullmatch(r"(\S+): invalid choice: '(.*)' \(choose from (.*)\)", message)
        if choice is None:
            self._end(message)
        what, given, names = choice[1], choice[2], choice[3].replace("'", "").split(", ")
        if what == "COMMAND":
            self._end(f"there is no command '{given}'", did_you_mean(given, names))
        self._end(f"{what}: expected {', '.join(names)}, got '{given}'", did_you_mean(given, names))

    def _end(self, message: str, hint: str = "") -> NoReturn:
        hint = f"{hint} " if hint else ""
        self.exit(2, f"{self.prog}: error: {message}\n  hint: {hint}see {self.prog} --help\n")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the closest of the known words; "" if none is close. Dashes do not count."""
    words = {name.lstrip("-"): name for name in known}
    close = [words[name] for name in get_close_matches(word.lstrip("-"), words, n=1)]
    return f"did you mean {close[0]}?" if close else ""
