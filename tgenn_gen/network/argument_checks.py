"""Checks the arguments of the Python functions: a value of a wrong type is named, with what was expected."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import NoneType
from typing import Any

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.network.model import Network

Wrong = tuple[str, str]  # a message and a hint
LONGEST = 60  # characters of a value in a message


def shown(value: object) -> str:
    """A value as Python code, or what it is."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | float | str | list | tuple):
        text = repr(value)
        if len(text) <= LONGEST:
            return text
        if isinstance(value, str):
            return f"{text[: LONGEST - 4]}...'"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def whole_number(
    name: str, value: object, low: int, high: int | None = None, *, optional: bool = False
) -> Iterator[Wrong]:
    """What is wrong if the argument is not a whole number, a Python int or NumPy's, in this range."""
    if value is None and optional:
        return
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        yield f"{name} is {shown(value)}, expected a whole number", _as_number(value)
    elif value < low:
        yield f"{name} is {value}, expected at least {low}", ""
    elif high is not None and value > high:
        yield f"{name} is {value}, expected at most {high}", ""


def positive_number(name: str, value: object, *, optional: bool = False) -> Iterator[Wrong]:
    """What is wrong if the argument is not a finite number above 0."""
    if value is None and optional:
        return
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (is_number and 0 < value < math.inf):  # type: ignore[operator]
        yield f"{name} is {shown(value)}, expected a number above 0", _as_number(value, whole=False)


def _as_number(value: object, *, whole: bool = True) -> str:
    """A hint for a text or a float that is a number above 0, or a whole one."""
    if not isinstance(value, str | float | np.floating):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not 0 < number < math.inf or (whole and not number.is_integer()):
        return ""
    return f"write {int(number) if number.is_integer() else number}"


def list_of_names(name: str, value: object, *, optional: bool = False) -> Iterator[Wrong]:
    """What is wrong if the argument is not a list or another collection of names."""
    if value is None and optional:
        return
    if isinstance(value, str):
        yield f"{name} is {shown(value)}, expected a list of names", f"write {[value]!r}"
    elif not isinstance(value, Collection) or isinstance(value, Mapping):
        yield f"{name} is {shown(value)}, expected a list of names", ""
    elif strange := [item for item in value if not isinstance(item, str)]:
        yield f"{name} has {shown(strange[0])}, expected names", ""


def file_path(name: str, value: object, *, optional: bool = False) -> Iterator[Wrong]:
    """What is wrong if the argument is not a path: text or a pathlib.Path."""
    if not (isinstance(value, str | os.PathLike) or (value is None and optional)):
        yield f"{name} is {shown(value)}, expected a path", ""


def a_network(value: object) -> Iterator[Wrong]:
    """What is wrong if the argument `network` is not a Network."""
    if not isinstance(value, Network):
        hint = "convert a Keras model with tgenn_gen.convert"
        if isinstance(value, str | os.PathLike):
            hint = f"read it: tgenn_gen.load({str(value)!r})"
        yield f"network is {shown(value)}, expected a Network", hint


def require(place: str, code: str, *found: Iterable[Wrong]) -> None:
    """Raise TgennError with all that is wrong."""
    if wrong := [Diagnostic.at(Location(place), code, *each) for part in found for each in part]:
        raise TgennError(wrong)


def as_array(name: str, value: Any, place: str) -> np.ndarray:
    """The array of an argument: also of lists, and other libraries' tensors. Raises TgennError (T503)."""
    if isinstance(value, np.ndarray):
        return value
    hint = ""
    if not isinstance(value, str | bytes | Mapping | type | NoneType):
        try:
            array = np.asarray(value)
        except Exception as error:  # whatever the tensors of other libraries raise
            hint = f"NumPy says: {' '.join(str(error).split())[:200]}"
        else:
            if array.ndim and array.dtype != object:
                return array
    message = f"{name} is {shown(value)}, which is not an array of numbers"
    raise TgennError.at(place, "T503", message, hint)
