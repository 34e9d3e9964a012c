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
from tgenn_gen.keras_reader.operations import COMPUTES

Reason = tuple[str, str]  # the problem, and what to do

OUTPUT_FUNCTIONS = ("softmax", "sigmoid", "tanh")  # only at an output, where the readout applies them
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "prelu", *OUTPUT_FUNCTIONS, "linear")
FLOATS = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float32", "float64")
# By the class of a layer, or by what an operation computes.
_RELU = "use LeakyReLU, PReLU or ReLU, and train again"
_BATCH_NORMALIZATION = "use BatchNormalization, which can be folded into weights, and train again"
INSTEAD = {
    "ELU": _RELU,
    "divide": "a tensor can be divided by numbers other than 0 only",
    "add": "use layers.Add for two tensors of the same shape",
    "subtract": "use layers.Subtract for two tensors of the same shape",
    "Concatenate": "use layers.Concatenate",
    "maximum": "only the maximum of a tensor and 0, a ReLU, can be converted",
    "Minimum": "use layers.ReLU(max_value=...) for a ReLU with a maximum",
    "clip": "only clipping from 0 on, a ReLU with a maximum, can be converted",
    "multiply": "spiking neurons cannot multiply two activations: use Add, and train again",
    "LayerNormalization": _BATCH_NORMALIZATION,
    "GroupNormalization": _BATCH_NORMALIZATION,
    "Lambda": "use a Keras layer: tgenn never runs code from a model",
    "TimeDistributed": "use Dense without it, which maps each step by itself; or a convolution whose kernel "
    "has size 1 on the axis of the steps",
    "Embedding": "start the model behind it, and give the embedded vectors as data",
}
RECURRENT = frozenset(
    "LSTM GRU SimpleRNN RNN ConvLSTM1D ConvLSTM2D ConvLSTM3D Bidirectional LSTMCell GRUCell SimpleRNNCell "
    "StackedRNNCells CuDNNLSTM CuDNNGRU".split()
)
ATTENTION = frozenset("MultiHeadAttention GroupQueryAttention Attention AdditiveAttention".split())


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
    **_layers("Add Subtract Average CustomScaleLayer", "several inputs of the next population", "scale"),
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
        "neurons for relu and its kinds; nothing for linear; softmax, sigmoid, tanh: only at an output",
        "activation",
    ),
    **_layers("ReLU", "neurons, whose scale is at most max_value", "max_value negative_slope threshold"),
    **_layers(
        "LeakyReLU PReLU",
        "neurons, and a second population for negative values",
        "negative_slope shared_axes",
    ),
    **_layers("Softmax", "the function of an output, which the readout applies", "axis"),
    **_layers(
        "Dropout SpatialDropout1D SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout "
        "ActivityRegularization Identity",
        "nothing: it does nothing at inference",
    ),
    **_layers(
        "AugMix CutMix MixUp RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter "
        "RandomContrast RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale "
        "RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation "
        "RandomSharpness RandomShear RandomTranslation RandomZoom Solarization",
        "nothing: it augments data in training only",
    ),
    **_layers("RandomCrop Resizing", "nothing, where it does not change the size"),
}
NOTHING = frozenset(name for name, layer in LAYERS.items() if layer.becomes.startswith("nothing"))
RELUS = ("ReLU", "LeakyReLU", "PReLU")
SUMS = ("Add", "Subtract", "Average", "CustomScaleLayer")  # the last: a + scale b, of InceptionResNetV2
MERGES = frozenset({*SUMS, "Concatenate"})
MAX_POOLING = frozenset(name for name in LAYERS if "MaxPooling" in name)
AVERAGE_POOLING = frozenset(name for name in LAYERS if "AveragePooling" in name)


def unsupported_class(class_name: str) -> Reason:
    """The reason for a layer of a class that is not supported."""
    if class_name in RECURRENT:
        message = f"{class_name} layers are recurrent: converted networks have no state between steps of data"
        return message, "use Conv1D over the steps with relu, and train again"
    if class_name in ATTENTION:
        message = f"{class_name} layers multiply activations with each other, which spiking neurons cannot"
        return message, "use convolutions or Dense with relu, and train again"
    if class_name in COMPUTES.keys() - {"Maximum", "Multiply"}:  # these two are layers as well
        message = f"Keras cannot read the operation {class_name} from an .h5 file"
        return message, "save the model as .keras, or give the model itself to tgenn_gen.convert"
    function = class_name.removeprefix("keras.ops.").removeprefix("tf.")
    instead = INSTEAD.get(COMPUTES.get(function, function), "tgenn layers lists the supported layers")
    return f"{class_name} layers are not supported", instead


def examined(layer: KerasLayer) -> tuple[Chain, list[Reason]]:
    """The linear maps of a layer, if it has any, and the reasons why it cannot be converted."""
    if layer.class_name not in LAYERS:
        return (), [unsupported_class(layer.class_name)]
    reads = LAYERS[layer.class_name].reads | (
        {"use_bias", "activation"} if "use_bias" in layer.config else set()
    )
    if "activation" in reads:
        reads |= {"max_value", "negative_slope", "threshold"}  # of a ReLU layer as the activation
    reasons = [*_relu(layer), *_CHECKS.get(layer.class_name, _no_reasons)(layer)]
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
        if name not in reads | INERT | {"call_arguments"}
        and value not in (None, False, [], {})
        and layer.class_name not in NOTHING
    ]
    reasons += [
        (f"{layer.class_name} called with {name}={value}", f"call it without {name}")
        for name, value in layer.config.get("call_arguments", {}).items()
    ]
    if layer.config.get("dtype", "float32") not in FLOATS and not takes_integers(layer):
        message = f"dtype {layer.config['dtype']} is not supported"
        reasons.append((message, "train or load the model in float32"))
    damaged = [name for name, values in layer.weights.items() if not np.isfinite(values).all()]
    if damaged:
        reasons.append(
            (f"NaN or infinity in {', '.join(damaged)}", "train the model again: its training diverged")
        )
    activation = layer.config.get("activation", "linear")
    if activation == "prelu" and "alpha" not in layer.weights:
        hint = "use a PReLU layer behind this one: Keras does not load the slopes of an activation from files"
        reasons.append(("PReLU as the activation, without its slopes", hint))
    if activation not in ACTIVATIONS:
        hint = "use relu, or linear, softmax, sigmoid or tanh at the output, and train again"
        if activation.endswith("(not Keras' own)"):
            hint = "use one of Keras' own, such as 'relu' or layers.LeakyReLU(0.1): the weights stay valid"
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


def relu_slope(layer: KerasLayer) -> np.ndarray:
    """The slope of a ReLU layer, or of a layer's activation, for negative values.

    Of a PReLU it has a shape that broadcasts to the layer's output.
    """
    if layer.config.get("activation") == "leaky_relu":
        return np.array(0.2)
    if layer.class_name == "PReLU" or layer.config.get("activation") == "prelu":
        return layer.weights["alpha"].astype(np.float64)
    return np.array(layer.config.get("negative_slope") or 0.0, np.float64)


def takes_integers(layer: KerasLayer) -> bool:
    """Whether it is an input of an integer type, such as uint8."""
    return not layer.inputs and "int" in str(layer.config.get("dtype"))


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
    if threshold := layer.config.get("threshold"):
        message = f"ReLU with threshold={threshold:g}, which neurons cannot express"
        yield message, "use ReLU without threshold, and train again"
    maximum = layer.config.get("max_value")
    if maximum is not None and maximum <= 0:
        yield f"ReLU with max_value={maximum:g}", "use ReLU without max_value, and train again"


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
        shape = np.shape(layer.config[name])
        if any(n != 1 for n in shape[:-1]) or shape[-1:] not in ((), (1,), layer.input_shapes[0][-1:]):
            yield f"Rescaling with {name} of shape {shape}", "use one number, or one per channel"


def _same_size(layer: KerasLayer) -> Iterator[Reason]:
    if layer.output_shape != layer.input_shapes[0]:
        message = f"{layer.class_name} from {layer.input_shapes[0]} to {layer.output_shape}"
        yield message, "bring the data to that size first, and start the model behind this layer"


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
    "Softmax": _last_axis,
    "BatchNormalization": _last_axis,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    **dict.fromkeys(("RandomCrop", "Resizing"), _same_size),
    "Concatenate": _concatenate,
    **dict.fromkeys(SUMS, _one_shape),
}
