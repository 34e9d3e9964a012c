"""What a page is made of: tables, figures and key figures, as the templates print them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import numpy as np
from markupsafe import Markup


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, or an SVG; whether it is a number; a share 0 to 1 that colours it."""

    text: str | Markup
    number: bool = True
    share: float = 0.0
    wrong: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table: what it is about, and its cells. anchor: its id on the page."""

    name: str
    cells: tuple[Cell, ...]
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption; columns are those after the first. shaded: coloured by the cells' shares."""

    caption: str
    first: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    shaded: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart or an image with its caption."""

    content: Markup
    caption: str
    title: str = ""


@dataclass(frozen=True)
class Key:
    """A key figure: a value, what it is, and a sentence that gives it a meaning."""

    name: str
    value: str
    meaning: str


def percent(share: float) -> str:
    """A share, 0 to 1, in percent."""
    return "nan" if isnan(share) else f"{100 * share:.2f} %"


def extent_of(values: np.ndarray) -> str:
    """A number, or the smallest and the largest of several."""
    low, high = float(values.min()), float(values.max())
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
