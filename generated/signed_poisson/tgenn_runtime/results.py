"""The results of a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Result:
    """The results of a simulation of n examples.

    Neurons are in C order of their population's shape; `shaped` gives them that shape.

    Attributes:
        outputs: `{population: (n, *shape)}`, the readout after the last step, in the units of the ANN's
            activations.
        outputs_per_step: `{population: (timesteps, n, *shape)}`, the readout after each step.
        spike_counts: `{population: (n, neurons)}`, the number of spikes, of +1 and of -1 together, uint32.
        net_counts: `{population: (n, neurons)}`, spikes of +1 minus spikes of -1, int32; only populations
            whose spikes have a sign.
        spikes: `{recorded population: (n, timesteps, neurons)}`, 0, 1 or -1 at each local step, int8.
        v: `{recorded population: (n, timesteps, neurons)}`, V after each local step, float32. If V of an
            output is read from a later step on, V on GeNN restarts from 0 at that step.
    """

    outputs: dict[str, np.ndarray]
    outputs_per_step: dict[str, np.ndarray]
    spike_counts: dict[str, np.ndarray]
    net_counts: dict[str, np.ndarray]
    spikes: dict[str, np.ndarray] = field(default_factory=dict)
    v: dict[str, np.ndarray] = field(default_factory=dict)

    def shaped(self, shapes: Mapping[str, tuple[int, ...]]) -> Result:
        """The same, with the axes of each population's shape instead of the axis of neurons."""

        def with_shapes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: a.reshape(*a.shape[:-1], *shapes[name]) for name, a in arrays.items()}

        counted = (self.spike_counts, self.net_counts, self.spikes, self.v)
        return Result(self.outputs, self.outputs_per_step, *map(with_shapes, counted))

    @property
    def output(self) -> np.ndarray:
        """`(n, *shape)`: the network's first output after the last step."""
        return next(iter(self.outputs.values()))

    @property
    def output_per_step(self) -> np.ndarray:
        """`(timesteps, n, *shape)`: the network's first output after each step."""
        return next(iter(self.outputs_per_step.values()))

    @property
    def predictions(self) -> np.ndarray:
        """`(n,)`: the index of the largest element of the network's first output: the class."""
        return self.output.reshape(len(self.output), -1).argmax(axis=1)


def joined(batches: Iterable[Result]) -> Result:
    """One result for the examples of all batches."""
    parts = [*batches]

    def together(name: str, axis: int = 0) -> dict[str, np.ndarray]:
        dicts = [getattr(part, name) for part in parts]
        return {key: np.concatenate([d[key] for d in dicts], axis=axis) for key in dicts[0]}

    return Result(
        together("outputs"),
        together("outputs_per_step", axis=1),
        *map(together, ("spike_counts", "net_counts", "spikes", "v")),
    )
