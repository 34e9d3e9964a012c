"""The linear maps that Keras layers become, against the layers themselves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen.keras_reader.layer_maps import LAYER_MAPS  # noqa: E402
from tgenn_gen.keras_reader.loading import read_model  # noqa: E402
from tgenn_gen.network.fields import Shape  # noqa: E402
from tgenn_gen.network.ops.linear_map import LinearMap  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers
paddings = st.sampled_from(["valid", "same"])


def converted(stack: list, shape: Shape) -> tuple[LinearMap, ...]:
    """The chain that Keras layers without bias become."""
    read = read_model(keras.Sequential([keras.Input(shape), *stack]))
    chain: list[LinearMap] = []
    for layer in read.layers[1:]:
        maps = LAYER_MAPS[layer.class_name].chain(layer, shape)
        for linear_map in maps:
            shape = linear_map.output_shape(shape)
        assert shape == layer.output_shape
        chain += maps
    return tuple(chain)


def assert_equal_to_keras(stack: list, shape: Shape, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, *shape)).astype(np.float32)
    chain = converted(stack, shape)
    expected = x
    for layer in stack:
        expected = layer(expected)
    expected = np.array(expected)
    y = x[:, None]
    for linear_map in chain:
        y = linear_map.apply(y)
    assert y.shape == (2, 1, *expected.shape[1:])
    np.testing.assert_allclose(y[:, 0], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@st.composite
def convolutions(draw, axes: int) -> dict:
    """Arguments of a convolution without bias; TensorFlow has strides or dilation, not both."""
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(axes))
    how = {"kernel_size": kernel, "padding": draw(paddings), "use_bias": False}
    if draw(st.booleans()):
        return how | {"strides": tuple(draw(st.integers(1, 3)) for _ in range(axes))}
    return how | {"dilation_rate": tuple(draw(st.integers(1, 3)) for _ in range(axes))}


def fits(how: dict, shape: Shape) -> bool:
    """Whether a window fits an unpadded input."""
    kernel, dilation = how["kernel_size"], how.get("dilation_rate", (1, 1))
    covered = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=False)]
    return how["padding"] != "valid" or all(c <= n for c, n in zip(covered, shape, strict=False))


@st.composite
def convolution_layers(draw, shape: Shape):
    """What makes a convolution of any kind on `shape`, (height, width, channels) or (steps, channels)."""
    axes, channels = len(shape) - 1, shape[-1]
    how = draw(convolutions(axes).filter(lambda how: fits(how, shape)))
    of = {1: "1D", 2: "2D"}[axes]
    kind = draw(st.sampled_from(["Conv", "DepthwiseConv", "SeparableConv", "Transpose"]))
    filters = draw(st.integers(1, 3))
    if kind == "Conv":
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
        if axes == 1 and draw(st.booleans()):
            how = how | {"padding": "causal"}
        return partial(getattr(layers, f"Conv{of}"), filters * groups, groups=groups, **how)
    if kind == "Transpose":
        strides = how.get("strides", (1,) * axes)
        added = tuple(draw(st.integers(0, stride - 1)) for stride in strides)
        if how["padding"] == "same":
            # without a padding of 1, TensorFlow has too few outputs of an even kernel
            added = tuple(max(a, 1 - k % 2) for a, k in zip(added, how["kernel_size"], strict=True))
        if any(a >= stride for a, stride in zip(added, strides, strict=True)) or draw(st.booleans()):
            added = None
        how = {name: value for name, value in how.items() if name != "dilation_rate"}
        return partial(getattr(layers, f"Conv{of}Transpose"), filters, output_padding=added, **how)
    if "strides" in how:  # of the same length, TensorFlow says
        how = how | {"strides": how["strides"][:1] * axes}
    depth = {"depth_multiplier": draw(st.integers(1, 2))}
    if kind == "DepthwiseConv":
        return partial(getattr(layers, f"DepthwiseConv{of}"), **how, **depth)
    return partial(getattr(layers, f"SeparableConv{of}"), filters, **how, **depth)


images = st.tuples(st.integers(2, 7), st.integers(2, 7), st.integers(1, 3))
steps = st.tuples(st.integers(2, 9), st.integers(1, 3))


@given(st.data(), st.one_of(images, steps), st.integers(0, 9))
def test_convolutions_are_those_of_keras(data, shape, seed):
    keras.utils.set_random_seed(seed)
    assert_equal_to_keras([data.draw(convolution_layers(shape))()], shape, seed)


@st.composite
def moving_layers(draw, shape: Shape):
    """A layer without weights on `shape`; something is left of the input."""
    axes = len(shape) - 1
    of = {1: "1D", 2: "2D"}[axes]
    kinds = ["ZeroPadding", "Cropping", "UpSampling", "AveragePooling", "Permute", "Flatten", "Reshape"]
    kind = draw(st.sampled_from([*kinds, "GlobalAveragePooling"]))
    if kind in ("ZeroPadding", "Cropping"):
        left = [n if kind == "ZeroPadding" else n - 1 for n in shape]
        before = [draw(st.integers(0, min(2, left[axis]))) for axis in range(axes)]
        after = [draw(st.integers(0, min(2, left[axis] - before[axis]))) for axis in range(axes)]
        widths = tuple(zip(before, after, strict=True))
        return getattr(layers, f"{kind}{of}")(widths if axes == 2 else widths[0])
    if kind == "UpSampling":
        size = tuple(draw(st.integers(1, 3)) for _ in range(axes))
        return getattr(layers, f"{kind}{of}")(size if axes == 2 else size[0])
    if kind == "AveragePooling":
        pool = tuple(draw(st.integers(1, min(n, 4))) for n in shape[:-1])
        strides = tuple(draw(st.integers(1, 3)) for _ in pool)
        one = axes == 1
        return getattr(layers, f"{kind}{of}")(
            pool[0] if one else pool, strides[0] if one else strides, draw(paddings)
        )
    if kind == "GlobalAveragePooling":
        return getattr(layers, f"{kind}{of}")(keepdims=draw(st.booleans()))
    if kind == "Permute":
        return layers.Permute(draw(st.permutations(range(1, axes + 2))))
    return layers.Flatten() if kind == "Flatten" else layers.Reshape((shape[-1], -1))


@given(st.data(), st.one_of(images, steps), st.integers(0, 9))
def test_layers_without_weights_and_dense_or_convolutions_behind_them_are_those_of_keras(data, shape, seed):
    keras.utils.set_random_seed(seed)
    first = data.draw(moving_layers(shape))
    stack, between = [first], tuple(first.compute_output_shape((None, *shape)))[1:]
    behind = data.draw(st.sampled_from(["nothing", "dense", "convolution"]))
    if behind == "dense":
        stack.append(layers.Dense(3, use_bias=False))
    elif behind == "convolution" and len(between) in (2, 3):
        stack.append(data.draw(convolution_layers(between))())
    assert_equal_to_keras(stack, shape, seed)
