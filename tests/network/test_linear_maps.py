"""The linear maps against formulas written out element by element, and GeNN's connectivity against both."""

from __future__ import annotations

import numpy as np
import pytest
from connectivity_code import built_synapses, needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from linear_map_cases import (
    chains,
    dilations,
    drawn_window,
    paddings,
    sizes,
    strides,
    window_elements,
    windows,
)
from profiles import tries

from tgenn_gen.network import genn_code
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.network.ops.crop import Crop
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.linear_map import LinearMap, ShapeError
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.ops.up_sampling import UpSampling
from tgenn_gen.network.ops.windows import Windows
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import kernels


def brute_force_conv2d(x, kernel, stride, padding, dilation=(1, 1), groups=1):
    """Grouped filters as filters of all channels, with zeros for those that they do not see."""
    members, filters = kernel.shape[2:]
    whole = np.zeros((*kernel.shape[:2], members * groups, filters))
    for f in range(filters):
        first = f // (filters // groups) * members
        whole[:, :, first : first + members, f] = kernel[..., f]
    for (r, c), shape, elements in window_elements(x, kernel.shape[:2], stride, padding, dilation):
        if (r, c) == (0, 0):
            y = np.zeros((*shape, filters))
        y[r, c] = sum((v @ whole[i, j] for i, j, v in elements), np.zeros(filters))
    return y


def brute_force_depthwise_conv2d(x, kernel, stride, padding, dilation):
    """A convolution of one channel for each channel, side by side."""
    each = [
        brute_force_conv2d(x[..., [c]], kernel[:, :, [c]], stride, padding, dilation)
        for c in range(x.shape[2])
    ]
    return np.concatenate(each, axis=-1)


def brute_force_avg_pool2d(x, window, stride, padding):
    for (r, c), shape, elements in window_elements(x, window, stride, padding):
        if (r, c) == (0, 0):
            y = np.zeros((*shape, x.shape[2]))
        y[r, c] = np.mean([v for _, _, v in elements], axis=0)
    return y


@given(st.data(), sizes, sizes, st.integers(1, 3), strides, dilations, st.integers(0, 9))
@tries(80)
def test_conv2d_is_the_written_out_sum(data, height, width, groups, stride, dilation, seed):
    rng = np.random.default_rng(seed)
    window, padding = drawn_window(data.draw, (height, width), dilation)
    members, filters = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2)) * groups
    x = rng.normal(size=(2, 3, height, width, members * groups)).astype(np.float32)
    kernel = rng.normal(size=(*window, members, filters)).astype(np.float32)
    linear_map = Conv2D(stride, padding, Tensor("k.npy", kernel), dilation, groups)
    y = linear_map.apply(x)
    assert y.shape == (2, 3, *linear_map.output_shape(x.shape[2:]))
    expected = brute_force_conv2d(x[1, 2], kernel, stride, padding, dilation, groups)
    np.testing.assert_allclose(y[1, 2], expected, rtol=1e-4, atol=1e-5)


@given(st.data(), sizes, sizes, st.integers(1, 3), st.integers(1, 3), strides, dilations, st.integers(0, 9))
@tries(60)
def test_depthwise_conv2d_is_a_convolution_of_each_channel(
    data, height, width, channels, multiplier, stride, dilation, seed
):
    rng = np.random.default_rng(seed)
    window, padding = drawn_window(data.draw, (height, width), dilation)
    x = rng.normal(size=(2, 3, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(*window, channels, multiplier)).astype(np.float32)
    linear_map = DepthwiseConv2D(stride, padding, Tensor("k.npy", kernel), dilation)
    y = linear_map.apply(x)
    assert y.shape == (2, 3, *linear_map.output_shape(x.shape[2:]))
    expected = brute_force_depthwise_conv2d(x[1, 2], kernel, stride, padding, dilation)
    np.testing.assert_allclose(y[1, 2], expected, rtol=1e-4, atol=1e-5)


@given(st.data(), sizes, sizes, strides, dilations, st.integers(0, 9))
@tries(60)
def test_conv2d_transpose_is_the_transpose_of_the_matrix_of_a_convolution(
    data, height, width, stride, dilation, seed
):
    rng = np.random.default_rng(seed)
    window, padding = drawn_window(data.draw, (height, width), dilation)
    kernel = rng.normal(size=(*window, 2, 3))
    forward = Conv2D(stride, padding, Tensor("k.npy", kernel), dilation)
    shape = forward.output_shape((height, width, 2))
    covered = [(n - 1) * d + 1 for n, d in zip(window, dilation, strict=True)]
    smallest = [
        (shape[a] - 1) * stride[a] + (covered[a] if padding == "valid" else covered[a] % 2) for a in (0, 1)
    ]
    added = (height - smallest[0], width - smallest[1])
    backward = Conv2DTranspose(stride, padding, Tensor("k.npy", kernel.swapaxes(2, 3)), added, dilation)
    assert backward.output_shape(shape) == (height, width, 2)
    np.testing.assert_allclose(
        matrix_of(backward, shape), matrix_of(forward, (height, width, 2)).T, rtol=1e-4, atol=1e-5
    )


@given(st.data(), sizes, sizes, st.integers(1, 3), strides, st.integers(0, 9))
@tries(60)
def test_windows_are_the_elements_one_by_one(data, height, width, channels, stride, seed):
    window, padding = drawn_window(data.draw, (height, width))
    x = np.random.default_rng(seed).normal(size=(2, 3, height, width, channels)).astype(np.float32)
    linear_map = Windows(window, stride, padding)
    y = linear_map.apply(x)
    assert y.shape == (2, 3, *linear_map.output_shape(x.shape[2:]))
    for (r, c), _, elements in window_elements(x[1, 2], window, stride, padding):
        expected = np.zeros((channels, *window))
        for i, j, v in elements:
            expected[:, i, j] = v
        np.testing.assert_array_equal(y[1, 2, r, c], expected.reshape(channels, -1))
    rows = x[..., 0, :, :]  # steps are images of one row
    padding = padding if window[1] <= width else "same"
    of_steps = Windows(window[1:], stride[1:], padding)
    of_rows = Windows((1, window[1]), (1, stride[1]), padding)
    np.testing.assert_array_equal(of_steps.apply(rows), of_rows.apply(rows[:, :, None])[:, :, 0])
    assert of_steps.output_shape(rows.shape[2:]) == of_steps.apply(rows).shape[2:]


def matrix_of(linear_map, shape):
    """Its matrix (inputs, outputs)."""
    one_hot = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    return linear_map.apply(one_hot).reshape(len(one_hot), -1)


@given(sizes, sizes, st.integers(1, 3), windows, strides, paddings, st.integers(0, 9))
@tries(60)
def test_avg_pool2d_is_the_mean_over_the_elements_inside_the_image(
    height, width, channels, window, stride, padding, seed
):
    if padding == "valid" and (window[0] > height or window[1] > width):
        return
    x = np.random.default_rng(seed).normal(size=(3, height, width, channels)).astype(np.float32)
    linear_map = AvgPool2D(window, stride, padding)
    y = linear_map.apply(x)
    assert y.shape == (3, *linear_map.output_shape(x.shape[1:]))
    np.testing.assert_allclose(
        y[2], brute_force_avg_pool2d(x[2], window, stride, padding), rtol=1e-4, atol=1e-5
    )


def test_spikes_and_floats_give_the_same_sums():
    rng = np.random.default_rng(0)
    spikes = rng.random((4, 2, 6, 5, 3)) < 0.3
    for linear_map in (
        Conv2D((2, 1), "same", Tensor("k.npy", rng.normal(size=(2, 3, 3, 4)))),
        AvgPool2D((2, 2), (2, 2), "same"),
        Scale(Tensor("f.npy", rng.normal(size=3))),
    ):
        np.testing.assert_array_equal(linear_map.apply(spikes), linear_map.apply(spikes.astype(np.float32)))


def test_a_window_larger_than_an_unpadded_image_is_refused():
    with pytest.raises(ShapeError, match="a window of 3x3 is larger than the input, 2x5"):
        AvgPool2D((3, 3), (1, 1), "valid").output_shape((2, 5, 1))


def connectivity_matrix(chain: tuple[LinearMap, ...], shape: Shape, folder) -> np.ndarray:
    """The matrix (pre, post) that GeNN's initializer builds, by running its code."""
    scatters, at, weights = [], shape, {}
    for level, linear_map in enumerate(chain):
        weight = ""
        for tensor in linear_map.tensors.values():
            weights[tensor.file], weight = tensor.values, f'weights["{tensor.file}"]'
        scatters.append(linear_map.scatter(at, level, weight))
        at = linear_map.output_shape(at)
    scatters = tuple(scatters)
    kernel = eval(genn_code.kernel_expression(scatters), {**vars(kernels), "weights": weights})
    kernel = kernel.reshape(-1)
    assert kernel.size == genn_code.kernel_size(scatters)
    _, synapses = built_synapses(scatters, int(np.prod(shape)), folder)
    matrix = np.zeros((int(np.prod(shape)), int(np.prod(at))))
    np.add.at(matrix, (synapses[:, 0], synapses[:, 1]), kernel[synapses[:, 2]])
    rows = np.bincount(synapses[:, 0], minlength=1)
    assert rows.max() <= genn_code.fan_out(scatters)
    return matrix


@needs_compiler
@given(chains())
@tries(80)
def test_genn_connectivity_is_the_matrix_of_the_chain(tmp_path_factory, case):
    shape, chain = case
    x = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    at = shape
    for linear_map in chain:
        x, at = linear_map.apply(x), linear_map.output_shape(at)
        assert x.shape[1:] == at
    found = connectivity_matrix(chain, shape, tmp_path_factory.mktemp("rows"))
    np.testing.assert_allclose(found, x.reshape(len(x), -1), rtol=1e-4, atol=1e-5)


@given(chains(longest=1))
@tries(150)
def test_factors_a_channel_are_taken_by_kernels_and_pass_through_maps_channel_by_channel(case):
    shape, chain = case
    rng = np.random.default_rng(0)
    for linear_map in chain:
        out_shape = linear_map.output_shape(shape)
        x = rng.normal(size=(4, *shape)).astype(np.float32)
        y = linear_map.apply(x)
        before, after = rng.uniform(0.5, 2, shape[-1]), rng.uniform(0.5, 2, out_shape[-1])
        if linear_map.has_kernel:
            scaled = linear_map.scale_outputs(after)
            np.testing.assert_allclose(scaled.apply(x), y * after, rtol=1e-4, atol=1e-5)
            scaled = linear_map.scale_inputs(before)
            expected = linear_map.apply((x * before).astype(np.float32))
            np.testing.assert_allclose(scaled.apply(x), expected, rtol=1e-4, atol=1e-5)
        if linear_map.channelwise:
            np.testing.assert_allclose(linear_map.apply(x * before), y * before, rtol=1e-4, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize(
    "linear_map",
    [
        AvgPool2D((3, 4), (2, 3), "valid"),
        Windows((3, 2), (2, 3), "valid"),
        Conv2D((2, 3), "valid", Tensor("k.npy", np.ones((4, 3, 2, 6))), (1, 1), 2),
        Conv2D((2, 2), "valid", Tensor("k.npy", np.ones((3, 4, 4, 2))), (2, 3)),
        Conv2D((1, 3), "same", Tensor("k.npy", np.ones((3, 4, 4, 2))), (3, 2)),
        DepthwiseConv2D((2, 1), "valid", Tensor("k.npy", np.ones((3, 2, 4, 3))), (2, 1)),
        Conv2DTranspose((2, 3), "valid", Tensor("k.npy", np.ones((3, 4, 4, 2)))),
        UpSampling((2, 3, 1)),
        Dense(Tensor("k.npy", np.ones((4, 5)))),
        Crop((1, 2, 0), (0, 3, 1)),
    ],
    ids=lambda m: m.describe(),
)
def test_the_longest_row_that_genn_makes_room_for_is_there(linear_map, tmp_path):
    shape = (25, 24, 4)
    matrix = connectivity_matrix((linear_map,), shape, tmp_path)
    assert (matrix != 0).sum(axis=1).max() == genn_code.fan_out((linear_map.scatter(shape, 0, ""),))
