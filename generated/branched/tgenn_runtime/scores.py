"""Scores of outputs after each time step: accuracy for class numbers, errors for values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .data import Table, Targets, as_current


class Accuracy:
    """The fraction of examples whose largest output is their class, after each step.

    classes: the class numbers, (n,). `add` takes the outputs of one batch after the other.
    """

    def __init__(self, classes: np.ndarray) -> None:
        self.classes, self.done, self.correct = classes, 0, np.zeros(1, int)

    def add(self, output: np.ndarray) -> None:
        """Add the output of the next examples, (steps, batch, classes)."""
        classes = self.classes[self.done : self.done + output.shape[1]]
        self.correct = self.correct + (output.argmax(axis=2) == classes).sum(axis=1)
        self.done += output.shape[1]

    def results(self) -> dict[str, Any]:
        """Accuracies, 0 to 1: after the last step, and after each."""
        per_step = (self.correct / self.done).tolist()
        return {"accuracy": per_step[-1], "accuracy_per_step": per_step}

    def running(self) -> str:
        """The score so far, for a progress bar."""
        return f"accuracy {100 * self.correct[-1] / self.done:.2f} %"

    def line(self, timesteps: int) -> str:
        """The result as a line of text."""
        accuracy = self.correct[-1] / self.done
        return f"accuracy: {accuracy:.4f} ({self.correct[-1]} of {self.done}, {timesteps} steps)"


class Errors:
    """Mean squared and mean absolute error of outputs, after each step.

    values: the targets, (n, *shape). uint8 images, which have more than one axis, are divided by
    `uint8_divisor`. `add` takes the outputs of one batch after the other.
    """

    def __init__(self, values: np.ndarray, uint8_divisor: float) -> None:
        self.values, self.done = values, 0
        self.divisor = uint8_divisor if values.ndim > 2 else 1.0
        self.squares, self.absolute = np.zeros(1), np.zeros(1)

    def add(self, output: np.ndarray) -> None:
        """Add the output of the next examples, (steps, batch, *shape)."""
        values = as_current(self.values[self.done : self.done + output.shape[1]], self.divisor)
        differences = (step.astype(np.float64) - values for step in output)  # not all in memory at once
        sums = [((d * d).sum(), np.abs(d).sum()) for d in differences]
        squares, absolute = np.transpose(sums)
        self.squares, self.absolute = self.squares + squares, self.absolute + absolute
        self.done += output.shape[1]

    def results(self) -> dict[str, Any]:
        """Mean squared errors, in squared units of the ANN's outputs, and the mean absolute error."""
        count = self.done * self.values[0].size
        return {
            "mean_squared_error": self.squares[-1] / count,
            "mean_absolute_error": self.absolute[-1] / count,
            "mean_squared_error_per_step": (self.squares / count).tolist(),
        }

    def running(self) -> str:
        """The score so far, for a progress bar."""
        return f"error {self.results()['mean_squared_error']:.4g}"

    def line(self, timesteps: int) -> str:
        """The result as a line of text."""
        error = self.results()["mean_squared_error"]
        return f"mean squared error: {error:.4g} ({self.done} examples, {timesteps} steps)"


def scores_of(targets: Targets, inputs: Table) -> dict[str, Accuracy | Errors]:
    """{output: its score} for targets. uint8 images have the uint8_divisor of the first input."""
    divisor = next(iter(inputs.values()))["uint8_divisor"]
    return {name: Accuracy(y) if y.ndim == 1 else Errors(y, divisor) for name, y in targets.items()}
