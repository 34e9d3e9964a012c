"""The results of a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .messages import RunError, shown
from .raster import draw_recorded, require_plot, save_figure
from .readout_functions import activated, decisions
from .recording import RecordedExample


@dataclass(frozen=True, eq=False)
class Result:
    """The results of a simulation of n examples.

    Neurons are in C order of their population's shape; `shaped` gives them that shape.

    Attributes:
        logits: `{population: (n, *shape)}`, the readout after the last step, in the units of the ANN's
            activations. `outputs` are the function of the ANN's output of it, such as softmax.
        logits_per_step: `{population: (timesteps, n, *shape)}`, the readout after each step. With the
            few-spike code only the last is an answer, the others are parts of it.
        spike_counts: `{population: (n, neurons)}`, the number of spikes, of +1 and of -1 together, uint32.
        spikes: `{recorded population: (n, timesteps, neurons)}`, 0, 1 or -1 at each local step, int8.
        v: `{recorded population: (n, timesteps, neurons)}`, the membrane potential after each local step,
            and after the reset of a neuron that spiked, float32. In the units of the threshold; mV where
            the neurons have a capacitance. If V of an output is read from a later step on, V on GeNN restarts
            from 0 at that step.
        i: `{recorded population: (n, timesteps, neurons)}`, the input current of each local step, float32:
            the bias, the current from the inputs and what the synapses bring, before any gain. In the units
            of the threshold; nA where the neurons have a capacitance.
        neurons: The numbers of the neurons that `v` and `i` have, `(kept,)`. None: all.
        thresholds: `{population: V}` at which the neurons of recorded populations spike, where that is one
            number for all steps.
        activations: `{population: function}`, the function of the ANN's output: "softmax", "sigmoid", "tanh"
            or None, where `outputs` are the logits.
        membrane_updates: `{population: (n,)}`, how often V of its neurons changed from one step to the next,
            and once for each neuron at the first step, int64. Only where they were counted.
    """

    logits: dict[str, np.ndarray]
    logits_per_step: dict[str, np.ndarray]
    spike_counts: dict[str, np.ndarray]
    _signed_counts: dict[str, np.ndarray]  # net_counts, where spikes have a sign
    spikes: dict[str, np.ndarray] = field(default_factory=dict)
    v: dict[str, np.ndarray] = field(default_factory=dict)
    activations: dict[str, str | None] = field(default_factory=dict)
    membrane_updates: dict[str, np.ndarray] = field(default_factory=dict)
    i: dict[str, np.ndarray] = field(default_factory=dict)
    neurons: np.ndarray | None = None
    thresholds: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        outputs = ", ".join(f"{name} {values.shape}" for name, values in self.logits.items())
        parts = [f"{len(next(iter(self.logits.values())))} examples, {self.timesteps} time steps"]
        parts += [f"outputs {outputs}"]
        kept = [("spike counts", self.spike_counts), ("spikes", self.spikes), ("V", self.v), ("I", self.i)]
        parts += [f"{what} of {', '.join(arrays)}" for what, arrays in kept if arrays]
        return f"<Result: {'; '.join(parts)}>"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_")]

    def shaped(self, shapes: Mapping[str, tuple[int, ...]]) -> Result:
        """The same, with the axes of each population's shape instead of the axis of neurons.

        `v` and `i` of chosen neurons stay as they are.
        """

        def with_shapes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: a.reshape(*a.shape[:-1], *shapes[name]) for name, a in arrays.items()}

        counts, signed, spikes = map(with_shapes, (self.spike_counts, self._signed_counts, self.spikes))
        found = replace(self, spike_counts=counts, _signed_counts=signed, spikes=spikes)
        if self.neurons is not None:
            return found
        return replace(found, v=with_shapes(self.v), i=with_shapes(self.i))

    def recorded(self, row: int) -> RecordedExample:
        """What was recorded of an example. row: of the arrays."""
        spikes, v, i = (
            {name: a[row].copy() for name, a in arrays.items()} for arrays in (self.spikes, self.v, self.i)
        )
        return RecordedExample(spikes, v, i, self.neurons, self.thresholds)

    @property
    def timesteps(self) -> int:
        """The number of time steps for each example."""
        return len(next(iter(self.logits_per_step.values())))

    @cached_property
    def net_counts(self) -> dict[str, np.ndarray]:
        """`{population: (n, neurons)}`: spikes of +1 minus spikes of -1, int32.

        Of spikes without a sign it is their number.
        """
        counts = self.spike_counts.items()
        return {name: self._signed_counts.get(name, count.astype(np.int32)) for name, count in counts}

    @cached_property
    def rates(self) -> dict[str, np.ndarray]:
        """`{population: (n, neurons)}`: `net_counts` per time step, float32.

        Times the population's scale, a rate is near the ANN's activation. It is not with the few-spike code,
        where each step has its own weight.
        """
        steps = np.float32(self.timesteps)
        return {name: counts.astype(np.float32) / steps for name, counts in self.net_counts.items()}

    @cached_property
    def outputs(self) -> dict[str, np.ndarray]:
        """`{population: (n, *shape)}`: the outputs after the last step, as the ANN gives them."""
        return self._activated(self.logits)

    @cached_property
    def outputs_per_step(self) -> dict[str, np.ndarray]:
        """`{population: (timesteps, n, *shape)}`: the outputs after each step, as the ANN gives them."""
        return self._activated(self.logits_per_step)

    def _activated(self, logits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: activated(values, self.activations.get(name)) for name, values in logits.items()}

    @property
    def output(self) -> np.ndarray:
        """`(n, *shape)`: the network's first output after the last step."""
        return next(iter(self.outputs.values()))

    @property
    def output_per_step(self) -> np.ndarray:
        """`(timesteps, n, *shape)`: the network's first output after each step."""
        return next(iter(self.outputs_per_step.values()))

    def plot(
        self,
        example: int = 0,
        *,
        x: np.ndarray | Mapping[str, np.ndarray] | None = None,
        path: str | Path | None = None,
    ) -> Any:
        """Draw what was recorded of an example, with channels apart where arrays have the shape's axes.

        Spikes as a raster; V and I as traces, with a mark at each recorded spike, or as images where there
        are more than ten neurons.

        x: the simulated examples (n, *input shape), or {input: examples}: that example is drawn beside its
        spikes, if it is an image. path: where to save the figure, too: a .png, .svg or .pdf.

        Returns matplotlib's Figure. Raises RunError: without a recording, for an example that is not
        there, for x that is not numbers or holds another number of examples, for a path that cannot be
        written, and where matplotlib is missing.
        """
        if not (self.spikes or self.v or self.i):
            raise RunError("nothing is recorded: simulate with `record=None`, or `record_v=[...]`")
        count = len(next(iter({**self.spikes, **self.v, **self.i}.values())))
        if isinstance(example, (bool, np.bool_)) or not isinstance(example, (int, np.integer)):
            raise RunError(f"{shown(example)}: expected a whole number", option="example")
        if not 0 <= example < count:
            raise RunError(example_problem(example, count), option="example")
        require_plot(path)
        given = {} if x is None else x if isinstance(x, Mapping) else {"input": x}
        examples = {name: _numbers(values) for name, values in given.items()}
        for values in examples.values():
            if values.shape[:1] != (count,):
                raise RunError(
                    f"x has the shape {values.shape}, expected the {count} examples that were simulated"
                )
        images = {name: values[example] for name, values in examples.items()}
        figure = draw_recorded(self.recorded(example), images)
        if path is not None:
            save_figure(figure, path)
        return figure

    @property
    def predictions(self) -> np.ndarray:
        """`(n, *shape without its last axis)`: the classes of the network's first output, from its logits.

        A class is the index of the largest logit of the last axis; with one logit it is 1 above 0. With
        several logits and sigmoid each decides between 0 and 1: `(n, *shape)`.
        """
        name, logits = next(iter(self.logits.items()))
        return decisions(logits, self.activations.get(name))


def _numbers(x: Any) -> np.ndarray:
    """Examples as an array. Raises RunError."""
    try:
        array = np.asarray(x)
    except Exception as error:  # whatever the tensors of other libraries raise
        raise RunError(f"x is not an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise RunError(f"x is an array of {array.dtype}, expected numbers")
    return array


def example_problem(example: int, count: int) -> str:
    """A message for the number of an example that is not there."""
    return f"{example}: there are {count} examples, expected 0 to {count - 1}"


def joined(batches: Iterable[Result]) -> Result:
    """One result for the examples of all batches."""
    parts = [*batches]

    def together(name: str, axis: int = 0) -> dict[str, np.ndarray]:
        dicts = [getattr(part, name) for part in parts]
        keys = dict.fromkeys(key for d in dicts for key in d)  # some may have recorded nothing
        return {key: np.concatenate([d[key] for d in dicts if key in d], axis=axis) for key in keys}

    return Result(
        together("logits"),
        together("logits_per_step", axis=1),
        together("spike_counts"),
        together("_signed_counts"),
        together("spikes"),
        together("v"),
        parts[0].activations,
        together("membrane_updates"),
        together("i"),
        parts[0].neurons,
        {name: threshold for part in parts for name, threshold in part.thresholds.items()},
    )
