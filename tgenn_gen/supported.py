"""What is supported of a Keras model, and everything about one that is not.

Nothing is skipped silently: each layer, and each attribute that says what a layer computes, is known here
or refused. All of it is found in one pass, before anything is converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.keras_model import INERT, KerasLayer, KerasModel
from tgenn_gen.ops import OPS
from tgenn_gen.spec import Shape, UnsupportedError

Reason = tuple[str, str]  # what is wrong, and what to do

OPS_BY_LAYER = {cls.keras_layer: cls for cls in OPS.values() if cls.keras_layer}
ACTIVATIONS = ("relu", "softmax", "linear")
# The attributes that are read of the layers which are not linear maps.
READS: dict[str, frozenset[str]] = {
    "InputLayer": frozenset(),
    "Activation": frozenset({"activation"}),
    "ReLU": frozenset({"max_value", "negative_slope", "threshold"}),
    "Softmax": frozenset({"axis"}),
    "Dropout": frozenset(),
    "BatchNormalization": frozenset({"axis", "epsilon", "center", "scale"}),
}
INSTEAD = {
    "MaxPooling2D": "use AveragePooling2D and train again",
    "LeakyReLU": "use ReLU and train again",
    "ELU": "use ReLU and train again",
    "GlobalAveragePooling2D": "use AveragePooling2D over the whole image and Flatten",
    "DepthwiseConv2D": "use Conv2D",
    "SeparableConv2D": "use Conv2D",
    "Rescaling": "leave it out: --uint8-divisor is for data as uint8",
    "TrueDivide": "leave it out: --uint8-divisor is for data as uint8",
    "Lambda": "use a Keras layer: code in a model is never run",
}


def supported_layers() -> list[str]:
    """The names of the Keras layers that are converted, sorted."""
    return sorted({*OPS_BY_LAYER, *READS})


def unsupported_class(class_name: str) -> Reason:
    """What is said of a layer of a class that is not supported."""
    instead = INSTEAD.get(class_name, f"supported are {', '.join(supported_layers())}")
    return f"{class_name} layers are not supported", instead


def supported_chain(model: KerasModel) -> list[KerasLayer]:
    """The model's layers from input to output. Raises TgennError with all that is not supported."""

    index = {layer.name: position for position, layer in enumerate(model.layers)}

    def diagnostic(layer: KerasLayer, reason: Reason) -> Diagnostic:
        place = Location(model.file, layer_index=index[layer.name], layer=layer.name)
        return Diagnostic(place, "T404", *reason)

    shapes = {layer.name: layer.output_shape for layer in model.layers}
    found = [
        diagnostic(layer, reason)
        for layer in model.layers
        for reason in _layer_reasons(layer, shapes.get(layer.inputs[0], ()) if layer.inputs else ())
    ]
    branches = [diagnostic(layer, reason) for layer, reason in _branches(model)]
    inputs = [layer for layer in model.layers if not layer.inputs]
    if len(inputs) != 1 or len(model.outputs) != 1:
        message = f"the model has {len(inputs)} inputs and {len(model.outputs)} outputs"
        branches.append(Diagnostic(Location(model.file), "T405", message, "give a model with one of each"))
    if branches:
        raise TgennError([*found, *branches])
    following = {layer.inputs[0]: layer for layer in model.layers if layer.inputs}
    chain = inputs
    while chain[-1].name in following:
        chain.append(following[chain[-1].name])
    found += [diagnostic(layer, reason) for layer, reason in _order_reasons(chain)]
    if not found and len(chain[-1].output_shape) != 1:
        message = f"the model's output has shape {chain[-1].output_shape}, not one axis of classes"
        found.append(diagnostic(chain[-1], (message, "end it with a Flatten or a Dense layer")))
    if found:
        raise TgennError(found)
    return chain


def _branches(model: KerasModel) -> Iterator[tuple[KerasLayer, Reason]]:
    """Where the model is not a chain."""
    readers = Counter(name for layer in model.layers for name in layer.inputs)
    for layer in model.layers:
        if len(layer.inputs) > 1:
            message = f"{layer.class_name} has {len(layer.inputs)} inputs"
            if layer.class_name in supported_layers():
                message = f"it is used in {len(layer.inputs)} places, or has as many inputs"
            yield layer, (message, "models with branches are not supported yet")
            continue
        if readers[layer.name] + (layer.name in model.outputs) > 1:
            message = f"its output goes to {readers[layer.name]} layers"
            yield layer, (message, "models with branches are not supported yet")


def _order_reasons(chain: list[KerasLayer]) -> Iterator[tuple[KerasLayer, Reason]]:
    """What is wrong with a layer because of those before it."""
    kernel, softmax, relu = "", False, False
    for layer in chain:
        if softmax and layer.class_name != "Dropout":
            yield layer, (f"{layer.class_name} after softmax", "softmax is supported at the output only")
        if "kernel" in layer.weights:
            if kernel:
                message = f"no non-linearity stands between '{kernel}' and this layer"
                yield layer, (message, "put a ReLU between, or merge the two")
            kernel = layer.name
        activation = _activation(layer)
        if activation != "linear":
            kernel = ""
        if layer.class_name in OPS_BY_LAYER or layer.class_name == "BatchNormalization":
            relu = False
        if activation == "softmax" and relu:
            yield layer, ("softmax of a ReLU's output", "leave the ReLU out, and train again")
        relu = activation == "relu" or (relu and activation == "linear")
        softmax = softmax or activation == "softmax"


def _activation(layer: KerasLayer) -> str:
    """The activation a layer ends with; "linear" for none."""
    own = {"ReLU": "relu", "Softmax": "softmax"}
    if layer.class_name in own or "activation" in layer.config:
        return str(layer.config.get("activation", own.get(layer.class_name)))
    return "linear" if layer.class_name in supported_layers() else "unknown"


def _layer_reasons(layer: KerasLayer, shape: Shape) -> list[Reason]:
    """What about a layer, on an input of `shape`, cannot be converted."""
    op = OPS_BY_LAYER.get(layer.class_name)
    if op is None and layer.class_name not in READS:
        return [unsupported_class(layer.class_name)]
    reads = READS.get(layer.class_name, frozenset())
    reasons = list(_CHECKS.get(layer.class_name, _no_reasons)(layer, shape))
    if op is not None:
        reads = op.keras_reads | ({"use_bias", "activation"} if "use_bias" in layer.config else set())
        try:
            op.from_keras(layer, shape)
        except UnsupportedError as error:
            reasons += error.reasons
    reasons += [
        (f"attribute {name}={value!r} is not supported", f"leave {name} out")
        for name, value in layer.config.items()
        if name not in reads | INERT and value not in (None, False, [], {})
    ]
    if layer.config.get("dtype", "float32") != "float32":
        message = f"dtype {layer.config['dtype']} is not supported"
        reasons.append((message, "train or load the model in float32"))
    damaged = [name for name, values in layer.weights.items() if not np.isfinite(values).all()]
    if damaged:
        reasons.append((f"NaN or infinity in {', '.join(damaged)}", "train it again: its training diverged"))
    activation = layer.config.get("activation", "linear")
    if activation not in ACTIVATIONS:
        reasons.append((f"activation {activation} is not supported", "use relu, or softmax at the output"))
    return reasons


def _no_reasons(layer: KerasLayer, shape: Shape) -> Iterator[Reason]:
    yield from ()


def _input(layer: KerasLayer, shape: Shape) -> Iterator[Reason]:
    if not all(isinstance(n, int) and n > 0 for n in layer.output_shape):
        message = f"the input shape {layer.output_shape} is not fixed"
        yield message, "build the model with keras.Input(shape=...) without None"


def _relu(layer: KerasLayer, shape: Shape) -> Iterator[Reason]:
    for name in ("max_value", "negative_slope", "threshold"):
        if layer.config[name]:
            yield f"ReLU with {name}={layer.config[name]:g}", f"use ReLU without {name}, and train again"
    if layer.config["max_value"] == 0:
        yield "ReLU with max_value=0", "use ReLU without max_value, and train again"


def _last_axis(layer: KerasLayer, shape: Shape) -> Iterator[Reason]:
    axis = layer.config["axis"]
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if axis not in (-1, len(shape)):
        yield f"{layer.class_name} over axis {axis}", "use axis=-1"


_CHECKS: dict[str, Callable[[KerasLayer, Shape], Iterator[Reason]]] = {
    "InputLayer": _input,
    "ReLU": _relu,
    "Softmax": _last_axis,
    "BatchNormalization": _last_axis,
}
