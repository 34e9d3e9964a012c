"""Folding: a Keras model to a network with all scales 1, with linear layers merged into chains.

It walks through the layers once. Each tensor is a Signal, a sum of chains; a ReLU turns it into a population.
The walk keeps notes of all changes, and what each layer becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgenn_gen.conversion import chains, signals
from tgenn_gen.conversion.folding_state import FoldedOutput, Walk, identifier, population_names
from tgenn_gen.conversion.max_pooling import pooling_of
from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.signals import Signal
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasLayer, KerasModel, UnsupportedError
from tgenn_gen.keras_reader.supported_layers import (
    AVERAGE_POOLING,
    MAX_POOLING,
    NOTHING,
    RELUS,
    axis_of,
    examined,
    relu_maximum,
    relu_slope,
)
from tgenn_gen.network.model import Connection, Input, Network, Output, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.maximum import MaximumNeuron
from tgenn_gen.network.ops.linear_map import LinearMap

GROWTH = 2  # a network with more than so many times the model's weights gets a note
POOL_HINT = "put a ReLU before the max-pooling or right after it, or use `max_pool='average'`"


@dataclass(frozen=True)
class FoldedModel:
    """The network (all scales 1), notes of what was changed, and how each output is read."""

    network: Network
    notes: tuple[str, ...]
    outputs: tuple[FoldedOutput, ...]


def fold(model: KerasModel, method: Method, uint8_divisor: float | None = None) -> FoldedModel:
    """Fold a model to the neurons, encoding and readout of `method`.

    uint8_divisor: what uint8 data is divided by; None: 255, or 1 for inputs that the model itself rescales.
    Raises TgennError (T404, T407) with everything that cannot be converted.
    """
    return as_network(walked(model, method), uint8_divisor)


def as_network(walk: Walk, uint8_divisor: float | None = None) -> FoldedModel:
    """The network that a walk has built. Raises TgennError (T404) with the walk's problems."""
    if walk.problems:
        raise TgennError(walk.problems)
    model, method = walk.model, walk.method
    network = Network(
        name=identifier(model.name, "model"),
        inputs=tuple(
            _input(layer, walk, uint8_divisor)
            for name in model.inputs
            for layer in model.layers
            if layer.name == name
        ),
        populations=tuple(walk.populations),
        outputs=tuple(Output(o.population, method.readout, method.readout_start) for o in walk.outputs),
        simulation=Simulation(method.dt, method.timesteps),
    )
    return FoldedModel(network, (*walk.notes, *_growth(model, network)), tuple(walk.outputs))


def _growth(model: KerasModel, network: Network) -> Iterator[str]:
    """A note where the network has many more weights than the model."""
    weights = {id(values): values.size for layer in model.layers for values in layer.weights.values()}
    kernels = [
        t for p in network.populations for c in p.inputs for m in c.through for t in m.tensors.values()
    ]
    before, now = sum(weights.values()), sum(t.values.size for t in kernels)
    if now > GROWTH * before:
        yield (
            f"the network has {now:,} weights, the model {before:,}: layers without a ReLU after them "
            "(residual sums, separable convolutions) are merged into every layer that reads them"
        )


def walked(model: KerasModel, method: Method) -> Walk:
    """Fold every supported layer; the walk's `problems` has the others. Raises TgennError (T407)."""
    names, notes = population_names(model.layers)
    walk = Walk(model, method, names, notes)
    for layer in walk.model.layers:
        maps, reasons = examined(layer)
        before = [walk.signals.get(name) for name in layer.inputs]
        walk.signals[layer.name] = None
        known = [signal for signal in before if signal is not None]
        if not reasons and any(s.softmax for s in known) and layer.class_name not in NOTHING:
            reasons = [(f"{layer.class_name} after softmax", "softmax is supported only at an output")]
        if not reasons and len(known) == len(before):
            try:
                renamed = replace(layer, name=names[layer.name])
                walk.signals[layer.name] = _applied(renamed, maps, known, walk)
            except UnsupportedError as error:
                reasons = list(error.reasons)
        walk.refused[layer.name] = reasons
    for name in model.outputs:
        signal = walk.signals[name]
        if signal is not None and signal.pooled is not None:
            walk.refused[name].append(("max-pooling of values that may be negative, at an output", POOL_HINT))
    if not walk.problems:
        _finish(walk)
    return walk


def _input(layer: KerasLayer, walk: Walk, uint8_divisor: float | None) -> Input:
    name = walk.names[layer.name]
    if uint8_divisor is None:
        uint8_divisor = 1.0 if name in walk.rescaled else 255.0
    return Input(name, layer.output_shape, walk.method.encoding, uint8_divisor)


def _finish(walk: Walk) -> None:
    """Make the population of each output, and note how it is read."""
    method = walk.method
    if not walk.populations and all(s is None or s.bare for s in walk.signals.values()):
        message = "nothing to convert: the model has no layer that computes something"
        raise TgennError.at(walk.model.file, "T407", message, "give a model with trained layers")
    for name in dict.fromkeys(walk.model.outputs):
        signal = walk.signals[name]
        assert signal is not None  # there are no problems
        softmax = signal.softmax
        if softmax:
            walk.notes.append("softmax left out: the output is the logits, which have the same largest class")
        name, source = _last_name(signal), signal.branches[0].source
        rectified = method.readout != "membrane" and signal.bare and source in walk.spiking
        if method.readout == "membrane":
            signal = walk.population(signal, IntegrateNeuron(method.neuron.few_spike), f"{name}_readout")
        elif not rectified or source in {o.population for o in walk.outputs}:
            signal = walk.population(signal, walk.neuron(signal), f"{name}_readout")
            if not rectified and "offset" not in method.corrections:
                walk.notes.append(_loss(method.readout, signal.branches[0].source))
        walk.outputs.append(FoldedOutput(signal.branches[0].source, softmax, rectified))


def _last_name(signal: Signal) -> str:
    return signal.name or signal.branches[0].source


def _loss(readout: str, name: str) -> str:
    rest = (
        ": correction 'offset' avoids this"
        if readout == "spike_count"
        else ", and ties go to the first class"
    )
    return f"{name}: its readout, {readout.replace('_', ' ')}, is 0 for all negative outputs{rest}"


# Rules: the signal that each layer makes from the signals that it reads.


def _require_no_waiting_pool(layer: KerasLayer, before: list[Signal]) -> None:
    """Raise UnsupportedError for a layer between a max-pooling and the ReLU that it waits for.

    Functions that never decrease are allowed there, because the maximum commutes with them: ReLU, and
    BatchNormalization whose gamma is not negative.
    """
    waiting = next((s.pooled for s in before if s.pooled is not None), None)
    gamma = layer.weights.get("gamma", np.zeros(1))
    passes = layer.class_name in (*NOTHING, "ReLU", "Activation") and not relu_slope(layer)
    passes = passes or (layer.class_name == "BatchNormalization" and bool((gamma >= 0).all()))
    if waiting is not None and not passes:
        negative = " with a negative gamma" if (gamma < 0).any() else ""
        message = (
            f"{layer.class_name}{negative} after max-pooling '{waiting.layer}' of values that may be negative"
        )
        raise UnsupportedError((message, POOL_HINT))


def _applied(layer: KerasLayer, maps: Sequence[LinearMap], before: list[Signal], walk: Walk) -> Signal:
    """The signal that a layer makes from the signals `before`. maps: its linear maps, if it is linear."""
    _require_no_waiting_pool(layer, before)
    if layer.class_name in NOTHING:
        if layer.class_name != "Identity":
            walk.notes.append(f"{layer.name}: {layer.class_name} left out, it does nothing at inference")
        return before[0]
    if layer.class_name in MAX_POOLING:
        return _max_pooled(layer, before[0], walk)
    if maps:
        return _mapped(layer, maps, before[0], walk)
    return _RULES[layer.class_name](layer, before, walk)


def _averaged_over_windows(
    layer: KerasLayer, maps: Sequence[LinearMap], signal: Signal, walk: Walk
) -> Signal:
    """The signal after average pooling."""
    if walk.method.pooling == "folded":
        return signals.mapped(signal, maps, layer.name)
    if not (signal.positive and signal.bare):
        message = "pooling by spiking neurons needs an input from one population, without negative values"
        raise UnsupportedError((message, "use `pooling='folded'`"))
    walk.notes.append(f"{layer.name}: average pooling by a population of spiking neurons")
    pooled = signals.mapped(signal, maps, layer.name)
    return walk.population(pooled, walk.neuron(pooled), layer.name)


def _mapped(layer: KerasLayer, maps: Sequence[LinearMap], signal: Signal, walk: Walk) -> Signal:
    if layer.class_name in AVERAGE_POOLING:
        return _averaged_over_windows(layer, maps, signal, walk)
    try:
        signal = signals.mapped(signal, maps, layer.name)
    except chains.CannotMergeError:
        walk.notes.append(
            f"{signal.name}: linear, gets two populations for its positive and its negative part"
        )
        signal = signals.mapped(_in_two_parts(signal, walk, layer, 1.0), maps, layer.name)
    if layer.config.get("use_bias", False):
        bias = layer.weights["bias"].astype(np.float64)
        both = bias if signal.bias is None else signal.bias + bias
        signal = replace(signal, bias=np.broadcast_to(both, signal.shape), positive=False)
    return _activated(layer, signal, walk)


def _in_two_parts(
    signal: Signal, walk: Walk, layer: KerasLayer, slope: float, maximum: float | None = None
) -> Signal:
    """ReLU(x) - slope ReLU(-x), from two populations: one for x, one for -x."""
    name = signal.name or layer.name
    above = walk.population(signal, walk.neuron(signal), layer.name, maximum)
    opposite = replace(signals.summed([signal], [-1.0], ""), layers=signal.layers)
    below = walk.population(opposite, walk.neuron(signal), f"{name}_negative")
    return signals.summed([above, below], [1.0, -slope], name)


def _activated(layer: KerasLayer, signal: Signal, walk: Walk) -> Signal:
    """The signal after a layer's activation."""
    activation = layer.config.get("activation", "relu" if layer.class_name in RELUS else "linear")
    if activation == "linear":
        return signal
    if activation == "softmax":
        return replace(signal, softmax=True)
    maximum = relu_maximum(layer)
    if signal.positive and maximum is None:
        walk.notes.append(f"{layer.name}: relu left out, because its input is never negative")
        return signal
    signal, pooled = replace(signal, layers=(*signal.layers, layer.name), pooled=None), signal.pooled
    if (slope := relu_slope(layer)) and not signal.positive:
        return _in_two_parts(signal, walk, layer, slope, maximum)
    emitted = walk.population(signal, walk.neuron(signal), layer.name, maximum)
    return emitted if pooled is None else _max_pooled(pooled, emitted, walk)


def _max_pooled(layer: KerasLayer, signal: Signal, walk: Walk) -> Signal:
    pooling, behind = pooling_of(layer)
    if pooling.size == 1:
        return signals.mapped(signal, (pooling.average(), *behind), layer.name)
    if walk.method.max_pool == "average":
        walk.notes.append(f"{layer.name}: max-pooling replaced by average pooling")
        return _averaged_over_windows(layer, (pooling.average(), *behind), signal, walk)
    if not signal.positive and signal.raised_of is not None:  # max(g a + o) = g max(a) + o, where g >= 0
        raised = _max_pooled(layer, signal.raised_of, walk)
        for gain, offset, name in signal.raised:
            raised = signals.affine(raised, gain, offset, name)
        return raised
    if not signal.positive:
        return replace(signal, pooled=layer)
    if not signal.routed or signal.branches[0].source not in walk.spiking:
        walk.notes.append(
            f"{layer.name}: its input is a sum, and gets a population of neurons before the maximum"
        )
        signal = walk.population(signal, walk.neuron(signal), f"{layer.name}_input")
    signed, few_spike = walk.method.neuron.signed, walk.method.neuron.few_spike
    for stage in pooling.stages(signal.shape):
        windows = signals.mapped(signal, (stage.windows(),), layer.name)
        neuron = MaximumNeuron(stage.size, signed, few_spike)
        signal = walk.population(replace(windows, shape=windows.shape[:-1]), neuron, layer.name)
    return signals.mapped(signal, behind, layer.name) if behind else signal


def _batch_normalization(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    """y = gain x + offset for each channel (Rueckauer et al. 2017, section 2.2.4)."""
    weights = {name: values.astype(np.float64) for name, values in layer.weights.items()}
    gain = weights.get("gamma", 1.0) / np.sqrt(weights["moving_variance"] + layer.config["epsilon"])
    offset = weights.get("beta", 0.0) - weights["moving_mean"] * gain
    return _affine(layer, before[0], gain, offset, walk)


def _affine(layer: KerasLayer, signal: Signal, gain: np.ndarray, offset: np.ndarray, walk: Walk) -> Signal:
    walk.folded[layer.name] = layer.class_name
    if layer.class_name != "BatchNormalization":
        walk.rescaled |= {b.source for b in signal.branches if all(m.routing for m in b.through)}
    return signals.affine(signal, gain, offset, layer.name)


def _rescaling(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    gain, offset = (np.asarray(layer.config[name], np.float64) for name in ("scale", "offset"))
    return _affine(layer, before[0], gain, offset, walk)


def _normalization(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    """(x - mean) / standard deviation, which is at least 1e-7, as in Keras; or the inverse of that."""
    given = layer.config.get("mean") is not None
    values = layer.config if given else layer.weights
    mean, variance = (np.asarray(values[name], np.float64).reshape(-1) for name in ("mean", "variance"))
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    if layer.config["invert"]:
        return _affine(layer, before[0], deviation, mean, walk)
    return _affine(layer, before[0], 1 / deviation, -mean / deviation, walk)


def _added(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1.0] * len(before), layer.name)


def _averaged(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1 / len(before)] * len(before), layer.name)


def _subtracted(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1.0, -1.0], layer.name)


def _concatenated(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.concatenated(before, axis_of(layer), layer.name)


def _network_input(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    positive = walk.method.encoding.low >= 0 or walk.method.encoding.binary
    return Signal(layer.output_shape, (Connection(layer.name),), positive=positive)


_RULES: dict[str, Callable[[KerasLayer, list[Signal], Walk], Signal]] = {
    "InputLayer": _network_input,
    "Activation": lambda layer, before, walk: _activated(layer, before[0], walk),
    **dict.fromkeys(RELUS, lambda layer, before, walk: _activated(layer, before[0], walk)),
    "Softmax": lambda layer, before, walk: replace(before[0], softmax=True),
    "BatchNormalization": _batch_normalization,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "Add": _added,
    "Average": _averaged,
    "Subtract": _subtracted,
    "Concatenate": _concatenated,
}
