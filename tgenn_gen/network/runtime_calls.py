"""Calls of classes of :mod:`tgenn_gen.runtime`: the engine makes them, reference.py prints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Uniform:
    """Random numbers in [low, high), one a neuron and example, as an argument of a Call."""

    low: float
    high: float


class Keys:
    """The random keys of a batch's examples (runtime.random_numbers), as an argument of a Call."""


@dataclass(frozen=True)
class Call:
    """A class of :mod:`tgenn_gen.runtime` and its arguments: the engine calls it, reference.py says so.

    Arguments are numbers, strings, Tensors (their values), Uniform, Keys, or functions of the number of
    time steps.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
