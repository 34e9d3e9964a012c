"""Calls of classes of :mod:`tgenn_gen.runtime`, as values: the engine runs them, reference.py shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Uniform:
    """An argument of a Call: random numbers in [low, high), one for each neuron and example."""

    low: float
    high: float


class Keys:
    """An argument of a Call: the random keys of the examples of a batch (runtime.random_numbers)."""


@dataclass(frozen=True)
class Call:
    """A class of :mod:`tgenn_gen.runtime`, and the arguments to call it with.

    Arguments are numbers, strings, Tensors (for their values), Uniform or Keys.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
