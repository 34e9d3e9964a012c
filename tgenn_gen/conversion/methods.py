"""Conversion methods: all choices of a conversion, and presets of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from tgenn_gen.errors import TgennError
from tgenn_gen.network.argument_checks import shown
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron

NORMALIZATIONS = tuple("none model data percentile:P mse ltb spike_norm tensor_genn as_trained".split())
WITHOUT_DATA = ("none", "model", "as_trained")
WHOLE_LAYERS = (*WITHOUT_DATA, "spike_norm", "tensor_genn")  # methods with one scale per layer
CORRECTIONS = ("offset", "weights", "bias", "potential")


@dataclass(frozen=True)
class Method:
    """How a Keras model is converted. The document records all of it.

    Kinds of neurons and encodings can be given by their names: `Method(neuron="few_spike")`.

    Attributes:
        normalize: How scales are found: "none", "model", "data", "percentile:P" with P in (0, 100], "mse",
            "ltb", "spike_norm", "tensor_genn" or "as_trained".
        per_channel: A scale for each channel, instead of one for each population.
        neuron: The neurons for a ReLU.
        dense_neuron: The neurons after a dense kernel, if they differ. None: `neuron`.
        encoding: How the input becomes currents or spikes.
        pooling: Average pooling: "folded", part of the next chain; or "spiking", a population of its own.
        max_pool: Max-pooling: "spiking", a population of `maximum` neurons; or "average", average
            pooling, which is another function than the model's.
        corrections: Of "offset", "weights", "bias" and "potential", in this order.
        readout: How the output population is read: "membrane", "spike_count" or "first_spike".
        readout_start: The readout leaves out this number of first time steps.
        timesteps: How many time steps each example is shown.
        dt: The length of a time step, in ms.
    """

    normalize: str = "percentile:99.9"
    per_channel: bool = False
    neuron: Neuron = IntegrateAndFireNeuron()  # noqa: RUF009 - frozen
    dense_neuron: Neuron | None = None
    encoding: Encoding = ConstantCurrentInput()  # noqa: RUF009 - frozen
    pooling: str = "folded"
    max_pool: str = "spiking"
    corrections: tuple[str, ...] = ()
    readout: str = "membrane"
    readout_start: int = 0
    timesteps: int = 16
    dt: float = 1.0

    def __post_init__(self) -> None:
        """Replace names of kinds by their objects, NumPy's numbers by Python's, and lists by tuples."""
        kinds: dict[str, Mapping[str, Any]] = dict.fromkeys(("neuron", "dense_neuron"), NEURONS)
        for name, known in {**kinds, "encoding": ENCODINGS}.items():
            kind = known.get(kind_name) if isinstance(kind_name := getattr(self, name), str) else None
            if kind is not None and not getattr(kind, "relays", False):  # `maximum` needs a window
                object.__setattr__(self, name, kind() if name == "encoding" else neuron_of_kind(kind.kind))
        for name in ("per_channel", "readout_start", "timesteps", "dt"):
            if isinstance(value := getattr(self, name), np.generic):
                object.__setattr__(self, name, value.item())
        if isinstance(self.dt, int) and not isinstance(self.dt, bool):
            object.__setattr__(self, "dt", float(self.dt))
        corrections: object = self.corrections
        if isinstance(corrections, list):
            object.__setattr__(self, "corrections", tuple(corrections))


def neuron_of_kind(kind: str) -> Neuron:
    """Neurons of a kind for a conversion: V starts half-way to the threshold, also that of leaky ones."""
    if kind == LeakyIntegrateAndFireNeuron.kind:
        return LeakyIntegrateAndFireNeuron(v_init=0.5)
    return NEURONS[kind]()


def parse_normalization(text: str) -> tuple[str, float]:
    """ "percentile:99.9" to ("percentile", 99.9); "data" is percentile 100. Raises ValueError."""
    text = str(text)
    if text == "data":
        return "percentile", 100.0
    if text in NORMALIZATIONS and text != "percentile:P":
        return text, 0.0
    match = re.fullmatch(r"percentile:([0-9]+(?:\.[0-9]+)?)", text)
    if match and 0 < float(match[1]) <= 100:
        return "percentile", float(match[1])
    raise ValueError(f"unknown normalization '{text}': use {', '.join(NORMALIZATIONS)}; P in (0, 100]")


def needs_data(method: str) -> bool:
    """Whether the method reads calibration data."""
    return parse_normalization(method)[0] not in WITHOUT_DATA


def tensor_genn(
    threshold: float = -57.0,
    dense_capacitance: float = 1.0,
    sparse_capacitance: float = 0.2,
    timesteps: int = 350,
    input_gain: float = 0.1,
) -> Method:
    """TensorGeNN (2019) with its parameters: threshold in mV, capacitances in nF; by default those for MNIST.

    Dense populations have one membrane capacitance; convolution, pooling and input populations another.
    input_gain: the current, in nA, that a pixel of 1 gives. TensorGeNN's last version had
    -threshold x dense_capacitance / dt, with which input neurons spike at every step for pixels above 0.01.
    """
    rest = -60.0
    return Method(
        normalize="tensor_genn",
        neuron=IntegrateAndFireNeuron(threshold, "to_rest", "uniform", rest, sparse_capacitance),
        dense_neuron=IntegrateAndFireNeuron(threshold, "to_rest", "uniform", rest, dense_capacitance),
        encoding=IntegrateAndFireInput(threshold, "to_rest", "uniform", rest, sparse_capacitance, input_gain),
        pooling="spiking",
        readout="spike_count",
        timesteps=timesteps,
    )


PRESETS = {
    "plain": Method(),
    "tensor_genn": tensor_genn(),
    "low_latency": Method(
        "mse", per_channel=True, neuron=SignedIntegrateAndFireNeuron(), corrections=("weights",)
    ),
    "few_spike": Method("mse", per_channel=True, neuron=FewSpikeNeuron(), timesteps=8),
}
"""Methods by name: "plain" (integrate-and-fire neurons, percentiles; Rueckauer et al. 2017), "tensor_genn"
(TensorGeNN 2019, in mV and nF), "low_latency" (signed neurons, least squared error, corrected weights) and
"few_spike" (binary code of 8 steps; Stöckl and Maass 2021)."""
AUTO = "auto"
"""The default: "low_latency", or "few_spike" where that agrees better with the model; see `automatic`."""


def automatic(method: Method) -> tuple[Method, ...]:
    """A method, then the same one with few-spike neurons of 8 and of 10 bits, where these are possible."""
    if method.encoding.spikes or method.readout_start:
        return (method,)
    preset, other = PRESETS["low_latency"], PRESETS["few_spike"]
    corrections = other.corrections if method.corrections == preset.corrections else method.corrections
    few_spike = replace(method, neuron=other.neuron, corrections=corrections)
    return method, *(replace(few_spike, timesteps=bits) for bits in (8, 10))


def method_named(method: object) -> Method:
    """The preset of that name; a method itself. Raises TgennError (T408)."""
    if isinstance(method, Method):
        return method
    names = ", ".join([AUTO, *PRESETS])
    if isinstance(method, str):
        if method in PRESETS:
            return PRESETS[method]
        close = get_close_matches(method, [AUTO, *PRESETS], n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise TgennError.at("options", "T408", f"unknown preset '{method}'", f"{hint}presets: {names}")
    message = f"method is {shown(method)}, expected a Method or the name of a preset"
    raise TgennError.at("options", "T408", message, f"presets: {names}")


def methods_of(method: object) -> tuple[Method, ...]:
    """A method, the name of a preset, several of these, or "auto", as a tuple. Raises TgennError (T408)."""
    if isinstance(method, str) and method == AUTO:
        return automatic(PRESETS["low_latency"])
    if isinstance(method, list | tuple) and method:
        return tuple(map(method_named, method))
    return (method_named(method),)
