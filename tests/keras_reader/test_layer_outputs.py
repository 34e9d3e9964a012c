"""The outputs of layers that a model is run for, in nested models and shared layers, against Keras."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen.keras_reader.layer_outputs import LayerOutputs  # noqa: E402
from tgenn_gen.keras_reader.loading import read_model  # noqa: E402

pytestmark = pytest.mark.keras


def nested_and_shared(library):
    layers = library.layers
    a, b = library.Input((6, 5, 2)), library.Input((3,))
    first = layers.Conv2D(3, 3, activation="relu", name="conv")
    inner = library.Sequential([library.Input((6, 5, 2)), first, layers.Dropout(0.5)], name="inner")
    shared = layers.Dense(4, activation="relu", name="shared")
    one = shared(layers.Dense(5, name="one")(layers.Flatten()(inner(a))))
    other = shared(layers.Dense(5, name="other")(b))
    added = layers.Add(name="sum")([one, other])
    return library.Model([a, b], layers.Dense(2, activation="softmax", name="out")(added)), inner


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_outputs_are_those_of_keras_also_in_nested_models_and_of_each_call(name):
    library = pytest.importorskip(name)
    model, inner = nested_and_shared(library)
    rng = np.random.default_rng(0)
    x = [rng.random((4, 6, 5, 2)).astype(np.float32), rng.random((4, 3)).astype(np.float32)]
    wanted = ["conv", "dropout", "shared", "shared_2", "sum", "out"]
    names = {layer.name for layer in read_model(model).layers}
    assert names >= {*wanted} - {"dropout"}
    found = LayerOutputs(model, [n for n in wanted if n in names]).of(x)
    conv = np.asarray(inner.get_layer("conv")(x[0]))
    np.testing.assert_allclose(found["conv"], conv, rtol=1e-6)
    dense = model.get_layer("one"), model.get_layer("other")
    flat = conv.reshape(4, -1)
    calls = [
        np.asarray(model.get_layer("shared")(layer(values)))
        for layer, values in zip(dense, (flat, x[1]), strict=True)
    ]
    by_call = sorted((found["shared"], found["shared_2"]), key=lambda y: np.abs(y - calls[0]).max())
    for one, other in zip(by_call, calls, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["sum"], calls[0] + calls[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["out"], np.asarray(model(x)), rtol=1e-5, atol=1e-6)
    assert {*found} <= {*wanted}


def test_integers_are_cast_as_the_input_takes_them():
    image = keras.Input((2, 2, 1), dtype="uint8")
    model = keras.Model(image, keras.layers.Flatten()(keras.layers.Rescaling(0.5, name="half")(image)))
    x = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(LayerOutputs(model, ["half"]).of([x])["half"], x / 2)
