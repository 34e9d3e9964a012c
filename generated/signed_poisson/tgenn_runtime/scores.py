"""Compares outputs with targets after each time step: accuracy for classes and 0/1 labels, errors for values.

All scores take logits: classes are read from them, values are compared with the function of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import numpy as np

from .data import Table, Targets, as_current
from .readout_functions import activated, decisions
from .score_totals import AccuracyTotals, ErrorTotals, exact_sum

MOST_CLASSES = 1000  # of a confusion matrix


class Accuracy:
    """Counts the decisions that are right, after each step, in `totals`.

    targets: class numbers as integers (n, *shape without its last axis), whose decision is the largest logit;
    or 0/1 labels as booleans (n, *shape), where a logit above 0 decides for 1. Labels of one value are the
    classes 0 and 1. In maps each pixel has a decision. `add` takes the logits of one batch after the other.
    """

    def __init__(self, targets: np.ndarray, shape: tuple[int, ...]) -> None:
        self.are_labels = targets.dtype == np.bool_
        several = self.are_labels and shape[-1] > 1
        self.targets = targets[..., 0] if self.are_labels and not several else targets
        self.done, self.classes = 0, 2 if self.are_labels else shape[-1]
        places = "labels" if several else ("", "positions", "pixels")[min(len(shape) - 1, 2)]
        self.totals = AccuracyTotals(shape[-1] if several else 0, places)
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
    after the other.
    """

    def __init__(self, values: np.ndarray, uint8_divisor: float, activation: str | None = None) -> None:
        self.values, self.activation, self.done = values, activation, 0
        self.divisor = uint8_divisor if values.ndim > 2 else 1.0
        self.totals = ErrorTotals(values[0].size)

    def add(self, logits: np.ndarray) -> None:
        """Add the logits of the next examples, (steps, batch, *shape)."""
        values = as_current(self.values[self.done : self.done + logits.shape[1]], self.divisor)
        squares, absolute = [], []
        for step in logits:  # not all in memory at once
            d = activated(step.astype(np.float64), self.activation) - values
            of_examples = np.ascontiguousarray(d).reshape(len(d), -1)  # whose sums do not depend on the batch
            squares.append(exact_sum((of_examples * of_examples).sum(axis=1)))
            absolute.append(exact_sum(np.abs(of_examples).sum(axis=1)))
        self.totals.add(ErrorTotals(self.totals.values, len(values), squares, absolute))
        self.done += logits.shape[1]


Score = Union[Accuracy, Errors]  # noqa: UP007  (Python 3.9)


def scores_of(targets: Targets, inputs: Table, outputs: Table) -> dict[str, Score]:
    """{output: its score} for targets. uint8 images have the uint8_divisor of the first input."""
    divisor = next(iter(inputs.values()))["uint8_divisor"]
    return {name: _score(y, outputs[name], divisor) for name, y in targets.items()}


def _score(y: np.ndarray, output: Mapping[str, Any], uint8_divisor: float) -> Score:
    shape = output["shape"]
    if y.dtype == np.bool_ or y.ndim == len(shape):
        return Accuracy(y, shape)
    return Errors(y, uint8_divisor, output["activation"])
