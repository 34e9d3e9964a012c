"""The state of folding a Keras model: its tensors as signals, the populations, and the refused layers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.signals import Signal
from tgenn_gen.errors import Diagnostic, Location
from tgenn_gen.keras_reader.keras_model import KerasLayer, KerasModel
from tgenn_gen.keras_reader.supported_layers import Reason
from tgenn_gen.network.model import Connection, Population
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.tensors import Tensor


@dataclass(frozen=True)
class FoldedOutput:
    """How an output is read.

    population  the population that is read
    activation  the ANN's function of it: softmax, sigmoid or tanh
    rectified   whether the spikes of a ReLU are read, so that values below 0 are 0 in the ANN too
    """

    population: str
    activation: str | None
    rectified: bool


@dataclass(frozen=True)
class Shift:
    """Max-pooling of values that may be negative: they are to be shifted above 0 (conversion.shifts).

    population  the population that computes the values
    maximum     the maximum neurons that end the pooling
    layer       the max-pooling layer
    reason      why the values may be negative, where that is no matter of course
    """

    population: str
    maximum: str
    layer: str
    reason: str = ""

    @property
    def needs(self) -> str:
        """What it needs, as a message."""
        message = "max-pooling of values that may be negative needs calibration data"
        return f"{message}: {self.reason}" if self.reason else message


@dataclass(frozen=True, eq=False)
class TrainingStatistics:
    """The mean and the standard deviation of `signal` in training, and where they are from.

    signal: the input of a layer, a linear function of the network's inputs.
    """

    signal: Signal
    mean: float
    deviation: float
    reason: str


@dataclass
class Walk:
    """The state between two layers: the signals and populations so far, and the layers that are refused."""

    model: KerasModel
    method: Method
    names: dict[str, str]
    notes: list[str] = field(default_factory=list)
    populations: list[Population] = field(default_factory=list)
    signals: dict[str, Signal | None] = field(default_factory=dict)
    outputs: list[FoldedOutput] = field(default_factory=list)
    refused: dict[str, list[Reason]] = field(default_factory=dict)
    homes: dict[str, list[str]] = field(default_factory=dict)  # layer: the populations that it is part of
    folded: dict[str, str] = field(default_factory=dict)  # layers that are folded into kernels: their class
    statistics: list[TrainingStatistics] = field(default_factory=list)  # of layers that read the inputs
    after: dict[str, KerasLayer] = field(default_factory=dict)  # layer: whose softmax, sigmoid, tanh it has
    offsets: dict[str, np.ndarray] = field(default_factory=dict)  # what is subtracted from an input's data
    shifts: list[Shift] = field(default_factory=list)
    pooled: dict[Signal, Signal] = field(default_factory=dict)  # signals with a waiting max-pooling: after it
    falling: dict[str, str] = field(default_factory=dict)  # layers that turn activations around: how

    def __post_init__(self) -> None:
        self.named = {self.names[layer.name].lower() for layer in self.model.layers if not layer.inputs}

    @property
    def spiking(self) -> set[str]:
        """The names of the populations that spike; inputs are not among them, even if they spike."""
        return {p.name for p in self.populations if p.neuron.spikes}

    def learn(self, signal: Signal, mean: np.ndarray, variance: np.ndarray, reason: str) -> None:
        """Keep what a layer shows about its input, if that is a linear function of the network's inputs.

        mean, variance: of all channels together, (1,), or one for each, (channels,).
        """
        inputs = {self.names[name] for name in self.model.inputs}
        deviation = float(np.sqrt(variance.mean() + mean.var()))
        if {b.source for b in signal.branches} <= inputs and 0 < deviation < np.inf:
            self.statistics.append(TrainingStatistics(signal, float(mean.mean()), deviation, reason))

    @property
    def problems(self) -> list[Diagnostic]:
        """Everything that cannot be converted, by layer."""
        return [
            Diagnostic.at(Location(self.model.file, layer_index=index, layer=layer.layer), "T404", *reason)
            for index, layer in enumerate(self.model.layers)
            for reason in self.refused.get(layer.name, ())
        ]

    def neuron(self, signal: Signal) -> Neuron:
        """The neurons for a ReLU of a signal."""
        dense = any(isinstance(m, Dense) for b in signal.branches for m in b.through)
        return self.method.dense_neuron if dense and self.method.dense_neuron else self.method.neuron

    def population(self, signal: Signal, neuron: Neuron, name: str, maximum: float | None = None) -> Signal:
        """Add a population that computes a signal; its output. name: if the signal has no free name."""
        name = self._free_name(signal.name, name)
        bias = None
        if signal.bias is not None and signal.bias.any():
            bias = Tensor.unnamed(one_a_channel(signal.bias))
        for layer in dict.fromkeys(signal.layers):
            self.homes.setdefault(layer, []).append(name)
            if layer in self.folded:
                self.notes.append(f"{layer}: {self.folded[layer]} folded into {name}")
        self.populations.append(
            Population(name, signal.shape, neuron, signal.branches, bias=bias, max_value=maximum)
        )
        return Signal(signal.shape, (Connection(name),), positive=True)

    def _free_name(self, *wanted: str) -> str:
        """The first of these names that is free; else the last one with a number."""
        layers = {name.lower() for name in self.names.values()}
        numbered = (f"{wanted[-1]}_{number}" for number in count(2))
        free = (name for name in wanted if name and name.lower() not in self.named)
        others = (name for name in numbered if name.lower() not in self.named | layers)
        name = next(free, "") or next(others)
        self.named.add(name.lower())
        return name


def one_a_channel(bias: np.ndarray) -> np.ndarray:
    """A bias that is the same at all positions as one value per channel, (channels,)."""
    rows = bias.reshape(-1, bias.shape[-1])
    return rows[0] if (rows == rows[0]).all() else bias


def population_names(layers: tuple[KerasLayer, ...]) -> tuple[dict[str, str], list[str]]:
    """{layer name: a valid name in a document}, and a note for each name that differs."""
    wanted = {layer.name: identifier(layer.name, layer.class_name) for layer in layers}
    kept = {name.lower() for name in wanted if wanted[name] == name}
    names: dict[str, str] = {}
    taken: set[str] = set()
    notes = []
    for layer in layers:
        name, number = wanted[layer.name], 2
        while name.lower() in (taken if name == layer.name else taken | kept):
            name, number = f"{wanted[layer.name]}_{number}", number + 1
        taken.add(name.lower())
        names[layer.name] = name
        if name != layer.name:
            notes.append(f"layer {layer.name!r} is called {name} in the document")
    return names, notes


_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)


def identifier(name: str, class_name: str) -> str:
    """A name as documents have them: letters without accents; with the class's name if no letter is left."""
    plain = name
    if not name.isascii():
        plain = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode()
        plain = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", plain)  # what stood beside letters that are gone
        if not re.search("[A-Za-z]", plain):
            snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_name).lower()  # as Keras names layers
            plain = f"{snake}_{plain}" if plain else snake
    return re.sub(r"^[.-]|[^A-Za-z0-9_.-]", "_", plain)[:100] or "_"
