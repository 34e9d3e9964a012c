"""What the host gives to populations on GeNN where an example or a frame begins: currents and random keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import Examples, Table, count_of, frames_of, presented
from .random_numbers import random_keys

CURRENTS = 2**18  # of examples, or of a population, that are computed at a time


@dataclass(frozen=True)
class DrivenPopulation:
    """A population whose input current comes from the examples.

    group    GeNN's neuron group
    current  a function of float64 arrays (n, *input shape) of these inputs. Its result is rounded to float32
             once, so that the order of summation does not matter
    inputs   their names
    """

    group: Any
    current: Callable[..., np.ndarray]
    inputs: tuple[str, ...]

    def frames(self, inputs: Table) -> int:
        """How many currents follow one another in an example."""
        return frames_of({name: inputs[name] for name in self.inputs})

    def currents(self, shown: Examples) -> np.ndarray:
        """float32 (n, neurons)."""
        current = self.current(*(shown[name].astype(np.float64) for name in self.inputs))
        return current.reshape(len(current), -1).astype(np.float32)

    def currents_of_batches(self, examples: Examples, inputs: Table, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the currents of each batch, of one frame after the other.

        They are computed for many examples at once, which is faster.
        """
        frames = self.frames(inputs)
        given = sum(int(np.prod(inputs[name]["shape"])) for name in self.inputs)
        values = max(given, self.group.num_neurons)
        block = batch_size * max(1, CURRENTS // (batch_size * values * frames))
        for start in range(0, count_of(examples), block):
            shown = presented(examples, start, start + block, inputs)
            currents = [self.currents(_part(shown, frame, frames, inputs)) for frame in range(frames)]
            for first in range(0, len(currents[0]), batch_size):
                for current in currents:
                    yield current[first : first + batch_size]

    def show(self, currents: np.ndarray) -> None:
        """Set I_const; an incomplete batch is filled up with zeros."""
        variable = self.group.vars["I_const"]
        view = variable.current_view.reshape(-1, self.group.num_neurons)
        view[: len(currents)] = currents
        view[len(currents) :] = 0
        variable.push_to_device()

    def show_next(self, currents: Iterator[np.ndarray], batch: int) -> None:
        """Set I_const to the currents of the next batch, or of its next frame."""
        self.show(next(currents))


def _part(shown: Examples, part: int, parts: int, inputs: Table) -> Examples:
    """What the inputs show in one of so many equal parts of an example, (n, *shape)."""
    frames = {name: inputs[name]["frames"] for name in shown}
    return {name: x[:, part * frames[name] // parts] if frames[name] > 1 else x for name, x in shown.items()}


@dataclass(frozen=True)
class DrawingPopulation:
    """A population that draws random numbers.

    stream  its index in the network
    """

    group: Any
    stream: int

    def set_keys(self, seed: int, numbers: np.ndarray) -> None:
        """Set the random keys of the examples with these numbers."""
        keys = random_keys(seed, self.stream, numbers)
        self.group.vars["key"].view[:] = keys.reshape(self.group.vars["key"].view.shape)
        self.group.vars["key"].push_to_device()

    def set_keys_of_batch(self, seed: int, numbers: range, batch_size: int, batch: int) -> None:
        """Set those of a batch; an incomplete one is filled up."""
        shown = numbers[batch * batch_size : (batch + 1) * batch_size]
        self.set_keys(seed, np.resize(shown, batch_size))
