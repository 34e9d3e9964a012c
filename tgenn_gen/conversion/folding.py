"""Folding: a Keras model to a network with all scales 1, with linear layers merged into chains.

It walks through the layers once. Each tensor is a Signal, a sum of chains; a ReLU turns it into a population.
The walk keeps notes of all changes, and what each layer becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgenn_gen.conversion import chains, signals
from tgenn_gen.conversion.affine_layers import AFFINE, affine_of, input_statistics, reason_of
from tgenn_gen.conversion.folding_state import (
    FoldedOutput,
    Shift,
    TrainingStatistics,
    Walk,
    identifier,
    population_names,
)
from tgenn_gen.conversion.max_pooling import passes_maximum, pooling_of, window_reasons
from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.signals import Signal
from tgenn_gen.engine.evaluation import are_class_scores
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasLayer, KerasModel, UnsupportedError
from tgenn_gen.keras_reader.supported_layers import (
    AVERAGE_POOLING,
    MAX_POOLING,
    NOTHING,
    RELUS,
    axis_of,
    examined,
    output_function,
    relu_maximum,
    relu_slope,
)
from tgenn_gen.network.model import Connection, Input, Network, Output, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.maximum import MaximumNeuron
from tgenn_gen.network.ops.crop import Crop
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.permute import Permute
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.tensors import Tensor

LINEAR = ("Activation", "linear")
CANCELS = 64  # a mean of more than so many standard deviations is subtracted from the input
GROWTH = 2  # a network with more than so many times the model's weights gets a note
POOL_HINT = (
    "give `calibration='TRAINING.npz'`, or train again with a ReLU before the max-pooling or right after it"
)


@dataclass(frozen=True)
class FoldedModel:
    """The network (all scales 1), notes of what was changed, and how each output is read.

    statistics: what layers show about the data that the model was trained on
    shifts: where max-pooling computes what the model does only after `conversion.shifts.shifted`
    """

    network: Network
    notes: tuple[str, ...]
    outputs: tuple[FoldedOutput, ...]
    statistics: tuple[TrainingStatistics, ...]
    shifts: tuple[Shift, ...] = ()


def fold(model: KerasModel, method: Method, calibrated: bool = True) -> FoldedModel:
    """Fold a model to the neurons, encoding and readout of `method`.

    calibrated: whether there is data to find shifts; without it, max-pooling that needs one is refused.
    Raises TgennError (T404, T407) with everything that cannot be converted.
    """
    walk = walked(model, method)
    if not calibrated:
        called = {name: layer for layer, name in walk.names.items()}
        for shift in walk.shifts:
            walk.refused[called[shift.layer]].append((shift.needs, POOL_HINT))
    return as_network(walk)


def as_network(walk: Walk) -> FoldedModel:
    """The network that a walk has built. Raises TgennError (T404) with the walk's problems."""
    if walk.problems:
        raise TgennError(walk.problems)
    model, method = walk.model, walk.method
    network = Network(
        name=identifier(model.name, "model"),
        inputs=tuple(
            _input(layer, walk) for name in model.inputs for layer in model.layers if layer.name == name
        ),
        populations=tuple(walk.populations),
        outputs=tuple(
            Output(o.population, method.readout, method.readout_start, _read_function(o, method))
            for o in walk.outputs
        ),
        simulation=Simulation(method.dt, method.timesteps),
    )
    notes = (*walk.notes, *_growth(model, network))
    return FoldedModel(network, notes, tuple(walk.outputs), tuple(walk.statistics), tuple(walk.shifts))


def _read_function(output: FoldedOutput, method: Method) -> str | None:
    """The function that the readout applies: that of the ANN, but for first spikes, which are no logits."""
    return None if method.readout == "first_spike" else output.activation


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
    for name, affine in input_statistics(model).items():
        if affine.ratio > CANCELS and not method.encoding.spikes:
            walk.offsets[names[name]] = affine.mean.astype(np.float32)
            times = f"up to {affine.ratio:.3g} times the spread of the data"
            walk.notes.append(f"{names[name]}: what the model subtracts first, {times}, is its offset now")
    for layer in walk.model.layers:
        maps, reasons = examined(layer)
        if not reasons and layer.class_name in MAX_POOLING and method.max_pool != "average":
            reasons = window_reasons(layer)
        before = [walk.signals.get(name) for name in layer.inputs]
        walk.signals[layer.name] = None
        known = [signal for signal in before if signal is not None]
        in_the_middle = _functions_in_the_middle(layer, maps, walk)
        if not reasons and not in_the_middle and len(known) == len(before):
            try:
                renamed = replace(layer, name=names[layer.name])
                walk.signals[layer.name] = _applied(renamed, maps, known, walk)
            except UnsupportedError as error:
                reasons = list(error.reasons)
        walk.refused[layer.name] = reasons
    for name in model.outputs:
        signal = walk.signals[name]
        walk.signals[name] = signal and _without_waiting_pool(signal, walk)
    if not walk.problems:
        _finish(walk)
    return walk


def _functions_in_the_middle(layer: KerasLayer, maps: Sequence[LinearMap], walk: Walk) -> bool:
    """Whether a layer reads what softmax, sigmoid or tanh gives, and cannot come before them just as well.

    Their layers are refused then.
    """
    read = [walk.after[name] for name in layer.inputs if name in walk.after]
    refused = [source for source in read if not _may_come_before(layer, maps, output_function(source))]
    for source in refused:
        function = output_function(source)
        reason = (
            f"{function} in the middle of the network: {layer.name} reads it",
            f"{function} is supported only at an output: use relu, and train again",
        )
        if reason not in walk.refused[source.name]:
            walk.refused[source.name].append(reason)
    if output_function(layer):
        walk.after[layer.name] = layer
    elif read and not refused:
        walk.after[layer.name] = read[0]
    return bool(refused)


def _may_come_before(layer: KerasLayer, maps: Sequence[LinearMap], function: str | None) -> bool:
    """Whether a layer after this function can be applied before it: it only moves elements.

    softmax is of the last axis, which must stay as it is.
    """
    if layer.class_name in NOTHING or (layer.class_name, layer.config.get("activation")) == LINEAR:
        return True
    moved = (Reshape,) if function == "softmax" else (Reshape, Flatten, Permute, Crop)
    same_axis = function != "softmax" or layer.output_shape[-1:] == layer.input_shapes[0][-1:]
    return bool(maps) and all(isinstance(m, moved) for m in maps) and same_axis


def _input(layer: KerasLayer, walk: Walk) -> Input:
    name = walk.names[layer.name]
    offset: float | Tensor = 0.0
    if name in walk.offsets:
        means = np.broadcast_to(walk.offsets[name], layer.output_shape[-1:])
        offset = float(means[0]) if (means == means[0]).all() else Tensor.unnamed(means)
    return Input(name, layer.output_shape, walk.method.encoding, offset=offset)


def _finish(walk: Walk) -> None:
    """Make the population of each output, and note how it is read."""
    method = walk.method
    if not walk.populations and all(s is None or s.bare for s in walk.signals.values()):
        message = "nothing to convert: the model has no layer that computes something"
        raise TgennError.at(walk.model.file, "T407", message, "give a model with trained layers")
    for name in dict.fromkeys(walk.model.outputs):
        signal = walk.signals[name]
        assert signal is not None  # there are no problems
        activation = signal.activation
        name, source = _last_name(signal), signal.branches[0].source
        if activation in ("sigmoid", "tanh") and method.readout == "first_spike":
            message = f"readout 'first_spike' gives an order of classes; output '{name}' has {activation}"
            raise TgennError.at("options", "T408", message, "use `readout='membrane'`")
        if activation and method.readout == "first_spike":
            walk.notes.append(
                f"{name}: {activation} left out, because first spikes give an order and no logits"
            )
        elif activation:
            walk.notes.append(f"{name}: the readout applies {activation} to the logits")
        rectified = method.readout != "membrane" and signal.bare and source in walk.spiking
        if method.readout == "membrane":
            signal = walk.population(signal, IntegrateNeuron(method.neuron.few_spike), f"{name}_readout")
        elif not rectified or source in {o.population for o in walk.outputs}:
            signal = walk.population(signal, walk.neuron(signal), f"{name}_readout")
            if not rectified and "offset" not in method.corrections:
                scores = are_class_scores(signal.shape, activation)
                walk.notes.append(_loss(method.readout, signal.branches[0].source, scores))
        walk.outputs.append(FoldedOutput(signal.branches[0].source, activation, rectified))


def _last_name(signal: Signal) -> str:
    return signal.name or signal.branches[0].source


def _loss(readout: str, name: str, scores: bool) -> str:
    rest = ": readout 'membrane' avoids this"
    if scores:
        counts = readout == "spike_count"
        rest = ": correction 'offset' avoids this" if counts else ", and ties go to the first class"
    return f"{name}: its readout, {readout.replace('_', ' ')}, is 0 for all negative outputs{rest}"


# Rules: the signal that each layer makes from the signals that it reads.


def _without_waiting_pool(signal: Signal, walk: Walk, reader: KerasLayer | None = None) -> Signal:
    """The signal after the max-pooling that waits for a ReLU: maximum neurons get its values shifted above 0.

    The values are shifted when calibration data shows by how much (conversion.shifts).
    """
    if signal.pooled is not None and signal not in walk.pooled:
        layer, before = signal.pooled, replace(signal, pooled=None)
        values = walk.population(before, walk.neuron(before), f"{layer.name}_input")
        after = _maximum(layer, values, walk)
        reason = walk.falling.get(before.layers[-1] if before.layers else "", "") or _falls(reader)
        shift = Shift(values.branches[0].source, after.branches[0].source, layer.name, reason)
        walk.shifts.append(shift)
        # An activation and an offset, for now 0: a second maximum is taken of the activations.
        offset = signals.affine(after, np.ones(1), np.zeros(1), layer.name)
        walk.pooled[signal] = replace(offset, positive=False)
    return walk.pooled.get(signal, signal)


def _falls(layer: KerasLayer | None) -> str:
    """That gamma is negative, where it is."""
    gamma = np.zeros(1) if layer is None else layer.weights.get("gamma", np.zeros(1))
    if layer is None or not (gamma < 0).any():
        return ""
    channels = f"{(gamma < 0).sum()} of {gamma.size} channels"
    return f"gamma of BatchNormalization '{layer.layer}' is negative in {channels}"


def _applied(layer: KerasLayer, maps: Sequence[LinearMap], before: list[Signal], walk: Walk) -> Signal:
    """The signal that a layer makes from the signals `before`. maps: its linear maps, if it is linear."""
    if not passes_maximum(layer):
        before = [_without_waiting_pool(signal, walk, layer) for signal in before]
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
        signal = signals.mapped(_in_two_parts(signal, walk, layer, np.ones(1)), maps, layer.name)
    if layer.config.get("use_bias", False):
        bias = layer.weights["bias"].astype(np.float64)
        both = bias if signal.bias is None else signal.bias + bias
        signal = replace(signal, bias=np.broadcast_to(both, signal.shape), positive=False)
    return _activated(layer, signal, walk)


def _in_two_parts(
    signal: Signal, walk: Walk, layer: KerasLayer, slope: np.ndarray, maximum: float | None = None
) -> Signal:
    """ReLU(x) - slope ReLU(-x), from two populations: one for x, one for -x. slope: broadcasts to x."""
    name = signal.name or layer.name
    above = walk.population(signal, walk.neuron(signal), layer.name, maximum)
    opposite = replace(signals.summed([signal], [-1.0], ""), layers=signal.layers)
    below = walk.population(opposite, walk.neuron(signal), f"{name}_negative")
    return signals.summed([above, signals.multiplied(below, -slope)], [1.0, 1.0], name)


def _activated(layer: KerasLayer, signal: Signal, walk: Walk) -> Signal:
    """The signal after a layer's activation."""
    activation = layer.config.get("activation", "relu" if layer.class_name in RELUS else "linear")
    if activation == "linear":
        return signal
    if function := output_function(layer):
        return replace(signal, activation=function)
    maximum = relu_maximum(layer)
    if signal.positive and maximum is None:
        walk.notes.append(f"{layer.name}: relu left out, because its input is never negative")
        return signal
    signal, pooled = replace(signal, layers=(*signal.layers, layer.name), pooled=None), signal.pooled
    if (slope := relu_slope(layer)).any() and not signal.positive:
        return _in_two_parts(signal, walk, layer, slope, maximum)
    emitted = walk.population(signal, walk.neuron(signal), layer.name, maximum)
    return emitted if pooled is None else _max_pooled(pooled, emitted, walk)


def _max_pooled(layer: KerasLayer, signal: Signal, walk: Walk) -> Signal:
    pooling, behind = pooling_of(layer)
    if pooling.size == 1:
        return signals.mapped(signal, (pooling.average(), *behind), layer.name)
    if walk.method.max_pool == "average":
        walk.notes.append(
            f"{layer.name}: max-pooling replaced by average pooling: the network computes another function "
            "than the model"
        )
        return _averaged_over_windows(layer, (pooling.average(), *behind), signal, walk)
    if not signal.positive and signal.raised_of is not None:  # max(g a + o) = g max(a) + o, where g >= 0
        raised = _max_pooled(layer, signal.raised_of, walk)
        for gain, offset, name in signal.raised:
            raised = signals.affine(raised, gain, offset, name)
        return replace(raised, positive=False)
    if not signal.positive:
        return replace(signal, pooled=layer)
    if not signal.routed or signal.branches[0].source not in walk.spiking:
        walk.notes.append(
            f"{layer.name}: its input is a sum, and gets a population of neurons before the maximum"
        )
        signal = walk.population(signal, walk.neuron(signal), f"{layer.name}_input")
    return _maximum(layer, signal, walk)


def _maximum(layer: KerasLayer, signal: Signal, walk: Walk) -> Signal:
    """The signal of the maximum neurons that pool activations."""
    pooling, behind = pooling_of(layer)
    signed, few_spike = walk.method.neuron.signed, walk.method.neuron.few_spike
    for stage in pooling.stages(signal.shape):
        windows = signals.mapped(signal, (stage.windows(),), layer.name)
        neuron = MaximumNeuron(stage.size, signed, few_spike)
        signal = walk.population(replace(windows, shape=windows.shape[:-1]), neuron, layer.name)
    return signals.mapped(signal, behind, layer.name) if behind else signal


def _affine(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    """y = gain x + offset for each channel (Rueckauer et al. 2017, section 2.2.4)."""
    signal, affine = before[0], affine_of(layer)
    if signal.positive or signal.raised_of is not None:
        walk.falling[layer.name] = _falls(layer)
    walk.folded[layer.name] = layer.class_name
    elementwise = all(m.routing or isinstance(m, Scale) for b in signal.branches for m in b.through)
    if affine.shows_data and (elementwise or layer.class_name != "Rescaling"):
        walk.learn(signal, affine.mean, np.square(affine.deviation), reason_of(layer, affine))
    return signals.affine(signal, affine.gain, affine.offset, layer.name)


def _added(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1.0] * len(before), layer.name)


def _added_in_part(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1.0, float(layer.config["scale"])], layer.name)


def _averaged(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1 / len(before)] * len(before), layer.name)


def _subtracted(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.summed(before, [1.0, -1.0], layer.name)


def _concatenated(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    return signals.concatenated(before, axis_of(layer), layer.name)


def _network_input(layer: KerasLayer, before: list[Signal], walk: Walk) -> Signal:
    positive = walk.method.encoding.low >= 0 or walk.method.encoding.binary
    signal = Signal(layer.output_shape, (Connection(layer.name),), positive=positive)
    if layer.name not in walk.offsets:
        return signal
    # The network gets x - offset. Adding it here is exact: the layer that needs it subtracts it in float64.
    offset = np.broadcast_to(walk.offsets[layer.name], layer.output_shape).astype(np.float64)
    return replace(signal, bias=offset, positive=False)


_RULES: dict[str, Callable[[KerasLayer, list[Signal], Walk], Signal]] = {
    "InputLayer": _network_input,
    "Activation": lambda layer, before, walk: _activated(layer, before[0], walk),
    **dict.fromkeys(RELUS, lambda layer, before, walk: _activated(layer, before[0], walk)),
    "Softmax": lambda layer, before, walk: replace(before[0], activation="softmax"),
    **dict.fromkeys(AFFINE, _affine),
    "Add": _added,
    "Average": _averaged,
    "CustomScaleLayer": _added_in_part,
    "Subtract": _subtracted,
    "Concatenate": _concatenated,
}
