"""Network.with_values: the paths of tgenn set, and the same results, for a network in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from golden import golden_networks
from hypothesis import given
from hypothesis import strategies as st
from sample_networks import (
    branched,
    dyadic_examples,
    recurrent,
    small_cnn,
    with_population,
    with_several,
)

import tgenn_gen
from tgenn_gen import TgennError
from tgenn_gen.cli.main import main
from tgenn_gen.network.tensors import Tensor

NETWORKS = {**golden_networks(), **with_several(), "small_cnn": small_cnn()}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_no_values_give_the_same_network(network):
    assert network.with_values({}) == network


@pytest.mark.parametrize(
    "values",
    [
        {"conv1.neuron.threshold": 2},
        {"conv1.neuron.threshold": np.float32(0.5), "simulation.timesteps": np.int64(3)},
        {"conv2.scale": 0.25, "simulation.dt": 0.5, "name": "other"},
        {"dense.neuron.reset": "zero", "dense.neuron.v_init": "uniform", "dense.max_value": 6},
        {"image.uint8_divisor": 16, "image.encoding.kind": "poisson"},
        {"classes.readout": "membrane", "classes.start": 2},
        {"conv1.inputs.0.through.0.strides": (1, 2), "provenance.note": "by hand"},
        {"conv2.inputs.0.delay": 2, "classes.inputs.0.delay": 6},
    ],
    ids=str,
)
def test_values_change_what_tgenn_set_changes(values, tmp_path):
    network = small_cnn()
    tgenn_gen.save(network, tmp_path / "n")
    edits = [f"{key}={[*v] if isinstance(v, tuple) else v}" for key, v in values.items()]
    assert main(["set", str(tmp_path / "n"), *edits]) == 0
    changed = network.with_values(values)
    assert changed == tgenn_gen.load(tmp_path / "n") and changed != network
    assert network == small_cnn()  # it stays as it is


@given(st.floats(0.125, 8, width=32), st.integers(1, 20))
def test_a_threshold_and_steps_give_the_results_of_a_network_built_with_them(threshold, timesteps):
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 2)
    values = {"conv2.neuron.threshold": float(threshold), "simulation.timesteps": timesteps}
    neuron = replace(network.population("conv2").neuron, threshold=float(threshold))
    expected = tgenn_gen.simulate(with_population(network, "conv2", neuron=neuron), x, timesteps=timesteps)
    found = tgenn_gen.simulate(network.with_values(values), x)
    np.testing.assert_array_equal(found.output_per_step, expected.output_per_step)


def test_a_delay_that_no_spike_can_keep_is_refused():
    with pytest.raises(TgennError, match="expected a delay of at least 3, got 2: a spike of 'stem' needs 3"):
        recurrent().with_values({"stem.inputs.3.delay": 2})
    assert recurrent().with_values({"stem.inputs.3.delay": 3}) != recurrent()


def test_arrays_replace_weights_and_numbers():
    network = small_cnn()
    kernel = network["conv1"].inputs[0].through[0].kernel.values
    scale, bias, v_init = np.array([1, 2, 3]), np.full(3, 0.25), np.full((7, 5, 3), 0.125)
    values = {
        "conv1.scale": scale,
        "conv1.bias": Tensor.unnamed(bias),
        "conv1.neuron.v_init": v_init,
        "conv1.inputs.0.through.0.kernel": 2 * kernel,
    }
    conv1 = network.with_values(values)["conv1"]
    np.testing.assert_array_equal(conv1.scales, scale)
    np.testing.assert_array_equal(conv1.bias.values, bias)
    np.testing.assert_array_equal(conv1.neuron.v_init.values, v_init)
    np.testing.assert_array_equal(conv1.inputs[0].through[0].kernel.values, 2 * kernel)
    files = [t.file for t in conv1.tensors]
    assert sorted(files) == [f"weights/conv1.{part}.npy" for part in ("bias", "kernel", "scale", "v_init")]
    again = network.with_values(values).with_values(
        {"conv1.scale": 2.0, "image.offset": np.array([0.5, 0.25])}
    )
    assert again["conv1"].scale == 2.0 and again["image"].offset.values.tolist() == [0.5, 0.25]


def test_an_array_does_not_change_what_shares_its_file():
    network, shared = small_cnn(), Tensor("weights/all.npy", np.full(6, 0.5))
    neuron = replace(network["dense"].neuron, v_init=shared)
    dense = with_population(network, "dense", bias=shared, neuron=neuron).with_values(
        {"dense.bias": np.zeros(6)}
    )["dense"]
    assert dense.bias == Tensor("weights/dense.bias.npy", np.zeros(6)) and dense.neuron.v_init == shared


def test_a_value_can_name_weights_of_the_network():
    network = small_cnn()
    network = with_population(network, "dense", bias=Tensor("weights/b.npy", np.ones(6)))
    changed = network.with_values({"dense.neuron.v_init": {"file": "weights/b.npy", "shape": [6]}})
    assert changed["dense"].neuron.v_init == network["dense"].bias


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"conv1.neuron.treshold": 1},
            "conv1.neuron.treshold: error[T121]: 'neuron' has no field 'treshold'",
        ),
        ({"conv.neuron.threshold": 1}, "did you mean 'conv2'?"),
        ({"steps": 1}, "known here: image, conv1, conv2, dense, classes, format, inputs, name"),
        ({"conv1": 1}, "conv1: error[T121]: expected a field of 'conv1' after its name"),
        ({"conv1.neuron.threshold": 0}, "conv1.neuron.threshold: error[T211]: expected a threshold above"),
        ({"conv1.neuron.threshold": "high"}, 'conv1.neuron.threshold: error[T112]: threshold is "high"'),
        ({"conv1.neuron.threshold": np.ones(3)}, "conv1.neuron.threshold: error[T112]: is an array, which"),
        ({"conv1.scale": np.ones(4)}, "conv1.scale: error[T206]: has shape [4], expected [3]"),
        ({"conv1.scale": [1.0, 2.0, 3.0]}, "hint: give it as a NumPy array"),
        ({"conv1.scale": -np.ones(3)}, "conv1.scale: error[T212]: contains values that are 0 or negative"),
        (
            {"conv1.bias": np.array(["a"] * 3)},
            "conv1.bias: error[T503]: is an array of <U1, expected numbers",
        ),
        (
            {"conv1.bias": np.full(3, np.nan)},
            "error[T308]: populations.0: weights/conv1.bias.npy contains NaN",
        ),
        (
            {"conv1.bias": {"file": "x.npy", "shape": [3]}},
            "conv1.bias: error[T503]: the network has no weights",
        ),
        (
            {"simulation.timesteps": 2.5},
            "simulation.timesteps: error[T112]: timesteps is 2.5, expected a whole",
        ),
        ({"simulation.timesteps": 0}, "simulation.timesteps: error[T114]"),
        ({"conv1.name": "stem"}, "there is no input or population 'conv1'"),
        (
            {"conv1.neuron.threshold": 1j},
            "conv1.neuron.threshold: error[T503]: is a complex, expected a number",
        ),
        ({"provenance": {"a": [{1, 2}]}}, "provenance: error[T503]: is a set, expected a number"),
        ({3: 1}, "with_values: error[T503]: values has the key 3, expected text"),
        ("conv1.scale=2", "with_values: error[T503]: values is 'conv1.scale=2', expected a dict"),
    ],
    ids=str,
)
def test_errors_name_the_path_and_what_is_known(values, text):
    with pytest.raises(TgennError) as error:
        small_cnn().with_values(values)
    assert text in str(error.value)


def test_all_wrong_paths_are_named_at_once():
    with pytest.raises(TgennError) as error:
        branched().with_values({"a": 1, "b.c": 2, "simulation.timesteps": 3})
    assert [str(d.location) for d in error.value.diagnostics] == ["a", "b.c"]


KERNEL = "conv1.inputs.0.through.0.kernel"


@pytest.mark.parametrize(
    ("path", "shapes", "expected"),
    [
        ("conv1.bias", [(7,), (4, 5), (7, 10, 3)], "[3] (one a channel) or [7, 5, 3] (one a neuron)"),
        ("conv2.bias", [(3,), (2, 3)], "[4] (one a channel) or [2, 3, 4] (one a neuron)"),
        ("dense.bias", [(7,), (6, 1)], "[6]"),
        ("conv1.scale", [(4,), (7, 5, 3)], "[3]"),
        ("conv1.neuron.v_init", [(7, 5), (2,)], "[3] or [7, 5, 3]"),
        ("image.offset", [(3,), (7, 10, 2)], "[2] (one a channel)"),
    ],
)
def test_the_hint_for_an_array_of_another_shape_is_the_shape_to_give(path, shapes, expected):
    for shape in shapes:
        with pytest.raises(TgennError) as error:
            small_cnn().with_values({path: np.ones(shape)})
        (found,) = error.value.diagnostics
        assert (str(found.location), found.code) == (path, "T206")
        assert found.message == f"has shape {list(shape)}, expected {expected}"
        assert found.hint == f"give an array of shape {expected}"


@pytest.mark.parametrize("shape", [(7,), (4, 3, 2), (4, 3, 7, 3), (4, 3, 2, 5)])
def test_a_kernel_of_another_shape_is_named_with_the_shape_that_it_had(shape):
    with pytest.raises(TgennError) as error:
        small_cnn().with_values({KERNEL: np.ones(shape), "conv1.neuron.threshold": 2.0})
    (found,) = error.value.diagnostics
    assert (str(found.location), found.code) == (KERNEL, "T205") and "weights/" not in found.message
    assert (
        found.hint == "it had shape [4, 3, 2, 3]: give an array of that shape, or change other shapes with it"
    )


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], 3, 0.5, "ones"])
def test_what_is_no_array_where_one_stands_is_told_to_be_one(value):
    for path in ("conv1.bias", KERNEL):
        with pytest.raises(TgennError) as error:
            small_cnn().with_values({path: value})
        (found,) = error.value.diagnostics
        assert found.message.endswith(", expected an array") and found.hint == "give it as a NumPy array"


def test_shapes_that_change_together_and_do_not_fit_others_are_each_named():
    with pytest.raises(TgennError) as error:
        small_cnn().with_values({KERNEL: np.ones((4, 3, 2, 5)), "conv1.shape": [7, 5, 5]})
    assert "tgenn lock" not in str([d for d in error.value.diagnostics if str(d.location) == KERNEL])
    assert "populations.1.inputs.0.through.1: conv2d: expected input shape" in str(error.value)
