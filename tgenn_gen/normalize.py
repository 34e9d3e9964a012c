"""Weight normalization: scales for the populations, so that activations fit firing rates of 0 to 1.

    none          scales of 1
    model         the largest activation the weights allow (Diehl et al. 2015, Algorithm 1)
    data          the largest activation over the calibration set (Diehl et al. 2015, Algorithm 2)
    percentile:P  the P-th percentile of all activations over it (Rueckauer et al. 2017, section 2.2.2)
    mse           the scale for which activations, clipped and rounded to the rates that the time steps allow,
                  have the least mean squared error (Li et al. 2021, its threshold by that criterion)
    ltb           local threshold balancing: gradient steps on the squared error of clipping (Bu et al. 2025)
    spike_norm    the largest current in any step of the spiking network (Sengupta et al. 2019, Algorithm 1)
    tensor_genn   the largest activation or weight, of convolutions alone (TensorGeNN 2019)
    as_trained    none at all: weights stay as they are, whatever the neurons' thresholds

A scale is an array, shape (1,), or (channels,) for one a channel. Activations are those of the folded
network (all scales 1). Integrators are read out in the ANN's units: their scale is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from tgenn_gen import chains
from tgenn_gen.activations import ActivationHistogram, Measurement, Progress
from tgenn_gen.calibration import Calibration
from tgenn_gen.layerwise import Trial, adjusted_layerwise, sample_of
from tgenn_gen.methods import Method, parse_normalization
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.spec import LinearMap, Network, Population
from tgenn_gen.tensors import Tensor

Scales = dict[str, np.ndarray]

LTB_BATCH = 128  # examples of one gradient step
LTB_STEPS = 400  # at least; the calibration data is read as often as that takes


def find_scales(
    network: Network,
    method: Method,
    measured: Measurement | None = None,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> tuple[Scales, list[str]]:
    """Each population's scale by method.normalize, and notes about populations that needed another one.

    `network` is folded (all scales 1). `measured` and `calibration` are needed where needs_data says so.
    """
    kind, percent = parse_normalization(method.normalize)
    scales = {p.name: np.ones(1) for p in network.populations}
    spiking = [p.name for p in network.populations if p.neuron.spikes]
    notes: list[str] = []
    if kind == "model":
        scales.update({n: s for n, s in _model_bounds(network).items() if n in spiking})
    elif kind == "ltb" and calibration is not None:
        scales.update(_local_threshold_balancing(network, calibration, method.per_channel, progress))
    elif kind == "spike_norm" and calibration is not None:
        scales.update(_spike_norm(network, calibration, method.timesteps))
    elif kind == "tensor_genn" and measured is not None:
        return _with_factors(network, _tensor_genn_factors(network, measured)), []
    elif kind == "as_trained":
        return _with_factors(network, {}), []
    elif kind in ("percentile", "mse") and measured is not None:
        for name, histogram in measured.histograms.items():
            if kind == "mse":
                scales[name] = _least_error(histogram, network.population(name), method.timesteps)
            else:
                scales[name] = histogram.percentile(percent)
            sparse = (scales[name] == 0) & (histogram.largest > 0)
            if sparse.any():
                scales[name] = np.where(sparse, histogram.largest, scales[name])
                notes.append(
                    f"{name}: fewer than {100 - percent:g} % of its activations are not zero, "
                    "so its scale is their maximum"
                    + (f", in {sparse.sum()} of {sparse.size} channels" if sparse.size > 1 else "")
                )
    for name in spiking:
        silent = scales[name] == 0
        if silent.all():
            scales[name] = np.ones_like(scales[name])
            notes.append(f"{name}: its neurons are never active, so its scale is 1")
        elif silent.any():
            scales[name] = np.where(silent, scales[name].max(), scales[name])
            notes.append(
                f"{name}: {silent.sum()} of its channels are never active and take the largest scale"
            )
    return scales, notes


def rescale(network: Network, scales: Mapping[str, np.ndarray]) -> Network:
    """Normalize a folded network: W' = W scale_in unit / scale_out, b' = b unit / scale_out.

    unit: the current of one step that makes a neuron spike, so that activation = scale x spikes per step
    whatever the threshold.
    """
    populations = []
    network_input, dt = network.inputs[0], network.simulation.dt
    by_source = {
        network_input.name: np.array([network_input.encoding.scale(network.simulation.dt)]),
        **scales,
    }
    for population in network.populations:
        scale = scales[population.name]
        unit = population.neuron.unit(dt)
        inputs = tuple(
            replace(c, through=chains.rescaled(c.through, by_source[c.source], unit / scale, population.name))
            for c in population.inputs
        )
        bias = population.bias and Tensor(
            population.bias.file, population.bias.values.astype(np.float64) * (unit / scale)
        )
        stored = float(scale[0]) if len(scale) == 1 else Tensor(f"weights/{population.name}.scale.npy", scale)
        populations.append(replace(population, inputs=inputs, scale=stored, bias=bias))
    return replace(network, populations=tuple(populations))


def _least_error(histogram: ActivationHistogram, population: Population, timesteps: int) -> np.ndarray:
    """The scale s, of 128 fractions of the largest activation, with the least sum of (a - s rate(a / s))^2.

    rate(a) = clip(floor(a levels + head start), 0, levels) / levels, what reset by subtraction makes of a.
    """
    levels, offset = population.neuron.levels(timesteps), population.neuron.head_start
    used = histogram.counts.any(axis=0)
    counts, values = histogram.counts[:, used], histogram.upper_edges()[used]
    best, least = histogram.largest.copy(), np.full(len(histogram.largest), np.inf)
    for fraction in np.arange(1, 129) / 128:
        scale = np.maximum(fraction * histogram.largest, 1e-30)[:, None]
        spikes = np.clip(np.floor(values / scale * levels + offset), 0, levels)
        error = (counts * (values - scale * spikes / levels) ** 2).sum(axis=1)
        better = error < least
        best = np.where(better, scale[:, 0], best)
        least = np.where(better, error, least)
    return np.where(histogram.largest > 0, best, 0)


def _local_threshold_balancing(
    network: Network, calibration: Calibration, per_channel: bool, progress: Progress | None
) -> Scales:
    """Thresholds from 0 on: threshold += 2 mean((a - threshold) where a > threshold), batch after batch.

    Half the gradient's sign of the mean of (a - clip(a, 0, threshold))^2; the layers behind see activations
    that are clipped already.
    """
    thresholds = {
        p.name: np.zeros(p.shape[-1] if per_channel else 1) for p in network.populations if p.neuron.spikes
    }
    steps = -(-calibration.count // LTB_BATCH)
    passes = -(-LTB_STEPS // steps)
    done, neurons = 0, network.largest
    for x in chain.from_iterable(_batches_of(calibration, LTB_BATCH, neurons) for _ in range(passes)):
        values = {network.inputs[0].name: x}
        for population in network.populations:
            current = population.current(values)
            if population.name in thresholds:
                threshold = thresholds[population.name]
                above = np.maximum(current - threshold.astype(np.float32), 0).reshape(-1, current.shape[-1])
                mean = above.mean(axis=0) if per_channel else above.mean(keepdims=True)[0]
                thresholds[population.name] = threshold + 2 * mean
                current = np.clip(current, 0, thresholds[population.name].astype(np.float32))
            values[population.name] = current
        done += len(x)
        if progress is not None:
            progress(done, passes * calibration.count)
    return thresholds


def _batches_of(calibration: Calibration, size: int, neurons: int) -> Iterator[np.ndarray]:
    """The calibration examples in batches of `size`; the last may be smaller."""
    kept: list[np.ndarray] = []
    for x, _ in calibration.batches(neurons):
        kept.append(x)
        while sum(map(len, kept)) >= size:
            whole = np.concatenate(kept)
            yield whole[:size]
            kept = [whole[size:]]
    rest = np.concatenate(kept)
    if len(rest):
        yield rest


def _spike_norm(network: Network, calibration: Calibration, timesteps: int) -> Scales:
    """Layer by layer, the largest current in any step, given what the normalized layers before emit."""
    x = sample_of(network, calibration, timesteps)
    found: Scales = {}
    silent: set[str] = set()

    def normalized(population: Population, trial: Trial) -> Population:
        scales = {p.name: found.get(p.name, np.ones(1)) for p in network.populations}
        candidate = rescale(network, scales).population(population.name)
        if not population.neuron.spikes:
            return candidate
        largest = max(float(current.max()) for current in trial.currents(candidate))
        unit = population.neuron.unit(network.simulation.dt)
        found[population.name] = np.array([largest / unit if largest > 0 else 1.0])
        silent.update({population.name} if largest <= 0 else ())
        scales[population.name] = found[population.name]
        return rescale(network, scales).population(population.name)

    adjusted_layerwise(network, x, timesteps, normalized)
    return {name: np.zeros(1) if name in silent else scale for name, scale in found.items()}


def _tensor_genn_factors(network: Network, measured: Measurement) -> dict[str, float]:
    """What TensorGeNN divides the weights of convolutions by: a factor / the one of the convolution before.

    factor = max(largest activation, largest weight).
    """
    before, applied = 1.0, {}
    for population in network.populations:
        kernels = [m for c in population.inputs for m in c.through if isinstance(m, Conv2D)]
        if kernels and population.neuron.spikes:
            weight = max(float(m.kernel.values.max()) for m in kernels)
            factor = max(float(measured.histograms[population.name].largest.max()), weight)
            applied[population.name], before = factor / before, factor
    return applied


def _with_factors(network: Network, factors: Mapping[str, float]) -> Scales:
    """The scales of populations whose weights are divided by these factors, and by nothing else.

    Of sources with unequal scales, that holds for the one with the largest; the others' weights follow.
    """
    dt = network.simulation.dt
    scales = {i.name: np.array([i.encoding.scale(dt)]) for i in network.inputs}
    for population in network.populations:
        unit = population.neuron.unit(dt) * factors.get(population.name, 1.0)
        scales[population.name] = np.max([scales[c.source] for c in population.inputs], axis=0) * unit
    return {p.name: scales[p.name] for p in network.populations}


def _model_bounds(network: Network) -> Scales:
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
    return {name: np.array([bound]) for name, bound in bounds.items()}


def _positive(linear_map: LinearMap) -> LinearMap:
    return replace(  # type: ignore[type-var]
        linear_map, **{k: Tensor(t.file, np.maximum(t.values, 0)) for k, t in linear_map.tensors.items()}
    )
