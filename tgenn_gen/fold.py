"""A Keras model to a network with all scales 1: bias and BatchNormalization folded, no-ops removed.

Walks the layers once. What is pending between two non-linearities is a chain of linear maps and a bias;
a ReLU turns it into a population. What is changed on the way is noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from tgenn_gen import chains
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.keras_model import KerasLayer, KerasModel
from tgenn_gen.methods import Method
from tgenn_gen.neurons.integrate import Integrate
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.dense import Dense
from tgenn_gen.spec import (
    Connection,
    Input,
    LinearMap,
    Network,
    Neuron,
    Output,
    Population,
    Shape,
    Simulation,
)
from tgenn_gen.supported import OPS_BY_LAYER, supported_chain
from tgenn_gen.tensors import Tensor


@dataclass(frozen=True)
class FoldedModel:
    """The network (all scales 1), what was changed on the way, and the ANN's last activation."""

    network: Network
    notes: tuple[str, ...]
    last_activation: str


@dataclass
class _Walk:
    """The state between two layers: populations so far, and what is pending since the last of them."""

    method: Method
    file: str
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
    def from_spikes(self) -> bool:
        """Whether the source is never negative: neurons, or an input whose encoding says so."""
        return bool(self.populations) or self.method.encoding.low >= 0 or self.method.encoding.binary

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

    @property
    def neuron(self) -> Neuron:
        """The neurons that stand for a ReLU after what is pending."""
        dense = any(isinstance(m, Dense) for m in self.chain)
        return self.method.dense_neuron if dense and self.method.dense_neuron else self.method.neuron

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


def fold(model: KerasModel, method: Method, uint8_divisor: float) -> FoldedModel:
    """Fold a model to the neurons, encoding and readout of `method`. Raises TgennError (T404 to T407)."""
    layers = supported_chain(model)
    names, notes = _population_names(layers)
    first, rest = layers[0], layers[1:]
    network_input = Input(names[first.name], first.output_shape, method.encoding, uint8_divisor)
    walk = _Walk(method, model.file, network_input.name, network_input.shape, notes=notes)
    for layer in rest:
        _apply(replace(layer, name=names[layer.name]), walk)
    output = _finish(walk, method.readout, model)
    network = Network(
        name=_identifier(model.name),
        inputs=(network_input,),
        populations=tuple(walk.populations),
        outputs=(Output(output, method.readout, method.readout_start),),
        simulation=Simulation(method.dt, method.timesteps),
    )
    return FoldedModel(network, tuple(walk.notes), walk.last_activation)


def _finish(walk: _Walk, readout: str, model: KerasModel) -> str:
    """Make the output population of what is pending, or of the last ReLU population; its name."""
    output_neuron = Integrate(walk.neuron.few_spike) if readout == "membrane" else walk.neuron
    if walk.last_activation == "softmax":
        walk.notes.append(
            "softmax left out: the output is the logits, of which the same class is the largest"
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
            f"{last.name}: its relu is left out: where it gives 0, the membrane readout shows negative values"
        )
    name = walk.populations[-1].name
    lossy = readout != "membrane" and walk.last_activation != "relu"
    if lossy and "offset" not in walk.method.corrections:
        way_out = ": see --correct offset" if readout == "spike_count" else ", and ties go to the first class"
        kind = readout.replace("_", " ")
        walk.notes.append(f"{name}: read by its {kind}, which is 0 for all outputs below 0{way_out}")
    return name


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
    op = OPS_BY_LAYER.get(layer.class_name)
    if op is None:
        _RULES[layer.class_name](layer, walk)
        return
    linear_map = op.from_keras(layer, walk.shape)
    walk.add(linear_map, layer)
    if isinstance(linear_map, AvgPool2D) and walk.method.pooling == "spiking":
        if len(walk.chain) > 1 or walk.bias is not None or not walk.from_spikes:
            message = "pooling by spiking neurons of what may be negative"
            place = Location(walk.file, layer=layer.name)
            raise TgennError(Diagnostic(place, "T404", message, "use --pooling folded"))
        walk.population(walk.neuron)
        walk.notes.append(f"{layer.name}: pooling by spiking neurons of its own")
        return
    if layer.config.get("use_bias", False):
        walk.add_bias(layer.weights["bias"].astype(np.float64))
    _activate(layer.config.get("activation", "linear"), layer, walk)


def _activate(activation: str, layer: KerasLayer, walk: _Walk) -> None:
    if activation == "linear":
        return
    walk.last_activation = activation
    if activation == "softmax":
        return
    if not walk.pending and walk.populations:
        walk.notes.append(f"{layer.name}: relu after relu left out, it changes nothing")
        return
    walk.name = walk.name or layer.name
    walk.population(walk.neuron)


def _dropout(layer: KerasLayer, walk: _Walk) -> None:
    walk.notes.append(f"{layer.name}: Dropout left out, it does nothing at inference")


def _batch_normalization(layer: KerasLayer, walk: _Walk) -> None:
    """y = gain x + offset for each channel (Rueckauer et al. 2017, section 2.2.4)."""
    weights = {name: values.astype(np.float64) for name, values in layer.weights.items()}
    gain = weights.get("gamma", 1.0) / np.sqrt(weights["moving_variance"] + layer.config["epsilon"])
    offset = weights.get("beta", 0.0) - weights["moving_mean"] * gain
    walk.affine(gain, offset, layer)
    walk.norms.append(layer.name)


_RULES: dict[str, Callable[[KerasLayer, _Walk], None]] = {
    "Activation": lambda layer, walk: _activate(layer.config["activation"], layer, walk),
    "ReLU": lambda layer, walk: _activate("relu", layer, walk),
    "Softmax": lambda layer, walk: _activate("softmax", layer, walk),
    "Dropout": _dropout,
    "BatchNormalization": _batch_normalization,
}
