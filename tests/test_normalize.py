"""Normalization against NumPy on the whole data, and against bounds worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_networks import small_cnn

from tgenn_gen import simulate
from tgenn_gen.calibration import open_calibration
from tgenn_gen.conversion import rescale
from tgenn_gen.encodings.constant_current import ConstantCurrent
from tgenn_gen.neurons.integrate import Integrate
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
from tgenn_gen.normalize import ActivationHistogram, ann_currents, find_scales, measure, parse_method
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.spec import Connection, Input, Network, Output, Population
from tgenn_gen.tensors import Tensor


def folded(seed: int = 0) -> Network:
    """A network with scales 1 and weights of no special kind."""
    rng = np.random.default_rng(seed)

    def tensor(file, *shape):
        return Tensor(f"weights/{file}.npy", rng.normal(size=shape))

    neuron = IntegrateAndFire()
    return Network(
        "folded",
        (Input("image", (6, 5, 2), ConstantCurrent()),),
        (
            Population(
                "conv",
                (6, 3, 4),
                neuron,
                (Connection("image", (Conv2D((1, 2), "same", tensor("k", 3, 2, 2, 4)),)),),
                bias=tensor("b", 4),
            ),
            Population(
                "pool", (3, 1, 4), neuron, (Connection("conv", (AvgPool2D((2, 3), (2, 3), "valid"),)),)
            ),
            Population(
                "out",
                (3,),
                Integrate(),
                (Connection("pool", (Flatten((3, 1, 4)), Dense(tensor("d", 12, 3)))),),
            ),
        ),
        (Output("out", "membrane"),),
    )


def measured(network: Network, x: np.ndarray):
    return measure(network, open_calibration(x, network.inputs[0]))


def test_the_accuracy_of_the_ann_on_labelled_calibration_data_is_measured(tmp_path):
    network = folded()
    x = np.random.default_rng(1).random((300, 6, 5, 2), np.float32)
    *_, (_, output) = ann_currents(network, x)
    y = output.argmax(axis=1)
    y[:30] = (y[:30] + 1) % 3
    for labels, accuracy in ((y, 0.9), (y[:, None].astype(np.uint8), 0.9), (y[:200], None), (y / 2, None)):
        np.savez(tmp_path / "data.npz", x=x, y=labels)
        assert measured(network, tmp_path / "data.npz").accuracy == accuracy


@given(st.integers(0, 99), st.sampled_from([50.0, 90.0, 99.0, 99.9]), st.integers(1, 4000))
@settings(deadline=None)
def test_streamed_percentiles_are_numpys_within_the_bin_width(seed, percent, size):
    values = np.maximum(np.random.default_rng(seed).normal(size=size), 0).astype(np.float32)
    histogram = ActivationHistogram()
    for part in np.array_split(values, 7):
        histogram.add(part)
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert exact <= histogram.percentile(percent) <= max(exact * (1 + 2**-11), exact)
    assert histogram.percentile(100) == values.max()


@pytest.mark.parametrize("method", ["data", "percentile:99"])
def test_data_normalization_reads_the_activations_of_the_whole_set(method):
    network = folded()
    x = np.random.default_rng(1).random((300, 6, 5, 2), np.float32)
    scales, notes = find_scales(network, method, measured(network, x))
    for population, values in ann_currents(network, x):
        if population.neuron.spikes:
            exact = np.percentile(
                np.maximum(values, 0), 100 if method == "data" else 99, method="inverted_cdf"
            )
            assert scales[population.name] == pytest.approx(exact, rel=2**-11)
    assert scales["out"] == 1 and notes == []


def test_model_normalization_sums_positive_weights_and_biases():
    network = folded()
    kernel, bias = (network.tensors[f"weights/{f}.npy"].values for f in "kb")
    # the most a neuron of conv can get: all of its positive weights, for an input of ones, inside the image
    most = (np.maximum(kernel, 0).sum(axis=(0, 1, 2)) + np.maximum(bias, 0)).max()
    scales, _ = find_scales(network, "model")
    assert scales["conv"] == pytest.approx(most, rel=1e-5)
    assert scales["pool"] == pytest.approx(scales["conv"], rel=1e-5)  # a mean is at most the largest
    assert find_scales(network, "none")[0] == {"conv": 1, "pool": 1, "out": 1}


def test_model_normalization_bounds_every_activation():
    network = folded(5)
    scales, _ = find_scales(network, "model")
    x = np.random.default_rng(2).integers(0, 2, (200, 6, 5, 2)).astype(np.float32)
    for population, values in ann_currents(network, x):
        if population.neuron.spikes:
            assert values.max() <= scales[population.name] * (1 + 1e-5)


@pytest.mark.parametrize("method", ["none", "model", "data", "percentile:99.9"])
def test_rescaling_divides_activations_by_the_scales(method):
    network = folded()
    x = np.random.default_rng(1).random((50, 6, 5, 2), np.float32)
    scales, _ = find_scales(network, method, measured(network, x))
    normalized = {p.name: v for p, v in ann_currents(rescale(network, scales), x)}
    for population, values in ann_currents(network, x):
        np.testing.assert_allclose(
            normalized[population.name] * scales[population.name], values, rtol=1e-4, atol=1e-5
        )


def test_populations_that_are_never_active_keep_a_scale_of_one_and_are_named():
    network = folded()
    x = np.full((10, 6, 5, 2), -1000, np.float32) * np.sign(network.tensors["weights/k.npy"].values.sum())
    dead = np.zeros_like(network.tensors["weights/k.npy"].values)
    first = network.populations[0]
    silent = Population(
        "conv",
        first.shape,
        first.neuron,
        (Connection("image", (Conv2D((1, 2), "same", Tensor("k", dead)),)),),
    )
    network = Network("n", network.inputs, (silent, *network.populations[1:]), network.outputs)
    scales, notes = find_scales(network, "data", measured(network, x))
    assert scales["conv"] == 1
    assert notes[0] == "conv: its neurons are never active, so its scale is 1"


def test_a_threshold_other_than_one_leaves_the_rates_as_they_are():
    x = np.random.default_rng(1).random((20, 6, 5, 2), np.float32)
    rates = []
    for threshold in (1.0, 2.0):
        network = folded()
        populations = tuple(
            Population(
                p.name, p.shape, IntegrateAndFire(threshold, v_init=threshold / 2), p.inputs, bias=p.bias
            )
            if p.neuron.spikes
            else p
            for p in network.populations
        )
        network = Network("n", network.inputs, populations, network.outputs)
        scales, _ = find_scales(network, "data", measured(network, x))
        rates.append(simulate(rescale(network, scales), x, timesteps=32).spike_counts)
    for name in rates[0]:
        np.testing.assert_array_equal(rates[0][name], rates[1][name])


@pytest.mark.parametrize(
    ("text", "method"),
    [("none", ("none", 0)), ("data", ("percentile", 100)), ("percentile:99.9", ("percentile", 99.9))],
)
def test_method_names_are_parsed(text, method):
    assert parse_method(text) == method


def test_calibration_is_streamed_from_compressed_and_plain_npz(tmp_path):
    network_input = small_cnn().inputs[0]
    x = np.random.default_rng(0).integers(0, 256, (5000, *network_input.shape)).astype(np.uint8)
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", x_train=x, y_train=np.zeros(5000))
        batches = [x for x, _ in open_calibration(tmp_path / f"{name}.npz", network_input).batches(9000)]
        np.testing.assert_array_equal(np.concatenate(batches), x.astype(np.float32) / np.float32(255))


def test_memory_for_calibration_does_not_grow_with_its_size(tmp_path):
    """Peak memory of Python objects and arrays while a set four times as large is read."""
    import tracemalloc

    network = folded()
    peaks = []
    for count in (100_000, 400_000):
        path = tmp_path / f"{count}.npz"
        np.savez(path, x=np.random.default_rng(0).random((count, 6, 5, 2), np.float32))
        calibration = open_calibration(path, network.inputs[0])
        tracemalloc.start()
        measure(network, calibration)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
