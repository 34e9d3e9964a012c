"""Random functional Keras models whose weights and data have any size: a recipe, and the model it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers

EXAMPLES = 16


@dataclass(frozen=True)
class Recipe:
    """A model and its data.

    shape    of the input: (rows, columns, channels)
    center, spread   decimal exponents: data is sign 10^center + 10^spread N(0, 1); sign may be 0
    first    the layer that normalizes the input: its name, or ""
    steps    (layer, which of the tensors so far it reads, decimal exponent of its weights)
    """

    shape: tuple[int, int, int]
    sign: int
    center: float
    spread: float
    first: str
    steps: tuple[tuple[str, int, float], ...]
    outputs: int
    seed: int

    def data(self) -> np.ndarray:
        """16 examples, float32."""
        rng = np.random.default_rng(self.seed)
        x = self.sign * 10.0**self.center + 10.0**self.spread * rng.standard_normal((EXAMPLES, *self.shape))
        return x.astype(np.float32)


LAYERS = (
    "conv conv_relu depthwise conv_bn_relu bn relu relu6 leaky add subtract concatenate average_pool "
    "max_pool rescale pad"
).split()
exponents = st.floats(-6, 6).map(lambda x: round(x, 1))
steps = st.tuples(st.sampled_from(LAYERS), st.integers(0, 9), st.one_of(st.just(0.0), exponents))


@st.composite
def recipes(draw: Any) -> Recipe:
    """Recipes of up to 8 layers between the input and the outputs."""
    center = draw(exponents)
    return Recipe(
        shape=tuple(draw(st.tuples(st.integers(4, 7), st.integers(4, 6), st.integers(1, 3)))),
        sign=draw(st.sampled_from([-1, 0, 1])),
        center=center,
        spread=center - draw(st.sampled_from([0, 1, 2, 4])),
        first=draw(st.sampled_from(["", "Normalization", "BatchNormalization", "Rescaling"])),
        steps=tuple(draw(st.lists(steps, min_size=1, max_size=8))),
        outputs=draw(st.integers(1, 2)),
        seed=draw(st.integers(0, 99)),
    )


def model_of(recipe: Recipe, dtype: str = "float32") -> Any:
    """The Keras model of a recipe. Its BatchNormalizations have the statistics of what they get."""
    keras.utils.clear_session()
    keras.config.set_dtype_policy(dtype)
    keras.utils.set_random_seed(recipe.seed)
    rng, x = np.random.default_rng(recipe.seed), recipe.data()
    image = keras.Input(recipe.shape, name="image")
    tensors = [image if not recipe.first else _first(recipe.first, x)(image)]
    for kind, index, exponent in recipe.steps:
        tensors.append(_step(kind, tensors[-1 - index % len(tensors)], tensors[-1], exponent))
    heads = [layers.Dense(3)(layers.Flatten()(t)) for t in tensors[-recipe.outputs :]]
    model = keras.Model(image, heads)
    sizes = {layer.name: getattr(layer, "size_of_weights", 1.0) for layer in model.layers}
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            before = np.asarray(keras.Model(image, layer.input)(x)).reshape(-1, layer.input.shape[-1])
            gamma = rng.normal(size=before.shape[-1]) * sizes[layer.name]
            beta = rng.normal(size=before.shape[-1]) * sizes[layer.name]
            layer.set_weights([gamma, beta, before.mean(axis=0), before.var(axis=0)])
        elif layer.weights and not isinstance(layer, layers.Normalization):
            size = sizes[layer.name]
            weights = [w.shape for w in layer.weights]
            layer.set_weights([rng.normal(size=s) * size / np.sqrt(max(1, np.prod(s[:-1]))) for s in weights])
    return model


def exact_outputs(recipe: Recipe, model: Any) -> list[np.ndarray]:
    """What the model of a recipe computes in float64, with the weights that it has."""
    weights = model.get_weights()
    try:
        exact = model_of(recipe, "float64")
    finally:
        keras.config.set_dtype_policy("float32")
    exact.set_weights(weights)
    return [np.asarray(y) for y in exact(recipe.data().astype(np.float64))]


def _first(kind: str, x: np.ndarray) -> Any:
    mean, variance = x.mean(axis=(0, 1, 2), dtype=np.float64), x.var(axis=(0, 1, 2), dtype=np.float64)
    if kind == "Normalization":
        return layers.Normalization(mean=mean, variance=variance)
    if kind == "BatchNormalization":
        return layers.BatchNormalization(epsilon=1e-7 * float(variance.max()) + 1e-30)
    scale = 1 / np.sqrt(variance)
    return layers.Rescaling(scale.tolist(), (-mean * scale).tolist())


def _sized(layer: Any, exponent: float) -> Any:
    layer.size_of_weights = 10.0**exponent
    return layer


def _step(kind: str, y: Any, last: Any, exponent: float) -> Any:
    """A layer, or a few, that read y (and the last tensor)."""
    channels = y.shape[-1]
    rows, columns = y.shape[1:3]
    if kind in ("conv", "conv_relu"):
        window = (min(3, rows), min(2, columns))
        activation = "relu" if kind == "conv_relu" else None
        return _sized(layers.Conv2D(4, window, padding="same", activation=activation), exponent)(y)
    if kind == "depthwise":
        return _sized(layers.DepthwiseConv2D((2, 3), padding="same"), exponent)(y)
    if kind == "conv_bn_relu":
        y = _sized(layers.Conv2D(3, 1, use_bias=False), exponent)(y)
        return layers.ReLU()(layers.BatchNormalization()(y))
    if kind == "bn":
        return _sized(layers.BatchNormalization(), exponent)(y)
    if kind in ("relu", "relu6"):
        return layers.ReLU(6.0 if kind == "relu6" else None)(y)
    if kind == "leaky":
        return layers.LeakyReLU(negative_slope=0.1)(y)
    if kind in ("add", "subtract", "concatenate"):
        other = layers.Conv2D(channels, 1)(last)
        if other.shape != y.shape:
            other = _sized(layers.Conv2D(channels, (2, 1), padding="same"), exponent)(y)
        join = {"add": layers.Add, "subtract": layers.Subtract, "concatenate": layers.Concatenate}[kind]
        return join()([y, other])
    if kind == "average_pool":
        return layers.AveragePooling2D((2, 1), padding="same")(y)
    if kind == "max_pool":
        return layers.MaxPooling2D((1, 2), padding="same")(layers.ReLU()(y))
    if kind == "pad":
        return layers.ZeroPadding2D(((1, 0), (0, 1)))(y)
    return layers.Rescaling(10.0**exponent, 0.5 * 10.0**exponent)(y)
