"""Histograms of the ANN's activations over the calibration data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from tgenn_gen.conversion.calibration import Calibration
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.network.model import Network, Population
from tgenn_gen.runtime.data import Examples, count_of
from tgenn_gen.runtime.mpi_ranks import ALONE, Ranks
from tgenn_gen.runtime.numpy_network import in_threads
from tgenn_gen.runtime.readout_functions import decisions

Progress = Callable[[int, int], None]


MANTISSA_BITS, EXPONENT_OF_1 = 23, 127  # of float32
OCTAVES = 64  # below the largest value of a channel; smaller values count as 0
PART = 2**20  # values that are counted at a time, to bound memory


@dataclass
class ActivationHistogram:
    """The distribution of activations that arrive in batches, in fixed memory, whatever their size.

    One histogram per channel (the last axis), or a single one where `channels` is 1. A bin is the exponent
    and the first `mantissa_bits` bits of a positive float32 number, so bins are in the order of the numbers,
    and their relative width is at most 2^-mantissa_bits. The bins of a channel are the 64 octaves below
    `unit`, the power of two above its largest value; they move up when a larger value comes. Bin 0 has
    smaller values, 0 and negative values.
    `values`: how many values per channel are expected; below 2^32, counts take half the memory.
    """

    channels: int = 1
    mantissa_bits: int = 11
    values: int = 2**32
    counts: np.ndarray = field(init=False)
    largest: np.ndarray = field(init=False)
    _top: np.ndarray = field(init=False)  # the exponent bits of `unit`, so that values are below it

    def __post_init__(self) -> None:
        bins = (OCTAVES << self.mantissa_bits) + 1
        self.counts = np.zeros((self.channels, bins), np.uint32 if self.values < 2**32 else np.int64)
        self.largest = np.zeros(self.channels)
        self._top = np.full(self.channels, OCTAVES, np.int32)

    @property
    def unit(self) -> np.ndarray:
        """A power of two above the largest value of each channel, (channels,)."""
        return np.ldexp(1.0, self._top - EXPONENT_OF_1)

    def add(self, values: np.ndarray) -> None:
        """Count values (..., channels). Negative values count as 0, as after a ReLU."""
        rows, part = values.reshape(-1, self.channels), max(1, PART // self.channels)
        for start in range(0, len(rows), part):
            self._add(rows[start : start + part])

    def _add(self, rows: np.ndarray) -> None:
        largest = np.maximum(rows.max(axis=0, initial=0), 0, dtype=np.float32)  # no negative zero
        np.maximum(self.largest, largest, out=self.largest)
        self._move_up((largest.view(np.int32) >> MANTISSA_BITS) + 1)
        lowest = (self._top - OCTAVES) << self.mantissa_bits  # the bits of the first bin
        first = np.arange(self.channels, dtype=np.int32) * np.int32(self.counts.shape[1])
        bins = np.ascontiguousarray(rows, np.float32).view(np.int32)  # negative where the value is
        bins = bins >> (MANTISSA_BITS - self.mantissa_bits)
        np.maximum(bins, lowest, out=bins)
        bins += first - lowest
        flat = bins.reshape(-1)
        if flat.size > self.counts.size:
            counts = np.bincount(flat, minlength=self.counts.size).astype(self.counts.dtype)
            self.counts += counts.reshape(self.counts.shape)
        else:
            np.add.at(self.counts.reshape(-1), flat.astype(np.intp), self.counts.dtype.type(1))

    def add_all(self, other: ActivationHistogram) -> None:
        """Add what another histogram of the same size has counted. The bins of both move up alike."""
        np.maximum(self.largest, other.largest, out=self.largest)
        top = np.maximum(self._top, other._top)
        for histogram in (self, other):
            histogram._move_up(top)
        self.counts += other.counts

    def _move_up(self, top: np.ndarray) -> None:
        """Let the bins of each channel reach up to the exponent bits `top`, (channels,)."""
        octaves = np.maximum(top - self._top, 0)
        for shift in np.unique(octaves[octaves > 0]):
            channels = np.flatnonzero(octaves == shift)
            first = min(int(shift) << self.mantissa_bits, self.counts.shape[1] - 1)
            old, new = self.counts[channels], np.zeros_like(self.counts[channels])
            new[:, 0] = old[:, : first + 1].sum(axis=1)
            new[:, 1 : self.counts.shape[1] - first] = old[:, first + 1 :]
            self.counts[channels] = new
        self._top += octaves

    def upper_edges(self) -> np.ndarray:
        """The largest value that each bin can hold, (bins,), as a fraction of `unit`."""
        first = (EXPONENT_OF_1 - OCTAVES) << self.mantissa_bits
        edges = np.arange(first + 1, first + 1 + self.counts.shape[1], dtype=np.int32)
        values = (edges << (MANTISSA_BITS - self.mantissa_bits)).view(np.float32).astype(np.float64)
        values[0] = 0
        return values

    def percentile(self, percent: float) -> np.ndarray:
        """The percentile of each channel, (channels,): the upper edge of its bin; for 100 the maximum."""
        if percent >= 100:
            return self.largest.copy()
        cumulative = np.cumsum(self.counts, axis=1)
        index = (cumulative < percent / 100 * cumulative[:, -1:]).sum(axis=1)
        return np.minimum(self.upper_edges()[index] * self.unit, self.largest)


@dataclass(frozen=True)
class Measurement:
    """Measured over the calibration data: the ANN's activations, and the range of each input.

    accuracy: of the ANN's first output, a vector; None where the data has no class numbers or 0/1 labels.
    sample: evenly spaced examples, as many as were asked for.
    """

    histograms: dict[str, ActivationHistogram]
    accuracy: float | None
    ranges: dict[str, tuple[float, float]]
    sample: Examples


def _counted_at(network: Network) -> dict[str, list[str]]:
    """{population: the populations whose activations are counted at it}.

    A population that only max-pooling reads is counted after the max-pooling: activations that are never the
    largest of a window do not matter.
    """
    readers: dict[str, list[Population]] = {}
    for population in network.populations:
        for source in {c.source for c in population.inputs}:
            readers.setdefault(source, []).append(population)
    outputs = {o.population for o in network.outputs}
    counted: dict[str, list[str]] = {p.name: [] for p in network.populations}
    for population in network.populations:
        if not population.neuron.spikes or population.neuron.relays:
            continue
        at, behind = population, readers.get(population.name, [])
        while at.name not in outputs and len(behind) == 1 and behind[0].neuron.relays:
            if behind[0].shape[-1] != population.shape[-1]:
                break
            at, behind = behind[0], readers.get(behind[0].name, [])
        counted[at.name].append(population.name)
    return counted


def measure(
    network: Network,
    calibration: Calibration,
    per_channel: bool = False,
    sample: int = 0,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Measurement:
    """Run the folded network (scales 1) as an ANN over the calibration data, in one pass.

    sample: how many examples are kept. progress: called with (examples done, all). ranks: the processes that
    share the batches of the data, so that the histograms of all are those of one process.
    Raises TgennError as Calibration.batches does.
    """
    at_hand = ranks.size == 1 and all(i.frames == 1 for i in network.inputs)  # in the batches
    wanted = calibration.spaced(sample if at_hand else 0)
    kept = {i.name: np.empty((len(wanted), *i.shape), np.float32) for i in network.inputs}
    output = network.population(network.outputs[0].population)
    histograms, counted = {}, _counted_at(network)
    for p in (p for p in network.populations if p.neuron.spikes and not p.neuron.relays):
        channels, bits = (p.shape[-1], 6) if per_channel else (1, 11)
        histograms[p.name] = ActivationHistogram(channels, bits, calibration.count * p.size // channels)
    done, correct, labelled = 0, 0, len(output.shape) == 1
    ranges = {i.name: (np.inf, -np.inf) for i in network.inputs}
    adding = Lock()

    def batches() -> Iterator[tuple[Examples, np.ndarray | None]]:
        nonlocal labelled
        for examples, labels in calibration.batches(network.largest, ranks):
            fits = labels is not None and 0 <= labels.min() <= labels.max() < max(output.size, 2)
            labelled = labelled and fits
            yield examples, labels if labelled else None

    def measured(batch: tuple[Examples, np.ndarray | None]) -> tuple[Examples, int]:
        """Count the activations of a batch: its examples, and how many are classified right."""
        examples, labels = batch
        right = 0
        for population, current in ann_currents(network, examples):
            for name in counted[population.name]:
                activations = population.activation(current)
                with adding:
                    histograms[name].add(activations)
            if labels is not None and population is output:
                right = int((decisions(population.logits(current), None) == labels).sum())
        return examples, right

    for examples, right in in_threads(measured, batches()):
        for name, x in examples.items():
            low, high = ranges[name]
            ranges[name] = min(low, float(x.min()) + 0.0), max(high, float(x.max()) + 0.0)  # no negative zero
        here = (wanted >= done) & (wanted < done + count_of(examples))
        for name, x in examples.items():
            kept[name][here] = x[wanted[here] - done]
        correct += right
        done += count_of(examples)
        if progress is not None:
            progress(min(done * ranks.size, calibration.count), calibration.count)
    if ranks.size > 1:
        others = ranks.from_others((histograms, ranges, correct, labelled))
        for other_histograms, other_ranges, other_correct, other_labelled in others:
            for name, histogram in other_histograms.items():
                histograms[name].add_all(histogram)
            for name, (low, high) in other_ranges.items():
                ranges[name] = min(low, ranges[name][0]), max(high, ranges[name][1])
            correct, labelled = correct + other_correct, labelled and other_labelled
    if not at_hand:
        kept = calibration.shown(sample)
    accuracy = correct / calibration.count if labelled else None
    return Measurement(histograms, accuracy, ranges, kept)
