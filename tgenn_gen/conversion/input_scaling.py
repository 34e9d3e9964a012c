"""Decides what uint8 data is divided by, and whether the calibration data has the training data's range.

A model is trained on images of 0 to 255, 0 to 1 or -1 to 1, and does not say on which. Its accuracy on
labelled calibration data in each range shows it, or what a layer near the input knows of its training data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, prod, sqrt
from typing import Any

import numpy as np

from tgenn_gen.conversion.calibration import Calibration
from tgenn_gen.conversion.folding import FoldedModel
from tgenn_gen.conversion.folding_state import TrainingStatistics
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import predict
from tgenn_gen.network.model import Input
from tgenn_gen.runtime.data import Examples, as_current, count_of, frames_mean, named

EXAMPLES, FEWEST = 1024, 64  # on which the accuracy is compared
ELEMENTS = 2**21  # of the inputs of these examples: fewer where they are large
FIRST = 128  # of them are tried first: most often they decide
BATCH = 64  # examples that Keras runs at a time
STATISTICS = 64  # examples whose mean and standard deviation are compared with a layer's
EVENTS = 50  # in a frame at most, unless it is an image
SURE = 2.0  # ranges whose distance to a layer's statistics is larger by this are excluded; a factor of 7.4
DEVIATIONS = 3  # ranges whose accuracy is lower by so many standard deviations are excluded
UNKNOWN = "neither class numbers nor a normalization in the model show it"


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


UNIT, BYTES, SIGNED = Range(0, 1), Range(0, 255), Range(-1, 1)
WORDS = [Range(0, 2**bits - 1) for bits in (10, 12, 14, 16)]  # of images in 16 bits
TO_UNIT = {UNIT: "x", BYTES: "x / 255", SIGNED: "(x + 1) / 2", **{w: f"x / {w.high:g}" for w in WORDS}}
FROM_UNIT = {UNIT: "", BYTES: " * 255", SIGNED: " * 2 - 1"}


@dataclass(frozen=True, eq=False)
class _Sample:
    """Some calibration examples.

    given   {input: its examples as they are, float32 (n, *shape)}
    dtypes  {input: their type in the file}
    ranges  {input: the range that they have, if it is one of images, else None}
    labels  class numbers (n,), or None
    """

    given: Examples
    dtypes: Mapping[str, str]
    ranges: Mapping[str, Range | None]
    labels: np.ndarray | None

    def images(self, name: str) -> bool:
        """Whether an input gets images in uint8."""
        return self.dtypes[name] == "uint8" and self.ranges[name] == BYTES

    def expected(self, name: str) -> Range | None:
        """The range that the model gets unless there is evidence: uint8 images are divided by 255."""
        return UNIT if self.images(name) else self.ranges[name]

    def values(self, taken: Mapping[str, Range | None]) -> Examples:
        """The examples brought into the ranges `taken`, {input: range}."""
        return {name: _brought(x, self.ranges[name], taken[name]) for name, x in self.given.items()}


@dataclass(frozen=True)
class _Evidence:
    """The ranges that the training data can have had, the likeliest first, and why."""

    ranges: Sequence[Range]
    reason: str


@dataclass(frozen=True)
class _Found:
    """The range of the training data of an input, and why.

    certain: whether other scales are excluded. refused: whether the accuracy excludes the expected range.
    """

    range: Range
    reason: str
    certain: bool
    refused: bool


def scaled_inputs(
    folded: FoldedModel,
    read: KerasModel,
    keras_model: Any,
    data: Calibration | None,
    uint8_divisor: float | None,
) -> tuple[tuple[Input, ...], list[str]]:
    """The network's inputs with their uint8_divisor, and notes that say what decided it.

    uint8_divisor: what the user gives; None: it is found. Raises TgennError (T508) for calibration data on
    which the model's accuracy is much lower than on the same data in another range.
    """
    inputs = folded.network.inputs
    if uint8_divisor is not None:
        divided = tuple(replace(i, uint8_divisor=uint8_divisor) for i in inputs)
        return divided, [_note(i.name, uint8_divisor, "as given") for i in inputs]
    sample = _sample(data, inputs)
    dtypes = {layer.name: str(layer.config.get("dtype")) for layer in read.layers}
    taken = {i.name: sample.expected(i.name) for i in inputs}
    scaled: list[Input] = []
    notes: list[str] = []
    for i, layer in zip(inputs, read.inputs, strict=True):
        if "int" in dtypes[layer]:
            if data is not None and (sample.given[i.name] % 1).any():
                message = f"the model's input has dtype {dtypes[layer]}, the calibration data is not whole"
                hint = "save x in whole numbers, as the model takes them"
                raise TgennError.at(data.file, "T508", named(i.name, message, sample.given), hint)
            divisor, reason = 1.0, f"the model's input has dtype {dtypes[layer]}"
        elif sample.images(i.name):
            found = _found(i.name, taken, sample, folded, keras_model)
            if found.range == SIGNED:
                notes += _mismatch(i.name, found, sample, data)
            else:
                taken[i.name] = found.range
            divisor = 1.0 if taken[i.name] == BYTES else 255.0
            reason = found.reason if found.certain else f"assumed: {found.reason or UNKNOWN}"
        else:
            if taken[i.name] is not None:
                found = _found(i.name, taken, sample, folded, keras_model)
                notes += _mismatch(i.name, found, sample, data)
            # The numbers mean the same in every type.
            of_0_to_1 = taken[i.name] == UNIT and sample.dtypes[i.name] != "uint8"
            divisor = 255.0 if of_0_to_1 else 1.0
            mean = ", the mean over its frames," if i.frames > 1 else ""
            reason = f"the calibration data{mean} has values of {_limits(sample.given[i.name])}"
        scaled.append(replace(i, uint8_divisor=divisor))
        notes.append(_note(i.name, divisor, reason))
    return tuple(scaled), notes


def _note(name: str, divisor: float, reason: str) -> str:
    return f"{name}: uint8 data is divided by {divisor:g}, other data is taken as it is: {reason}"


def _sample(data: Calibration | None, inputs: tuple[Input, ...]) -> _Sample:
    """Calibration examples; without any, images of random bytes."""
    labels = None
    if data is None:
        rng = np.random.default_rng(0)
        sizes = {i.name: (STATISTICS, *i.example_shape) for i in inputs}
        rows: Examples = {name: rng.integers(0, 256, size, np.uint8) for name, size in sizes.items()}
    else:
        affordable = max(FEWEST, ELEMENTS // sum(prod(i.example_shape) for i in inputs))
        size = STATISTICS if data.labels is None else min(EXAMPLES, affordable)
        rows, labels = data.labelled(min(data.count, size))
    given = {i.name: frames_mean(as_current(rows[i.name], 1.0), i.frames) for i in inputs}
    dtypes = {name: x.dtype.name for name, x in rows.items()}
    # frames are images, or have a few events each, of which the mean says more
    images = {name: x for name, x in rows.items() if x.dtype == np.uint8 and x.max() > EVENTS}
    ranges = {name: _range_of(images.get(name, x)) for name, x in given.items()}
    return _Sample(given, dtypes, ranges, labels)


def _range_of(x: np.ndarray) -> Range | None:
    """The range of images that x seems to have, or None. Resized images can go a little beyond it."""
    low, high = float(x.min()), float(x.max())
    whole = low >= 0 and bool((x == np.rint(x)).all())
    if low >= -0.2 and high <= 1.2:
        return UNIT
    if -1.2 <= low < 0 and high <= 1.2:
        return SIGNED
    if high <= 255 if whole else low >= -50 and 50 < high <= 305:
        return BYTES
    return next((words for words in WORDS if whole and high <= words.high), None)


def _brought(x: np.ndarray, start: Range | None, target: Range | None) -> np.ndarray:
    """x, which has the range `start`, in the range `target`."""
    if start is None or target is None or start == target:
        return x
    factor = (target.high - target.low) / (start.high - start.low)
    return (x - np.float32(start.low)) * np.float32(factor) + np.float32(target.low)


def _limits(x: np.ndarray) -> str:
    return str(Range(float(x.min()) + 0.0, float(x.max()) + 0.0))  # no negative zero


def _found(
    name: str,
    taken: Mapping[str, Range | None],
    sample: _Sample,
    folded: FoldedModel,
    keras_model: Any,
) -> _Found:
    """What the model was trained on, by all evidence. taken: the ranges that the other inputs get."""
    expected = taken[name]
    assert expected is not None
    candidates = list(dict.fromkeys((expected, UNIT, BYTES, SIGNED)))
    values = {r: sample.values({**taken, name: r}) for r in candidates}
    boundary = 0.5 if folded.outputs[0].activation == "sigmoid" else 0.0  # of an output of one value
    accuracy = _by_accuracy(values, sample.labels, keras_model, boundary)
    presented = {r: folded.network.presented(examples) for r, examples in values.items()}
    known = [
        _by_statistics(presented, layer)
        for layer in folded.statistics
        if name in {branch.source for branch in layer.signal.branches}
    ]
    possible: Sequence[Range] = candidates
    reasons: list[str] = []
    if accuracy is not None:
        possible, reasons = accuracy.ranges, [accuracy.reason]
    if known:
        left = [r for r in candidates if all(r in evidence.ranges for evidence in known)]
        reasons += [] if left else ["the model's layers disagree"]
        reasons += [e.reason for e in known if len(e.ranges) < len(candidates)]
        possible = [r for r in possible if r in left] or possible
    found = expected if expected in possible else possible[0]
    scales = {UNIT if r == SIGNED else r for r in possible}
    refused = accuracy is not None and expected not in accuracy.ranges
    return _Found(found, "; ".join(reasons), len(scales) == 1, refused)


def _by_accuracy(
    values: Mapping[Range, Examples], labels: np.ndarray | None, keras_model: Any, boundary: float
) -> _Evidence | None:
    """The ranges in which the model's accuracy may be the highest; None without classes.

    boundary: of a single output between the labels 0 and 1.
    """
    if labels is None:
        return None
    for size in dict.fromkeys((min(FIRST, len(labels)), len(labels))):
        # Not evenly spaced ones, which could all be of one class.
        part = np.sort(np.random.default_rng(0).permutation(len(labels))[:size])
        right = {}
        for r, examples in values.items():
            outputs = _outputs({name: x[part] for name, x in examples.items()}, keras_model)
            if outputs.ndim != 2 or labels.max() >= max(outputs.shape[1], 2):
                return None
            found = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > boundary
            right[r] = found == labels[part]
        ordered = sorted(right, key=lambda r: -right[r].mean())
        possible = [r for r in ordered if not _surely_less(right[r], right[ordered[0]])]
        if len(possible) == 1:
            break
    figures = ", ".join(f"{100 * right[r].mean():.1f} % on values of {r}" for r in ordered)
    return _Evidence(possible, f"the model's accuracy is {figures} ({size} calibration examples)")


def _outputs(examples: Examples, keras_model: Any) -> np.ndarray:
    """The model's first output."""
    parts = [
        predict(keras_model, [x[start : start + BATCH] for x in examples.values()])[0]
        for start in range(0, count_of(examples), BATCH)
    ]
    return np.concatenate(parts)


def _surely_less(right: np.ndarray, best: np.ndarray) -> bool:
    """Whether fewer examples are right than with the best range, beyond chance."""
    better, worse = int((best & ~right).sum()), int((~best & right).sum())
    return better - worse > DEVIATIONS * sqrt(better + worse)


def _by_statistics(values: Mapping[Range, Examples], layer: TrainingStatistics) -> _Evidence:
    """The ranges in which a layer's input is like that of the training."""
    distances = {r: _distance(examples, layer) for r, examples in values.items()}
    ordered = sorted(distances, key=distances.__getitem__)
    possible = [r for r in ordered if distances[r] <= distances[ordered[0]] + SURE]
    return _Evidence(possible, layer.reason)


def _distance(examples: Examples, layer: TrainingStatistics) -> float:
    """How far the mean and the standard deviation of a layer's input are from those of the training."""
    step = max(1, count_of(examples) // STATISTICS)
    signal = layer.signal
    values = sum(b.apply(examples[b.source][::step]) for b in signal.branches)
    values = np.asarray(values if signal.bias is None else values + signal.bias, np.float64)
    mean, deviation = float(values.mean()), max(float(values.std()), 1e-30)
    largest = max(deviation, layer.deviation)
    return abs(log(deviation / layer.deviation)) + abs(mean - layer.mean) / largest


def _mismatch(name: str, found: _Found, sample: _Sample, data: Calibration | None) -> Iterator[str]:
    """Notes on calibration data that has another range than the training data. Raises TgennError (T508)."""
    start, x = sample.ranges[name], sample.given[name]
    if data is None or start is None:
        return
    limits = f"values of {_limits(x)}"
    if found.range != sample.expected(name):
        bytes_too = ", or as uint8" if (start, found.range) == (BYTES, UNIT) else ""
        message = f"the calibration data has {limits}, but the model takes {found.range}"
        message = f"{message}: {found.reason}"
        hint = f"save x as {TO_UNIT[start]}{FROM_UNIT[found.range]}{bytes_too}, here and for tests"
        if found.refused:
            hint += "; to convert nevertheless, give `uint8_divisor=1`"
            raise TgennError.at(data.file, "T508", named(name, message, sample.given), hint)
        yield f"{name}: {message}: {hint}"
    elif not found.certain and start in (BYTES, *WORDS) and sample.dtypes[name] != "uint8" and x.max() > 50:
        trained = f"if the model was trained on 0 to 1, save x as {TO_UNIT[start]}"
        yield f"{name}: {limits} are not divided: {trained}"
