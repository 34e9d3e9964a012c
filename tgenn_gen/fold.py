"""A Keras model to a network with all scales 1: bias and BatchNormalization folded, no-ops removed.

Walks the layers once. What is pending between two non-linearities is a chain of linear maps and a bias;
a ReLU turns it into a population. Nothing is skipped silently: a layer or attribute that has no rule is
refused, all of them at once, and what is changed on the way is noted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tgenn_gen import chains
from tgenn_gen.encodings.constant_current import ConstantCurrent
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.keras_model import INERT, KerasLayer, KerasModel
from tgenn_gen.neurons.integrate import Integrate
from tgenn_gen.ops import OPS
from tgenn_gen.spec import (
    Connection,
    Input,
    LinearMap,
    Network,
    Neuron,
    Output,
    Population,
    Shape,
    UnsupportedError,
)
from tgenn_gen.tensors import Tensor

Reason = tuple[str, str]

_OPS_BY_LAYER = {cls.keras_layer: cls for cls in OPS.values() if cls.keras_layer}
_ACTIVATIONS = ("relu", "softmax", "linear")
# The attributes that are read of the layers which are not linear maps.
_READS: dict[str, frozenset[str]] = {
    "InputLayer": frozenset(),
    "Activation": frozenset({"activation"}),
    "ReLU": frozenset({"max_value", "negative_slope", "threshold"}),
    "Softmax": frozenset({"axis"}),
    "Dropout": frozenset(),
    "BatchNormalization": frozenset({"axis", "epsilon", "center", "scale"}),
}


def supported_layers() -> list[str]:
    """The names of the Keras layers that are converted, sorted."""
    return sorted({*_OPS_BY_LAYER, *_READS})


@dataclass(frozen=True)
class FoldedModel:
    """The network (all scales 1), what was changed on the way, and the ANN's last activation."""

    network: Network
    notes: tuple[str, ...]
    last_activation: str


@dataclass
class _Walk:
    """The state between two layers: populations so far, and what is pending since the last of them."""

    neuron: Neuron
    source: str
    shape: Shape
    chain: chains.Chain = ()
    bias: np.ndarray | None = None
    name: str = ""
    named_by_kernel: bool = False
    populations: list[Population] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    last_activation: str = "linear"

    @property
    def pending(self) -> bool:
        return bool(self.chain) or self.bias is not None

    def add(self, linear_map: LinearMap, layer: KerasLayer) -> None:
        if self.bias is not None:
            self.bias = linear_map.apply(self.bias.astype(np.float32)).astype(np.float64)
        self.chain = chains.append(self.chain, linear_map)
        self.last_activation = "linear"
        self.shape = linear_map.output_shape(self.shape)
        has_kernel = "kernel" in linear_map.tensors
        if has_kernel or not self.named_by_kernel:
            self.name, self.named_by_kernel = layer.name, has_kernel

    def affine(self, gain: np.ndarray, offset: np.ndarray, layer: KerasLayer) -> None:
        self.chain = chains.scale_channels(self.chain, gain)
        self.last_activation = "linear"
        self.bias = None if self.bias is None else self.bias * gain
        self.add_bias(offset)
        self.name = self.name or layer.name

    def add_bias(self, bias: np.ndarray) -> None:
        self.bias = np.broadcast_to(bias if self.bias is None else self.bias + bias, self.shape).copy()

    def population(self, neuron: Neuron) -> None:
        """Turn what is pending into a population."""
        bias = None
        if self.bias is not None and self.bias.any():
            bias = Tensor(f"weights/{self.name}.bias.npy", _one_a_channel(self.bias))
        self.notes += [f"{norm}: BatchNormalization folded into {self.name}" for norm in self.norms]
        self.norms = []
        connection = Connection(self.source, chains.named(self.chain, self.name))
        self.populations.append(Population(self.name, self.shape, neuron, (connection,), bias=bias))
        self.source, self.chain, self.bias, self.name, self.named_by_kernel = self.name, (), None, "", False


def _one_a_channel(bias: np.ndarray) -> np.ndarray:
    """A bias that is the same at every position as one value a channel."""
    rows = bias.reshape(-1, bias.shape[-1])
    return rows[0] if (rows == rows[0]).all() else bias


def fold(model: KerasModel, neuron: Neuron, readout: str, uint8_divisor: float) -> FoldedModel:
    """Fold a model of supported layers, with `neuron` for each ReLU. Raises TgennError (T404 to T407)."""
    layers = _checked_chain(model)
    names, notes = _population_names(layers)
    first, rest = layers[0], layers[1:]
    network_input = Input(names[first.name], first.output_shape, ConstantCurrent(), uint8_divisor)
    walk = _Walk(neuron, network_input.name, network_input.shape, notes=notes)
    found = []
    for layer in rest:
        renamed = KerasLayer(names[layer.name], *list(vars(layer).values())[1:])
        try:
            _apply(renamed, walk)
        except UnsupportedError as error:
            found += [_diagnostic(model, layer, reason) for reason in error.reasons]
    if found:
        raise TgennError(found)
    output = _finish(walk, readout, model)
    network = Network(
        name=_identifier(model.name),
        inputs=(network_input,),
        populations=tuple(walk.populations),
        outputs=(Output(output, readout),),
    )
    return FoldedModel(network, tuple(walk.notes), walk.last_activation)


def _finish(walk: _Walk, readout: str, model: KerasModel) -> str:
    """Make the output population of what is pending, or of the last ReLU population; its name."""
    output_neuron = Integrate() if readout == "membrane" else walk.neuron
    if walk.last_activation == "softmax":
        walk.notes.append(
            "softmax left out: the output population's input is the logits, with the same largest class"
        )
    if walk.pending:
        walk.population(output_neuron)
    elif not walk.populations:
        message = "the model has no layer with weights: there is nothing to convert"
        raise TgennError(Diagnostic(Location(model.file), "T407", message, "give a trained model"))
    elif readout == "membrane":
        last = walk.populations.pop()
        walk.populations.append(Population(last.name, last.shape, output_neuron, last.inputs, bias=last.bias))
        walk.notes.append(
            f"{last.name}: its relu is left out, the membrane readout also shows negative values"
        )
    return walk.populations[-1].name


# Checks, before anything is converted.


def _diagnostic(model: KerasModel, layer: KerasLayer, reason: Reason) -> Diagnostic:
    return Diagnostic(Location(model.file, layer=layer.name), "T404", *reason)


def _checked_chain(model: KerasModel) -> list[KerasLayer]:
    """The model's layers from input to output. Raises TgennError with everything that is not supported."""
    found = [_diagnostic(model, layer, reason) for layer in model.layers for reason in _refusals(layer)]
    readers = Counter(name for layer in model.layers for name in layer.inputs)
    for layer in model.layers:
        if len(layer.inputs) > 1:
            reason = (
                f"{layer.class_name} has {len(layer.inputs)} inputs",
                "models with branches are not supported yet",
            )
            found.append(_diagnostic(model, layer, reason))
        if readers[layer.name] + (layer.name in model.outputs) > 1:
            reason = (
                f"its output goes to {readers[layer.name]} layers",
                "models with branches are not supported yet",
            )
            found.append(_diagnostic(model, layer, reason))
    inputs = [layer for layer in model.layers if not layer.inputs]
    if len(inputs) != 1 or len(model.outputs) != 1:
        message = f"the model has {len(inputs)} inputs and {len(model.outputs)} outputs"
        found.append(Diagnostic(Location(model.file), "T405", message, "give a model with one of each"))
    for layer in inputs:
        if layer.output_shape and not all(isinstance(n, int) and n > 0 for n in layer.output_shape):
            message = f"the input shape {layer.output_shape} is not fixed"
            reason = (message, "build the model with keras.Input(shape=...) without None")
            found.append(_diagnostic(model, layer, reason))
    if found:
        raise TgennError(found)
    following = {layer.inputs[0]: layer for layer in model.layers if layer.inputs}
    chain = inputs
    while chain[-1].name in following:
        chain.append(following[chain[-1].name])
    return chain


def _refusals(layer: KerasLayer) -> list[Reason]:
    """What about this layer, taken alone, cannot be converted."""
    op = _OPS_BY_LAYER.get(layer.class_name)
    if op is None and layer.class_name not in _READS:
        message = f"{layer.class_name} layers are not supported"
        return [(message, _INSTEAD.get(layer.class_name, f"supported are {', '.join(supported_layers())}"))]
    reads = _READS.get(layer.class_name, frozenset())
    if op is not None:
        reads = op.keras_reads | ({"use_bias", "activation"} if "use_bias" in layer.config else set())
    reasons = [
        (f"attribute {name}={value!r} is not supported", f"leave {name} out")
        for name, value in layer.config.items()
        if name not in reads | INERT and value not in (None, False, [], {})
    ]
    if layer.config.get("dtype", "float32") != "float32":
        message = f"dtype policy {layer.config['dtype']} is not supported"
        reasons.append((message, "train or load the model in float32"))
    activation = layer.config.get("activation", "linear")
    if activation not in _ACTIVATIONS:
        reasons.append((f"activation {activation} is not supported", "use relu, or softmax at the output"))
    return reasons


_INSTEAD = {
    "MaxPooling2D": "use AveragePooling2D and train again",
    "LeakyReLU": "use ReLU and train again",
    "ELU": "use ReLU and train again",
    "GlobalAveragePooling2D": "use AveragePooling2D over the whole image and Flatten",
    "DepthwiseConv2D": "use Conv2D",
    "SeparableConv2D": "use Conv2D",
    "Lambda": "use a Keras layer: code in a model is never run",
}


def _population_names(layers: list[KerasLayer]) -> tuple[dict[str, str], list[str]]:
    """{layer name: a name that a document may have}; and notes about those that differ."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    notes = []
    for layer in layers:
        name, number = _identifier(layer.name), 2
        while name.lower() in taken:
            name, number = f"{_identifier(layer.name)}_{number}", number + 1
        taken.add(name.lower())
        names[layer.name] = name
        if name != layer.name:
            notes.append(f"layer {layer.name!r} is called {name} in the document")
    return names, notes


def _identifier(name: str) -> str:
    return re.sub(r"^[.-]|[^A-Za-z0-9_.-]", "_", name)[:100] or "_"


# Rules: what each layer does to what is pending.


def _apply(layer: KerasLayer, walk: _Walk) -> None:
    if walk.last_activation == "softmax" and layer.class_name != "Dropout":
        raise UnsupportedError(
            (f"{layer.class_name} after softmax", "softmax is supported at the output only")
        )
    op = _OPS_BY_LAYER.get(layer.class_name)
    if op is None:
        _RULES[layer.class_name](layer, walk)
    else:
        linear_map = op.from_keras(layer, walk.shape)
        if "kernel" in linear_map.tensors and any("kernel" in m.tensors for m in walk.chain):
            raise UnsupportedError(
                (
                    f"no non-linearity stands between '{walk.name}' and this layer",
                    "put a ReLU between, or merge the two",
                )
            )
        walk.add(linear_map, layer)
        if layer.config.get("use_bias", False):
            walk.add_bias(layer.weights["bias"].astype(np.float64))
        _activate(layer.config.get("activation", "linear"), layer, walk)


def _activate(activation: str, layer: KerasLayer, walk: _Walk) -> None:
    if activation == "linear":
        return
    walk.last_activation = activation
    if activation == "softmax":
        if not walk.pending and not walk.populations:
            raise UnsupportedError(("softmax of the input", "put a Dense layer before it"))
        return
    if not walk.pending and walk.populations:
        walk.notes.append(f"{layer.name}: relu after relu left out, it changes nothing")
        return
    walk.name = walk.name or layer.name
    walk.population(walk.neuron)


def _relu(layer: KerasLayer, walk: _Walk) -> None:
    defaults = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
    odd = [
        (n, layer.config[n])
        for n, default in defaults.items()
        if (layer.config[n] or 0.0) != (default or 0.0)
    ]
    if odd:
        raise UnsupportedError(
            *((f"ReLU with {n}={v:g}", f"use ReLU without {n}, and train again") for n, v in odd)
        )
    _activate("relu", layer, walk)


def _softmax(layer: KerasLayer, walk: _Walk) -> None:
    if layer.config["axis"] not in (-1, len(walk.shape)):
        raise UnsupportedError((f"Softmax over axis {layer.config['axis']}", "use axis=-1"))
    _activate("softmax", layer, walk)


def _dropout(layer: KerasLayer, walk: _Walk) -> None:
    walk.notes.append(f"{layer.name}: Dropout left out, it does nothing at inference")


def _batch_normalization(layer: KerasLayer, walk: _Walk) -> None:
    """y = gain x + offset for each channel (Rueckauer et al. 2017, section 2.2.4)."""
    axis = layer.config["axis"]
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if axis not in (-1, len(walk.shape)):
        raise UnsupportedError((f"BatchNormalization over axis {axis}", "use axis=-1"))
    weights = {name: values.astype(np.float64) for name, values in layer.weights.items()}
    gain = weights.get("gamma", 1.0) / np.sqrt(weights["moving_variance"] + layer.config["epsilon"])
    offset = weights.get("beta", 0.0) - weights["moving_mean"] * gain
    walk.affine(gain, offset, layer)
    walk.norms.append(layer.name)


_RULES: dict[str, Callable[[KerasLayer, _Walk], None]] = {
    "Activation": lambda layer, walk: _activate(layer.config["activation"], layer, walk),
    "ReLU": _relu,
    "Softmax": _softmax,
    "Dropout": _dropout,
    "BatchNormalization": _batch_normalization,
}
