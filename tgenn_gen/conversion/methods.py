"""Conversion methods: all choices of a conversion, and presets of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron

NORMALIZATIONS = tuple("none model data percentile:P mse ltb spike_norm tensor_genn as_trained".split())
WITHOUT_DATA = ("none", "model", "as_trained")
WHOLE_LAYERS = (*WITHOUT_DATA, "spike_norm", "tensor_genn")  # methods with one scale per layer
CORRECTIONS = ("offset", "bias", "potential")


@dataclass(frozen=True)
class Method:
    """How a Keras model is converted. The document records all of it.

    normalize      how scales are found (module normalization)
    per_channel    a scale for each channel, instead of one for each population
    neuron         the neurons for a ReLU
    dense_neuron   the neurons after a dense kernel, if they differ; None: `neuron`
    encoding       how the input becomes currents or spikes
    pooling        average pooling: "folded": part of the next chain; "spiking": a population of its own
    max_pool       max-pooling: "spiking": a population of `maximum` neurons; "average": average pooling
    corrections    of "offset", "bias" and "potential", in this order (module corrections)
    readout        how the output population is read, from step `readout_start` on
    timesteps, dt  how many time steps each example is shown, and their length in ms
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
    "low_latency": Method("mse", per_channel=True, neuron=SignedIntegrateAndFireNeuron()),
}
DEFAULT_PRESET = "low_latency"
