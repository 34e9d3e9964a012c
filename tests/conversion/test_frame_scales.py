"""Scales for inputs with several frames, against simulations with other scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tgenn_gen import PRESETS, convert, simulate
from tgenn_gen.conversion.frame_scales import scales_for_frames
from tgenn_gen.conversion.normalization import rescale
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.tensors import Tensor


def two_layers(frames: int, steps: int, encoding=None) -> Network:
    """ReLUs of weighted inputs, added up: with scales of 1, before normalization."""
    rng = np.random.default_rng(3)
    kernel, output = rng.normal(size=(6, 5)), rng.normal(size=(5, 3))
    neuron = SignedIntegrateAndFireNeuron()
    return Network(
        "two_layers",
        (Input("x", (6,), encoding or ConstantCurrentInput(), frames=frames),),
        (
            Population("a", (5,), neuron, (Connection("x", (Dense(Tensor.unnamed(kernel)),)),)),
            Population("b", (3,), IntegrateNeuron(), (Connection("a", (Dense(Tensor.unnamed(output)),)),)),
        ),
        (Output("b", "membrane"),),
        Simulation(1.0, steps),
    )


def error(network: Network, scales: dict[str, np.ndarray], x: np.ndarray) -> float:
    """Of the activations of population a: its spikes per step beside the ReLU of the mean frame."""
    named = with_weight_names(rescale(network, scales))
    rates = simulate(named, {"x": x}).net_counts["a"] / network.simulation.timesteps
    kernel = network.population("a").inputs[0].through[0].tensors["kernel"].values
    return float(np.square(rates * scales["a"] - np.maximum(x.mean(axis=1) @ kernel, 0)).sum())


@pytest.mark.parametrize("frames, steps", [(4, 8), (8, 32), (6, 12)])
def test_the_factor_is_the_one_with_the_least_error(frames, steps):
    network = two_layers(frames, steps)
    x = np.random.default_rng(1).gamma(0.3, size=(60, frames, 6)).astype(np.float32)
    scales = {"a": np.full(5, 1.5), "b": np.ones(1)}
    found, _ = scales_for_frames(network, scales, {"x": x})
    factors = [min(2 ** (k / 2), frames) for k in range(10) if 2 ** ((k - 1) / 2) < frames]
    errors = {f: error(network, {**scales, "a": scales["a"] * f}, x) for f in factors}
    best = min(errors, key=errors.__getitem__)
    assert best > 1
    np.testing.assert_allclose(found["a"], scales["a"] * best)
    np.testing.assert_array_equal(found["b"], 1)


def test_frames_that_are_alike_need_no_larger_scales():
    network = two_layers(4, 16)
    x = np.repeat(np.random.default_rng(1).random((60, 1, 6), np.float32), 4, axis=1)
    scales = {"a": np.full(5, 4.0), "b": np.ones(1)}
    found, notes = scales_for_frames(network, scales, {"x": x})
    assert notes == []
    np.testing.assert_array_equal(found["a"], scales["a"])


def test_currents_of_one_frame_need_scales_as_many_times_as_large_as_there_are_frames():
    """A neuron with a mean activation of its scale must emit all spikes in the last frame."""
    network = two_layers(4, 64)
    x = np.zeros((20, 4, 6), np.float32)
    x[:, 3] = 4 * np.random.default_rng(1).random(6) * np.linspace(0.9, 1, 20)[:, None]
    kernel = network.population("a").inputs[0].through[0].tensors["kernel"].values
    largest = np.maximum(x.mean(axis=1) @ kernel, 1e-3).max(axis=0)
    found, notes = scales_for_frames(network, {"a": largest, "b": np.ones(1)}, {"x": x})
    np.testing.assert_allclose(found["a"], 4 * largest)
    assert notes == [
        "scales are multiplied by 4 to 4, because single frames drive neurons harder than their mean"
    ]


def test_spiking_inputs_show_their_frames_too():
    network = two_layers(4, 64, PoissonInput())
    x = np.zeros((40, 4, 6), np.float32)
    x[:, 3] = np.random.default_rng(1).random((40, 6), np.float32)
    _, notes = scales_for_frames(network, {"a": np.full(5, 0.3), "b": np.ones(1)}, {"x": x})
    assert notes


def test_an_export_for_frames_is_nearer_to_the_model_than_one_for_their_mean():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((6, 5, 2)),
        keras.layers.Conv2D(8, (3, 2), strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential(layers)
    x = np.random.default_rng(0).poisson(0.15, (300, 8, 6, 5, 2)).astype(np.float32)
    method = replace(PRESETS["low_latency"], timesteps=32)
    for_frames = convert(model, x, method, frames=8)
    for_mean = convert(model, x.mean(axis=1), method).with_values({"inputs.0.frames": 8})
    wanted = model.predict(x.mean(axis=1), verbose=0)
    errors = [np.square(simulate(n, x).output - wanted).mean() for n in (for_frames, for_mean)]
    assert errors[0] < 0.5 * errors[1]
    changes = " ".join(for_frames.provenance["changes"])
    assert "scales are multiplied by" in changes


@pytest.mark.parametrize("normalize", ["none", "as_trained"])
def test_scales_of_1_stay_where_biases_are_corrected(normalize):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, activation="relu")])
    x = np.zeros((90, 4, 6), np.float32)
    x[:, 3] = 4 * np.random.default_rng(0).random((90, 6))
    method = replace(PRESETS["plain"], normalize=normalize, corrections=("bias",), timesteps=8)
    network = convert(model, x, method, frames=4, check=False)
    assert all((p.scales == 1).all() for p in network.populations)


def test_spike_norm_which_has_simulated_the_frames_needs_no_other_scales():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(2)  # twice adjusted, the second layer would be silent
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((20,)), *hidden, keras.layers.Dense(3)])
    x = np.random.default_rng(0).poisson(0.15, (90, 4, 20)).astype(np.float32)
    method = replace(PRESETS["plain"], normalize="spike_norm", corrections=(), timesteps=8)
    network = convert(model, x, method, frames=4, check=False)
    assert "scales are multiplied" not in " ".join(network.provenance["changes"])
    assert all(counts.any() for counts in simulate(network, x).spike_counts.values())
