"""The supported Keras layers, and the reasons why a layer cannot be converted.

Nothing is skipped silently: each layer, and each attribute that changes what a layer computes, is known here
or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.keras_model import INERT, KerasLayer, UnsupportedError
from tgenn_gen.keras_reader.layer_maps import LAYER_MAPS, Chain, require_channels_last

Reason = tuple[str, str]  # the problem, and what to do

OUTPUT_FUNCTIONS = ("softmax", "sigmoid", "tanh")  # only at an output, where the readout applies them
ACTIVATIONS = ("relu", "relu6", "leaky_relu", *OUTPUT_FUNCTIONS, "linear")
FLOATS = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float32", "float64")
INSTEAD = {
    "PReLU": "use LeakyReLU or ReLU and train again",
    "ELU": "use ReLU and train again",
    "TrueDivide": "use a Rescaling layer",
    "Add": "use layers.Add for two tensors of the same shape, a Rescaling layer for a number",
    "Subtract": "use layers.Subtract for two tensors of the same shape, a Rescaling layer for a number",
    "Concatenate": "use layers.Concatenate",
    "Relu": "use layers.ReLU",
    "Relu6": "use layers.ReLU(6)",
    "Multiply": "use a Rescaling layer for a number; spiking neurons cannot multiply two activations",
    "LayerNormalization": "use BatchNormalization, which can be folded into weights, and train again",
    "GroupNormalization": "use BatchNormalization, which can be folded into weights, and train again",
    "Lambda": "use a Keras layer: tgenn never runs code from a model",
}


@dataclass(frozen=True)
class Supported:
    """A supported Keras layer: what it becomes, and which of its attributes are read."""

    becomes: str
    reads: frozenset[str] = frozenset()


def _layers(names: str, becomes: str, reads: str = "") -> dict[str, Supported]:
    return {name: Supported(becomes, frozenset(reads.split())) for name in names.split()}


_POOLING = "pool_size strides padding data_format"
LAYERS: dict[str, Supported] = {
    **_layers("InputLayer", "an input of the network"),
    **{name: Supported(f"`{m.op.op}` in a chain", m.reads) for name, m in LAYER_MAPS.items()},
    **_layers(
        "MaxPooling1D MaxPooling2D",
        "`maximum` neurons; `--max-pool average`: average pooling",
        _POOLING,
    ),
    **_layers(
        "GlobalMaxPooling1D GlobalMaxPooling2D",
        "`maximum` neurons; `--max-pool average`: average pooling",
        "keepdims data_format",
    ),
    **_layers("Add Subtract Average", "several inputs of the next population"),
    **_layers("Concatenate", "several inputs of the next population, with parts of its kernel", "axis"),
    **_layers(
        "BatchNormalization",
        "folded into the kernel and bias before or after it",
        "axis epsilon center scale",
    ),
    **_layers("Rescaling", "folded into the next kernel and bias", "scale offset"),
    **_layers("Normalization", "folded into the next kernel and bias", "axis mean variance invert"),
    **_layers(
        "Activation",
        "neurons for relu and relu6; nothing for linear; softmax, sigmoid, tanh: only at an output",
        "activation",
    ),
    **_layers("ReLU", "neurons, whose scale is at most max_value", "max_value negative_slope threshold"),
    **_layers("LeakyReLU", "neurons, and a second population for negative values", "negative_slope"),
    **_layers("Softmax", "the function of an output, which the readout applies", "axis"),
    **_layers(
        "Dropout SpatialDropout1D SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout "
        "ActivityRegularization Identity",
        "nothing: it does nothing at inference",
        "data_format",
    ),
}
NOTHING = frozenset(name for name, layer in LAYERS.items() if layer.becomes.startswith("nothing"))
RELUS = ("ReLU", "LeakyReLU")
MERGES = frozenset({"Add", "Subtract", "Average", "Concatenate"})
MAX_POOLING = frozenset(name for name in LAYERS if "MaxPooling" in name)
AVERAGE_POOLING = frozenset(name for name in LAYERS if "AveragePooling" in name)


def unsupported_class(class_name: str) -> Reason:
    """The reason for a layer of a class that is not supported."""
    instead = INSTEAD.get(class_name.removeprefix("keras.ops."), "tgenn layers lists the supported layers")
    return f"{class_name} layers are not supported", instead


def examined(layer: KerasLayer) -> tuple[Chain, list[Reason]]:
    """The linear maps of a layer, if it has any, and the reasons why it cannot be converted."""
    if layer.class_name not in LAYERS:
        return (), [unsupported_class(layer.class_name)]
    reads = LAYERS[layer.class_name].reads | (
        {"use_bias", "activation"} if "use_bias" in layer.config else set()
    )
    reasons = list(_CHECKS.get(layer.class_name, _no_reasons)(layer))
    maps: Chain = ()
    try:
        if layer.class_name in LAYER_MAPS:
            maps = LAYER_MAPS[layer.class_name].chain(layer, layer.input_shapes[0])
        elif layer.class_name in MAX_POOLING:
            require_channels_last(layer)
    except UnsupportedError as error:
        reasons += error.reasons
    if len(layer.inputs) > 1 and layer.class_name not in MERGES:
        reasons.append(
            (
                f"{layer.class_name} called on {len(layer.inputs)} tensors, expected one",
                "join the tensors with Concatenate or Add first",
            )
        )
    reasons += [
        (f"attribute {name}={value!r} is not supported", f"leave {name} out")
        for name, value in layer.config.items()
        if name not in reads | INERT | {"call_arguments"} and value not in (None, False, [], {})
    ]
    reasons += [
        (f"{layer.class_name} called with {name}={value}", f"call it without {name}")
        for name, value in layer.config.get("call_arguments", {}).items()
    ]
    if layer.config.get("dtype", "float32") not in FLOATS:
        message = f"dtype {layer.config['dtype']} is not supported"
        reasons.append((message, "train or load the model in float32"))
    damaged = [name for name, values in layer.weights.items() if not np.isfinite(values).all()]
    if damaged:
        reasons.append(
            (f"NaN or infinity in {', '.join(damaged)}", "train the model again: its training diverged")
        )
    activation = layer.config.get("activation", "linear")
    if activation not in ACTIVATIONS:
        hint = "use relu, or linear, softmax, sigmoid or tanh at the output, and train again"
        reasons.append((f"activation {activation} is not supported", hint))
    return maps, reasons


def output_function(layer: KerasLayer) -> str | None:
    """The softmax, sigmoid or tanh of a supported layer; None without one."""
    name = "softmax" if layer.class_name == "Softmax" else layer.config.get("activation")
    return name if name in OUTPUT_FUNCTIONS and layer.class_name in LAYERS else None


def relu_maximum(layer: KerasLayer) -> float | None:
    """The value that a ReLU layer, or a layer's activation, clips at; None if it does not."""
    if layer.config.get("activation") == "relu6":
        return 6.0
    value = layer.config.get("max_value")
    return None if value is None else float(value)


def relu_slope(layer: KerasLayer) -> float:
    """The slope of a ReLU layer, or of a layer's activation, for negative values."""
    if layer.config.get("activation") == "leaky_relu":
        return 0.2
    return float(layer.config.get("negative_slope") or 0.0)


def axis_of(layer: KerasLayer) -> int:
    """A layer's `axis`, counted without the batch axis; -1 for the batch axis or several axes."""
    axis = _one(layer.config["axis"])
    return axis % (len(layer.input_shapes[0]) + 1) - 1 if isinstance(axis, int) else -1


def _no_reasons(layer: KerasLayer) -> Iterator[Reason]:
    yield from ()


def _input(layer: KerasLayer) -> Iterator[Reason]:
    if not all(isinstance(n, int) and n > 0 for n in layer.output_shape):
        message = f"the input shape {layer.output_shape} is not fixed"
        yield message, "build the model with keras.Input(shape=...) without None"


def _relu(layer: KerasLayer) -> Iterator[Reason]:
    if layer.config["threshold"]:
        message = f"ReLU with threshold={layer.config['threshold']:g}, which neurons cannot express"
        yield message, "use ReLU without threshold, and train again"
    if layer.config["max_value"] == 0:
        yield "ReLU with max_value=0", "use ReLU without max_value, and train again"


def _last_axis(layer: KerasLayer) -> Iterator[Reason]:
    if axis_of(layer) != len(layer.input_shapes[0]) - 1:
        yield (
            f"{layer.class_name} over axis {_one(layer.config['axis'])}, expected the last one",
            "use axis=-1",
        )


def _one(axis: Any) -> Any:
    return axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis


def _normalization(layer: KerasLayer) -> Iterator[Reason]:
    if layer.config["axis"] not in (None, (), []):
        yield from _last_axis(layer)


def _rescaling(layer: KerasLayer) -> Iterator[Reason]:
    for name in ("scale", "offset"):
        try:
            np.broadcast_to(np.asarray(layer.config[name], np.float64), layer.input_shapes[0][-1:])
        except (ValueError, TypeError):
            shape = np.shape(layer.config[name])
            yield f"Rescaling with {name} of shape {shape}", "use one number, or one per channel"


def _concatenate(layer: KerasLayer) -> Iterator[Reason]:
    if axis_of(layer) < 0:
        yield f"Concatenate over axis {layer.config['axis']}, the batch", "use another axis"


def _one_shape(layer: KerasLayer) -> Iterator[Reason]:
    if len(set(layer.input_shapes)) > 1:
        shapes = ", ".join(map(str, layer.input_shapes))
        message = f"{layer.class_name} of tensors of different shapes, {shapes}"
        yield message, "give them the same shape: broadcasting is not supported"


_CHECKS: dict[str, Callable[[KerasLayer], Iterator[Reason]]] = {
    "InputLayer": _input,
    "ReLU": _relu,
    "Softmax": _last_axis,
    "BatchNormalization": _last_axis,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Concatenate": _concatenate,
    **dict.fromkeys(("Add", "Subtract", "Average"), _one_shape),
}
