"""argparse as tgenn uses it: no abbreviations, and errors that say what to do."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any, NoReturn

from tgenn_gen.cli.console import painted
from tgenn_gen.errors import printable

NEGATIVE_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$|-inf$", re.IGNORECASE)


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
        self._negative_number_matcher = NEGATIVE_NUMBER  # argparse's own takes -1e-3 for an option
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
        for word in self._own_words(sys.argv[1:] if args is None else args):
            self._require_known(word)  # before argparse misses the option that was misspelt
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._end(f"unexpected argument {unknown[0]}", "put all arguments before the options,")
        return found, unknown

    def _own_words(self, args: Sequence[str]) -> Iterable[str]:
        """The arguments up to -- or, in tgenn's own parser, up to the command."""
        if self._subparsers is not None:
            return takewhile(lambda word: word.startswith("-"), args)
        return takewhile(lambda word: word != "--", args)

    def _require_known(self, word: str) -> None:
        """End if a word is an option that this command does not have; values of -x may follow it directly."""
        option, known = word.split("=")[0], self._option_string_actions
        is_option = option.startswith("-") and option != "-" and not NEGATIVE_NUMBER.match(option)
        if is_option and option not in known and (option.startswith("--") or option[:2] not in known):
            self._end(f"unknown option {option}", did_you_mean(option, known))

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
        hint = printable(f"{hint}see {self.prog} --help")
        self.exit(2, painted(f"{self.prog}: error: {printable(message)}\n  hint: {hint}\n", sys.stderr))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the closest of the known words; "" if none is close. Dashes do not count."""
    words = {name.lstrip("-"): name for name in known}
    close = [words[name] for name in get_close_matches(word.lstrip("-"), words, n=1)]
    return f"did you mean {close[0]}?" if close else ""
