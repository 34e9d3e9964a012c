"""The ANN that a network is compared with: the Keras model that it was converted from, or its own ReLUs.

The Keras model is folded again, to the populations of the document, so that each population has the ANN's
layer beside it: with the model's kernels, and all scales 1. Where a population is the output of a Keras
layer, its activations are those that Keras computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.conversion.calibration import file_sha256
from tgenn_gen.conversion.folding import FoldedModel, as_network, walked
from tgenn_gen.conversion.folding_state import Walk
from tgenn_gen.conversion.keras_check import check_against_keras
from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.shifts import shifted, with_shifts
from tgenn_gen.engine.ann import ann_currents, ann_rates
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.layer_outputs import LayerOutputs
from tgenn_gen.keras_reader.loading import load_model, read_model
from tgenn_gen.keras_reader.supported_layers import MAX_POOLING
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.runtime.data import Examples, count_of

BATCH = 16  # examples that Keras runs at a time
Values = Mapping[str, np.ndarray]  # {input or population: (batch, *shape)}, in the units of the ANN


class Reference(ABC):
    """An ANN with the populations of a network.

    name: for messages. notes: what a user should know about it.
    """

    name: str
    notes: tuple[str, ...]

    @abstractmethod
    def activations(self, examples: Examples) -> dict[str, np.ndarray]:
        """The ANN's activations {input or population: (batch, *shape)}; of outputs that do not spike, logits.

        examples: as the ANN takes them, of any number.
        """

    @abstractmethod
    def presented(self, examples: Examples) -> Examples:
        """Examples less the offsets of this ANN's inputs."""

    @abstractmethod
    def layer(self, name: str, values: Values) -> np.ndarray:
        """What the ANN's layer of a population computes from these values, (batch, *shape)."""


@dataclass(frozen=True)
class OwnReLUs(Reference):
    """The network itself, with ReLUs for its neurons."""

    network: Network
    name: str = "the document with ReLUs"
    notes: tuple[str, ...] = ()

    def activations(self, examples: Examples) -> dict[str, np.ndarray]:
        network, dt = self.network, self.network.simulation.dt
        presented = network.presented(examples)
        rates = {i.name: presented[i.name] / np.float32(i.encoding.scale(dt)) for i in network.inputs}
        found = {p.name: _activation(p, r) * p.scales for p, r in ann_rates(network, rates)}
        return {**presented, **found}

    def presented(self, examples: Examples) -> Examples:
        return self.network.presented(examples)

    def layer(self, name: str, values: Values) -> np.ndarray:
        return document_layer(self.network, self.network.population(name), values)


def document_layer(network: Network, population: Population, values: Values) -> np.ndarray:
    """What a population's weights, bias, threshold and scale make of values of its sources, (batch, *shape).

    values: in the units of the ANN, as the result: a neuron that spikes as often as its mean current says.
    """
    dt = network.simulation.dt
    scales = {i.name: np.array([i.encoding.scale(dt)], np.float32) for i in network.inputs}
    scales |= {p.name: p.scales for p in network.populations}
    rates = {c.source: values[c.source] / scales[c.source] for c in population.inputs}
    current = population.neuron.rates(population.current(rates), dt)
    return np.asarray(_activation(population, current) * population.scales)


def _activation(population: Population, current: np.ndarray) -> np.ndarray:
    """After the ReLU, where neurons spike; the current of integrators, which show values below 0 too."""
    return population.activation(current) if population.neuron.spikes else current


@dataclass(frozen=True)
class KerasReference(Reference):
    """The Keras model, folded to the document's populations, with their names.

    tensors: {population: the Keras layer whose output it is}; `outputs` computes them.
    """

    name: str
    notes: tuple[str, ...]
    network: Network
    outputs: LayerOutputs
    tensors: Mapping[str, str]

    def activations(self, examples: Examples) -> dict[str, np.ndarray]:
        found = {p.name: _activation(p, current) for p, current in ann_currents(self.network, examples)}
        given = [examples[i.name] for i in self.network.inputs]
        parts = [
            self.outputs.of([x[start : start + BATCH] for x in given])
            for start in range(0, count_of(examples), BATCH)
        ]
        for name, tensor in self.tensors.items():
            found[name] = np.concatenate([part[tensor] for part in parts]).reshape(found[name].shape)
        return {**self.network.presented(examples), **found}

    def presented(self, examples: Examples) -> Examples:
        return self.network.presented(examples)

    def layer(self, name: str, values: Values) -> np.ndarray:
        population = self.network.population(name)
        return _activation(population, population.current(values))


def notes_on_the_file(network: Network, path: Path) -> list[str]:
    """A note where a network was converted from another file than the one of this Keras model."""
    recorded = network.provenance.get("model_sha256")
    if not path.is_file() or recorded in (None, file_sha256(path)):
        return []
    return [f"{path} is not the file that the network was converted from: its sha256 differs"]


def keras_reference(network: Network, model: Any, examples: Examples) -> KerasReference:
    """The Keras model that a network was converted from, as a reference.

    model: of Keras 3 or tf_keras, or the path of a file. examples: {input: a few, as the ANN takes them}, on
    which the folded model is compared with the Keras model.
    Raises TgennError: T4xx the model cannot be converted, T507 it has other layers than the network.
    """
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = model if path is None else load_model(path)
    read = read_model(keras_model, str(path) if path is not None else "")
    walk, folded, names = _folded_alike(network, read)
    notes = [] if path is None else notes_on_the_file(network, path)
    renamed = [f"{name} is {layer}" for layer, name in names.items() if name != layer]
    if renamed:
        notes.append(f"names differ from the model's, so populations are compared in order: {renamed[0]}")
    tensors: dict[str, str] = {}
    if walk.method.max_pool == "average" and any(x.class_name in MAX_POOLING for x in read.layers):
        notes.append("max-pooling became average pooling: the network is compared with the model with that")
    else:
        shown = {i.name: examples[names[i.name]] for i in folded.network.inputs}
        check_against_keras(shifted(folded, [shown]), keras_model, shown, read)
        tensors = {names[population]: layer for population, layer in _tensors(walk).items()}
    shifts = [names[shift.population] for shift in folded.shifts]
    offsets = []
    if "offset" in recorded_corrections(network):
        offsets = [names[o.population] for o in folded.outputs if not o.rectified]
    if shifts:
        notes.append(
            f"the constants that the conversion added to the values of {', '.join(shifts)} are not recorded: "
            "they are what its biases are above the model's, so a wrong bias shows only behind them"
        )
    if offsets:
        notes.append(
            f"the number that the conversion added to all values of {', '.join(offsets)} is not recorded: it "
            "is the median of what its biases are above the model's, so an error in it does not show"
        )
    return KerasReference(
        read.file if path is not None else f"the model '{read.name}'",
        tuple(notes),
        _raised(_renamed(folded.network, names), network, shifts, offsets),
        LayerOutputs(keras_model, {*tensors.values()}),
        tensors,
    )


def _raised(folded: Network, network: Network, shifts: Sequence[str], offsets: Sequence[str]) -> Network:
    """The folded model with the constants that the conversion added to values of these populations.

    shifts: those raised by a constant for each channel (conversion.shifts). offsets: outputs to which the
    correction "offset" added a number. The document does not record the constants: they are what its biases
    are above the model's. Corrected weights make up for their mean change in the bias, which then counts as
    part of the constant.
    """
    found: dict[str, np.ndarray] = {}
    for name in (*shifts, *offsets):
        own, alike = network.population(name), with_shifts(folded, found).population(name)
        dt = network.simulation.dt
        factor = own.scales / own.neuron.unit(dt)
        above = ((_biases(own) - own.neuron.leak(dt)) * factor - _biases(alike)).reshape(-1, own.shape[-1])
        channels = np.median(above, axis=0)
        found[name] = channels if name in shifts else np.full_like(channels, np.median(channels))
    return with_shifts(folded, found)


def _biases(population: Population) -> np.ndarray:
    """float64, one for each neuron."""
    bias = 0.0 if population.bias is None else population.bias.values.astype(np.float64)
    return np.broadcast_to(bias, population.shape)


def recorded_corrections(network: Network) -> tuple[str, ...]:
    """The corrections that the document records; none where a user wrote something else there."""
    found = network.provenance.get("corrections")
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def _tensors(walk: Walk) -> dict[str, str]:
    """{population: the first Keras layer whose output its activations are}."""
    populations = {p.name: p for p in walk.populations}
    found: dict[str, str] = {}
    for layer, signal in walk.signals.items():
        if signal is not None and signal.bare and signal.branches[0].source in populations:
            found.setdefault(signal.branches[0].source, layer)
    for output, layer in zip(walk.outputs, dict.fromkeys(walk.model.outputs), strict=True):
        if output.activation is None and not populations[output.population].neuron.spikes:
            found[output.population] = layer
    return found


def _folded_alike(network: Network, read: KerasModel) -> tuple[Walk, FoldedModel, dict[str, str]]:
    """The model folded to the populations of the network, and {name there: name in the network}.

    A document records how pooling was converted; one that was written by hand does not: each way is tried.
    Raises TgennError (T404, T507).
    """
    made, problem = network.provenance, ""
    recorded = (made.get("pooling", "folded"), made.get("max_pool", "spiking"))
    ways = product(("folded", "spiking"), ("spiking", "average"))
    for pooling, max_pool in sorted(ways, key=lambda way: way != recorded):
        method = Method(
            neuron=FewSpikeNeuron() if network.few_spike else IntegrateAndFireNeuron(),
            encoding=network.inputs[0].encoding,
            pooling=pooling,
            max_pool=max_pool,
            readout=network.outputs[0].readout,
        )
        walk = walked(read, method)
        if walk.problems and problem:
            continue
        folded = as_network(walk)
        names, difference = _counterparts(folded.network, network)
        if not difference:
            return walk, folded, names
        problem = problem or difference
    raise TgennError.at(read.file, "T507", problem, "give the model that the network was converted from")


def _counterparts(folded: Network, network: Network) -> tuple[dict[str, str], str]:
    """{input or population of the folded model: that of the network}, and how they differ; "" if they do not.

    Those of the same name; where names differ, those at the same place.
    """
    if folded.shapes == network.shapes:  # in any order
        return {name: name for name in folded.shapes}, ""
    for kind in ("inputs", "populations"):
        there, expected = getattr(folded, kind), getattr(network, kind)
        if len(there) != len(expected):
            return {}, f"is converted to {len(there)} {kind}, expected {len(expected)}, as in network.yaml"
        for one, other in zip(there, expected, strict=True):
            if one.shape != other.shape:
                shapes = f"{list(one.shape)}, expected {list(other.shape)} as {other.name} in network.yaml"
                return {}, f"its layer {one.name} has shape {shapes}"
    return dict(zip(folded.shapes, network.shapes, strict=True)), ""


def _renamed(network: Network, names: Mapping[str, str]) -> Network:
    return replace(
        network,
        inputs=tuple(replace(i, name=names[i.name]) for i in network.inputs),
        populations=tuple(
            replace(p, name=names[p.name], inputs=tuple(replace(c, source=names[c.source]) for c in p.inputs))
            for p in network.populations
        ),
        outputs=tuple(replace(o, population=names[o.population]) for o in network.outputs),
    )
