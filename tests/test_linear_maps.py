"""The linear maps against formulas written out element by element, and GeNN's connectivity against both."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgenn_gen import genn_code
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.scale import Scale
from tgenn_gen.spec import LinearMap, Shape, ShapeError
from tgenn_gen.tensors import Tensor

sizes = st.integers(1, 7)
windows = st.tuples(st.integers(1, 4), st.integers(1, 4))
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(["valid", "same"])


def padded_axis(size: int, window: int, stride: int, padding: str) -> tuple[int, int]:
    """(outputs, zeros before) by TensorFlow's documented formulas."""
    if padding == "valid":
        return ceil((size - window + 1) / stride), 0
    outputs = ceil(size / stride)
    return outputs, max((outputs - 1) * stride + window - size, 0) // 2


def window_elements(x, window, stride, padding):
    """For each output position: [(row, column in the window, x[row, column, :])], inside the image only."""
    rows, top = padded_axis(x.shape[0], window[0], stride[0], padding)
    columns, left = padded_axis(x.shape[1], window[1], stride[1], padding)
    for r, c in product(range(rows), range(columns)):
        elements = []
        for i, j in product(range(window[0]), range(window[1])):
            row, column = r * stride[0] + i - top, c * stride[1] + j - left
            if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
                elements.append((i, j, x[row, column]))
        yield (r, c), (rows, columns), elements


def brute_force_conv2d(x, kernel, stride, padding):
    for (r, c), shape, elements in window_elements(x, kernel.shape[:2], stride, padding):
        if (r, c) == (0, 0):
            y = np.zeros((*shape, kernel.shape[3]))
        y[r, c] = sum((v @ kernel[i, j] for i, j, v in elements), np.zeros(kernel.shape[3]))
    return y


def brute_force_avg_pool2d(x, window, stride, padding):
    for (r, c), shape, elements in window_elements(x, window, stride, padding):
        if (r, c) == (0, 0):
            y = np.zeros((*shape, x.shape[2]))
        y[r, c] = np.mean([v for _, _, v in elements], axis=0)
    return y


@given(sizes, sizes, st.integers(1, 3), st.integers(1, 3), windows, strides, paddings, st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_conv2d_is_the_written_out_sum(height, width, channels, filters, window, stride, padding, seed):
    if padding == "valid" and (window[0] > height or window[1] > width):
        return
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 3, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(*window, channels, filters)).astype(np.float32)
    linear_map = Conv2D(stride, padding, Tensor("k.npy", kernel))
    y = linear_map.apply(x)
    assert y.shape == (2, 3, *linear_map.output_shape(x.shape[2:]))
    np.testing.assert_allclose(
        y[1, 2], brute_force_conv2d(x[1, 2], kernel, stride, padding), rtol=1e-4, atol=1e-5
    )


@given(sizes, sizes, st.integers(1, 3), windows, strides, paddings, st.integers(0, 9))
@settings(deadline=None, max_examples=60)
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
    with pytest.raises(ShapeError, match="a window of 3x3 does not fit an input of 2x5"):
        AvgPool2D((3, 3), (1, 1), "valid").output_shape((2, 5, 1))


# GeNN's connectivity: its code is C but for addSynapse, so that a C compiler can run it.

PROGRAM = """
#include <stdio.h>
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define addSynapse(...) do { const int a[] = {__VA_ARGS__}; printf("%%d", id_pre); \\
    for(unsigned i = 0; i < sizeof(a) / sizeof(int); i++) printf(" %%d", a[i]); printf("\\n"); } while(0)
int main(void) { for(int id_pre = 0; id_pre < %d; id_pre++) {
%s
} return 0; }
"""


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
    kernel = eval(genn_code.kernel_expression(scatters), {"np": np, "weights": weights})
    kernel = kernel.reshape(-1)
    assert kernel.size == genn_code.kernel_size(scatters)
    source = folder / "rows.c"
    source.write_text(PROGRAM % (np.prod(shape), genn_code.connectivity_code(scatters)))
    subprocess.run(["gcc", "-O0", "-o", str(folder / "rows"), str(source)], check=True)
    lines = subprocess.run([str(folder / "rows")], check=True, capture_output=True, text=True).stdout
    synapses = np.array([line.split() for line in lines.splitlines()], int).reshape(-1, 2 + kernel.ndim)
    matrix = np.zeros((int(np.prod(shape)), int(np.prod(at))))
    np.add.at(matrix, (synapses[:, 0], synapses[:, 1]), kernel[tuple(synapses[:, 2:].T)])
    rows = np.bincount(synapses[:, 0], minlength=1)
    assert rows.max() <= np.prod([s.fan_out for s in scatters])
    return matrix


@st.composite
def chains(draw) -> tuple[Shape, tuple[LinearMap, ...]]:
    shape: Shape = (draw(sizes), draw(sizes), draw(st.integers(1, 3)))
    rng, start = np.random.default_rng(draw(st.integers(0, 99))), shape
    chain: list[LinearMap] = []
    for kind in draw(st.lists(st.sampled_from(["pool", "scale", "conv"]), min_size=1, max_size=3)):
        window, padding = draw(windows), draw(paddings)
        if padding == "valid":
            window = (min(window[0], shape[0]), min(window[1], shape[1]))
        if kind == "pool":
            chain.append(AvgPool2D(window, draw(strides), padding))
        elif kind == "scale":
            chain.append(
                Scale(Tensor(f"f{len(chain)}.npy", rng.normal(size=draw(st.sampled_from([1, shape[2]])))))
            )
        elif any(isinstance(m, Conv2D) for m in chain):
            continue
        else:
            kernel = rng.normal(size=(*window, shape[2], draw(st.integers(1, 3))))
            chain.append(Conv2D(draw(strides), padding, Tensor("k.npy", kernel)))
        shape = chain[-1].output_shape(shape)
    if not any(isinstance(m, Conv2D) for m in chain) and draw(st.booleans()):
        chain += [Flatten(shape), Dense(Tensor("d.npy", rng.normal(size=(int(np.prod(shape)), 4))))]
    return start, tuple(chain)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler, gcc")
@given(chains())
@settings(deadline=None, max_examples=60)
def test_genn_connectivity_is_the_matrix_of_the_chain(tmp_path_factory, case):
    shape, chain = case
    x = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    for linear_map in chain:
        x = linear_map.apply(x)
    found = connectivity_matrix(chain, shape, tmp_path_factory.mktemp("rows"))
    np.testing.assert_allclose(found, x.reshape(len(x), -1), rtol=1e-4, atol=1e-5)
