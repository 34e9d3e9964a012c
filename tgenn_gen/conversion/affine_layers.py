"""Layers that are an affine function of each channel, and the statistics of the data that they normalize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.keras_model import KerasLayer, KerasModel
from tgenn_gen.keras_reader.supported_layers import NOTHING, examined

AFFINE = ("BatchNormalization", "Normalization", "Rescaling")


@dataclass(frozen=True)
class Affine:
    """y = gain x + offset. Arrays of float64, (channels,) or (1,).

    mean, deviation   of the data that it is made for: x = mean +- deviation
    """

    gain: np.ndarray
    offset: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def worst(self) -> tuple[float, float]:
        """Mean and deviation of the channel whose mean is the largest multiple of its deviation."""
        mean, deviation = np.broadcast_arrays(self.mean, self.deviation)
        index = int(np.argmax(np.abs(mean) / deviation))
        return float(mean[index]), float(deviation[index])

    @property
    def ratio(self) -> float:
        """That multiple."""
        mean, deviation = self.worst
        return abs(mean) / deviation

    @property
    def shows_data(self) -> bool:
        """Whether it shows what the model was trained on: it is not constant, and not x, as it starts."""
        starts = not self.mean.any() and bool((np.abs(self.deviation - 1) < 0.01).all())
        unchanged = not self.offset.any() and bool((np.abs(self.gain - 1) < 0.01).all())
        return bool(self.gain.all()) and not starts and not unchanged

    def after(self, first: Affine) -> Affine | None:
        """This function of another one's results, with the statistics of x; None where its gain is 0."""
        if not (first.gain.all() and np.isfinite([self.mean.sum(), self.deviation.sum()]).all()):
            return None
        return Affine(
            self.gain * first.gain,
            self.gain * first.offset + self.offset,
            (self.mean - first.offset) / first.gain,
            self.deviation / np.abs(first.gain),
        )


def affine_of(layer: KerasLayer) -> Affine:
    """The function of a layer of AFFINE."""
    if layer.class_name == "BatchNormalization":
        weights = {name: values.astype(np.float64) for name, values in layer.weights.items()}
        mean = weights["moving_mean"]
        deviation = np.sqrt(weights["moving_variance"] + layer.config["epsilon"])
        gain = weights.get("gamma", 1.0) / deviation
        return Affine(gain, weights.get("beta", 0.0) - mean * gain, mean, deviation)
    if layer.class_name == "Rescaling":
        return _scaling(*(_rounded(layer.config[name], layer) for name in ("scale", "offset")))
    given = layer.config.get("mean") is not None
    values = layer.config if given else layer.weights
    mean, variance = (_rounded(values[name], layer) for name in ("mean", "variance"))
    deviation = np.maximum(np.sqrt(variance), 1e-7)  # as in Keras
    if layer.config["invert"]:
        return Affine(deviation, mean, np.zeros(1), np.ones(1))
    return Affine(1 / deviation, -mean / deviation, mean, deviation)


def _rounded(values: Any, layer: KerasLayer) -> np.ndarray:
    """Numbers of a configuration as Keras takes them: in float32, but for layers of float64."""
    dtype = np.float64 if layer.config.get("dtype") == "float64" else np.float32
    return np.asarray(values, dtype).astype(np.float64).reshape(-1)


def _scaling(gain: np.ndarray, offset: np.ndarray) -> Affine:
    """A function that is made for data that it maps to about -1 to 1."""
    factor = np.where(gain == 0, 1, gain)
    return Affine(gain, offset, -offset / factor, np.abs(0.5 / factor))


def reason_of(layer: KerasLayer, affine: Affine) -> str:
    """What a layer shows about the data that the model was trained on."""
    if layer.class_name == "Rescaling":
        return (
            f"layer '{layer.name}' multiplies by {affine.gain.mean():.3g} and adds {affine.offset.mean():.3g}"
        )
    deviation = np.sqrt(np.square(affine.deviation).mean() + affine.mean.var())
    return (
        f"layer '{layer.name}' has a mean of {affine.mean.mean():.3g} and a standard deviation of "
        f"{deviation:.3g}"
    )


def input_statistics(model: KerasModel) -> dict[str, Affine]:
    """{input: the statistics of its data}, for inputs that an affine layer reads, in the input's units.

    Layers may follow one another. Where there are several, it is the one whose mean is the largest multiple
    of its deviation.
    """
    reads: dict[str, tuple[str, Affine]] = {}  # what is a function of an input alone: that input, and it
    found: dict[str, Affine] = {}
    for layer in model.layers:
        if layer.class_name == "InputLayer":
            reads[layer.name] = layer.name, Affine(np.ones(1), np.zeros(1), np.zeros(1), np.ones(1))
        elif not layer.inputs or layer.inputs[0] not in reads:
            continue
        elif layer.class_name in NOTHING:
            reads[layer.name] = reads[layer.inputs[0]]
        elif layer.class_name in AFFINE and not examined(layer)[1]:
            source, before = reads[layer.inputs[0]]
            whole = affine_of(layer).after(before)
            if whole is None:
                continue
            reads[layer.name] = source, whole
            if source not in found or whole.ratio > found[source].ratio:
                found[source] = whole
    return found
