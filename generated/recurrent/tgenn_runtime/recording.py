"""What a simulation is asked to record, and what it recorded of an example."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .messages import RunError, shown


@dataclass(frozen=True, eq=False)
class Recording:
    """What a simulation keeps besides the outputs after the last step.

    Attributes:
        spikes: Populations to record spikes of. None: all that spike.
        v: Populations to record the membrane potential of.
        i: Populations to record the input current of.
        neurons: The numbers of the neurons whose V and I are kept, in each of these populations, (kept,).
            None: all.
        example: The number of the only example that is recorded. None: all are.
        details: Whether to keep spike counts, and the outputs after each step.
    """

    spikes: Sequence[str] | None = ()
    v: Sequence[str] = ()
    i: Sequence[str] = ()
    neurons: np.ndarray | None = None
    example: int | None = None
    details: bool = True

    def __post_init__(self) -> None:
        if self.neurons is not None and not (self.v or self.i):
            raise RunError("needs record_v or record_i, whose neurons it chooses", option="neurons")

    def __bool__(self) -> bool:
        """Whether anything is recorded."""
        return self.spikes is None or bool(self.spikes or self.v or self.i)

    def rows(self, numbers: range) -> slice | None:
        """The examples of a batch that are recorded; None: none. numbers: of all examples of the batch."""
        if self.example is None:
            return slice(0, len(numbers))
        if self.example not in numbers:
            return None
        place = numbers.index(self.example)
        return slice(place, place + 1)

    def of_kept(self, values: np.ndarray) -> np.ndarray:
        """A copy of the kept neurons' values. values: (examples, neurons)."""
        return values.copy() if self.neurons is None else values[:, self.neurons]

    def require_neurons(self, population: str, size: int) -> None:
        """Raise RunError where V or I is asked for of neurons that a population of this size has not."""
        if self.neurons is None or population not in {*self.v, *self.i}:
            return
        if (largest := int(self.neurons.max())) >= size:
            message = f"{largest}: {population} has {size} neurons, expected numbers from 0 to {size - 1}"
            raise RunError(message, option="neurons")


@dataclass(frozen=True, eq=False)
class RecordedExample:
    """What was recorded of an example: {population: array}.

    spikes      (timesteps, *shape): 0, 1 or -1
    v, i        (timesteps, *shape), or (timesteps, kept) of the kept neurons
    neurons     the numbers of the kept neurons; None: all
    thresholds  {population: V at which its neurons spike}, where that is known
    """

    spikes: dict[str, np.ndarray] = field(default_factory=dict)
    v: dict[str, np.ndarray] = field(default_factory=dict)
    i: dict[str, np.ndarray] = field(default_factory=dict)
    neurons: np.ndarray | None = None
    thresholds: dict[str, float] = field(default_factory=dict)

    def numbers(self, population: str) -> np.ndarray:
        """The numbers of the neurons of which V or I are kept, in the order of these arrays."""
        kept = self.v.get(population, self.i.get(population))
        return np.arange(kept[0].size) if self.neurons is None else self.neurons  # type: ignore[index]

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of --save-outputs: step, neuron and sign of each spike; V and I, and their neurons."""
        found = {}
        for name, spikes in self.spikes.items():
            steps, neurons = np.nonzero(spikes)
            found[f"spikes/{name}"] = np.stack([steps, neurons, spikes[steps, neurons]], axis=1)
        found |= {f"v/{name}": v for name, v in self.v.items()}
        found |= {f"i/{name}": i for name, i in self.i.items()}
        return found | {f"neurons/{name}": self.numbers(name) for name in {**self.v, **self.i}}

    def shaped(self, shapes: Mapping[str, tuple[int, ...]]) -> RecordedExample:
        """The same, with the axes of each population's shape where all of its neurons are kept."""

        def with_shapes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: a.reshape(len(a), *shapes[name]) for name, a in arrays.items()}

        v, i = map(with_shapes, (self.v, self.i)) if self.neurons is None else (self.v, self.i)
        return RecordedExample(with_shapes(self.spikes), v, i, self.neurons, self.thresholds)


RECORDED = ("spikes/", "v/", "i/", "neurons/")  # how the names of these arrays begin


def neuron_numbers(neurons: Any) -> np.ndarray | None:
    """Numbers of neurons, such as range(10) or [3, 7], as an array in the given order. None: None.

    Raises RunError.
    """
    if neurons is None:
        return None
    expected = "expected whole numbers, such as range(10) or [3, 7]"
    try:
        numbers = np.asarray(neurons)
    except Exception:  # whatever the tensors of other libraries raise
        raise RunError(f"{shown(neurons)}: {expected}", option="neurons") from None
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iu":
        raise RunError(f"{shown(neurons)}: {expected}", option="neurons")
    if problem := _problem(numbers):
        raise RunError(f"{shown(neurons)}: {problem}", option="neurons")
    return numbers.astype(np.int64)


def parsed_neurons(text: str) -> np.ndarray:
    """The numbers in a text such as 0:10 (0 to 9) or 3,7,20:30. Raises ValueError, with a reason."""
    expected = f"expected numbers and ranges start:stop, such as 0:10 or 3,7,20:30, got {text!r}"
    numbers = []
    for part in text.split(","):
        found = re.fullmatch("([0-9]{1,7})(?::([0-9]{1,7}))?", part.strip())
        if not found:
            raise ValueError(expected)
        start = int(found[1])
        stop = start + 1 if found[2] is None else int(found[2])
        if stop <= start:
            raise ValueError(f"{part.strip()}: no number is in it, {expected}")
        numbers.append(np.arange(start, stop))
    if problem := _problem(np.concatenate(numbers)):
        raise ValueError(problem)
    return np.concatenate(numbers)


def _problem(numbers: np.ndarray) -> str:
    """Why these cannot be the numbers of the kept neurons; "" if they can."""
    found, times = np.unique(numbers, return_counts=True)
    if found[0] < 0:
        return f"expected numbers of at least 0, got {found[0]}"
    if (times > 1).any():
        return f"expected each neuron once, got {found[times > 1][0]} twice"
    return ""
