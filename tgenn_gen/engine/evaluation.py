"""Evaluates a network: accuracy or error of its outputs after every time step, beside the ANN's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.engine.ann import ann_rates
from tgenn_gen.engine.evaluation_plot import Scores, ann_problems, draw_evaluations
from tgenn_gen.engine.simulation import checked, input_table, note_on_range, output_table, simulated_batches
from tgenn_gen.errors import TgennError
from tgenn_gen.network.argument_checks import as_array, require, shown
from tgenn_gen.network.delays import is_recurrent
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import (
    Examples,
    Targets,
    count_of,
    currents_of,
    of_numbers,
    shaped_targets,
    takes_classes,
    targets_problem,
)
from tgenn_gen.runtime.mpi_ranks import Ranks
from tgenn_gen.runtime.raster import require_plot, save_figure
from tgenn_gen.runtime.results import Result
from tgenn_gen.runtime.scores import scores_of

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation on n examples.

    Attributes:
        name: The network's name.
        n: The number of examples.
        timesteps: Time steps for each example.
        outputs: `{population: its scores}`, for outputs with targets: `accuracy` and `accuracy_per_step`,
            0 to 1, `confusion_matrix` (rows: targets; up to 1000 classes), `mean_iou` of maps, `exact_match`
            of several 0/1 labels; or `mean_squared_error`, `mean_absolute_error` and
            `mean_squared_error_per_step`. With the few-spike code there is no answer before the last step:
            those of the steps before are None.
        relu_outputs: The same scores with ReLUs instead of spiking neurons: the ANN's, unless biases were
            corrected. {} for a network with recurrent connections, which has no ANN.
        spikes_per_example: The spikes of all populations together, per example.
    """

    name: str
    n: int
    timesteps: int
    outputs: dict[str, dict[str, Any]]
    relu_outputs: dict[str, dict[str, Any]]
    spikes_per_example: float

    def __repr__(self) -> str:
        shown = []
        for name, found in self.outputs.items():
            key = "accuracy" if "accuracy" in found else "mean_squared_error"
            relu = f" (with ReLU {self.relu_outputs[name][key]:.4g})" if self.relu_outputs else ""
            shown.append(f"{name}: {key.replace('_', ' ')} {found[key]:.4g}{relu}")
        size = f"{self.n} examples, {self.timesteps} time steps"
        spikes = f"{self.spikes_per_example:,.0f} spikes per example"
        return f"<Evaluation {self.name}: {'; '.join([size, *shown, spikes])}>"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_")]

    @property
    def accuracy_per_step(self) -> tuple[float, ...]:
        """The accuracy of the first output that has targets, after each step. KeyError for a regression.

        NaN before the last step with the few-spike code, where each population takes all its steps before
        the next one starts.
        """
        per_step = next(iter(self.outputs.values()))["accuracy_per_step"]
        return tuple(np.asarray(per_step, np.float64).tolist())  # None to NaN

    @property
    def relu_accuracy(self) -> float:
        """The ANN's accuracy, of the first output that has targets. KeyError for a regression.

        KeyError, too, for a network with recurrent connections.
        """
        accuracy: float = self.relu_outputs[next(iter(self.outputs))]["accuracy"]
        return accuracy

    def plot(self, *others: Evaluation, ann: Scores | None = None, path: str | Path | None = None) -> Any:
        """Draw accuracy, or error, against time steps: of this evaluation, and of others beside it.

        Bands are Wilson's intervals of an accuracy on n examples, with a confidence of 68 %, as a standard
        error to both sides has.

        Args:
            others: Further evaluations on the same examples.
            ann: The ANN's scores, `{output: {measure: value}}` as `relu_outputs`, such as
                `{"classes": {"accuracy": 0.98}}`. None: those of each evaluation.
            path: Where to save the figure, too: a .png, .svg or .pdf.

        Returns:
            matplotlib's Figure.

        Raises:
            TgennError: T503 an argument does not fit.
            ValueError: matplotlib is missing, or the file cannot be written.
        """
        strange = [other for other in others if not isinstance(other, Evaluation)]
        require(
            "plot",
            "T503",
            [
                (
                    f"others has {shown(other)}, expected evaluations",
                    f"to write a file: plot(path={shown(other)})" if isinstance(other, str | Path) else "",
                )
                for other in strange
            ],
            [] if ann is None or strange else ann_problems(ann, [self, *others]),
        )
        require_plot(path)
        figure = draw_evaluations([self, *others], ann)
        if path is not None:
            save_figure(figure, path)
        return figure


def evaluate(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    y: np.ndarray | Mapping[str, np.ndarray],
    *,
    timesteps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    communicator: Any = None,
) -> Evaluation:
    """Simulate examples in NumPy, and compare the outputs with targets.

    Args:
        network: The network. It need not be saved.
        x: Examples `(n, *input shape)`, or `{input: examples}`, as for `simulate`.
        y: Targets of the first output, or `{output population: targets}`. Class numbers are integers `(n,)`,
            for maps `(n, height, width)`; 0/1 labels, for outputs with sigmoid or of one value, are integers
            or booleans `(n, *output shape)`; values are `(n, *output shape)`.
        timesteps: Time steps for each example. None: those of the network.
        seed: Of random numbers (Poisson spikes, random initial V), 0 to 2^32 - 1.
        progress: Called with (examples done, all examples).
        communicator: An mpi4py communicator, such as `MPI.COMM_WORLD`, whose processes share the examples.
            Each calls this function with the same arguments, and gets the same result. After an error in
            one, the others wait: end them with `communicator.Abort()`.

    Returns:
        Accuracy or error after each time step, beside that of the ANN.

    Raises:
        TgennError: T2xx the network is invalid, T503 an argument does not fit it.
    """
    examples, timesteps = checked("evaluate", network, x, timesteps, seed)
    note_on_range(network, examples)
    targets = checked_targets("evaluate", y, network, count_of(examples))
    ranks = Ranks(communicator)
    return scored(network, examples, targets, timesteps, seed=seed, progress=progress, ranks=ranks)


def scored(
    network: Network,
    examples: Examples,
    targets: Targets,
    timesteps: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    counter: Callable[[Result], None] | None = None,
    ranks: Ranks,
) -> Evaluation:
    """Simulate checked examples, and compare the outputs with targets, of checked_targets.

    counter: called with the result of each batch, which then has membrane updates, too. ranks: the processes
    that share the examples; the evaluation is that of all.
    """
    if ranks.size > 1 and network.simulation.reset == "never":
        message = (
            "processes cannot share the examples: they are a stream, in which neurons keep V (reset: never)"
        )
        raise TgennError.at("evaluate", "T503", message, "start one process")
    numbers = ranks.part(count_of(examples))
    examples, targets = of_numbers(examples, numbers), of_numbers(targets, numbers)
    scorer = Scorer(network, examples, targets, timesteps)
    log.info("simulating %d examples for %d time steps: %s", len(numbers), timesteps, network.name)
    for batch in simulated_batches(
        network, examples, timesteps, seed, numbers=numbers, count_updates=counter is not None
    ):
        scorer.add(batch)
        if counter is not None:
            counter(batch)
        if progress is not None:
            progress(scorer.done, len(numbers))
    scorer.add_others(ranks)
    return scorer.result()


class Scorer:
    """Compares outputs with targets, from the results of a simulation, one batch after the other.

    examples: all of them, {input: (n, *shape)}, as they were simulated. targets: of checked_targets.
    """

    def __init__(self, network: Network, examples: Examples, targets: Targets, timesteps: int) -> None:
        self.network, self.examples, self.timesteps, self.done = network, examples, timesteps, 0
        self._inputs, outputs = input_table(network), output_table(network)
        self._scores = scores_of(targets, self._inputs, outputs, network.few_spike)
        self._relu_scores = {} if is_recurrent(network) else scores_of(targets, self._inputs, outputs)
        self._spikes = 0

    def add(self, batch: Result) -> None:
        """Add the result of the next examples, with its spike counts."""
        size = len(next(iter(batch.logits.values())))
        for name, score in self._scores.items():
            score.add(batch.logits_per_step[name])
        if self._relu_scores:
            shown = currents_of(self.examples, self.done, self.done + size, self._inputs)
            found = relu_outputs(self.network, shown)
            for name, score in self._relu_scores.items():
                score.add(found[name][None])
        self._spikes += sum(int(c.sum(dtype=np.int64)) for c in batch.spike_counts.values())
        self.done += size

    def add_others(self, ranks: Ranks) -> None:
        """Add the scores of the other ranks' examples."""
        both = (self._scores, self._relu_scores)
        own = [{name: score.totals for name, score in scores.items()} for scores in both]
        for done, spikes, totals in ranks.from_others((self.done, self._spikes, own)):
            self.done += done
            self._spikes += spikes
            for scores, found in zip(both, totals, strict=True):
                for name, score in scores.items():
                    score.totals.add(found[name])

    def result(self) -> Evaluation:
        """The evaluation of the examples so far."""
        return Evaluation(
            self.network.name,
            self.done,
            self.timesteps,
            {name: score.totals.results() for name, score in self._scores.items()},
            {name: score.totals.results() for name, score in self._relu_scores.items()},
            self._spikes / self.done,
        )


def checked_targets(place: str, y: Any, network: Network, count: int) -> Targets:
    """{output: its targets}, in the outputs' order, for `count` examples. Raises TgennError (T503)."""
    outputs = [o.population for o in network.outputs]
    given = dict(y) if isinstance(y, Mapping) else {outputs[0]: y}
    unknown = [str(name) for name in given if name not in outputs]
    problem = f"unknown output {', '.join(unknown)}, expected {', '.join(outputs)}" if unknown else ""
    problem = problem or ("" if given else "expected targets for at least one output")
    targets: Targets = {}
    table = output_table(network)
    for name in (n for n in outputs if n in given):
        key = name if isinstance(y, Mapping) else "y"
        target = as_array(f"y[{name!r}]" if isinstance(y, Mapping) else "y", given[name], place)
        problem = problem or targets_problem(key, target, table[name], count)
        if not problem:
            targets[name] = shaped_targets(target, table[name])
    if problem:
        raise TgennError.at(place, "T503", problem)
    return targets


def are_class_scores(shape: tuple[int, ...], activation: str | None) -> bool:
    """Whether an output is taken for scores of classes: with softmax, or a vector without a function."""
    return takes_classes(shape) and (activation == "softmax" or (activation is None and len(shape) == 1))


def relu_outputs(network: Network, examples: Examples) -> dict[str, np.ndarray]:
    """{output: its logits (batch, *shape)} of the network with ReLUs for neurons.

    examples: {input: (batch, *shape)}, as the ANN takes them.
    """
    dt = network.simulation.dt
    values = {
        i.name: i.presented(examples[i.name]) / np.float32(i.encoding.scale(dt)) for i in network.inputs
    }
    outputs = [o.population for o in network.outputs]
    found = {
        p.name: p.logits(rates) * p.scales for p, rates in ann_rates(network, values) if p.name in outputs
    }
    return {name: found[name] for name in outputs}
