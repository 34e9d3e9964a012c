"""Weight normalization: finds the scale of each population, so that activations become rates of 0 to 1.

    none          scales of 1
    model         the largest activation the weights allow (Diehl et al. 2015, Algorithm 1)
    data          the largest activation over the calibration set (Diehl et al. 2015, Algorithm 2)
    percentile:P  the P-th percentile of all activations over it (Rueckauer et al. 2017, section 2.2.2)
    mse           the scale for which activations, clipped and rounded to the rates that the time steps allow,
                  have the least mean squared error (Li et al. 2021, its threshold by that criterion)
    ltb           local threshold balancing: gradient steps on the squared error of clipping (Bu et al. 2025)
    spike_norm    the largest current in any step of the spiking network (Sengupta et al. 2019, Algorithm 1)
    tensor_genn   the largest activation or weight, of convolutions alone (TensorGeNN 2019)
    as_trained    no normalization: weights stay as they are, whatever the threshold

A scale is an array: (1,) for the population, or (channels,). Activations are those of the folded network
(all scales 1). Integrators are read in the units of the ANN: their scale is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from tgenn_gen.conversion import chains
from tgenn_gen.conversion.activation_statistics import ActivationHistogram, Measurement, Progress
from tgenn_gen.conversion.calibration import Calibration
from tgenn_gen.conversion.layerwise import Trial, adjusted_layerwise
from tgenn_gen.conversion.methods import Method, parse_normalization
from tgenn_gen.errors import TgennError
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import Examples, count_of
from tgenn_gen.runtime.numpy_network import in_threads

Scales = dict[str, np.ndarray]

CHANNELS = 64  # searched for the least error at a time, to bound memory
LTB_BATCH = 128  # examples of one gradient step
LTB_STEPS = 400  # gradient steps at least: small calibration data is read several times


def find_scales(
    network: Network,
    method: Method,
    measured: Measurement | None = None,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> tuple[Scales, list[str]]:
    """Each population's scale by method.normalize, and notes of the populations that got another one.

    network      folded (all scales 1)
    measured     for all methods where needs_data is true; spike_norm needs its sample
    calibration  for ltb
    """
    kind, percent = parse_normalization(method.normalize)
    scales = {p.name: np.ones(1) for p in network.populations}
    spiking = [p.name for p in network.populations if p.neuron.spikes and not p.neuron.relays]
    notes: list[str] = []
    if kind == "model":
        scales.update({n: s for n, s in _model_bounds(network).items() if n in spiking})
    elif kind == "ltb" and calibration is not None:
        scales.update(_local_threshold_balancing(network, calibration, method.per_channel, progress))
    elif kind == "spike_norm" and measured is not None:
        scales.update(_spike_norm(network, measured.sample, method.timesteps))
    elif kind == "tensor_genn" and measured is not None:
        scales.update(_with_factors(network, _tensor_genn_factors(network, measured)))
    elif kind == "as_trained":
        scales.update(_with_factors(network, {}))
    elif kind in ("percentile", "mse") and measured is not None:

        def scale_of(name: str) -> np.ndarray:
            histogram = measured.histograms[name]
            if kind == "mse":
                return _least_error(histogram, network.population(name).neuron, method.timesteps)
            return histogram.percentile(percent)

        scales.update(zip(measured.histograms, in_threads(scale_of, measured.histograms), strict=True))
        for name, histogram in measured.histograms.items():
            sparse = (scales[name] == 0) & (histogram.largest > 0)
            if sparse.any():
                scales[name] = np.where(sparse, histogram.largest, scales[name])
                notes.append(
                    f"{name}: fewer than {100 - percent:g} % of its activations are above 0, "
                    "so its scale is the largest of them"
                    + (f", in {sparse.sum()} of {sparse.size} channels" if sparse.size > 1 else "")
                )
    for name in spiking:
        silent = scales[name] == 0
        if silent.all():
            scales[name] = np.ones_like(scales[name])
            notes.append(f"{name}: its neurons are never active, so its scale is 1")
        elif silent.any():
            scales[name] = np.where(silent, scales[name].max(), scales[name])
            notes.append(f"{name}: {silent.sum()} of its channels are never active and get the largest scale")
        most = network.population(name).max_value
        if most is not None and (scales[name] > most).any():
            scales[name] = np.minimum(scales[name], most)
            notes.append(f"{name}: its scale is limited to {most:g}, the largest activation of its ReLU")
    return scales, notes


def rescale(network: Network, scales: Mapping[str, np.ndarray]) -> Network:
    """Normalize a folded network: W' = W scale_in unit / scale_out, b' = b unit / scale_out + leak.

    unit: the current that makes a neuron spike in one step. With it, activation = scale x spikes per step
    for any threshold. leak: the current that makes up for what leaks out of leaky neurons. Populations that
    only pass spikes on keep their weights and get their sources' scales.
    """
    populations = []
    dt = network.simulation.dt
    by_source = {**_input_scales(network), **scales}
    shapes = network.shapes
    for population in network.populations:
        if population.neuron.relays:
            by_source[population.name] = _relayed_scale(population, by_source, shapes)
            populations.append(replace(population, scale=_stored(by_source[population.name])))
            continue
        scale = scales[population.name]
        unit = population.neuron.unit(dt)
        inputs = tuple(
            replace(c, through=chains.rescaled(c.through, by_source[c.source], unit / scale))
            for c in population.inputs
        )
        bias, leak = population.bias, population.neuron.leak(dt)
        if bias is not None or leak:
            before = np.zeros(population.shape[-1]) if bias is None else bias.values.astype(np.float64)
            bias = Tensor.unnamed(before * (unit / scale) + leak)
        populations.append(replace(population, inputs=inputs, scale=_stored(scale), bias=bias))
    return replace(network, populations=tuple(populations))


def require_comparable(network: Network, per_channel: bool) -> None:
    """Raise TgennError (T410) where scales per channel would make a population compare unequal spikes."""
    scales, shapes = _input_scales(network), network.shapes
    for population in network.populations:
        if population.neuron.relays:
            scales[population.name] = _relayed_scale(population, scales, shapes)
        else:
            scales[population.name] = np.arange(1.0, 1 + (population.shape[-1] if per_channel else 1))


def _stored(scale: np.ndarray) -> float | Tensor:
    """A scale, (1,) or (channels,), as a document stores it."""
    return float(scale[0]) if len(scale) == 1 else Tensor.unnamed(scale)


def _relayed_scale(
    population: Population, by_source: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]
) -> np.ndarray:
    """The scale of the spikes that reach each channel, (channels,); (1,) where all are equal.

    Raises TgennError (T410) where a channel gets spikes of different scales, which neurons cannot compare.
    """
    sources = {c.source for c in population.inputs}
    known = np.unique(np.concatenate([by_source[source] for source in sources]))
    if len(known) == 1:
        return known
    # Each scale gets a number from 1 on (0 is padding). The chains carry these numbers to the channels.
    numbers = {
        source: np.broadcast_to(1 + np.searchsorted(known, by_source[source]), (1, *shapes[source]))
        for source in sources
    }
    current = population.current({source: n.astype(np.float32) for source, n in numbers.items()})
    by_channel = [
        population.activation(values).reshape(-1, population.shape[-1]).max(axis=0)
        for values in (current, -np.where(current > 0, current, np.inf))
    ]
    largest, smallest = by_channel[0], -by_channel[1]
    if (smallest < largest).any():
        message = (
            f"'{population.name}' ({population.neuron.kind}) compares spikes of channels of different scales"
        )
        hint = "use one scale per population: `per_channel=False`"
        raise TgennError.at("options", "T410", message, hint)
    return known[np.maximum(largest, 1).astype(int) - 1]


def _input_scales(network: Network) -> Scales:
    return {i.name: np.array([i.encoding.scale(network.simulation.dt)]) for i in network.inputs}


def _least_error(histogram: ActivationHistogram, neuron: Neuron, timesteps: int) -> np.ndarray:
    """The scale s, of 128 fractions of the largest activation, with the least sum of (a - s rate(a / s))^2.

    rate(a) = clip(floor(a levels + head start), 0, levels) / levels is the rate of a neuron with reset by
    subtraction (Li et al. 2021).
    """
    levels, offset, edges = neuron.levels(timesteps), neuron.head_start, histogram.upper_edges()
    found = []
    for first in range(0, histogram.channels, CHANNELS):
        part = slice(first, first + CHANNELS)
        used = histogram.counts[part].any(axis=0)
        counts, values = histogram.counts[part, used], edges[used]
        largest = histogram.largest[part] / histogram.unit[part]
        best, least = largest, np.full(len(largest), np.inf)
        for fraction in np.arange(1, 129) / 128:
            scale = np.maximum(fraction * largest, 1e-30)[:, None]
            spikes = np.clip(np.floor(values / scale * levels + offset), 0, levels)
            error = (counts * (values - scale * spikes / levels) ** 2).sum(axis=1)
            better = error < least
            best = np.where(better, scale[:, 0], best)
            least = np.where(better, error, least)
        found.append(np.where(largest > 0, best, 0) * histogram.unit[part])
    return np.concatenate(found)


def _local_threshold_balancing(
    network: Network, calibration: Calibration, per_channel: bool, progress: Progress | None
) -> Scales:
    """From thresholds of 0, for each batch: threshold += 2 mean(max(a - threshold, 0)) (Bu et al. 2025).

    That is a gradient step of size 1 on the mean of (a - clip(a, 0, threshold))^2. The next layers get the
    clipped activations.
    """
    thresholds = {
        p.name: np.zeros(p.shape[-1] if per_channel else 1)
        for p in network.populations
        if p.neuron.spikes and not p.neuron.relays
    }
    steps = -(-calibration.count // LTB_BATCH)
    passes = -(-LTB_STEPS // steps)
    done, neurons = 0, network.largest
    for examples in chain.from_iterable(_batches_of(calibration, LTB_BATCH, neurons) for _ in range(passes)):
        values = network.presented(examples)
        for population in network.populations:
            activation = population.activation(population.current(values))
            if population.name in thresholds:
                threshold = thresholds[population.name]
                above = np.maximum(activation - threshold.astype(np.float32), 0)
                above = above.reshape(-1, population.shape[-1])
                mean = above.mean(axis=0) if per_channel else above.mean(keepdims=True)[0]
                thresholds[population.name] = threshold + 2 * mean
                activation = np.minimum(activation, thresholds[population.name].astype(np.float32))
            values[population.name] = activation
        done += count_of(examples)
        if progress is not None:
            progress(done, passes * calibration.count)
    return thresholds


def _batches_of(calibration: Calibration, size: int, neurons: int) -> Iterator[Examples]:
    """The calibration examples in batches of `size`; the last may be smaller."""
    kept: list[Examples] = []
    for examples, _ in calibration.batches(neurons):
        kept.append(examples)
        while sum(map(count_of, kept)) >= size:
            whole = _joined(kept)
            yield {name: x[:size] for name, x in whole.items()}
            kept = [{name: x[size:] for name, x in whole.items()}]
    rest = _joined(kept)
    if count_of(rest):
        yield rest


def _joined(parts: list[Examples]) -> Examples:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _spike_norm(network: Network, examples: Examples, timesteps: int) -> Scales:
    """Layer by layer: the largest current in any step, with the spikes of the normalized layers before.

    In the few-spike code: the largest mean current.
    """
    found: Scales = {}
    silent: set[str] = set()

    def normalized(population: Population, trial: Trial) -> Population:
        scales = {p.name: found.get(p.name, np.ones(1)) for p in network.populations}
        candidate = rescale(network, scales).population(population.name)
        if not population.neuron.spikes or population.neuron.relays:
            return candidate
        dt, neuron = network.simulation.dt, population.neuron
        largest = max(float(current.max()) for current in trial.currents(candidate)) / trial.steps
        largest -= neuron.leak(dt)
        scale = largest / neuron.unit(dt) if largest > 0 else 1.0
        found[population.name] = np.array([min(scale, population.max_value or np.inf)])
        silent.update({population.name} if largest <= 0 else ())
        scales[population.name] = found[population.name]
        return rescale(network, scales).population(population.name)

    adjusted_layerwise(network, examples, timesteps, normalized)
    return {name: np.zeros(1) if name in silent else scale for name, scale in found.items()}


def _tensor_genn_factors(network: Network, measured: Measurement) -> dict[str, float]:
    """{population: what TensorGeNN divides the weights of its convolution by}: factor / factor before it.

    factor = max(largest activation, largest weight). Populations without a convolution keep the factor of the
    population before them; where branches meet, the largest one.
    """
    factors, applied = {i.name: 1.0 for i in network.inputs}, {}
    for population in network.populations:
        before = max(factors[c.source] for c in population.inputs)
        maps = [m for c in population.inputs for m in c.through if not isinstance(m, Dense)]
        kernels = [m.tensors["kernel"].values for m in maps if m.has_kernel]
        factors[population.name] = before
        if kernels and population.neuron.spikes:
            weight = max(float(kernel.max()) for kernel in kernels)
            factor = max(float(measured.histograms[population.name].largest.max()), weight)
            if factor > 0:  # else its neurons are never active
                applied[population.name], factors[population.name] = factor / before, factor
    return applied


def _with_factors(network: Network, factors: Mapping[str, float]) -> Scales:
    """The scales with which rescale divides the weights by these factors, and by nothing else.

    Where sources have different scales, this holds for the source with the largest one.
    """
    dt = network.simulation.dt
    scales = _input_scales(network)
    for population in network.populations:
        unit = population.neuron.unit(dt) * factors.get(population.name, 1.0)
        scales[population.name] = np.max([scales[c.source] for c in population.inputs], axis=0) * unit
    return {p.name: scales[p.name] for p in network.populations}


def _model_bounds(network: Network) -> Scales:
    """The largest activation of each population for inputs of 0 to 1 (Diehl et al. 2015, Algorithm 1).

    Only positive weights and biases count.
    """
    bounds = {i.name: 1.0 for i in network.inputs}
    shapes = network.shapes
    for population in network.populations:
        positive = replace(
            population,
            inputs=tuple(
                replace(c, through=tuple(_positive(m) for m in c.through)) for c in population.inputs
            ),
            bias=None,
        )
        sources = {c.source for c in population.inputs}
        values = {n: np.full((1, *shapes[n]), bounds[n], np.float32) for n in sources}
        # The bias for inputs without an offset: the current of inputs of 0.
        zero = network.presented({i.name: np.zeros((1, *i.shape)) for i in network.inputs})
        resting = population.current({n: zero.get(n, 0 * values[n]) for n in sources})
        current = positive.current(values) + np.maximum(resting, 0)
        bounds[population.name] = float(positive.activation(current).max())
    return {name: np.array([bound]) for name, bound in bounds.items()}


def _positive(linear_map: LinearMap) -> LinearMap:
    return replace(  # type: ignore[type-var]
        linear_map, **{k: Tensor.unnamed(np.maximum(t.values, 0)) for k, t in linear_map.tensors.items()}
    )
