"""Scores of outputs after each time step: accuracy for classes and 0/1 labels, errors for values.

All scores take logits: classes are read from them, values are compared with the function of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .data import Table, Targets, as_current
from .readout_functions import activated, decisions

MOST_CLASSES = 1000  # of a confusion matrix


class Accuracy:
    """The fraction of decisions that are right, after each step.

    targets: class numbers as integers (n, *shape without its last axis), whose decision is the largest logit;
    or 0/1 labels as booleans (n, *shape), where a logit above 0 decides for 1. Labels of one value are the
    classes 0 and 1. In maps each pixel has a decision. `add` takes the logits of one batch after the other.
    last_only: whether there is no answer before the last step: the accuracies of the others are NaN.
    """

    def __init__(self, targets: np.ndarray, shape: tuple[int, ...], last_only: bool = False) -> None:
        self.last_only = last_only
        self.labels = targets.dtype == np.bool_
        self.several = self.labels and shape[-1] > 1
        self.targets = targets[..., 0] if self.labels and not self.several else targets
        self.done, self.correct, self.exact, self.decided = 0, np.zeros(1, int), 0, 0
        classes = 2 if self.labels else shape[-1]
        known = not self.several and classes <= MOST_CLASSES
        self.confusion = np.zeros((classes, classes), int) if known else None
        self.places = "labels" if self.several else ("", "positions", "pixels")[min(len(shape) - 1, 2)]

    def add(self, logits: np.ndarray) -> None:
        """Add the logits of the next examples, (steps, batch, *shape)."""
        wanted = self.targets[self.done : self.done + logits.shape[1]].astype(np.int64)
        found = decisions(logits, "sigmoid") if self.labels else logits.argmax(axis=-1)
        right = found == wanted
        self.correct = self.correct + right.reshape(len(right), -1).sum(axis=1)
        self.done += logits.shape[1]
        self.decided += wanted.size
        if self.several:
            self.exact += int(right[-1].all(axis=-1).sum())
        if self.confusion is not None:
            np.add.at(self.confusion, (wanted, found[-1]), 1)

    def results(self) -> dict[str, Any]:
        """Accuracies, 0 to 1: after the last step, and after each. The others are after the last step.

        exact_match: for several 0/1 labels, the fraction of vectors of labels without an error.
        mean_iou: for maps; of each class that occurs in targets or outputs, the number of pixels where both
        have it / where one of them has it, and the mean of that over these classes.
        confusion_matrix: a row for each class of the targets, a column for each of the outputs.
        """
        per_step = _answers(self.correct / self.decided, self.last_only)
        found = {"accuracy": per_step[-1], "accuracy_per_step": per_step}
        if self.several:
            found["exact_match"] = self._exact_match()
        if self.confusion is not None:
            found |= {"mean_iou": self._mean_iou()} if self.places else {}
            found["confusion_matrix"] = self.confusion.tolist()
        return found

    def _exact_match(self) -> float:
        return self.exact / (self.decided / self.targets.shape[-1])

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
        if self.several:
            return f"{text}, exact match: {self._exact_match():.4f}"
        return f"{text}, mean IoU: {self._mean_iou():.4f}" if places and self.confusion is not None else text


class Errors:
    """Mean squared and mean absolute error of outputs, after each step.

    values: the targets, (n, *shape). uint8 images, which have more than one axis, are divided by
    `uint8_divisor`. They are compared with `activation` of the logits. `add` takes the logits of one batch
    after the other. last_only: whether the errors before the last step are NaN.
    """

    def __init__(
        self,
        values: np.ndarray,
        uint8_divisor: float,
        activation: str | None = None,
        last_only: bool = False,
    ) -> None:
        self.values, self.activation, self.last_only, self.done = values, activation, last_only, 0
        self.divisor = uint8_divisor if values.ndim > 2 else 1.0
        self.squares, self.absolute = np.zeros(1), np.zeros(1)

    def add(self, logits: np.ndarray) -> None:
        """Add the logits of the next examples, (steps, batch, *shape)."""
        values = as_current(self.values[self.done : self.done + logits.shape[1]], self.divisor)
        outputs = (activated(step.astype(np.float64), self.activation) for step in logits)
        differences = (output - values for output in outputs)  # not all in memory at once
        sums = [((d * d).sum(), np.abs(d).sum()) for d in differences]
        squares, absolute = np.transpose(sums)
        self.squares, self.absolute = self.squares + squares, self.absolute + absolute
        self.done += logits.shape[1]

    def results(self) -> dict[str, Any]:
        """Mean squared errors, in squared units of the ANN's outputs, and the mean absolute error."""
        count = self.done * self.values[0].size
        return {
            "mean_squared_error": self.squares[-1] / count,
            "mean_absolute_error": self.absolute[-1] / count,
            "mean_squared_error_per_step": _answers(self.squares / count, self.last_only),
        }

    def running(self) -> str:
        """The score so far, for a progress bar."""
        return f"error {self.results()['mean_squared_error']:.4g}"

    def line(self, timesteps: int) -> str:
        """The result as a line of text."""
        error = self.results()["mean_squared_error"]
        return f"mean squared error: {error:.4g} ({self.done} examples, {timesteps} steps)"


def scores_of(
    targets: Targets, inputs: Table, outputs: Table, few_spike: bool = False
) -> dict[str, Accuracy | Errors]:
    """{output: its score} for targets. uint8 images have the uint8_divisor of the first input.

    few_spike: whether outputs are read from the few-spike code. What they read before the last step is part
    of a number, and each population before them has taken all steps: that is no answer after fewer steps.
    """
    divisor = next(iter(inputs.values()))["uint8_divisor"]
    return {name: _score(y, outputs[name], divisor, few_spike) for name, y in targets.items()}


def _score(
    y: np.ndarray, output: Mapping[str, Any], uint8_divisor: float, last_only: bool
) -> Accuracy | Errors:
    shape = output["shape"]
    if y.dtype == np.bool_ or y.ndim == len(shape):
        return Accuracy(y, shape, last_only)
    return Errors(y, uint8_divisor, output["activation"], last_only)


def _answers(per_step: np.ndarray, last_only: bool) -> list[float]:
    """Scores after each step as a list; NaN before the last one if only that has an answer."""
    if last_only:
        per_step = np.append(np.full(len(per_step) - 1, np.nan), per_step[-1:])
    answers: list[float] = per_step.tolist()
    return answers
