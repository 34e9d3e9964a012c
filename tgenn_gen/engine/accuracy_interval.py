"""How far an accuracy on n examples may be from that on all examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

CONFIDENCE = "68 %"


def accuracy_interval(accuracy: Any, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest accuracy, 0 to 1, of Wilson's score interval, of 68.3 % confidence.

    These are the accuracies that are one of their own standard errors, of a binomial distribution, from the
    one that was found. So the interval is right at 0 and 1, too, where a standard error at the accuracy that
    was found is 0.

    accuracy: one, or an array, that was found on so many examples; where it is NaN, so is the interval.

    E. B. Wilson 1927, *Probable inference, the law of succession, and statistical inference*, Journal of the
    American Statistical Association 22:209.
    """
    p, n = np.asarray(accuracy, np.float64), examples
    half = np.sqrt(p * (1 - p) * n + 0.25)
    return (p * n + 0.5 - half) / (n + 1), (p * n + 0.5 + half) / (n + 1)


def are_examples(scores: Mapping[str, Any]) -> bool:
    """Whether scores have an accuracy of examples that are right or wrong as a whole, as an interval needs.

    Pixels of a map, and several labels of an example, are not right or wrong independently.
    """
    return "accuracy" in scores and not {"mean_iou", "exact_match"} & set(scores)
