"""Scores of outputs after each time step: accuracy for classes and 0/1 labels, errors for values.

All scores take logits: classes are read from them, values are compared with the function of them. Totals are
exact: those of parts of the examples, added in any order, are those of all examples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Union

import numpy as np

from .data import Table, Targets, as_current
from .readout_functions import activated, decisions

MOST_CLASSES = 1000  # of a confusion matrix


@dataclass
class AccuracyTotals:
    """How many decisions were right.

    labels     the number of 0/1 labels of an example, if there are several; else 0
    places     what each decision is of, if not of a whole example: labels, positions or pixels
    decided    the number of decisions after a step
    correct    how many of them were right, after each step
    exact      the number of examples whose labels were all right after the last step
    confusion  decisions after the last step: a row for each class of the targets, a column for each output
    last_only  whether there is no answer before the last step: the accuracies of the others are None
    """

    labels: int
    places: str
    last_only: bool = False
    decided: int = 0
    correct: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    exact: int = 0
    confusion: np.ndarray | None = None

    def add(self, other: AccuracyTotals) -> None:
        """Add the totals of other examples."""
        self.decided += other.decided
        self.correct = self.correct + other.correct
        self.exact += other.exact
        if self.confusion is not None:
            self.confusion = self.confusion + other.confusion

    def results(self) -> dict[str, Any]:
        """Accuracies, 0 to 1: after the last step, and after each. The others are after the last step.

        exact_match: for several 0/1 labels, the fraction of vectors of labels without an error.
        mean_iou: for maps; of each class that occurs in targets or outputs, the number of pixels where both
        have it / where one of them has it, and the mean of that over these classes.
        confusion_matrix: a row for each class of the targets, a column for each of the outputs.
        """
        per_step = _answers((self.correct / self.decided).tolist(), self.last_only)
        found: dict[str, Any] = {"accuracy": per_step[-1], "accuracy_per_step": per_step}
        if self.labels:
            found["exact_match"] = self._exact_match()
        if self.confusion is not None:
            found |= {"mean_iou": self._mean_iou()} if self.places else {}
            found["confusion_matrix"] = self.confusion.tolist()
        return found

    def _exact_match(self) -> float:
        return self.exact / (self.decided / self.labels)

    def _mean_iou(self) -> float:
        assert self.confusion is not None
        both = self.confusion.diagonal()
        either = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - both
        return float((both[either > 0] / either[either > 0]).mean())

    def running(self) -> str:
        """The score so far, for a progress bar."""
        return f"accuracy {100 * self.correct[-1] / self.decided:.2f} %"

    def line(self, timesteps: int) -> str:
        """The result as a line of text."""
        accuracy = self.correct[-1] / self.decided
        places = f" {self.places}" if self.places else ""
        text = f"accuracy: {accuracy:.4f} ({self.correct[-1]} of {self.decided}{places}, {timesteps} steps)"
        if self.labels:
            return f"{text}, exact match: {self._exact_match():.4f}"
        return f"{text}, mean IoU: {self._mean_iou():.4f}" if places and self.confusion is not None else text

    def as_json(self) -> dict[str, Any]:
        """The totals as values of JSON."""
        confusion = None if self.confusion is None else self.confusion.tolist()
        return {**vars(self), "correct": self.correct.tolist(), "confusion": confusion}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> AccuracyTotals:
        """The totals that as_json gave."""
        confusion = None if found["confusion"] is None else np.array(found["confusion"], np.int64)
        return cls(**{**found, "correct": np.array(found["correct"], np.int64), "confusion": confusion})


Sum = Union[Fraction, float]  # noqa: UP007  (Python 3.9; float: infinity or NaN)


@dataclass
class ErrorTotals:
    """Sums of the errors of outputs after each step, exact.

    values    the number of output values of an example
    examples  the number of examples
    squares   the sum of squared errors after each step
    absolute  the sum of absolute errors after each step
    last_only whether there is no answer before the last step: the errors of the others are None
    """

    values: int
    last_only: bool = False
    examples: int = 0
    squares: list[Sum] = field(default_factory=list)
    absolute: list[Sum] = field(default_factory=list)

    def add(self, other: ErrorTotals) -> None:
        """Add the totals of other examples."""
        self.examples += other.examples
        self.squares = _added(self.squares, other.squares)
        self.absolute = _added(self.absolute, other.absolute)

    def results(self) -> dict[str, Any]:
        """Mean squared errors, in squared units of the ANN's outputs, and the mean absolute error."""
        count = self.examples * self.values
        per_step = _answers([float(total / count) for total in self.squares], self.last_only)
        return {
            "mean_squared_error": per_step[-1],
            "mean_absolute_error": float(self.absolute[-1] / count),
            "mean_squared_error_per_step": per_step,
        }

    def running(self) -> str:
        """The score so far, for a progress bar."""
        return f"error {self.results()['mean_squared_error']:.4g}"

    def line(self, timesteps: int) -> str:
        """The result as a line of text."""
        error = self.results()["mean_squared_error"]
        return f"mean squared error: {error:.4g} ({self.examples} examples, {timesteps} steps)"

    def as_json(self) -> dict[str, Any]:
        """The totals as values of JSON: exact sums as fractions, such as "5/8"."""
        sums = {"squares": [*map(str, self.squares)], "absolute": [*map(str, self.absolute)]}
        return {**vars(self), **sums}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ErrorTotals:
        """The totals that as_json gave."""

        def sums(texts: list[str]) -> list[Sum]:
            return [
                float(text) if text in ("inf", "nan") else Fraction(*map(int, text.split("/")))
                for text in texts
            ]

        return cls(**{**found, "squares": sums(found["squares"]), "absolute": sums(found["absolute"])})


def _answers(per_step: list[float], last_only: bool) -> list[float | None]:
    """Scores after each step; None before the last one if only that has an answer."""
    *earlier, last = per_step
    return [*([None] * len(earlier) if last_only else earlier), last]


def _added(sums: Sequence[Sum], others: Sequence[Sum]) -> list[Sum]:
    return [a + b for a, b in zip(sums, others)] if sums and others else [*sums, *others]


Totals = Union[AccuracyTotals, ErrorTotals]  # noqa: UP007  (Python 3.9)


def added(parts: Iterable[Totals | None]) -> Totals | None:
    """The totals of one output over several parts of the examples; None without targets."""
    whole: Any = None
    for part in parts:
        if whole is None:
            whole = copy(part)
        else:
            whole.add(part)
    return whole


def totals_from_json(found: Mapping[str, Any]) -> Totals:
    """The totals of an output that as_json gave."""
    return (AccuracyTotals if "correct" in found else ErrorTotals).from_json(found)


def exact_sum(values: np.ndarray) -> Sum:
    """The sum of float64 numbers without any rounding; infinity or NaN where one of them is that."""
    if not np.isfinite(values).all():
        return float(values.sum())
    fractions, exponents = np.frexp(values)
    whole = (fractions * 2.0**53).astype(np.int64)  # values = whole x 2^(exponents - 53)
    high, low = whole >> 26, whole & (2**26 - 1)  # parts whose sums fit in 64 bits
    total = Fraction(0)
    for exponent in np.unique(exponents).tolist():
        same = exponents == exponent
        total += ((int(high[same].sum()) << 26) + int(low[same].sum())) * Fraction(2) ** (exponent - 53)
    return total


class Accuracy:
    """Counts the decisions that are right, after each step, in `totals`.

    targets: class numbers as integers (n, *shape without its last axis), whose decision is the largest logit;
    or 0/1 labels as booleans (n, *shape), where a logit above 0 decides for 1. Labels of one value are the
    classes 0 and 1. In maps each pixel has a decision. `add` takes the logits of one batch after the other.
    last_only: whether there is no answer before the last step.
    """

    def __init__(self, targets: np.ndarray, shape: tuple[int, ...], last_only: bool = False) -> None:
        self.are_labels = targets.dtype == np.bool_
        several = self.are_labels and shape[-1] > 1
        self.targets = targets[..., 0] if self.are_labels and not several else targets
        self.done, self.classes = 0, 2 if self.are_labels else shape[-1]
        places = "labels" if several else ("", "positions", "pixels")[min(len(shape) - 1, 2)]
        self.totals = AccuracyTotals(shape[-1] if several else 0, places, last_only)
        if not several and self.classes <= MOST_CLASSES:
            self.totals.confusion = np.zeros((self.classes, self.classes), np.int64)

    def add(self, logits: np.ndarray) -> None:
        """Add the logits of the next examples, (steps, batch, *shape)."""
        wanted = self.targets[self.done : self.done + logits.shape[1]].astype(np.int64)
        found = decisions(logits, "sigmoid") if self.are_labels else logits.argmax(axis=-1)
        right = found == wanted
        self.done += logits.shape[1]
        self.totals.decided += wanted.size
        self.totals.correct = self.totals.correct + right.reshape(len(right), -1).sum(axis=1)
        if self.totals.labels:
            self.totals.exact += int(right[-1].all(axis=-1).sum())
        if self.totals.confusion is not None:
            np.add.at(self.totals.confusion, (wanted, found[-1]), 1)


class Errors:
    """Sums the errors of outputs, after each step, in `totals`.

    values: the targets, (n, *shape). uint8 images, which have more than one axis, are divided by
    `uint8_divisor`. They are compared with `activation` of the logits. `add` takes the logits of one batch
    after the other. last_only: whether there is no answer before the last step.
    """

    def __init__(
        self,
        values: np.ndarray,
        uint8_divisor: float,
        activation: str | None = None,
        last_only: bool = False,
    ) -> None:
        self.values, self.activation, self.done = values, activation, 0
        self.divisor = uint8_divisor if values.ndim > 2 else 1.0
        self.totals = ErrorTotals(math.prod(values.shape[1:]), last_only)

    def add(self, logits: np.ndarray) -> None:
        """Add the logits of the next examples, (steps, batch, *shape)."""
        values = as_current(self.values[self.done : self.done + logits.shape[1]], self.divisor)
        squares, absolute = [], []
        for step in logits:  # not all in memory at once
            d = activated(step.astype(np.float64), self.activation) - values
            of_examples = np.ascontiguousarray(d).reshape(len(d), -1)  # whose sums do not depend on the batch
            squares.append(exact_sum((of_examples * of_examples).sum(axis=1)))
            absolute.append(exact_sum(np.abs(of_examples).sum(axis=1)))
        self.totals.add(
            ErrorTotals(self.totals.values, self.totals.last_only, len(values), squares, absolute)
        )
        self.done += logits.shape[1]


Score = Union[Accuracy, Errors]  # noqa: UP007  (Python 3.9)


def scores_of(targets: Targets, inputs: Table, outputs: Table, few_spike: bool = False) -> dict[str, Score]:
    """{output: its score} for targets. uint8 images have the uint8_divisor of the first input.

    few_spike: whether outputs are read from the few-spike code. What they read before the last step is part
    of a number, and each population before them has taken all steps: that is no answer after fewer steps.
    """
    divisor = next(iter(inputs.values()))["uint8_divisor"]
    return {name: _score(y, outputs[name], divisor, few_spike) for name, y in targets.items()}


def _score(y: np.ndarray, output: Mapping[str, Any], uint8_divisor: float, last_only: bool) -> Score:
    shape = output["shape"]
    if y.dtype == np.bool_ or y.ndim == len(shape):
        return Accuracy(y, shape, last_only)
    return Errors(y, uint8_divisor, output["activation"], last_only)
