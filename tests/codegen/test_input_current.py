"""The current that a network input gives: the exact sum rounded to float32, in whatever order it is made."""

from __future__ import annotations

from itertools import product
from math import fsum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from scripts import results, written

from tgenn_gen import simulate
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.linear_maps import added, axis_padding, conv2d
from tgenn_gen.runtime.projects import load_script

IMAGE, FILTERS = (9, 6, 3), 4


def cancelling_weights(seed: int, window: tuple[int, int], bias_shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Weights up to 2^13, multiples of 2^-10: every other one nearly cancels the one before it."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-(2**23), 2**23, (*window, IMAGE[2], FILTERS)) / 2**10
    odd = kernel.reshape(-1, FILTERS)[1::2]
    odd[:] = -kernel.reshape(-1, FILTERS)[::2][: len(odd)] + rng.integers(-50, 50, odd.shape) / 2**10
    bias = rng.integers(-(2**12), 2**12, bias_shape) / 2**10
    return Tensor("weights/kernel.npy", kernel), Tensor("weights/bias.npy", bias)


def driven(kernel: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: str) -> Network:
    """A convolution whose current is what one step leaves in V, so that the output is the current."""
    conv = Conv2D(stride, padding, kernel)
    population = Population(
        "out", conv.output_shape(IMAGE), IntegrateNeuron(), (Connection("image", (conv,)),), bias=bias
    )
    return Network(
        "driven",
        (Input("image", IMAGE, ConstantCurrentInput()),),
        (population,),
        (Output("out", "membrane"),),
        Simulation(1.0, 1),
    )


def exact_current(network: Network, x: np.ndarray) -> np.ndarray:
    """The exact sum for one example, rounded to float32: its products are exact in float64."""
    population = network.population("out")
    conv = population.inputs[0].through[0]
    kernel = conv.kernel.values.astype(np.float64)
    bias = 0.0 if population.bias is None else population.bias.values.astype(np.float64)
    bias = np.broadcast_to(bias, population.shape)
    current = np.zeros(population.shape, np.float32)
    axes = zip(IMAGE, kernel.shape[:2], conv.strides, strict=False)
    before = [axis_padding(*axis, conv.padding)[0] for axis in axes]
    for row, column, filter_ in np.ndindex(population.shape):
        terms = [bias[row, column, filter_]]
        for i, j in product(*map(range, kernel.shape[:2])):
            r, c = row * conv.strides[0] + i - before[0], column * conv.strides[1] + j - before[1]
            if 0 <= r < IMAGE[0] and 0 <= c < IMAGE[1]:
                terms += [float(x[r, c, k]) * kernel[i, j, k, filter_] for k in range(IMAGE[2])]
        current[row, column, filter_] = fsum(terms)
    return current


def examples(seed: int, count: int) -> np.ndarray:
    """Multiples of 2^-8 below 1, all nearly 1."""
    x = 1 - np.random.default_rng(seed).integers(0, 9, (count, *IMAGE)) / 256
    return x.astype(np.float32)


@given(
    st.integers(0, 10**6),
    st.sampled_from([(4, 2), (2, 4), (3, 2), (1, 1)]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["valid", "same"]),
    st.sampled_from(["none", "channel", "neuron"]),
)
@tries(30)
def test_the_engine_injects_the_exact_sum_rounded_to_float32(seed, window, stride, padding, bias_of):
    shape = Conv2D(stride, padding, Tensor("", np.zeros((*window, IMAGE[2], FILTERS)))).output_shape(IMAGE)
    kernel, bias = cancelling_weights(seed, window, shape if bias_of == "neuron" else shape[-1:])
    network = driven(kernel, None if bias_of == "none" else bias, stride, padding)
    x = examples(seed, 2)
    output = simulate(network, x).output
    assert output.dtype == np.float32
    for example, found in zip(x, output, strict=True):
        np.testing.assert_array_equal(found, exact_current(network, example))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    kernel, bias = cancelling_weights(1, (4, 2), (FILTERS,))
    network = driven(kernel, bias, (2, 3), "same")
    folder = tmp_path_factory.mktemp("driven")
    x = examples(2, 3)
    written(network, folder / "n", x=x)
    return network, folder / "n", x, np.stack([exact_current(network, example) for example in x])


def test_a_sum_in_float32_is_not_that_exact(project):
    network, _, x, expected = project
    population = network.population("out")
    in_float32 = population.current({"image": x})
    assert in_float32.dtype == np.float32
    assert (in_float32 != expected).any()


def test_reference_py_injects_the_exact_sum_rounded_to_float32(project):
    _, folder, _, expected = project
    _, arrays, _ = results(folder / "reference.py", folder / "data.npz")
    np.testing.assert_array_equal(arrays["output"], expected)


@pytest.mark.genn
def test_simulate_py_injects_the_exact_sum_rounded_to_float32(project):
    _, folder, x, expected = project
    net = load_script(folder / "simulate.py").build()
    for example, current in zip(x, expected, strict=True):
        net.step(example[None])
        np.testing.assert_array_equal(net.values("out", "I_const"), current.reshape(1, -1))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_spikes_are_summed_in_float32_alone_and_in_float64_next_to_an_input(dtype):
    kernel = np.ones((2, 1, 3, 2), np.float32)
    spikes = np.ones((4, 1, *IMAGE), dtype)
    summed = conv2d(spikes, kernel, (1, 1), "valid")
    assert summed.dtype == added(spikes, spikes).dtype == np.float32
    assert added(summed, summed.astype(np.float64)).dtype == np.float64
