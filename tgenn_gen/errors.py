"""What the user is told when something is wrong: diagnostics, each with a place and a way out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ARGUMENT = re.compile(r"`(\w+)(?:=([^`]*))?`")  # of a Python function, in a hint
OPTIONS = {
    "corrections": "correct",
    "folder": "output",
    "method": "preset",
}  # options whose names are not those of the arguments


def _as_option(argument: re.Match[str]) -> str:
    """The option of an argument: `force=True` is --force, `readout="membrane"` is --readout membrane."""
    name, value = argument.groups()
    name = OPTIONS.get(name, name).replace("_", "-")
    if value == "False":
        return f"--no-{name}"
    if value in (None, "True"):
        return f"--{name}"
    plain = re.sub(r"[()'\"]", "", value).rstrip(",")  # of a string, or of a tuple of at most one
    return f"--{name} {plain or 'none'}"


def with_options(hint: str) -> str:
    """A hint where the arguments in backquotes are options of the command line."""
    return ARGUMENT.sub(_as_option, hint)


def printable(text: str) -> str:
    """`text` with control and other unprintable characters escaped, so that it cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, order=True)
class Location:
    """A place in a file: line and column count from 1, 0 where there is none; or a Keras layer's name."""

    file: str
    line: int = 0
    column: int = 0
    layer_index: int = 0  # the layer's place in the model, for the order of diagnostics
    layer: str = ""

    def __str__(self) -> str:
        position = "".join(f":{number}" for number in (self.line, self.column) if number)
        layer = f": layer '{self.layer}'" if self.layer else ""
        return printable(f"{self.file}{position}{layer}")


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One error in the input.

    Attributes:
        location: The file with line and column, from 1; or a Keras layer, a folder, a function.
        code: T1xx the document's text and schema, T2xx its meaning, T3xx weights, T4xx Keras models,
            T5xx data, T6xx files and folders, T7xx code generation.
        message: What is wrong.
        hint: What to do; "" where there is no hint.
    """

    location: Location
    code: str
    message: str
    hint: str = ""

    @classmethod
    def at(cls, place: Location | Path | str, code: str, message: str, hint: str = "") -> Diagnostic:
        """A diagnostic at a location, or at a file, an option or a function of that name."""
        location = place if isinstance(place, Location) else Location(str(place))
        return cls(location, code, message, hint)

    def __str__(self) -> str:
        hint = f"\n  hint: {printable(self.hint)}" if self.hint else ""
        return f"{self.location}: error[{self.code}]: {printable(self.message)}{hint}"

    def for_command_line(self) -> str:
        """The same text, where an argument in the hint, `readout="membrane"`, is --readout membrane."""
        return str(replace(self, hint=with_options(self.hint)))

    def data(self) -> dict[str, Any]:
        """For JSON; None where there is no line, column or layer."""
        place = self.location
        return {
            "file": place.file,
            "line": place.line or None,
            "column": place.column or None,
            "layer": place.layer or None,
            "code": self.code,
            "message": self.message,
            "hint": with_options(self.hint),
        }


class TgennError(Exception):
    """Errors in the input: all that were found, sorted by place.

    Attributes:
        diagnostics: The errors, a tuple of `Diagnostic`. The exception's text has all of them.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic) -> None:
        found = [diagnostics] if isinstance(diagnostics, Diagnostic) else diagnostics
        self.diagnostics = tuple(sorted(set(found)))
        super().__init__("\n".join(map(str, self.diagnostics)))

    @classmethod
    def at(cls, place: Location | Path | str, code: str, message: str, hint: str = "") -> TgennError:
        """An error of one diagnostic (Diagnostic.at)."""
        return cls(Diagnostic.at(place, code, message, hint))


class MissingEngineError(Exception):
    """Something that is needed is not installed: TensorFlow, PyGeNN, scikit-learn."""
