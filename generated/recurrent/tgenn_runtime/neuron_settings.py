"""Neuron parameters that a user sets: --set POPULATION.NAME=VALUE, or net.set(population, name=value)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from .messages import RunError
from .neuron_updates import MAX_STEPS
from .random_numbers import Drawn

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NeuronSettings:
    """values: {population: {parameter: value}}, with the names of the arguments in reference.py."""

    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def with_values(self, population: str, values: Mapping[str, Any]) -> NeuronSettings:
        """These settings and some more. Raises RunError where a value is not a finite float32."""
        for name, value in values.items():
            if not _is_number(value) or not isfinite(value) or abs(value) > LARGEST:
                raise _error(population, name, value, "expected a number")
        numbers = {name: float(value) for name, value in values.items()}
        return NeuronSettings({**self.values, population: {**self.values.get(population, {}), **numbers}})

    def applied(self, population: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A population's parameters with the values that were set. Raises RunError where they do not fit.

        Random numbers between v_rest and threshold are drawn between the new values.
        """
        changed = self.values.get(population, {})
        possible = [name for name, value in parameters.items() if _is_number(value)]
        for name, value in changed.items():
            if name not in possible:
                expected = f"expected one of {', '.join(possible)}" if possible else "has no parameters"
                raise _error(population, name, value, expected)
        new = {**parameters, **changed}
        if _above_rest(parameters) and not _above_rest(new):
            limit = f"v_rest, {new['v_rest']:g}" if "v_rest" in new else "0"
            raise _error(population, "threshold", new["threshold"], f"expected a threshold above {limit}")
        if new.get("negative_threshold", 0.0) > 0:
            raise _error(
                population, "negative_threshold", new["negative_threshold"], "expected a number of at most 0"
            )
        for name, value in changed.items():
            fits, expected = LIMITS.get(name, (None, ""))
            if fits and fits(parameters[name]) and not fits(value):
                raise _error(population, name, value, expected)
        for name, value in new.items():
            if isinstance(value, Drawn):
                new[name] = value.between(
                    changed.get("v_rest", value.low), changed.get("threshold", value.high)
                )
        return new

    def require_known(self, populations: Iterable[str]) -> None:
        """Raise RunError where a parameter of an unknown population is set."""
        known = list(populations)
        for population, values in self.values.items():
            if population not in known:
                raise _error(population, *next(iter(values.items())), f"expected one of {', '.join(known)}")


def parsed(text: str) -> tuple[str, str, float]:
    """Population, parameter and value of POPULATION.NAME=VALUE. Raises ValueError, with a reason."""
    target, equals, value = text.partition("=")
    population, dot, name = target.rpartition(".")
    if not (equals and dot and population and name):
        raise ValueError(f"expected POPULATION.NAME=VALUE, such as conv2d.threshold=0.9, got {text!r}")
    try:
        return population, name, float(value)
    except ValueError:
        raise ValueError(f"expected a number after =, got {text!r}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _is_part(value: float) -> bool:
    return 0 <= value <= 1


def _is_number_of_steps(value: float) -> bool:
    return value in range(MAX_STEPS + 1)


LIMITS = {  # {parameter of leaky neurons: whether a value fits, and what to expect}
    "decay": (_is_part, "expected a number from 0 to 1"),
    "syn_decay": (_is_part, "expected a number from 0 to 1"),
    "refractory_steps": (_is_number_of_steps, f"expected a whole number from 0 to {MAX_STEPS}"),
}


def _above_rest(parameters: Mapping[str, Any]) -> bool:
    """Whether there is a threshold, and V at rest is below it."""
    rest = np.float32(parameters.get("v_rest", 0.0))
    return "threshold" in parameters and bool(np.float32(parameters["threshold"]) > rest)


def _error(population: str, name: str, value: Any, expected: str) -> RunError:
    shown = f"{value:g}" if isinstance(value, float) else value
    return RunError(f"{population}.{name}={shown}: {expected}", option="set")
