"""Keras models as graphs of calls, and model files of every kind, against what Keras itself says of them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert  # noqa: E402
from tgenn_gen.conversion.calibration import file_sha256  # noqa: E402
from tgenn_gen.errors import MissingEngineError  # noqa: E402
from tgenn_gen.keras_reader.loading import load_model, predict, read_model  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers


@pytest.fixture(autouse=True)
def names_start_anew():
    """Keras numbers the layers and operations that are given no name, over all tests."""
    yield
    keras.utils.clear_session()


def calls(model) -> dict[str, tuple[str, tuple[str, ...]]]:
    """{call: (class, what it reads)}"""
    return {layer.name: (layer.class_name, layer.inputs) for layer in read_model(model).layers}


def labels(model) -> dict[str, str]:
    return {layer.name: layer.layer for layer in read_model(model).layers}


def by_name(model):
    return {layer.name: layer for layer in read_model(model).layers}


def refill(model, seed: int = 0):
    """Random weights, of which variances are positive."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.random(w.shape) + 0.5 for w in model.get_weights()])
    return model


def residual(library=keras):
    """A convolution used three times, a sum as a layer and one as x + y, two outputs; non-square, strided."""
    of = library.layers
    image = library.Input((7, 5, 2), name="image")
    x = of.Conv2D(3, (2, 3), strides=(2, 1), padding="same", activation="relu", name="conv")(image)
    x = of.BatchNormalization(name="norm")(x)
    shared = of.Conv2D(3, (1, 2), padding="same", name="shared")
    x = of.Add(name="sum")([shared(x), shared(x)])
    x = x + shared(x)
    flat = of.Flatten(name="flat")(of.ReLU(name="relu")(x))
    model = library.Model(image, [of.Dense(4, "softmax", name="classes")(flat), flat], name="residual")
    return refill(model)


def encoder():
    x = keras.Input((6, 4, 2), name="x")
    return keras.Model(x, layers.ReLU(name="relu")(layers.Conv2D(3, (2, 3), name="conv")(x)), name="encoder")


# The graph.


def test_a_shared_layer_is_called_with_a_number_and_has_its_weights_once():
    read = by_name(residual())
    assert [name for name in read if name.startswith("shared")] == ["shared", "shared_2", "shared_3"]
    assert read["sum"].inputs == ("shared", "shared_2")
    assert read["shared_3"].inputs == ("sum",)
    assert read["shared"].weights is read["shared_3"].weights
    assert read["shared_3"].layer == "shared"


def test_a_number_that_a_layer_has_by_itself_is_avoided():
    x = keras.Input((3,), name="x")
    dense = layers.Dense(3, name="dense")
    model = keras.Model(x, layers.Dense(3, name="dense_2")(dense(dense(x))))
    assert calls(model) == {
        "x": ("InputLayer", ()),
        "dense": ("Dense", ("x",)),
        "dense_3": ("Dense", ("dense",)),
        "dense_2": ("Dense", ("dense_3",)),
    }


def test_inputs_and_outputs_are_in_the_order_of_the_model_and_may_be_there_twice():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    x = layers.Subtract(name="minus")([b, a])
    read = read_model(keras.Model([b, a], [x, a, x]))
    assert read.inputs == ("b", "a")
    assert read.outputs == ("minus", "a", "minus")
    assert read.layers[-1].inputs == ("b", "a")


def test_a_nested_model_is_taken_apart_and_its_inputs_vanish():
    image = keras.Input((6, 4, 2), name="image")
    head = keras.Sequential([layers.Flatten(name="flat"), layers.Dense(3, name="conv")], name="head")
    model = keras.Model(image, head(encoder()(layers.ReLU(name="first")(image))))
    assert calls(model) == {
        "image": ("InputLayer", ()),
        "first": ("ReLU", ("image",)),
        "encoder_conv": ("Conv2D", ("first",)),
        "relu": ("ReLU", ("encoder_conv",)),
        "flat": ("Flatten", ("relu",)),
        "head_conv": ("Dense", ("flat",)),
    }
    assert labels(model)["head_conv"] == "head/conv"
    assert read_model(model).outputs == ("head_conv",)


def test_a_nested_model_that_is_called_twice_has_its_layers_twice_and_their_weights_once():
    a, b = keras.Input((6, 4, 2), name="a"), keras.Input((6, 4, 2), name="b")
    nested = encoder()
    read = by_name(keras.Model([a, b], layers.Add(name="sum")([nested(b), nested(a)])))
    (first, second) = read["sum"].inputs
    assert {first, second} == {"relu", "relu_2"}
    conv_first, conv_second = (read[read[name].inputs[0]] for name in (first, second))
    assert (conv_first.inputs, conv_second.inputs) == (("b",), ("a",))
    assert conv_first.weights is conv_second.weights


def test_models_in_models_in_models_are_taken_apart():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="dense")], name="inner")
    outer = keras.Sequential([keras.Input((3,)), inner, layers.Dense(3, name="dense")], name="outer")
    model = keras.Sequential([keras.Input((3,), name="x"), outer, layers.Dense(2, name="dense")])
    assert labels(model) == {
        "x": "x",
        "outer_inner_dense": "outer/inner/dense",
        "outer_dense": "outer/dense",
        "dense": "dense",
    }


@pytest.mark.parametrize("as_dict", [False, True])
def test_a_nested_model_of_several_inputs_and_outputs_is_wired_by_their_order(as_dict):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    parts = [layers.Subtract(name="minus")([b, a]), layers.Dense(3, name="dense")(a)]
    nested = keras.Model([b, a], parts, name="nested")
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    minus, dense = nested({"a": y, "b": x} if as_dict else [x, y])
    model = keras.Model([x, y], [dense, layers.Add(name="sum")([dense, minus])])
    assert calls(model)["minus"] == ("Subtract", ("x", "y"))
    assert calls(model)["dense"] == ("Dense", ("y",))
    assert calls(model)["sum"] == ("Add", ("dense", "minus"))
    assert read_model(model).outputs == ("dense", "sum")


def test_a_model_for_images_of_any_size_has_the_shapes_of_where_it_is_nested():
    x = keras.Input((None, None, 2))
    nested = keras.Model(x, layers.Conv2D(3, (2, 3), strides=(2, 1), name="conv")(x))
    image = keras.Input((9, 6, 2), name="image")
    conv = by_name(keras.Model(image, nested(image)))["conv"]
    assert (conv.input_shapes, conv.output_shape) == (((9, 6, 2),), (4, 4, 3))


def test_a_sum_of_two_alike_is_the_layer_add_and_other_operations_have_names_of_their_own():
    x, y = keras.Input((3,), name="x"), keras.Input((1,), name="y")
    outputs = {
        "Add": x + x,
        "Rescaling": x + 1.5,
        "keras.ops.Multiply": x * x,
        "keras.ops.Power": x**2,
        "ReLU": keras.ops.relu(x),
        "Softmax": keras.ops.softmax(x),
    }
    broadcast = x + y
    for expected, output in [*outputs.items(), ("keras.ops.Add", broadcast)]:
        read = read_model(keras.Model([x, y], output)).layers[-1]
        assert read.class_name == expected


def test_what_a_layer_is_called_with_besides_its_input_is_kept_where_it_says_something():
    x = keras.Input((4, 3), name="x")
    norm, drop = layers.BatchNormalization(name="norm"), layers.Dropout(0.5, name="drop")
    model = keras.Model(x, drop(norm(x, training=True), training=False))
    read = by_name(model)
    assert read["norm"].config["call_arguments"] == {"training": True}
    assert "call_arguments" not in read["drop"].config
    masked = norm(x, mask=keras.ops.any(x > 0, axis=-1))
    assert (
        read_model(keras.Model(x, masked))
        .layers[-1]
        .config["call_arguments"]["mask"]
        .startswith("the output")
    )


def test_what_a_nested_model_is_called_with_is_kept_for_its_layers():
    x = keras.Input((6, 4, 2), name="x")
    read = by_name(keras.Model(x, encoder()(x, training=True)))
    assert read["conv"].config["call_arguments"] == {"training": True}
    with pytest.raises(TgennError, match=r"(?s)called with training=True.*call it without"):
        convert(
            keras.Model(x, layers.Flatten()(encoder()(x, training=True))), method=Method(normalize="none")
        )


def test_a_model_whose_class_computes_something_else_than_its_graph_is_refused():
    class Twice(keras.Model):
        def call(self, x, training=None):
            return 2 * super().call(x)

    x = keras.Input((3,))
    with pytest.raises(TgennError, match=r"T402.*Twice is neither"):
        read_model(Twice(x, layers.Dense(2)(x)))
    nested = Twice(x, layers.Dense(2)(x), name="twice")
    assert calls(keras.Sequential([keras.Input((3,), name="x"), nested]))["twice"] == (
        "Twice (not Keras' own)",
        ("x",),
    )


@st.composite
def graphs(draw):
    """Random graphs of dense layers, sums and nested models, of 2 inputs."""
    width = 3
    tensors = [keras.Input((width,), name="a"), keras.Input((width,), name="b")]
    inputs = list(tensors)
    kept = [layers.Dense(width, name="kept")]
    for number in range(draw(st.integers(1, 6))):
        x, y = (tensors[draw(st.integers(0, len(tensors) - 1))] for _ in range(2))
        kind = draw(st.sampled_from(["dense", "kept", "sum", "nested"]))
        if kind == "dense":
            kept.append(layers.Dense(width, name=f"dense{number}"))
            tensors.append(kept[-1](x))
        elif kind == "kept":
            tensors.append(kept[draw(st.integers(0, len(kept) - 1))](x))
        elif kind == "sum":
            tensors.append(layers.Add(name=f"sum{number}")([x, y]))
        else:
            p, q = keras.Input((width,)), keras.Input((width,))
            inner = layers.Dense(width, name=f"inner_{number}")
            parts = [layers.Subtract(name="minus")([q, p]), inner(p)]
            kept.append(inner)
            tensors += keras.Model([p, q], parts, name=f"nested{number}")([x, y])
    count = draw(st.integers(1, 3))
    return keras.Model(inputs, [tensors[-1 - n % len(tensors)] for n in range(count)])


def computed(model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a graph of Dense, Add and Subtract, by its calls."""
    read = read_model(model)
    values = dict(zip(read.inputs, inputs, strict=True))
    for layer in read.layers[:]:
        given = [values[name] for name in layer.inputs]
        assert [value.shape[1:] for value in given] == list(layer.input_shapes)
        if layer.class_name == "Dense":
            values[layer.name] = given[0] @ layer.weights["kernel"] + layer.weights["bias"]
        elif layer.class_name != "InputLayer":
            values[layer.name] = given[0] + given[1] * (1 if layer.class_name == "Add" else -1)
    assert len(values) == len(read.layers)
    return [values[name] for name in read.outputs]


@tries(30)
@given(graphs())
def test_the_calls_compute_what_the_model_does(model):
    refill(model)
    rng = np.random.default_rng(1)
    inputs = [rng.random((4, 3), np.float32) for _ in range(2)]
    for found, expected in zip(computed(model, inputs), predict(model, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("structure", [list, dict])
def test_a_model_of_several_inputs_is_predicted_in_their_order(structure):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    inputs = [b, a] if structure is list else {"a": a, "b": b}
    model = keras.Model(inputs, {"two": layers.Flatten(name="f")(b), "three": layers.ReLU(name="r")(a)})
    read = read_model(model)
    data = {"a": np.ones((4, 3), np.float32), "b": np.full((4, 2), 2, np.float32)}
    outputs = predict(model, [data[name] for name in read.inputs])
    shown = dict(zip(read.outputs, outputs, strict=True))
    np.testing.assert_array_equal(shown["f"], data["b"])
    np.testing.assert_array_equal(shown["r"], data["a"])


def test_a_nested_chain_is_converted_as_a_flat_one():
    x = keras.Input((6, 4, 2), name="image")
    model = refill(keras.Model(x, layers.Dense(3, name="classes")(layers.Flatten()(encoder()(x))), name="m"))
    network = convert(model, method=Method(normalize="none"))
    assert [p.name for p in network.populations] == ["conv", "classes"]


# Float types.


@pytest.mark.parametrize(
    ("policy", "computes_in", "stored"),
    [
        ("float64", "float32", "float64"),
        ("float16", "float16", "float32"),
        ("bfloat16", "bfloat16", "float32"),
        ("mixed_float16", "float16", "float32"),
        ("mixed_bfloat16", "bfloat16", "float32"),
    ],
)
def test_weights_of_every_float_type_are_read_without_loss(tmp_path, policy, computes_in, stored):
    dense = layers.Dense(3, name="dense", dtype=policy)
    model = refill(keras.Sequential([keras.Input((4,), name="x"), dense]))
    model.save(tmp_path / "m.keras")
    for each in (model, load_model(tmp_path / "m.keras")):
        read = read_model(each)
        assert read.compute_dtype == computes_in
        assert read.layers[1].config["dtype"] == policy
        kernel = read.layers[1].weights["kernel"]
        assert kernel.dtype == stored
        np.testing.assert_array_equal(kernel, dense.kernel.numpy().astype(np.float64))
        assert predict(each, [np.ones((2, 4), np.float32)])[0].dtype == np.float32


def test_quantized_layers_are_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense")])
    model.quantize("int8")
    with pytest.raises(TgennError, match=r"'dense'.*dtype int8_from_float32 is not supported"):
        convert(model, method=Method(normalize="none"))


def test_what_the_outputs_do_not_need_of_a_nested_model_is_left_out():
    """An auxiliary output neither becomes neurons nor stands in the way."""
    a = keras.Input((6,), name="a")
    features = layers.Dense(5, "relu", name="features")(a)
    auxiliary = layers.LSTM(3, name="auxiliary")(layers.Reshape((5, 1), name="column")(features))
    nested = keras.Model(a, [features, auxiliary], name="nested")
    x, unused = keras.Input((6,), name="x"), keras.Input((2,), name="unused")
    model = keras.Model([x, unused], layers.Dense(2, name="out")(nested(x)[0]))
    read = read_model(model)
    assert [layer.name for layer in read.layers] == ["x", "unused", "features", "out"]
    assert read.inputs == ("x", "unused")
    assert read.layers[-1].inputs == ("features",)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_a_difference_of_two_outputs_is_what_subtract_does(library):
    of = pytest.importorskip(library)
    x, y = of.Input((3,), name="x"), of.Input((3,), name="y")
    *_, last = read_model(of.Model([x, y], y - x)).layers
    assert (last.class_name, last.inputs) == ("Subtract", ("y", "x"))


# Files.


@pytest.fixture
def tf_keras():
    return pytest.importorskip("tf_keras", reason="tf_keras is not installed")


def same_models(found, expected, shape=(7, 5, 2)):
    x = [np.random.default_rng(0).random((3, *shape), np.float32)]
    for a, b in zip(predict(found, x), predict(expected, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    one, two = read_model(found), read_model(expected)
    assert (one.inputs, one.outputs) == (two.inputs, two.outputs)
    for a, b in zip(one.layers, two.layers, strict=True):
        assert (a.name, a.class_name, a.inputs, a.output_shape) == (
            b.name,
            b.class_name,
            b.inputs,
            b.output_shape,
        )
        assert a.weights.keys() == b.weights.keys()
        for name in a.weights:
            np.testing.assert_array_equal(a.weights[name], b.weights[name])


@pytest.mark.parametrize(("name", "make"), [("m.keras", residual), ("m.h5", lambda: chain_of(keras))])
def test_files_of_keras_3_are_read(tmp_path, name, make):
    model = make()
    model.save(tmp_path / name)
    same_models(load_model(tmp_path / name), model)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved_model"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_files_of_keras_2_are_read(tmp_path, tf_keras, name):
    model = residual(tf_keras)
    model.save(tmp_path / name)
    same_models(load_model(tmp_path / name), model)


@pytest.mark.parametrize(
    ("library", "name"), [("keras", "m.keras"), ("keras", "m.h5"), ("tf_keras", "m.keras")]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_how_a_model_was_trained_does_not_stand_in_the_way(tmp_path, library, name):
    of = pytest.importorskip(library)
    inner, image = chain_of(of), of.Input((7, 5, 2), name="x")
    model = of.Model(image, inner(image))
    for each in (inner, model):
        each.compile(of.optimizers.Adam(1e-3), of.losses.MeanSquaredError(), [of.metrics.MeanAbsoluteError()])
    model.save(tmp_path / name)
    same_models(load_model(tmp_path / name), model)


@pytest.mark.parametrize(
    ("library", "name"),
    [(of, name) for of in ("keras", "tf_keras") for name in ("m.keras", "m.h5")] + [("tf_keras", "model")],
)
@pytest.mark.parametrize("is_registered", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_code_of_ones_own_that_only_training_needs_is_never_built(tmp_path, library, name, is_registered):
    of = pytest.importorskip(library)
    built = []

    def own(base):
        class Mine(base):
            def __init__(self, *_, **keywords):
                built.append(type(self))
                if base is of.optimizers.SGD:
                    super().__init__(name="mine")
                elif base in (of.losses.MeanSquaredError, of.metrics.MeanSquaredError):
                    super().__init__()

            def __call__(self, *values, **keywords):
                is_value = base in (of.regularizers.L2, of.initializers.Ones, of.constraints.NonNeg)
                return base().__call__(*values) if is_value else super().__call__(*values, **keywords)

            def get_config(self):
                return {}

        Mine.__name__ = f"Mine{base.__name__}"
        save = of.saving.register_keras_serializable("mine")
        return save(Mine) if is_registered else Mine

    inert = {
        "kernel_initializer": own(of.initializers.Ones)(),
        "kernel_regularizer": own(of.regularizers.L2)(),
        "activity_regularizer": own(of.regularizers.L2)(),
        "bias_constraint": own(of.constraints.NonNeg)(),
    }
    image = of.Input((7, 5, 2), name="image")
    convolved = of.layers.Conv2D(3, 2, activation="relu", name="conv", **inert)(image)
    inner = of.Model(image, of.layers.Flatten(name="flat")(convolved), name="inner")
    model = of.Sequential([of.Input((7, 5, 2), name="x"), inner, of.layers.Dense(2, name="dense", **inert)])
    metrics = [own(of.metrics.MeanSquaredError)()]
    model.compile(own(of.optimizers.SGD)(), own(of.losses.MeanSquaredError)(), metrics)
    model.save(tmp_path / name)
    built.clear()
    same_models(load_model(tmp_path / name), model)
    assert not built


def chain_of(library):
    of = library.layers
    stack = [
        of.Conv2D(3, (2, 3), strides=(2, 1), activation="relu", name="conv"),
        of.BatchNormalization(name="norm"),
        of.ReLU(name="relu"),
        of.AveragePooling2D((1, 2), name="pool"),
        of.Flatten(name="flat"),
        of.Dropout(0.25, name="dropout"),
        of.Dense(4, "softmax", name="classes"),
    ]
    return refill(library.Sequential([library.Input((7, 5, 2), name="image"), *stack], name="chain"))


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved_model"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_of_keras_2_is_converted_as_the_same_of_keras_3(tmp_path, tf_keras, name):
    chain_of(tf_keras).save(tmp_path / name)
    found = convert(tmp_path / name, method=Method(normalize="none"))
    expected = convert(chain_of(keras), method=Method(normalize="none"))
    assert [p.name for p in found.populations] == [p.name for p in expected.populations]
    for a, b in zip(found.populations, expected.populations, strict=True):
        for one, two in zip(a.inputs[0].through, b.inputs[0].through, strict=True):
            assert {n: t.sha256 for n, t in one.tensors.items()} == {
                n: t.sha256 for n, t in two.tensors.items()
            }
    assert found.provenance["model_sha256"] == file_sha256(tmp_path / name)
    assert found.provenance["keras_version"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_hdf5_file_of_keras_2_is_read_without_tf_keras_where_keras_3_can(tmp_path, tf_keras, monkeypatch):
    chain_of(tf_keras).save(tmp_path / "m.h5")
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    same_models(load_model(tmp_path / "m.h5"), chain_of(keras))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_keras_3_cannot_read_of_keras_2_is_read_with_tf_keras(tmp_path, tf_keras):
    of = tf_keras.layers
    stack = [of.DepthwiseConv2D((2, 3), name="depthwise"), of.Flatten(name="flat"), of.Dense(2, name="dense")]
    model = refill(tf_keras.Sequential([tf_keras.Input((7, 5, 2), name="image"), *stack]))
    model.save(tmp_path / "m.h5")
    same_models(load_model(tmp_path / "m.h5"), model)
    assert list(by_name(model)["depthwise"].weights) == ["kernel", "bias"]


def old_hdf5(path, layers_config):
    """An .h5 file as Keras 2.2 wrote it: a list of layers, no groups, weights named conv/kernel:0."""
    import h5py

    rng = np.random.default_rng(0)
    shapes = {"conv": [(2, 3, 2, 3), (3,)], "dense": [(54, 4), (4,)]}
    values = {name: [rng.random(shape, np.float32) for shape in s] for name, s in shapes.items()}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": layers_config}
        ).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"conv", b"flat", b"dense"]
        for layer in ("conv", "flat", "dense"):
            names = [f"{layer}/{part}:0" for part in ("kernel", "bias")] if layer in values else []
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, values.get(layer, []), strict=True):
                group[layer].create_dataset(name, data=value)
    return values


OLD_LAYERS = [
    {
        "class_name": "Conv2D",
        "config": {
            "name": "conv",
            "trainable": True,
            "batch_input_shape": [None, 7, 5, 2],
            "dtype": "float32",
            "filters": 3,
            "kernel_size": [2, 3],
            "activation": "relu",
        },
    },
    {"class_name": "Flatten", "config": {"name": "flat", "trainable": True, "data_format": "channels_last"}},
    {"class_name": "Dense", "config": {"name": "dense", "trainable": True, "units": 4}},
]


@pytest.mark.parametrize("as_list", [False, True])
def test_an_hdf5_file_of_keras_2_2_is_read(tmp_path, tf_keras, as_list):
    values = old_hdf5(tmp_path / "m.h5", OLD_LAYERS if as_list else {"name": "m", "layers": OLD_LAYERS})
    read = {layer.name: layer for layer in read_model(load_model(tmp_path / "m.h5")).layers}
    for name, (kernel, bias) in values.items():
        np.testing.assert_array_equal(read[name].weights["kernel"], kernel)
        np.testing.assert_array_equal(read[name].weights["bias"], bias)
    assert read["conv"].output_shape == (6, 3, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_saved_model_without_tf_keras_says_what_to_install(tmp_path, tf_keras, monkeypatch):
    chain_of(tf_keras).save(tmp_path / "saved_model")
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    with pytest.raises(MissingEngineError, match=r"pip install 'tgenn-gen\[savedmodel\]'"):
        load_model(tmp_path / "saved_model")


def test_an_exported_model_is_refused_for_it_has_no_layers(tmp_path):
    chain_of(keras).export(tmp_path / "exported", verbose=False)
    with pytest.raises(TgennError, match=r"T401.*SavedModel without Keras layers") as caught:
        load_model(tmp_path / "exported")
    assert "model.save('model.keras')" in str(caught.value)


def test_a_model_of_tf_keras_in_memory_is_read(tf_keras):
    model = residual(tf_keras)
    read = by_name(model)
    assert read["norm"].config["axis"] == 3
    assert [layer.class_name for layer in read.values()].count("Add") == 2
    assert {layer.config["dtype"] for layer in read.values()} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved_model"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_depthwise_and_transposed_convolutions_of_keras_2_are_those_of_keras_3(tmp_path, name):
    tf_keras = pytest.importorskip("tf_keras", reason="tf_keras is not installed")
    layers = tf_keras.layers
    inner = tf_keras.Sequential([tf_keras.Input((6, 5, 4)), layers.DepthwiseConv2D(3, activation="relu")])
    stack = [inner, layers.Conv2DTranspose(3, 2, strides=2, activation="relu"), layers.Reshape((8, 18))]
    stack += [layers.DepthwiseConv1D(3, activation="relu"), layers.Conv1DTranspose(2, 3), layers.Flatten()]
    model = tf_keras.Sequential([tf_keras.Input((6, 5, 4), name="image"), *stack, layers.Dense(3)])
    model.save(tmp_path / name)
    network = convert(tmp_path / name, method=Method("model"))  # compares with the model itself
    assert len(network.populations) == 6


@pytest.mark.parametrize(("of_1d", "with_padding"), [(False, False), (True, False), (False, True)])
def test_a_transposed_convolution_has_its_output_padding_where_keras_leaves_it_out(
    monkeypatch, of_1d, with_padding
):
    """As Keras before 3.15 does."""
    base = layers.Conv1DTranspose if of_1d else layers.Conv2DTranspose
    written = base.get_config

    def as_before(layer):
        config = written(layer)
        config.pop("output_padding", None)
        return config

    padding = (1, 1) if with_padding else None
    conv = base(2, 3, strides=2, output_padding=padding, activation="relu", name="conv")
    model = keras.Sequential([keras.Input((5, 2) if of_1d else (5, 4, 2)), conv, layers.Flatten()])
    monkeypatch.setattr(base, "get_config", as_before)
    assert by_name(model)["conv"].config["output_padding"] == padding


def test_keras_before_3_3_has_no_functions_for_nested_values(monkeypatch):
    model = residual()
    expected = calls(model)
    monkeypatch.delattr(keras, "tree")
    assert calls(model) == expected
