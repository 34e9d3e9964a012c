"""Draws accuracy, or error, against time steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tgenn_gen.engine.accuracy_interval import CONFIDENCE, accuracy_interval, are_examples
from tgenn_gen.network.argument_checks import Wrong, shown
from tgenn_gen.runtime.raster import new_figure

Scores = Mapping[str, Mapping[str, Any]]  # {output: {measure: value}}, as Evaluation.outputs

# of Okabe and Ito, whom all readers can tell apart; further curves have the same in other line styles
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
STYLES = ("-", "-.", ":")
ANN_STYLES = ("--", (0, (1, 1.5)), (0, (5, 1, 1, 1)), (0, (8, 3)))
LOG = 32  # steps from which on their axis is logarithmic
MARKED = 32  # steps up to which each has a marker


class Evaluated(Protocol):
    """What is drawn of an Evaluation."""

    @property
    def name(self) -> str: ...
    @property
    def n(self) -> int: ...
    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def relu_outputs(self) -> Mapping[str, Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Measured:
    """The scores of an output.

    label      of the network, and of the output where there are several
    key        accuracy or mean_squared_error
    per_step   after each step; NaN where there is no answer yet
    best       the ANN's; NaN without an ANN
    examples   the number of examples that are right or wrong as a whole; 0 if they are not
    """

    label: str
    key: str
    per_step: np.ndarray
    best: float
    examples: int

    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """The interval of the accuracy after each step; the score itself where that is not known."""
        return accuracy_interval(self.per_step, self.examples) if self.examples else (self.per_step,) * 2

    @property
    def answers(self) -> np.ndarray:
        """The steps, from 1 on, after which there is an answer."""
        found: np.ndarray = np.flatnonzero(~np.isnan(self.per_step)) + 1
        return found


def measures(evaluation: Evaluated, ann: Scores | None) -> Iterator[Measured]:
    """For each output its accuracy, or else its mean squared error, and the ANN's."""
    of_ann = evaluation.relu_outputs if ann is None else ann
    for name, found in evaluation.outputs.items():
        key = measure_of(found)
        label = evaluation.name if len(evaluation.outputs) == 1 else f"{evaluation.name}: {name}"
        per_step = np.asarray(found[f"{key}_per_step"], np.float64)
        best = _of_output(of_ann, evaluation, name)[key] if of_ann else np.nan
        yield Measured(label, key, per_step, best, evaluation.n if are_examples(found) else 0)


def measure_of(scores: Mapping[str, Any]) -> str:
    """The measure that is shown of an output's scores."""
    return "accuracy" if "accuracy" in scores else "mean_squared_error"


def _of_output(ann: Scores, evaluation: Evaluated, name: str) -> Any:
    """The ANN's scores of an output; None without any. An only output may have another name there."""
    only = len(ann) == len(evaluation.outputs) == 1
    return next(iter(ann.values())) if only else ann.get(name)


def ann_problems(ann: object, evaluations: Sequence[Evaluated]) -> Iterator[Wrong]:
    """What is wrong if the argument `ann` does not have the scores that these evaluations need."""
    measured = {(n, measure_of(scores)): e for e in evaluations for n, scores in e.outputs.items()}
    hint = f"write {{{', '.join(f'{name!r}: {{{key!r}: 0.9}}' for name, key in measured)}}}"
    if not isinstance(ann, Mapping):
        yield f"ann is {shown(ann)}, expected a dict with the ANN's scores of each output", hint
        return
    for (name, key), evaluation in measured.items():
        scores = _of_output(ann, evaluation, name)
        value = scores.get(key) if isinstance(scores, Mapping) else None
        if value is None:
            yield f"ann has no {key} of {name}", hint
        elif isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            yield f"ann has the {key} {shown(value)} of {name}, expected a number", hint
        elif not 0 <= value <= (1 if key == "accuracy" else np.finfo(np.float64).max):
            expected = "0 to 1" if key == "accuracy" else "a finite number of at least 0"
            percent = f"write {value / 100:g}" if key == "accuracy" and 1 < value <= 100 else ""
            yield f"ann has the {key} {value:g} of {name}, expected {expected}", percent


def of_what(ann: Scores | None) -> str:
    """The name of the scores to compare with: the ANN's, or else those of the network with ReLUs."""
    return "with ReLU" if ann is None else "ANN"


def draw_evaluations(evaluations: Sequence[Evaluated], ann: Scores | None) -> Any:
    """A figure of accuracies, and of errors, against time steps; the ANN's as dashed lines.

    Bands are intervals of the accuracy. An output that has an answer only after its last step is a point.
    """
    found = [m for e in evaluations for m in measures(e, ann)]
    keys = sorted({m.key for m in found})
    labels = max(len(m.label) for m in found)
    figure = new_figure(min(14, 6.2 + 0.075 * max(labels, 16)), 3.9 * len(keys))
    counts = sorted({e.n for e in evaluations})
    for number, key in enumerate(keys):
        axis = figure.add_subplot(len(keys), 1, number + 1)
        _draw(
            axis, key, [m for m in found if m.key == key], of_what(ann), " or ".join(f"{n:,}" for n in counts)
        )
    return figure


def _draw(axis: Any, key: str, shown: list[Measured], best: str, examples: str) -> None:
    accuracy = key == "accuracy"
    unit = 100 if accuracy else 1
    for number, m in enumerate(shown):
        color = COLOURS[number % len(COLOURS)]
        style = STYLES[number // len(COLOURS) % len(STYLES)]
        steps = m.answers
        values, low, high = (unit * of_step[steps - 1] for of_step in (m.per_step, *m.band()))
        marker = "o" if len(m.per_step) <= MARKED else ""
        if len(steps) == 1:  # a point, in front of the curves
            axis.plot(steps, values, color=color, linestyle="", marker="D", label=m.label, zorder=3)
        else:
            axis.plot(
                steps, values, color=color, linestyle=style, marker=marker, markersize=3.5, label=m.label
            )
        if m.examples and len(steps) == 1:
            axis.vlines(steps, low, high, color=color, linewidth=1.5, zorder=3)
        elif m.examples:
            axis.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
    for number, (value, names) in enumerate(_distinct(shown).items()):
        label = f"{best}: {100 * value:.2f} %" if accuracy else f"{best}: {value:.4g}"
        if len(names) < len(shown):
            label += f" ({', '.join(names)})"
        dashes = ANN_STYLES[number % len(ANN_STYLES)]
        axis.axhline(unit * value, color="0.25", linestyle=dashes, linewidth=1.1, label=label, zorder=1)
    _time_axis(axis, max(len(m.per_step) for m in shown))
    low, high = _frame(shown)
    axis.set_ylim(unit * low, unit * high)
    axis.set_ylabel("accuracy (%)" if accuracy else "mean squared error", fontsize=11)
    axis.grid(color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    band = f"; bands: {CONFIDENCE} intervals (Wilson)" if any(m.examples for m in shown) else ""
    cut = [f"not in the frame: {text}" for m in shown if (text := _outside(m, low, high, unit))]
    axis.set_title("\n".join([f"n = {examples} examples{band}", *cut]), fontsize=10, loc="left")
    axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=10)


def _distinct(shown: list[Measured]) -> dict[float, list[str]]:
    """{score of an ANN: the labels of those with that score}."""
    found: dict[float, list[str]] = {}
    for m in shown:
        if not np.isnan(m.best):
            found.setdefault(m.best, []).append(m.label)
    return found


def _time_axis(axis: Any, timesteps: int) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

    if timesteps > LOG:
        axis.set_xscale("log", base=2)
        powers = [2**k for k in range(20) if 2**k <= timesteps / 1.3]
        axis.xaxis.set_major_locator(FixedLocator([*powers, timesteps]))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlim(0.95, timesteps * 1.05)
    else:
        few = FixedLocator(range(1, timesteps + 1)) if timesteps <= 16 else None
        axis.xaxis.set_major_locator(few or MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 4, 5, 10]))
        margin = max(0.03 * (timesteps - 1), 0.1)
        axis.set_xlim(1 - margin, timesteps + margin)
    axis.set_xlabel("time steps", fontsize=11)


def _frame(shown: list[Measured]) -> tuple[float, float]:
    """The range of scores that is drawn.

    It holds the ANNs' scores, each curve from half of its steps on, and what is not much farther away than
    these are from each other. So a first step at the level of chance does not flatten all that follows.
    """
    late, every = [], []
    for m in shown:
        band = [of_step[m.answers - 1] for of_step in m.band()]
        half = slice((len(m.answers) - 1) // 2, None)
        every += band
        late += [*(end[half] for end in band), np.array([m.best])]
    low, high = (float(f(np.concatenate(late))) for f in (np.nanmin, np.nanmax))
    accuracy = shown[0].key == "accuracy"
    span = max(high - low, 0.01 if accuracy else 0.1 * high, 1e-12)
    points = np.concatenate(every)
    near = points[(points >= low - 3 * span) & (points <= high + 3 * span)]
    low, high = min(low, float(near.min())), max(high, float(near.max()))
    margin = 0.05 * max(high - low, span)
    low, high = low - margin, high + margin
    # what can be is shown, a line at 0 or 1 in full
    return (max(low, -0.02), min(high, 1.005 + margin / 5)) if accuracy else (max(low, 0.0), high)


def _outside(m: Measured, low: float, high: float, unit: int) -> str:
    """Which steps of a curve are not in the frame."""
    values = m.per_step
    steps = np.flatnonzero((values < low) | (values > high)) + 1
    if not len(steps):
        return ""
    shown = [f"{unit * values[step - 1]:.4g}{' %' if unit == 100 else ''}" for step in (steps[0], steps[-1])]
    if len(steps) == 1:
        return f"{m.label}, step {steps[0]}: {shown[0]}"
    return f"{m.label}, {len(steps)} steps, {steps[0]} to {steps[-1]}: {shown[0]} to {shown[1]}"
