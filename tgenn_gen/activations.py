"""The ANN that a network stands for, run in NumPy, and the statistics of its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tgenn_gen.calibration import Calibration
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.runtime.encodings import input_problem
from tgenn_gen.spec import Network, Population

Progress = Callable[[int, int], None]


def ann_currents(network: Network, x: np.ndarray) -> Iterator[tuple[Population, np.ndarray]]:
    """Run a network as an ANN on x (batch, *input shape): each population's current, before its ReLU."""
    values = {network.inputs[0].name: x}
    for population in network.populations:
        current = population.current(values)
        values[population.name] = np.maximum(current, 0)
        yield population, current


# Bins of float32 numbers are their leading bits. Those of 2^-40 to 2^24 are told apart.
_SMALLEST, _LARGEST = np.array([2.0**-40, 2.0**24], np.float32).view(np.uint32)


@dataclass
class ActivationHistogram:
    """The distribution of a stream of activations in fixed memory, whatever its batches.

    One histogram a channel (the last axis), or a single one for `channels` 1. Bins are the exponent and
    the first `mantissa_bits` bits of positive float32 numbers, which sort as the numbers do: a relative
    width of at most 2^-mantissa_bits. Zero and what is negative share bin 0.
    """

    channels: int = 1
    mantissa_bits: int = 11
    counts: np.ndarray = field(init=False)
    largest: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        bins = int(_LARGEST - _SMALLEST >> self._dropped) + 1
        self.counts = np.zeros((self.channels, bins), np.int64)
        self.largest = np.zeros(self.channels)

    @property
    def _dropped(self) -> np.uint32:
        return np.uint32(23 - self.mantissa_bits)

    def add(self, values: np.ndarray) -> None:
        """Count values (..., channels); those below 0 count as 0, what a ReLU makes of them."""
        rows = np.maximum(values, 0, dtype=np.float32).reshape(-1, self.channels)
        bits = np.clip(rows.view(np.uint32), _SMALLEST, _LARGEST - 1)
        bins = (bits - _SMALLEST >> self._dropped).astype(np.intp) + (rows >= 2.0**-40)
        width = self.counts.shape[1]
        flat = (bins + width * np.arange(self.channels)).reshape(-1)
        if flat.size > self.counts.size:
            self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)
        else:
            np.add.at(self.counts.reshape(-1), flat, 1)
        np.maximum(self.largest, rows.max(axis=0, initial=0), out=self.largest)

    def upper_edges(self) -> np.ndarray:
        """The largest value that each bin can hold, (bins,)."""
        edges = _SMALLEST + (np.arange(self.counts.shape[1], dtype=np.uint32) << self._dropped)
        values = edges.view(np.float32).astype(np.float64)
        values[0] = 0
        return values

    def percentile(self, percent: float) -> np.ndarray:
        """The upper edge of the bin that `percent` of values lie below, (channels,); the maximum for 100."""
        if percent >= 100:
            return self.largest.copy()
        cumulative = np.cumsum(self.counts, axis=1)
        index = (cumulative < percent / 100 * cumulative[:, -1:]).sum(axis=1)
        return np.minimum(self.upper_edges()[index], self.largest)


@dataclass(frozen=True)
class Measurement:
    """What calibration data shows: the ANN's activations and accuracy (where labelled), the data's range."""

    histograms: dict[str, ActivationHistogram]
    accuracy: float | None
    smallest: float
    largest: float


def measure(
    network: Network, calibration: Calibration, per_channel: bool = False, progress: Progress | None = None
) -> Measurement:
    """Run the folded network (scales 1) as an ANN over the calibration data.

    Raises TgennError (T506) for values that the input's encoding cannot take.
    """
    encoding = network.inputs[0].encoding
    histograms = {
        p.name: ActivationHistogram(p.shape[-1], 6) if per_channel else ActivationHistogram()
        for p in network.populations
        if p.neuron.spikes
    }
    done, correct, labelled = 0, 0, True
    smallest, largest = np.inf, -np.inf
    for x, labels in calibration.batches(network.largest):
        if problem := input_problem(x, encoding.low, encoding.high, encoding.binary):
            hint = "use --signed, or another --encoding" if x.min() < 0 else "use another --encoding"
            raise TgennError(Diagnostic(Location(calibration.file), "T506", problem, hint))
        for population, current in ann_currents(network, x):
            if population.name in histograms:
                histogram = histograms[population.name]
                histogram.add(current.reshape(-1, histogram.channels))
        smallest, largest = min(smallest, float(x.min())), max(largest, float(x.max()))
        labelled = labels is not None
        if labels is not None:
            correct += int((current.argmax(axis=-1) == labels).sum())
        done += len(x)
        if progress is not None:
            progress(done, calibration.count)
    accuracy = correct / calibration.count if labelled else None
    return Measurement(histograms, accuracy, smallest, largest)
