"""Normalization against NumPy on the whole data, and against bounds worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_networks import of_all_kinds, small_cnn

from tgenn_gen import TgennError, simulate
from tgenn_gen.conversion.activation_statistics import ActivationHistogram, measure
from tgenn_gen.conversion.calibration import open_calibration
from tgenn_gen.conversion.corrections import corrected
from tgenn_gen.conversion.layerwise import sample_size
from tgenn_gen.conversion.methods import Method, parse_normalization, tensor_genn
from tgenn_gen.conversion.normalization import _least_error, find_scales, rescale
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.engine.evaluation import relu_outputs
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.encodings.spikes import SpikesInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.tensors import Tensor

LEAKY = LeakyIntegrateAndFireNeuron(-57.0, 6.0, "subtract", -58.5, -60.0, 0.25, tau_syn=2.0)


def folded(seed: int = 0, neuron: Neuron | None = None) -> Network:
    """A network with scales 1 and weights of no special kind."""
    rng = np.random.default_rng(seed)

    def tensor(file, *shape):
        return Tensor(f"weights/{file}.npy", rng.normal(size=shape))

    neuron = neuron or IntegrateAndFireNeuron()
    return Network(
        "folded",
        (Input("image", (6, 5, 2), ConstantCurrentInput()),),
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
                IntegrateNeuron(neuron.few_spike),
                (Connection("pool", (Flatten((3, 1, 4)), Dense(tensor("d", 12, 3)))),),
            ),
        ),
        (Output("out", "membrane"),),
    )


def measured(network: Network, x: np.ndarray):
    return measure(network, open_calibration(x, network.inputs))


def test_the_accuracy_of_the_ann_on_labelled_calibration_data_is_measured(tmp_path):
    network = folded()
    x = np.random.default_rng(1).random((300, 6, 5, 2), np.float32)
    *_, (_, output) = ann_currents(network, {"image": x})
    y = output.argmax(axis=1)
    y[:30] = (y[:30] + 1) % 3
    for labels, accuracy in ((y, 0.9), (y[:, None].astype(np.uint8), 0.9), (y[:200], None), (y / 2, None)):
        np.savez(tmp_path / "data.npz", x=x, y=labels)
        assert measured(network, tmp_path / "data.npz").accuracy == accuracy


@given(st.integers(0, 99), st.sampled_from([50.0, 90.0, 99.0, 99.9]), st.integers(1, 4000))
def test_streamed_percentiles_are_numpys_within_the_bin_width(seed, percent, size):
    values = np.maximum(np.random.default_rng(seed).normal(size=size), 0).astype(np.float32)
    histogram = ActivationHistogram()
    for part in np.array_split(values, 7):
        histogram.add(part)
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert exact <= histogram.percentile(percent)[0] <= exact * (1 + 2**-11)
    assert histogram.percentile(100)[0] == values.max()


@given(
    st.integers(0, 99),
    st.lists(st.integers(-30, 30), min_size=2, max_size=4),
    st.integers(1, 3),
    st.sampled_from([6, 11]),
)
def test_percentiles_of_channels_hold_for_activations_of_any_size(seed, powers, channels, bits):
    """Batches and channels whose values differ by up to 60 powers of ten."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.choice(powers, (len(powers), 1, channels))
    batches = [(rng.random((50, channels)) * size).astype(np.float32) for size in sizes]
    histogram = ActivationHistogram(channels, bits)
    for batch in batches:
        histogram.add(batch)
    values = np.concatenate(batches)
    for percent in (50.0, 90.0, 99.0):
        exact = np.percentile(values, percent, axis=0, method="inverted_cdf")
        found = histogram.percentile(percent)
        counted = exact > values.max(axis=0) * 2.0**-62
        assert (exact <= found)[counted].all() and (found <= exact * (1 + 2.0**-bits))[counted].all()
        assert (found[~counted] <= values.max(axis=0)[~counted] * 2.0**-62).all()


@pytest.mark.parametrize("size", [1e-30, 1e-14, 1e-6, 1.0, 1e7, 1e9, 1e30])
@pytest.mark.parametrize("method", ["mse", "percentile:99.9"])
def test_scales_grow_with_the_activations(size, method):
    """Activations that are larger by a power of two get scales that are larger by it."""
    histogram, larger = ActivationHistogram(4, 6), ActivationHistogram(4, 6)
    values = np.random.default_rng(3).exponential(size=(2000, 4)).astype("f4")
    factor = 2.0 ** np.round(np.log2(size))
    histogram.add(values)
    larger.add((values * factor).astype(np.float32))
    if method == "mse":
        found = [_least_error(h, IntegrateAndFireNeuron(), 16) for h in (histogram, larger)]
    else:
        found = [h.percentile(99.9) for h in (histogram, larger)]
    assert (found[1] == found[0] * factor).all() and (found[0] > 0).all()


@pytest.mark.parametrize("method", ["data", "percentile:99"])
def test_data_normalization_reads_the_activations_of_the_whole_set(method):
    network = folded()
    x = np.random.default_rng(1).random((300, 6, 5, 2), np.float32)
    scales, notes = find_scales(network, Method(method), measured(network, x))
    for population, values in ann_currents(network, {"image": x}):
        if population.neuron.spikes:
            exact = np.percentile(
                np.maximum(values, 0), 100 if method == "data" else 99, method="inverted_cdf"
            )
            assert scales[population.name][0] == pytest.approx(exact, rel=2**-11)
    assert scales["out"] == 1 and notes == []


def test_model_normalization_sums_positive_weights_and_biases():
    network = folded()
    kernel, bias = (network.tensors[f"weights/{f}.npy"].values for f in "kb")
    # the most a neuron of conv can get: all of its positive weights, for an input of ones, inside the image
    most = (np.maximum(kernel, 0).sum(axis=(0, 1, 2)) + np.maximum(bias, 0)).max()
    scales, _ = find_scales(network, Method("model"))
    assert scales["conv"] == pytest.approx(most, rel=1e-5)
    assert scales["pool"] == pytest.approx(scales["conv"], rel=1e-5)  # a mean is at most the largest
    assert find_scales(network, Method("none"))[0] == {"conv": 1, "pool": 1, "out": 1}


def test_model_normalization_bounds_every_activation():
    network = folded(5)
    scales, _ = find_scales(network, Method("model"))
    x = np.random.default_rng(2).integers(0, 2, (200, 6, 5, 2)).astype(np.float32)
    for population, values in ann_currents(network, {"image": x}):
        if population.neuron.spikes:
            assert values.max() <= scales[population.name] * (1 + 1e-5)


@pytest.mark.parametrize("method", ["none", "model", "data", "percentile:99.9"])
def test_rescaling_divides_activations_by_the_scales(method):
    network = folded()
    x = np.random.default_rng(1).random((50, 6, 5, 2), np.float32)
    scales, _ = find_scales(network, Method(method), measured(network, x))
    normalized = {p.name: v for p, v in ann_currents(rescale(network, scales), {"image": x})}
    for population, values in ann_currents(network, {"image": x}):
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
    scales, notes = find_scales(network, Method("data"), measured(network, x))
    assert scales["conv"] == 1
    assert notes[0] == "conv: its neurons are never active, so its scale is 1"


def test_a_threshold_other_than_one_leaves_the_rates_as_they_are():
    x = np.random.default_rng(1).random((20, 6, 5, 2), np.float32)
    rates = []
    for threshold in (1.0, 2.0):
        network = folded()
        populations = tuple(
            Population(
                p.name,
                p.shape,
                IntegrateAndFireNeuron(threshold, v_init=threshold / 2),
                p.inputs,
                bias=p.bias,
            )
            if p.neuron.spikes
            else p
            for p in network.populations
        )
        network = Network("n", network.inputs, populations, network.outputs)
        scales, _ = find_scales(network, Method("data"), measured(network, x))
        normalized = with_weight_names(rescale(network, scales))
        rates.append(simulate(normalized, x, timesteps=32).spike_counts)
    for name in rates[0]:
        np.testing.assert_array_equal(rates[0][name], rates[1][name])


@pytest.mark.parametrize(
    ("text", "method"),
    [("none", ("none", 0)), ("data", ("percentile", 100)), ("percentile:99.9", ("percentile", 99.9))],
)
def test_method_names_are_parsed(text, method):
    assert parse_normalization(text) == method


def test_calibration_is_streamed_from_compressed_and_plain_npz(tmp_path):
    network_input = small_cnn().inputs[0]
    x = np.random.default_rng(0).integers(0, 256, (5000, *network_input.shape)).astype(np.uint8)
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", x_train=x, y_train=np.zeros(5000))
        calibration = open_calibration(tmp_path / f"{name}.npz", (network_input,))
        batches = [examples["image"] for examples, _ in calibration.batches(9000)]
        np.testing.assert_array_equal(np.concatenate(batches), x.astype(np.float32) / np.float32(255))


def test_memory_for_calibration_does_not_grow_with_its_size(tmp_path):
    """Peak memory of Python objects and arrays while a set four times as large is read."""
    import tracemalloc

    network = folded()
    peaks = []
    for count in (100_000, 400_000):
        path = tmp_path / f"{count}.npz"
        np.savez(path, x=np.random.default_rng(0).random((count, 6, 5, 2), np.float32))
        calibration = open_calibration(path, network.inputs)
        tracemalloc.start()
        measure(network, calibration)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.4 * peaks[0]  # threads differ in what they hold at a time


def examples(count: int = 300) -> np.ndarray:
    return np.random.default_rng(1).random((count, 6, 5, 2), np.float32)


def scales_of(network, method, x, per_channel=False, **options):
    calibration = open_calibration(x, network.inputs)
    statistics = measure(network, calibration, per_channel, sample=min(256, len(x)))
    return find_scales(network, Method(method, per_channel, **options), statistics, calibration)


@pytest.mark.parametrize("method", ["data", "percentile:99", "mse"])
def test_scales_a_channel_are_those_of_the_channel_alone(method):
    network, x = folded(), examples()
    scales, _ = scales_of(network, method, x, per_channel=True)
    assert scales["conv"].shape == (4,) and scales["out"].shape == (1,)
    values = next(np.maximum(v, 0) for p, v in ann_currents(network, {"image": x}) if p.name == "conv")
    for channel in range(4):
        one = values[..., channel]
        if method == "mse":
            exact = least_error_scale(one, 16)
            assert squared_error(one, scales["conv"][channel], 16) <= 1.02 * squared_error(one, exact, 16)
        else:
            exact = np.percentile(one, 100 if method == "data" else 99, method="inverted_cdf")
            assert scales["conv"][channel] == pytest.approx(exact, rel=2**-6)


def squared_error(values, scale, levels):
    return (
        (values - scale * np.clip(np.floor(values / scale * levels + 0.5), 0, levels) / levels) ** 2
    ).mean()


def least_error_scale(values, levels):
    """By trying 500 scales on the values themselves."""
    candidates = np.linspace(0.01, 1, 500) * values.max()
    return min(candidates, key=lambda scale: squared_error(values, scale, levels))


@pytest.mark.parametrize(("neuron", "levels"), [(IntegrateAndFireNeuron(), 8), (FewSpikeNeuron(), 255)])
def test_mse_scales_have_the_least_squared_error_for_the_steps_asked_for(neuron, levels):
    network, x = folded(neuron=neuron), examples()
    scales, _ = scales_of(network, "mse", x, timesteps=8)
    for population, values in ann_currents(network, {"image": x}):
        if population.neuron.spikes:
            values = np.maximum(values, 0)
            best = squared_error(values, least_error_scale(values, levels), levels)
            assert squared_error(values, scales[population.name][0], levels) <= 1.02 * best


def test_local_threshold_balancing_takes_a_gradient_step_a_batch_layer_by_layer():
    network, x = folded(), examples(300)
    scales, _ = scales_of(network, "ltb", x)
    thresholds = {"conv": 0.0, "pool": 0.0}
    for batch in (x[:128], x[128:256], x[256:]) * 134:  # 402 steps: 400 are asked for
        values = {"image": batch}
        for population in network.populations[:2]:
            current = population.current(values)
            threshold = thresholds[population.name]
            error = np.where(current > threshold, current - threshold, 0).mean()
            thresholds[population.name] += 2 * error
            values[population.name] = np.clip(current, 0, thresholds[population.name])
    for name, threshold in thresholds.items():
        assert scales[name][0] == pytest.approx(threshold, rel=1e-5)


def test_spike_norm_makes_the_largest_current_of_any_step_the_threshold():
    network, x = folded(), examples(40)
    scales, _ = scales_of(network, "spike_norm", x, timesteps=20)
    normalized = rescale(network, scales)
    courses = {"image": x[None]}
    for population in normalized.populations[:2]:
        current = population.current(courses)
        assert current.max() == pytest.approx(population.neuron.threshold, rel=1e-5)
        courses[population.name] = spikes_of(current, 20)
    assert scales["out"] == 1


def spikes_of(current, timesteps):
    """Integrate-and-fire neurons, threshold 1, from 1/2 on, written out."""
    v, spikes = np.full(current.shape[1:], 0.5, np.float32), []
    for step in range(timesteps):
        v = v + current[step % len(current)]
        spikes.append(v >= 1)
        v = v - spikes[-1]
    return np.array(spikes)


def tensor_genn_like():
    """Two convolutions, pooling between, a dense layer, all with TensorGeNN's neurons."""
    rng = np.random.default_rng(3)

    def tensor(file, *shape):
        return Tensor(f"weights/{file}.npy", rng.normal(size=shape))

    method = tensor_genn(threshold=-58.0, dense_capacitance=0.5, sparse_capacitance=0.25, input_gain=0.4)
    sparse, dense = method.neuron, method.dense_neuron
    first = Conv2D((1, 1), "same", tensor("a", 3, 2, 2, 4))
    second = Conv2D((1, 1), "same", tensor("b", 2, 3, 4, 3))
    last = (Flatten((3, 2, 3)), Dense(tensor("out", 18, 5)))
    pool = AvgPool2D((2, 2), (2, 2), "valid")
    return Network(
        "n",
        (Input("image", (6, 5, 2), method.encoding),),
        (
            Population("a", (6, 5, 4), sparse, (Connection("image", (first,)),)),
            Population("pool", (3, 2, 4), sparse, (Connection("a", (pool,)),)),
            Population("b", (3, 2, 3), sparse, (Connection("pool", (second,)),)),
            Population("out", (5,), dense, (Connection("b", last),)),
        ),
        (Output("out", "spike_count"),),
    )


def test_tensor_genn_normalization_divides_the_weights_of_convolutions_and_no_others():
    network, x = tensor_genn_like(), examples()
    largest = {p.name: max(v.max(), 0) for p, v in ann_currents(network, {"image": x})}
    normalized = rescale(network, scales_of(network, "tensor_genn", x)[0])
    factors = {n: max(largest[n], network.tensors[f"weights/{n}.npy"].values.max()) for n in "ab"}
    for name, applied in {"a": factors["a"], "b": factors["b"] / factors["a"], "out": 1.0}.items():
        before = network.population(name).inputs[0].through[-1].kernel.values
        after = normalized.population(name).inputs[0].through[-1].kernel.values
        np.testing.assert_allclose(after, before / applied, rtol=1e-5)
    assert normalized.population("pool").inputs[0].through == network.population("pool").inputs[0].through
    plain = rescale(network, find_scales(network, Method("as_trained"))[0])
    for name in ("a", "b", "out"):
        before = network.population(name).inputs[0].through[-1].kernel.values
        np.testing.assert_allclose(
            plain.population(name).inputs[0].through[-1].kernel.values, before, rtol=1e-6
        )


@pytest.mark.parametrize("method", ["data", "mse", "ltb"])
@pytest.mark.parametrize(
    "make", [folded, lambda: of_all_kinds()["few_spike"], tensor_genn_like, lambda: folded(neuron=LEAKY)]
)
def test_scales_a_channel_leave_the_ann_as_it_is(make, method):
    """Through convolution, pooling, flatten, dense, unequal branches, and neurons in physical units."""
    network = make()
    network = replace(network, populations=tuple(replace(p, scale=1.0) for p in network.populations))
    shape = network.inputs[0].shape
    x = np.random.default_rng(1).random((60, *shape), np.float32)
    *_, (_, expected) = ann_currents(network, {"image": x})
    normalized = rescale(network, scales_of(network, method, x, per_channel=True)[0])
    (found,) = relu_outputs(normalized, {"image": x}).values()
    last = network.populations[-1].neuron
    expected = expected if not last.spikes else np.maximum(expected, 0)
    found = found if not last.spikes else np.maximum(found, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert all(len(p.scales) == p.shape[-1] for p in normalized.populations if p.neuron.spikes)


@pytest.mark.parametrize(
    "neuron",
    [
        IntegrateAndFireNeuron(),
        SignedIntegrateAndFireNeuron(),
        FewSpikeNeuron(),
        LeakyIntegrateAndFireNeuron(tau=5.0, v_init=0.5),
    ],
)
def test_bias_correction_leaves_no_mean_error_in_any_channel_of_any_layer(neuron):
    network, x = folded(neuron=neuron), examples(60)
    normalized = rescale(network, scales_of(network, "percentile:90", x)[0])
    normalized = replace(normalized, simulation=Simulation(1.0, 8))
    after = corrected(normalized, network, {"image": x}, ("bias",))
    before_errors, after_errors = (channel_errors(n, network, x, 8) for n in (normalized, after))
    for name, errors in after_errors.items():
        assert np.abs(errors).mean() < 0.35 * np.abs(before_errors[name]).mean() + 1e-3, name
    assert after.population("out").bias is not None


def channel_errors(network, folded_network, x, timesteps):
    """{population: the mean of ANN activation - scale x rate by channel}, by the engine."""
    result = simulate(with_weight_names(network), x, timesteps=timesteps, record=None)
    weights = 2.0 ** np.arange(timesteps - 1, -1, -1) if network.few_spike else np.ones(timesteps)
    totals = {name: np.tensordot(weights, s.swapaxes(0, 1), 1) for name, s in result.spikes.items()}
    found = {}
    for population, current in ann_currents(folded_network, {"image": x}):
        if population.neuron.spikes:
            rates = totals[population.name] / weights.sum() * network.population(population.name).scales
            error = np.maximum(current, 0) - rates
        else:
            error = current - result.output
        found[population.name] = error.reshape(-1, population.shape[-1]).mean(axis=0)
    return found


def test_potential_correction_moves_each_neurons_start_by_its_mean_error():
    network, x = folded(), examples(60)
    normalized = rescale(network, scales_of(network, "percentile:90", x)[0])
    normalized = replace(normalized, simulation=Simulation(1.0, 8))
    after = corrected(normalized, network, {"image": x}, ("potential",))
    first = normalized.population("conv")
    rates = simulate(with_weight_names(normalized), x, timesteps=8).spike_counts["conv"] / 8 * first.scales
    ann = next(np.maximum(v, 0) for p, v in ann_currents(network, {"image": x}) if p.name == "conv")
    expected = 0.5 + 8 * (ann - rates).mean(axis=0) / first.scales
    np.testing.assert_allclose(after.population("conv").neuron.v_init.values, expected, rtol=1e-4, atol=1e-5)
    assert after.population("out") == normalized.population("out")
    assert after.population("conv").bias == first.bias


@pytest.mark.parametrize("tau", [5.0, 20.0])
def test_the_biases_of_leaky_neurons_make_up_for_what_leaks_out_on_average(tau):
    """Beside neurons without a leak, and leaky ones without that bias."""
    network, x = folded(), examples(60)
    scales = scales_of(network, "percentile:90", x)[0]
    plain = rescale(network, scales)

    def mean_error(neuron, biases):
        changed = [
            replace(p, neuron=neuron, bias=biases[p.name]) if p.neuron.spikes else p
            for p in plain.populations
        ]
        errors = channel_errors(replace(plain, populations=tuple(changed)), network, x, 16)
        return {name: np.abs(error).mean() for name, error in errors.items()}

    leaky = LeakyIntegrateAndFireNeuron(tau=tau, v_init=0.5)
    larger = rescale(folded(neuron=leaky), scales)
    without, with_bias = (mean_error(leaky, {p.name: p.bias for p in n.populations}) for n in (plain, larger))
    assert larger.population("pool").bias.values == pytest.approx((1 - np.exp(-1 / tau)) / 2)
    for name in [p.name for p in network.populations if p.neuron.spikes]:
        assert with_bias[name] < 0.6 * without[name], name


def test_corrected_weights_keep_what_makes_up_for_the_leak():
    network, x = folded(neuron=LeakyIntegrateAndFireNeuron(tau=5.0, v_init=0.5)), examples(100)
    normalized = rescale(network, scales_of(network, "percentile:90", x)[0])
    normalized = replace(normalized, simulation=Simulation(1.0, 16))
    after = corrected(normalized, network, {"image": x}, ("weights",))
    before_errors, after_errors = (channel_errors(n, network, x, 16) for n in (normalized, after))
    for name, errors in after_errors.items():
        assert np.abs(errors).mean() < 1.1 * np.abs(before_errors[name]).mean() + 1e-3, name


def test_none_is_a_scale_of_one_whatever_the_calibration_data_shows():
    network, x = folded(), examples()
    assert {float(s[0]) for s in scales_of(network, "none", x)[0].values()} == {1.0}
    assert scales_of(network, "none", x)[1] == []


def test_mse_scales_do_not_depend_on_the_units_of_the_neurons():
    x = examples()
    found = [
        scales_of(folded(neuron=neuron), "mse", x, timesteps=4)[0]["conv"]
        for neuron in (
            IntegrateAndFireNeuron(v_init=0.25),
            IntegrateAndFireNeuron(-56.0, "subtract", -59.0, -60.0, 0.2),
            IntegrateAndFireNeuron(v_init=Tensor("v", np.full(4, 0.25))),
            SignedIntegrateAndFireNeuron(threshold=2.0, v_init=0.5),
        )
    ]
    np.testing.assert_allclose(found, [found[0]] * len(found))
    assert (
        IntegrateAndFireNeuron(v_init=0).head_start == 0
        and IntegrateAndFireNeuron(v_init="uniform").head_start == 0.5
    )


@pytest.mark.parametrize(
    ("encoding", "change", "message"),
    [
        (SpikesInput(), lambda x: x, "takes only 0 and 1, the input has 0."),
        (PoissonInput(), lambda x: x - 0.5, "takes 0 to 1, the input ranges from -0."),
        (PoissonInput(signed=True), lambda x: 3 * x, "takes -1 to 1, the input ranges from "),
        (IntegrateAndFireInput(), lambda x: 2 * x, "takes 0 to 1, the input ranges from "),
        (IntegrateAndFireInput(), lambda x: x - 1, "takes 0 to 1, the input ranges from -"),
    ],
)
def test_calibration_data_that_the_encoding_cannot_take_is_refused(encoding, change, message):
    network = replace(folded(), inputs=(Input("image", (6, 5, 2), encoding),))
    with pytest.raises(TgennError) as caught:
        measured(network, change(examples()))
    assert caught.value.diagnostics[0].code == "T506"
    assert message in caught.value.diagnostics[0].message


def test_spike_norm_leaves_silent_populations_at_one_and_names_them():
    network = folded()
    conv = network.populations[0]
    dead = replace(conv, bias=Tensor("b", np.full(4, -100.0)))
    network = replace(network, populations=(dead, *network.populations[1:]))
    scales, notes = scales_of(network, "spike_norm", examples(40), timesteps=5)
    assert scales["conv"] == 1 and notes[0] == "conv: its neurons are never active, so its scale is 1"
    assert all(np.isfinite(s).all() for s in scales.values())


def test_samples_are_evenly_spaced_over_the_calibration_data(tmp_path):
    """In memory, in a file that is read through, and where only the sample is read."""
    network, counted = folded(), np.arange(1000, dtype=np.float32)
    x = counted[:, None, None, None] * np.ones((6, 5, 2), np.float32)
    np.savez(tmp_path / "plain.npz", x=x, y=np.zeros(1000, int))
    np.savez_compressed(tmp_path / "packed.npz", x=x)
    for data in (x, tmp_path / "plain.npz", tmp_path / "packed.npz"):
        calibration = open_calibration(data, network.inputs)
        for sample in (calibration.sample(8), measure(network, calibration, sample=8).sample):
            np.testing.assert_array_equal(sample["image"], x[::125])


def test_a_sample_has_as_many_examples_as_memory_allows():
    network, calibration = folded(), open_calibration(examples(300), folded().inputs)
    assert network.largest == 72
    assert [sample_size(network, calibration, steps) for steps in (1, 2**15, 2**28)] == [256, 113, 1]
    assert sample_size(network, open_calibration(examples(9), network.inputs), 1) == 9


def test_batches_are_small_enough_for_a_large_spiking_input():
    assert of_all_kinds()["poisson"].largest == 60  # the input; the largest population has 45
