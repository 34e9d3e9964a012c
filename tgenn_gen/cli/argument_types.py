"""Numbers on the command line: what argparse takes as a type."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgenn_gen.analysis.devices import Device

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


def sensor_shape(text: str) -> tuple[int, int, int]:
    """WIDTHxHEIGHT or WIDTHxHEIGHTxPOLARITIES of a sensor, as (height, width, polarities)."""
    if not (match := re.fullmatch("([1-9][0-9]{0,4})x([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?", text)):
        expected = "WIDTHxHEIGHT or WIDTHxHEIGHTxPOLARITIES, such as 34x34x2"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    width, height, polarities = match.groups(default="2")
    return int(height), int(width), int(polarities)


def device(text: str) -> Device:
    """A device and its joules for a synaptic operation and a neuron update: name=synop,neuron[,mac]."""
    name, _, numbers = text.partition("=")
    values = [_number(part) for part in numbers.split(",")]
    if not name.strip() or not 2 <= len(values) <= 3 or not all(0 <= v <= LARGEST for v in values):
        expected = "NAME=SYNOP,NEURON or NAME=SYNOP,NEURON,MAC with joules, such as loihi=27.1e-12,81e-12"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    from tgenn_gen.analysis.devices import Device

    synop, neuron, *mac = values
    return Device(name.strip(), synop, neuron, mac[0] if mac else None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
