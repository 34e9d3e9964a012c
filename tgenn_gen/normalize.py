"""Weight normalization: a scale for each population, so that activations fit firing rates of 0 to 1.

    none          scales of 1
    model         the largest activation the weights allow (Diehl et al. 2015, Algorithm 1)
    data          the largest activation over the calibration set (Diehl et al. 2015, Algorithm 2)
    percentile:P  the P-th percentile of all activations over it (Rueckauer et al. 2017, section 2.2.2)

Activations are those of the folded network (all scales 1) run as an ANN, in NumPy, batch after batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from tgenn_gen.calibration import Calibration
from tgenn_gen.spec import LinearMap, Network, Population
from tgenn_gen.tensors import Tensor

DEFAULT = "percentile:99.9"

Progress = Callable[[int, int], None]


def parse_method(text: str) -> tuple[str, float]:
    """ "percentile:99.9" to ("percentile", 99.9); "data" is percentile 100. Raises ValueError."""
    if text in ("none", "model"):
        return text, 0.0
    if text == "data":
        return "percentile", 100.0
    match = re.fullmatch(r"percentile:([0-9]+(?:\.[0-9]+)?)", text)
    if match and 0 < float(match[1]) <= 100:
        return "percentile", float(match[1])
    raise ValueError(
        f"'{text}' is no normalization: use none, model, data or percentile:P with P in (0, 100]"
    )


def needs_data(method: str) -> bool:
    """Whether the method reads calibration data."""
    return parse_method(method)[0] == "percentile"


def ann_currents(network: Network, x: np.ndarray) -> Iterator[tuple[Population, np.ndarray]]:
    """Run a network as an ANN on x (batch, *input shape): each population's current, before its ReLU."""
    values = {network.inputs[0].name: x}
    for population in network.populations:
        current = population.current(values)
        values[population.name] = np.maximum(current, 0)
        yield population, current


@dataclass
class ActivationHistogram:
    """Percentiles of a stream in fixed memory, whatever its batches: relative error at most 2^-11.

    Bins are the leading bits (exponent and 11 of 23 mantissa bits) of positive float32 numbers, which
    sort as the numbers do. Zero and what is negative share bin 0.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(2**19, np.int64))
    largest: float = 0.0
    dropped_bits = 12

    def add(self, values: np.ndarray) -> None:
        """Count values; those below 0 count as 0, what a ReLU makes of them."""
        positive = values[values > 0].astype(np.float32)
        bins = positive.view(np.uint32) >> self.dropped_bits
        self.counts += np.bincount(bins, minlength=len(self.counts))
        self.counts[0] += values.size - positive.size
        self.largest = max(self.largest, float(positive.max(initial=0)))

    def percentile(self, percent: float) -> float:
        """The smallest bin's upper edge that `percent` of all values lie below; the maximum for 100."""
        if percent >= 100:
            return self.largest
        cumulative = np.cumsum(self.counts)
        index = int(np.searchsorted(cumulative, percent / 100 * cumulative[-1]))
        if index == 0:
            return 0.0
        edge = np.array((index + 1) << self.dropped_bits, np.uint32).view(np.float32)
        return min(float(edge), self.largest)


@dataclass(frozen=True)
class Measurement:
    """What calibration data shows: the ANN's activations and accuracy (where labelled), the data's range."""

    histograms: dict[str, ActivationHistogram]
    accuracy: float | None
    smallest: float
    largest: float


def measure(network: Network, calibration: Calibration, progress: Progress | None = None) -> Measurement:
    """Run the folded network (scales 1) as an ANN over the calibration data."""
    histograms = {p.name: ActivationHistogram() for p in network.populations if p.neuron.spikes}
    done, correct, labelled = 0, 0, True
    smallest, largest = np.inf, -np.inf
    for x, labels in calibration.batches(max(p.size for p in network.populations)):
        for population, current in ann_currents(network, x):
            if population.name in histograms:
                histograms[population.name].add(current)
        smallest, largest = min(smallest, float(x.min())), max(largest, float(x.max()))
        labelled = labels is not None
        if labels is not None:
            correct += int((current.argmax(axis=-1) == labels).sum())
        done += len(x)
        if progress is not None:
            progress(done, calibration.count)
    accuracy = correct / calibration.count if labelled else None
    return Measurement(histograms, accuracy, smallest, largest)


def find_scales(
    network: Network, method: str, measured: Measurement | None = None
) -> tuple[dict[str, float], list[str]]:
    """Each population's scale by `method`, and notes about populations that needed another one.

    `network` is folded (all scales 1). Integrators are read out in the ANN's units: their scale is 1.
    """
    kind, percent = parse_method(method)
    spiking = [p.name for p in network.populations if p.neuron.spikes]
    scales = {p.name: 1.0 for p in network.populations}
    notes: list[str] = []
    if kind == "model":
        scales.update({n: s for n, s in _model_bounds(network).items() if n in spiking})
    elif kind == "percentile" and measured is not None:
        for name, histogram in measured.histograms.items():
            scales[name] = histogram.percentile(percent)
            if scales[name] == 0 and histogram.largest > 0:
                scales[name] = histogram.largest
                notes.append(
                    f"{name}: fewer than {100 - percent:g} % of its activations are not zero, "
                    "so its scale is their maximum"
                )
    for name in spiking:
        if scales[name] == 0:
            scales[name] = 1.0
            notes.append(f"{name}: its neurons are never active, so its scale is 1")
    return scales, notes


def _model_bounds(network: Network) -> dict[str, float]:
    """The largest activation each population can have for inputs of 0 to 1: only positive weights count."""
    bounds = {network.inputs[0].name: 1.0}
    shapes = {network.inputs[0].name: network.inputs[0].shape}
    for population in network.populations:
        positive = replace(
            population,
            inputs=tuple(
                replace(c, through=tuple(_positive(m) for m in c.through)) for c in population.inputs
            ),
            bias=population.bias and Tensor(population.bias.file, np.maximum(population.bias.values, 0)),
        )
        values = {n: np.full((1, *shapes[n]), bounds[n], np.float32) for n in bounds}
        shapes[population.name] = population.shape
        bounds[population.name] = float(positive.current(values).max())
    return bounds


def _positive(linear_map: LinearMap) -> LinearMap:
    return replace(  # type: ignore[type-var]
        linear_map, **{k: Tensor(t.file, np.maximum(t.values, 0)) for k, t in linear_map.tensors.items()}
    )
