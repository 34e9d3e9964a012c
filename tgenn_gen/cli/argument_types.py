"""Numbers on the command line: what argparse takes as a type."""

from __future__ import annotations

import argparse
import re

SMALLEST, LARGEST = 1e-30, 1e30  # what float32 holds with room to spare


def positive_number(text: str) -> float:
    """A number above 0."""
    value = _number(text)
    if not SMALLEST <= value <= LARGEST:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def finite_number(text: str) -> float:
    """A number of either sign."""
    value = _number(text)
    if not abs(value) <= LARGEST:
        raise argparse.ArgumentTypeError(f"expected a number of at most {LARGEST:g}, got {text!r}")
    return value


def whole_number(text: str) -> int:
    """A whole number above 0."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def seed_number(text: str) -> int:
    """A whole number of 0 to 2^32 - 1."""
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 to 2^32 - 1, got {text!r}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
