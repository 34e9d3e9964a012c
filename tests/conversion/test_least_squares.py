"""Weights fitted to spikes, against least squares by numpy.linalg.lstsq, and on layers of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from tgenn_gen import simulate
from tgenn_gen.conversion import least_squares
from tgenn_gen.conversion.activation_statistics import measure
from tgenn_gen.conversion.calibration import open_calibration
from tgenn_gen.conversion.corrections import corrected
from tgenn_gen.conversion.layerwise import adjusted_layerwise
from tgenn_gen.conversion.least_squares import HELD_OUT, PENALTIES, fitted
from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.normalization import find_scales, rescale
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.tensors import Tensor

SIGNED = SignedIntegrateAndFireNeuron()


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def population(shape, *chains):
    connections = tuple(Connection(f"source{n}", chain) for n, chain in enumerate(chains))
    return Population("p", shape, SIGNED, connections, bias=Tensor.unnamed(normal(shape[-1], seed=9)))


def with_other_weights(population: Population, seed: int) -> Population:
    """Each kernel, and the bias, with other values."""
    inputs = tuple(
        replace(
            c,
            through=tuple(
                m.with_kernel(m.kernel.values + 0.3 * normal(*m.kernel.values.shape, seed=seed))
                if m.has_kernel
                else m
                for m in c.through
            ),
        )
        for c in population.inputs
    )
    return replace(population, inputs=inputs, bias=Tensor.unnamed(population.bias.values + 0.5))


def error(population: Population, values, wanted) -> float:
    return float(np.square(population.current(values) - wanted).mean())


@pytest.mark.parametrize(
    ("columns", "most"),
    [(7, 2400), (80, 2400), (80, 62)],
    ids=["few columns", "more columns than rows", "more columns than products are formed of"],
)
def test_an_output_gets_the_ridge_regression_whose_penalty_is_best_on_examples_that_are_held_out(
    columns, most, monkeypatch
):
    monkeypatch.setattr(least_squares, "COLUMNS", most)
    x, kernel = normal(60, columns), normal(columns, 3, seed=1)
    layer = population((3,), (Dense(Tensor.unnamed(kernel)),))
    wanted = (x @ normal(columns, 3, seed=2) + 0.7 * normal(60, 3, seed=3) + 1).astype(np.float32)
    found = fitted(layer, {"source0": x}, wanted)

    missing = wanted - layer.current({"source0": x})
    standard = (x - x.mean(axis=0)) / x.std(axis=0)

    def ridge(rows, penalty):
        y = (missing - missing.mean(axis=0))[rows]
        root = np.sqrt(penalty * rows.sum()) * np.eye(columns)
        return np.linalg.lstsq(
            np.concatenate([standard[rows], root]), np.concatenate([y, np.zeros((columns, 3))])
        )[0]

    held_out = np.arange(60) % HELD_OUT == HELD_OUT - 1
    test = (missing - missing.mean(axis=0))[held_out]
    errors = [np.square(test - standard[held_out] @ ridge(~held_out, penalty)).sum() for penalty in PENALTIES]
    change = ridge(np.ones(60, bool), PENALTIES[int(np.argmin(errors))]) / x.std(axis=0)[:, None]
    np.testing.assert_allclose(
        found.inputs[0].through[0].kernel.values, kernel + change, rtol=1e-3, atol=1e-4
    )
    shift = missing.mean(axis=0) - x.mean(axis=0) @ change
    np.testing.assert_allclose(found.bias.values, layer.bias.values + shift, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("offset", [0, 100, 3e4])
def test_a_large_constant_in_all_inputs_changes_no_fit_of_more_columns_than_rows(offset):
    rows, columns = 300, 500
    x = normal(rows, columns) + np.float32(offset)  # rounded to float32 as the products of a population are
    y = (x.astype(np.float64) - offset) @ normal(columns, 2, seed=1) / 30 + normal(rows, 2, seed=2) + 5
    held_out = np.arange(rows) % HELD_OUT == HELD_OUT - 1
    change, shift = least_squares._regression_of_few(x, y, held_out)
    exact, constant = least_squares._regression(
        *least_squares._products((x.astype(np.float64) - offset)[None], y[None], held_out), 2
    )
    np.testing.assert_allclose(change, exact, rtol=1e-5, atol=1e-9)
    left = y - shift - x.astype(np.float64) @ change[0]
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(left, y - constant - (x.astype(np.float64) - offset) @ exact[0], atol=1e-5)


def test_the_number_of_threads_changes_no_bit_of_the_weights():
    network = three_layers(SIGNED)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, "blas"):
            fitted_network = corrected(network, network, {"image": normal(100, 6, 5, 2)}, ("weights",))
        found.append([t.values.tobytes() for p in fitted_network.populations for t in p.tensors])
    assert found[0] == found[1] == found[2]


KERNELS = {
    "conv2d": ((6, 5, 2), (6, 3, 4), (Conv2D((1, 2), "same", Tensor.unnamed(normal(3, 2, 2, 4))),)),
    "conv2d valid": ((6, 7, 2), (2, 5, 3), (Conv2D((2, 1), "valid", Tensor.unnamed(normal(4, 3, 2, 3))),)),
    "conv1d": ((9, 2), (5, 3), (Conv1D(2, "same", Tensor.unnamed(normal(4, 2, 3))),)),
    "conv1d causal": ((9, 2), (9, 3), (Conv1D(1, "causal", Tensor.unnamed(normal(3, 2, 3))),)),
    "dense": ((5,), (4,), (Dense(Tensor.unnamed(normal(5, 4))),)),
    "dense on positions": ((3, 5), (3, 4), (Dense(Tensor.unnamed(normal(5, 4))),)),
    "depthwise": (
        (5, 6, 3),
        (3, 5, 6),
        (DepthwiseConv2D((2, 1), "valid", Tensor.unnamed(normal(1, 2, 3, 2))),),
    ),
    "pooled": (
        (4, 6, 2),
        (3,),
        (AvgPool2D((2, 3), (2, 3), "valid"), Flatten((2, 2, 2)), Dense(Tensor.unnamed(normal(8, 3)))),
    ),
    "reshaped": (
        (1, 2, 3),
        (2, 4),
        (Conv2D((1, 1), "same", Tensor.unnamed(normal(1, 1, 3, 4))), Reshape((1, 2, 4), (2, 4))),
    ),
}


@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("kind", KERNELS)
@given(seed=st.integers(0, 99))
def test_a_kernel_that_gives_the_wanted_current_is_found(kind, seed):
    source, shape, chain = KERNELS[kind]
    layer, values = (
        population(shape, chain),
        {"source0": normal(100, *source, seed=seed)},
    )
    wanted = with_other_weights(layer, seed + 1).current(values)
    found = fitted(layer, values, wanted)
    assert error(found, values, wanted) < 0.01 * error(layer, values, wanted)
    other = {"source0": normal(50, *source, seed=seed + 2)}
    wanted = with_other_weights(layer, seed + 1).current(other)
    assert error(found, other, wanted) < 0.01 * error(layer, other, wanted)


def test_kernels_of_several_sources_are_fitted_together_beside_sources_without_one():
    chains = [KERNELS["conv2d"][2], (Conv2D((1, 1), "valid", Tensor.unnamed(normal(1, 1, 3, 4))),), ()]
    layer = population((6, 3, 4), *chains)
    shapes = ((6, 5, 2), (6, 3, 3), (6, 3, 4))
    values = {f"source{n}": normal(100, *shape, seed=n) for n, shape in enumerate(shapes)}
    wanted = with_other_weights(layer, 5).current(values)
    found = fitted(layer, values, wanted)
    assert error(found, values, wanted) < 0.01 * error(layer, values, wanted)
    assert found.inputs[2] == layer.inputs[2]


@pytest.mark.parametrize(
    "chain",
    [
        (Conv2D((1, 1), "same", Tensor.unnamed(normal(3, 3, 1, 4)), groups=2),),
        (Conv2D((1, 1), "same", Tensor.unnamed(normal(2, 2, 2, 4)), dilation=(2, 1)),),
        (Conv2DTranspose((1, 1), "same", Tensor.unnamed(normal(3, 3, 2, 4))),),
        (Conv2D((1, 1), "same", Tensor.unnamed(normal(3, 3, 2, 4))), AvgPool2D((1, 1), (1, 1), "valid")),
    ],
    ids=["groups", "dilation", "transposed", "pooling behind"],
)
def test_other_kernels_stay_and_the_bias_makes_up_for_the_mean_error(chain):
    layer = population((4, 4, 4), chain)
    values = {"source0": normal(40, 4, 4, 2)}
    wanted = with_other_weights(layer, 5).current(values)
    found = fitted(layer, values, wanted)
    assert found.inputs == layer.inputs
    missing = (wanted - found.current(values)).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(missing, 0, atol=1e-5)


def test_a_layer_whose_current_is_right_stays_as_it_is():
    layer, values = population((6, 3, 4), KERNELS["conv2d"][2]), {"source0": normal(40, 6, 5, 2)}
    found = fitted(layer, values, layer.current(values))
    np.testing.assert_allclose(found.current(values), layer.current(values), atol=1e-6)


def test_noise_does_not_change_the_weights():
    """A kernel of 300 elements for 64 examples could be fitted to any noise; held-out examples show that."""
    layer = population((4,), (Dense(Tensor.unnamed(normal(300, 4))),))
    values = {"source0": normal(64, 300)}
    noise = normal(64, 4, seed=1)
    found = fitted(layer, values, layer.current(values) + noise)
    other = {"source0": normal(64, 300, seed=2)}
    changed = np.square(found.current(other) - layer.current(other)).mean()
    assert changed < 0.3 * np.square(noise).mean()


def three_layers(neuron) -> Network:
    """Two convolutions and a dense layer, with scales of 1."""
    second = (Conv2D((1, 1), "same", Tensor.unnamed(0.4 * normal(3, 3, 4, 4, seed=2))),)
    last = (Flatten((6, 3, 4)), Dense(Tensor.unnamed(normal(72, 3, seed=3))))
    return Network(
        "three",
        (Input("image", (6, 5, 2), ConstantCurrentInput()),),
        (
            Population("first", (6, 3, 4), neuron, (Connection("image", KERNELS["conv2d"][2]),)),
            Population("second", (6, 3, 4), neuron, (Connection("first", second),)),
            Population("out", (3,), IntegrateNeuron(neuron.few_spike), (Connection("second", last),)),
        ),
        (Output("out", "membrane"),),
        Simulation(1.0, 3),
    )


@pytest.mark.parametrize("neuron", [IntegrateAndFireNeuron(), SIGNED, FewSpikeNeuron()])
@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_corrected_layer_by_layer_reduce_the_error_on_other_examples(neuron, per_channel):
    network = three_layers(neuron)
    rng = np.random.default_rng(1)
    x = np.maximum(np.tensordot(rng.random((400, 4)), rng.normal(size=(4, 6, 5, 2)), 1), 0).astype(np.float32)
    x, other = x[:300], x[300:]
    measured = measure(network, open_calibration(x, network.inputs), per_channel)
    scales, _ = find_scales(network, Method("mse", per_channel, neuron, timesteps=3), measured)
    normalized = rescale(network, scales)
    after = corrected(normalized, network, {"image": x}, ("weights",))
    *_, (_, expected) = ann_currents(network, {"image": other})
    errors = [
        np.square(simulate(with_weight_names(n), other).output - expected).mean() for n in (normalized, after)
    ]
    assert errors[1] < 0.8 * errors[0]
    assert after.population("first") == normalized.population("first")  # its current is the ANN's


def test_layers_that_read_a_constant_current_beside_spikes_emit_what_they_emit_in_a_simulation():
    shape = (5, 4, 2)
    kernels = [0.3 * normal(3, 2, 2, 2, seed=seed) for seed in range(3)]
    conv = [Conv2D((1, 1), "same", Tensor.unnamed(kernel)) for kernel in kernels]
    network = Network(
        "mixed",
        (Input("x", shape, ConstantCurrentInput()),),
        (
            Population("a", shape, SIGNED, (Connection("x", (conv[0],)),)),
            Population("b", shape, SIGNED, (Connection("a", (conv[1],)), Connection("x", (conv[2],)))),
            Population("out", shape, IntegrateNeuron(), (Connection("b"),)),
        ),
        (Output("out", "membrane"),),
        Simulation(timesteps=12),
    )
    x = np.random.default_rng(3).random((6, *shape), np.float32)
    trials = {}

    def adjust(population, trial):
        trials[population.name] = np.concatenate([*trial.emitted(population)], axis=1).sum(axis=0)
        return population

    adjusted_layerwise(network, {"x": x}, 12, adjust)
    result = simulate(with_weight_names(network), x)
    for name in ("a", "b"):
        np.testing.assert_array_equal(trials[name], result.net_counts[name])


CORRECTED = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_least_squares import SIGNED, corrected, normal, three_layers
network = three_layers(SIGNED)
after = corrected(network, network, {"image": normal(300, 6, 5, 2)}, ("weights",))
values = b"".join(t.values.tobytes() for p in after.populations for t in p.tensors)
print(hashlib.sha256(values).hexdigest())
"""


@pytest.mark.slow
def test_another_kind_of_products_changes_no_bit_of_the_weights():
    """OpenBLAS has products for each kind of processor, which round differently."""
    pytest.importorskip("numba")  # without it the ANN's currents are such products
    hashes = {
        subprocess.run(
            [sys.executable, "-c", CORRECTED, str(Path(__file__).parent)],
            env={**os.environ, "OPENBLAS_CORETYPE": kind},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for kind in ("Haswell", "Sandybridge", "Prescott")
    }
    assert len(hashes) == 1
