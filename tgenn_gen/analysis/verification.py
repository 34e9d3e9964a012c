"""Verifies a network: each population beside the ANN's layer that it stands for.

Errors add up from layer to layer, so that a later population is further from the ANN in any conversion. What
a population itself does wrong shows beside the ANN's layer *for the spikes that the population got*:

    got       scale x spikes per step of its sources, the mean over an example
    layer     what the ANN's layer makes of `got`, with the model's kernels
    current   what the document's weights, bias, threshold and scale make of it: a neuron that spikes exactly
              as often as its mean current says
    emitted   scale x spikes per step of the population

Weights of a correct conversion make no difference between `layer` and `current`, at any number of steps.
`emitted` differs from `current` by the rounding to spikes, whose mean is nearly 0: a regression of `emitted`
on `current`, channel by channel, shows what the neurons do systematically. All figures come from sums over
the examples, which are simulated once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tgenn_gen.analysis.reference import (
    OwnReLUs,
    Reference,
    document_layer,
    keras_reference,
    recorded_corrections,
)
from tgenn_gen.engine.evaluation import Progress
from tgenn_gen.engine.simulation import checked, input_table, simulated_batches
from tgenn_gen.errors import TgennError
from tgenn_gen.network.argument_checks import positive_number, require
from tgenn_gen.network.delays import is_recurrent
from tgenn_gen.network.model import Network
from tgenn_gen.network.problems import suggestion
from tgenn_gen.runtime.data import Examples, count_of, currents_of, range_problem
from tgenn_gen.runtime.neuron_updates import step_weights
from tgenn_gen.runtime.results import Result

log = logging.getLogger(__name__)

TOLERANCE = (
    0.075  # for figures of a population's own; corrected weights differ by 0.05 where 16 steps are few
)
CHANNEL = 3  # one channel may differ by so many times the tolerance
CORRECTED = 2  # weights that were corrected may, where their current is nearest to the ANN's activations
EXACT = 0.2  # weights that were not corrected may only by this part of it: they are those of the model
FRAMES = 2.5  # all of these are so many times as large where inputs have frames: the ANN sees their mean
FEW = 20  # with fewer examples a note says that figures are rough
ADDED_UP = 0.5  # the relative error of an output that a network with errors of rounding alone may have


@dataclass(frozen=True)
class LayerAgreement:
    """A population beside the ANN, over all examples and neurons. `emitted` is scale x spikes per step.

    Attributes:
        name: Of the population, or of an input that spikes.
        correlation: Pearson's, of what is emitted with the ANN's activation. NaN where one is constant.
        relative_error: Root of the sum of (emitted - activation)² / the sum of activation².
        bias: The mean of emitted - activation, in units of the activation.
        silent: The share of neurons without a spike during an example. NaN for integrators.
        saturated: The share of neurons that spike at every step.
        clipped: The share of the ANN's activations above the scale.
        gain: The slope of what is emitted on what the ANN's layer makes of the spikes that the population
            got, without a constant: 1.1 for a scale that is 10 % too large.
        weights_error: Relative error of the current, through the document's weights, bias, threshold and
            scale, beside the ANN's layer, for the spikes that the population got.
        channel_error: The same of the channel (index of the last axis) where it is largest, relative to this
            channel's or the population's root mean square, whichever is larger.
        worst_channel: This channel.
        neuron_error: The part of emitted - current that is a linear function of the current in each channel,
            relative to the current: what neurons do systematically. Rounding to spikes does not count.
        departs: Why the population departs from the ANN: "weights", "neurons", "added up" or "".
    """

    name: str
    correlation: float
    relative_error: float
    bias: float
    silent: float
    saturated: float
    clipped: float
    gain: float
    weights_error: float
    channel_error: float
    worst_channel: int
    neuron_error: float
    departs: str = ""


@dataclass(frozen=True)
class Verification:
    """How a network agrees with its ANN.

    Attributes:
        name: The network's name.
        ann: What it is compared with: the Keras model, or the document with ReLUs.
        n: The number of examples.
        timesteps: Time steps for each example.
        tolerance: For `neuron_error`, and for `weights_error` of corrected weights; twice as much where the
            ANN's activations are not systematically other than the current; a fifth for weights that were not
            corrected. `channel_error` may be three times as large as `weights_error`.
        layers: A `LayerAgreement` for each population, and for each input that spikes, in order.
        notes: What limits the comparison.
    """

    name: str
    ann: str
    n: int
    timesteps: int
    tolerance: float
    layers: tuple[LayerAgreement, ...]
    notes: tuple[str, ...] = ()

    @property
    def first_departure(self) -> str | None:
        """The name of the first population, in the order of `layers`, that departs from the ANN."""
        return next((layer.name for layer in self.layers if layer.departs), None)

    @property
    def passed(self) -> bool:
        """Whether no population departs."""
        return self.first_departure is None

    def __getitem__(self, name: str) -> LayerAgreement:
        """The agreement of the population with this name. KeyError, with a similar name, if there is none."""
        layers = {layer.name: layer for layer in self.layers}
        if name not in layers:
            raise KeyError(f"there is no population {name!r}; {suggestion(str(name), [*layers])}")
        return layers[name]

    def __repr__(self) -> str:
        first = self.first_departure
        judged = "passed" if first is None else f"failed, {first} is the first population that departs"
        compared = f"{self.n} examples, {self.timesteps} time steps, compared with {self.ann}"
        return f"<Verification {self.name}: {judged}; {compared}>"


def verify(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    *,
    model: Any = None,
    timesteps: int | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Compare each population of a network with the ANN that it was converted from.

    The network is simulated in NumPy. A population *departs* where its weights, or its neurons, do
    something else than the ANN's layer does for the same spikes; errors of layers before it do not count.

    Args:
        network: The network. It need not be saved.
        x: Examples `(n, *input shape)`, or `{input: examples}`, as for `simulate`; about 200.
        model: The Keras model, or the path of its file. None: the network with ReLUs for its neurons, which
            shows errors of the neurons, not of the weights.
        timesteps: Time steps for each example. None: those of the network.
        tolerance: The largest `weights_error` and `neuron_error` of a population that does not depart.
        seed: Of random numbers (Poisson spikes, random initial V), 0 to 2^32 - 1.
        progress: Called with (examples done, all examples).

    Returns:
        Figures of each population, and the first one that departs.

    Raises:
        TgennError: T2xx the network is invalid, T4xx the model cannot be read, T503 an argument is wrong,
            or the network has recurrent connections, T507 the model has other layers than the network.
    """
    examples, timesteps = checked("verify", network, x, timesteps, seed)
    if is_recurrent(network):
        message = f"'{network.name}' has recurrent connections: an ANN has no time steps"
        message += ", so there is none to compare with"
        raise TgennError.at("verify", "T503", message)
    require("verify", "T503", positive_number("tolerance", tolerance))
    count, inputs = count_of(examples), input_table(network)
    reference: Reference = OwnReLUs(network)
    if model is not None:
        reference = keras_reference(network, model, currents_of(examples, 0, 16, inputs))
    agreement = Agreement(network, reference, timesteps, tolerance)
    log.info("simulating %d examples for %d time steps: %s", count, timesteps, network.name)
    done = 0
    for batch in simulated_batches(network, examples, timesteps, seed, record=agreement.record):
        size = len(next(iter(batch.logits.values())))
        agreement.add(batch, currents_of(examples, done, done + size, inputs))
        done += size
        if progress is not None:
            progress(done, count)
    found = agreement.result()
    doubt = range_problem(examples, inputs)
    return replace(found, notes=(doubt, *found.notes)) if doubt else found


class Agreement:
    """Sums up how a network agrees with an ANN, one batch of a simulation after the other.

    reference: a KerasReference or OwnReLUs. record: what the simulation has to record for it.
    """

    def __init__(
        self, network: Network, reference: Reference, timesteps: int, tolerance: float = TOLERANCE
    ) -> None:
        self.network, self.reference, self.tolerance = network, reference, tolerance
        self.record: list[str] | tuple[()] = network.spiking if network.few_spike else ()
        self._weights, self._done = step_weights(timesteps, network.few_spike), 0
        self._timesteps, spiking = timesteps, {*network.spiking}
        self._sums = {
            name: _Sums(network.shapes[name][-1], name in spiking)
            for name in network.shapes
            if name not in {i.name for i in network.inputs if not i.encoding.spikes}
        }

    def add(self, batch: Result, examples: Examples) -> None:
        """Add a batch.

        batch: the result, with counts, and the spikes of `record`. examples: {input: the batch's examples, as
        the ANN takes them}.
        """
        network, shapes = self.network, self.network.shapes
        rates = {name: r.reshape(-1, *shapes[name]) for name, r in self._rates(batch).items()}
        dt, raw, emitted = network.simulation.dt, dict(examples), {}
        for i in network.inputs:
            if i.encoding.spikes:
                emitted[i.name] = rates[i.name] * np.float32(i.encoding.scale(dt))
                raw[i.name] = emitted[i.name] + i.offsets
        for p in network.populations:
            emitted[p.name] = rates[p.name] * p.scales if p.neuron.spikes else batch.logits[p.name]
        got = {**emitted, **network.presented(raw)}
        taken = {**emitted, **self.reference.presented(raw)}
        activations = self.reference.activations(examples)
        for i in network.inputs:
            if i.encoding.spikes:
                x = activations[i.name]
                silent, saturated = self._extremes(batch, i.name, rates[i.name])
                top = np.array([i.encoding.scale(dt)], np.float32)
                self._sums[i.name].add(x, emitted[i.name], x, x, top, silent, saturated)
        for p in network.populations:
            current = document_layer(network, p, got)
            layer = current if isinstance(self.reference, OwnReLUs) else self.reference.layer(p.name, taken)
            silent = saturated = 0
            top = np.array([np.inf], np.float32)
            if p.neuron.spikes:
                silent, saturated = self._extremes(batch, p.name, rates[p.name])
                top = p.scales
            sums = self._sums[p.name]
            sums.add(activations[p.name], emitted[p.name], current, layer, top, silent, saturated)
        self._done += len(next(iter(batch.logits.values())))

    def _rates(self, batch: Result) -> dict[str, np.ndarray]:
        """{what spikes: the sum of its spikes x their value / the sum of all values, (batch, neurons)}."""
        values = self._weights / self._weights.sum()
        if self.network.few_spike:
            return {
                name: np.einsum("ntk,t->nk", spikes.astype(np.float32), values)
                for name, spikes in batch.spikes.items()
            }
        return batch.rates

    @staticmethod
    def _extremes(batch: Result, name: str, rates: np.ndarray) -> tuple[int, int]:
        """How many neurons never spike, and how many spike at every step."""
        silent = batch.spike_counts[name].size - np.count_nonzero(batch.spike_counts[name])
        return int(silent), int(np.count_nonzero(np.abs(rates) >= 1 - 1e-6))

    def result(self) -> Verification:
        """The figures of all batches so far."""
        outputs = {o.population for o in self.network.outputs}
        corrected = not {"weights", "bias"}.isdisjoint(recorded_corrections(self.network))
        framed = any(i.frames > 1 for i in self.network.inputs)
        tolerance = self.tolerance * (FRAMES if framed else 1)
        layers = []
        for name, sums in self._sums.items():
            figures, limit = sums.figures(name), EXACT * tolerance
            if corrected:
                near = sums.systematic("a", "c") <= tolerance
                limit = CORRECTED * tolerance if near else tolerance
            departs = _departure(figures, limit, tolerance, name in outputs)
            layers.append(replace(figures, departs=departs))
        notes = list(self.reference.notes)
        if framed:
            notes.append(f"the ANN sees the mean over the frames, so limits are {FRAMES:g} times as large")
        if self._done < FEW:
            notes.append(f"only {self._done} examples are verified, the figures are rough: give about 200")
        if isinstance(self.reference, OwnReLUs):
            words = "give `model` to compare them with the ANN"
            notes.append(f"weights are not verified, only what the neurons make of them: {words}")
            if corrected:
                notes.append("weights or biases were corrected, so with ReLUs the document is not the ANN")
        return Verification(
            self.network.name,
            self.reference.name,
            self._done,
            self._timesteps,
            self.tolerance,
            tuple(layers),
            tuple(notes),
        )


class _Sums:
    """Sums over the examples and positions of a population, one for each channel.

    a: the ANN's activation, r: emitted, c: the current's, e: what the ANN's layer makes of what was got.
    """

    def __init__(self, channels: int, spikes: bool) -> None:
        self.spikes = spikes
        self.count = self.silent = self.saturated = self.clipped = 0
        self.sums = {key: np.zeros(channels) for key in "a r c e aa rr cc ee ar rc re ce ac".split()}

    def add(
        self,
        activation: np.ndarray,
        emitted: np.ndarray,
        current: np.ndarray,
        layer: np.ndarray,
        top: np.ndarray,
        silent: int,
        saturated: int,
    ) -> None:
        """Add arrays (batch, *shape). top: the largest value that neurons can emit."""
        arrays = {"a": activation, "r": emitted, "c": np.minimum(current, top), "e": np.minimum(layer, top)}
        flat = {k: x.reshape(-1, x.shape[-1]).astype(np.float64) for k, x in arrays.items()}
        for key, total in self.sums.items():
            x, y = flat[key[0]], flat[key[-1]]
            total += x.sum(axis=0) if len(key) == 1 else np.einsum("nc,nc->c", x, y)
        self.count += len(flat["a"])
        self.clipped += int(np.count_nonzero(activation > top))
        self.silent, self.saturated = self.silent + silent, self.saturated + saturated

    def figures(self, name: str) -> LayerAgreement:
        """The figures of the population `name`, which is not judged."""
        s, n = {key: value.sum() for key, value in self.sums.items()}, self.count * len(self.sums["a"])
        weights, channel, worst_channel = self._weights()
        error = _ratio(np.sqrt(max(0.0, s["rr"] - 2 * s["ar"] + s["aa"])), np.sqrt(s["aa"]))
        spread = (s["aa"] - s["a"] ** 2 / n) * (s["rr"] - s["r"] ** 2 / n)
        correlation = (s["ar"] - s["a"] * s["r"] / n) / np.sqrt(spread) if spread > 0 else np.nan
        silent, saturated, clipped = (
            count / n if self.spikes else np.nan for count in (self.silent, self.saturated, self.clipped)
        )
        return LayerAgreement(
            name,
            correlation=float(correlation),
            relative_error=float(error),
            bias=float((s["r"] - s["a"]) / n),
            silent=silent,
            saturated=saturated,
            clipped=clipped,
            gain=float(s["re"] / s["ee"]) if s["ee"] else np.nan,
            weights_error=weights,
            channel_error=channel,
            worst_channel=worst_channel,
            neuron_error=self.systematic("r", "c"),
        )

    def _weights(self) -> tuple[float, float, int]:
        """The relative error of the current: of all channels, of the worst one, and this channel's number."""
        s = self.sums
        square = np.maximum(0, s["cc"] - 2 * s["ce"] + s["ee"])
        size = s["ee"] if s["ee"].any() else s["cc"]  # the ANN's layer may give 0
        channels = np.maximum(size, size.mean())
        errors = np.sqrt(square / np.where(channels, channels, 1))
        worst = int(errors.argmax())
        return _ratio(np.sqrt(square.sum()), np.sqrt(size.sum())), float(errors[worst]), worst

    def systematic(self, y: str, x: str) -> float:
        """The systematic part of y - x, relative to x.

        In each channel y = slope x + constant + rest. The systematic part is all but the rest, less what the
        rest, as of random numbers, adds to slope and constant.
        """
        s, n = self.sums, self.count
        xy = s[x + y] if x + y in s else s[y + x]
        variance = np.maximum(0, s[x + x] / n - (s[x] / n) ** 2)
        covariance = xy / n - s[x] * s[y] / n**2
        varies = variance > 1e-12 * s[x + x] / n
        slope = np.where(varies, covariance / np.where(varies, variance, 1), 0)
        rest = np.maximum(0, s[y + y] / n - (s[y] / n) ** 2 - slope * covariance)
        square = ((s[y] - s[x]) / n) ** 2 + np.where(varies, (slope - 1) ** 2 * variance, 0)
        square -= (1 + varies) * rest / n
        size = s[x + x].sum() or s[y + y].sum()
        return _ratio(np.sqrt(max(0.0, n * square.sum())), np.sqrt(size))


def _departure(figures: LayerAgreement, limit: float, tolerance: float, output: bool) -> str:
    """Why a population with these figures departs; "" if it does not. limit: of `weights_error`."""
    if figures.weights_error > limit or figures.channel_error > CHANNEL * limit:
        return "weights"
    if figures.neuron_error > tolerance:
        return "neurons"
    return "added up" if output and figures.relative_error > ADDED_UP else ""


def _ratio(part: float, whole: float) -> float:
    """part / whole; 0 where both are 0."""
    return float(part / whole) if whole else float(np.inf if part else 0.0)
