"""Every way to write a ReLU, a factor or a number that is added, against Keras, from memory and files."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
tf_keras = pytest.importorskip("tf_keras", reason="tf_keras is not installed")
tf = pytest.importorskip("tensorflow")

from tgenn_gen import Method, TgennError, convert  # noqa: E402
from tgenn_gen.conversion.folding import fold  # noqa: E402
from tgenn_gen.engine.ann import ann_currents  # noqa: E402
from tgenn_gen.keras_reader.loading import load_model, predict, read_model  # noqa: E402

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::UserWarning")]
of, of_2, ops = keras.layers, tf_keras.layers, keras.ops
SHAPE = (5, 4, 3)
CHANNELS = np.array([0.5, -1.25, 2], np.float32)


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def dense(library, **arguments):
    random = library.initializers.RandomNormal(stddev=0.7, seed=1)
    return library.layers.Dense(3, kernel_initializer=random, bias_initializer=random, **arguments)


def model_with(library, *functions, shape=SHAPE, dtype=None):
    """Dense, the functions one after the other, Dense."""
    image = library.layers.Input(shape, name="image", dtype=dtype)
    values = dense(library)(image) if dtype is None else image
    for function in functions:
        values = function(values)
    return library.Model(image, dense(library)(values), name="m")


def activated(library, activation):
    return model_with(library, dense(library, activation=activation))


def read_and_checked(model, x=None):
    """The model as read, after its ANN has been compared with Keras."""
    x = np.random.default_rng(0).normal(size=(6, *SHAPE)).astype(np.float32) if x is None else x
    read = read_model(model)
    folded = fold(read, Method())
    currents = {p.name: current for p, current in ann_currents(folded.network, {"image": x})}
    (expected,) = predict(model, [x])
    found = currents[folded.outputs[0].population]
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()), rtol=0)
    return read


def populations(model):
    return len(fold(read_model(model), Method()).network.populations)


def leaky(x):
    return keras.activations.leaky_relu(x, negative_slope=0.1)


def everything(x):
    return keras.activations.relu(x, negative_slope=0.25, max_value=1.5)


def clipped(x):
    return tf_keras.activations.relu(x, max_value=0.75)


# {what it is: (the Keras package, its function of a tensor)}
OPERATIONS = {
    "activations.relu": (keras, keras.activations.relu),
    "activations.relu6": (keras, keras.activations.relu6),
    "activations.leaky_relu": (keras, leaky),
    "activations.relu with a slope and a maximum": (keras, everything),
    "ops.relu": (keras, ops.relu),
    "ops.relu6": (keras, ops.relu6),
    "ops.leaky_relu": (keras, ops.leaky_relu),
    "ops.maximum(x, 0)": (keras, lambda x: ops.maximum(x, 0.0)),
    "ops.maximum(0, x)": (keras, lambda x: ops.maximum(0.0, x)),
    "ops.clip(x, 0, 1)": (keras, lambda x: ops.clip(x, 0, 1)),
    "ops.cast": (keras, lambda x: ops.cast(x, "float32")),
    "x / 4": (keras, lambda x: x / 4),
    "x * 2": (keras, lambda x: x * 2),
    "2 * x": (keras, lambda x: 2 * x),
    "x + 1": (keras, lambda x: x + 1),
    "1 + x": (keras, lambda x: 1 + x),
    "x - 1.5": (keras, lambda x: x - 1.5),
    "1.5 - x": (keras, lambda x: 1.5 - x),
    "-x": (keras, lambda x: -x),
    "x - array": (keras, lambda x: x - CHANNELS),
    "array - x": (keras, lambda x: ops.subtract(CHANNELS, x)),
    "x / array": (keras, lambda x: x / CHANNELS),
    "x * tensor": (keras, lambda x: x * tf.constant(CHANNELS.reshape(1, 1, 1, 3))),
    "Keras 2: tf.nn.relu": (tf_keras, tf.nn.relu),
    "Keras 2: tf.nn.relu6": (tf_keras, tf.nn.relu6),
    "Keras 2: tf.nn.leaky_relu": (tf_keras, tf.nn.leaky_relu),
    "Keras 2: tf.nn.leaky_relu(x, 0.1)": (tf_keras, lambda x: tf.nn.leaky_relu(x, 0.1)),
    "Keras 2: activations.relu with a slope": (tf_keras, lambda x: tf_keras.activations.relu(x, alpha=0.3)),
    "Keras 2: activations.relu with a maximum": (tf_keras, clipped),
    "Keras 2: tf.maximum(x, 0)": (tf_keras, lambda x: tf.maximum(x, 0.0)),
    "Keras 2: tf.clip_by_value": (tf_keras, lambda x: tf.clip_by_value(x, 0.0, 1.0)),
    "Keras 2: tf.identity": (tf_keras, tf.identity),
    "Keras 2: tf.cast": (tf_keras, lambda x: tf.cast(x, tf.float32)),
    "Keras 2: x / 4": (tf_keras, lambda x: x / 4),
    "Keras 2: 2 * x": (tf_keras, lambda x: 2 * x),
    "Keras 2: x + 1": (tf_keras, lambda x: x + 1),
    "Keras 2: x - 1.5": (tf_keras, lambda x: x - 1.5),
    "Keras 2: 1.5 - x": (tf_keras, lambda x: 1.5 - x),
    "Keras 2: tf.subtract with names in another order": (tf_keras, lambda x: tf.subtract(y=1.5, x=x)),
    "Keras 2: -x": (tf_keras, lambda x: -x),
    "Keras 2: x - array": (tf_keras, lambda x: x - CHANNELS),
    "Keras 2: tensor * x": (tf_keras, lambda x: tf.constant(CHANNELS) * x),
    "Keras 2: tf.add of two": (tf_keras, lambda x: tf.add(x, x)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_converted_as_the_layer_that_does_the_same(tmp_path, name):
    library, function = OPERATIONS[name]
    model = model_with(library, function)
    read = read_and_checked(model)
    for suffix in (".keras", ".h5") if library is tf_keras else (".keras",):
        model.save(tmp_path / f"m{suffix}")
        again = read_and_checked(load_model(tmp_path / f"m{suffix}"))
        assert [layer.class_name for layer in again.layers] == [layer.class_name for layer in read.layers]


ACTIVATIONS = {
    "tf.nn.relu": (keras, tf.nn.relu),
    "tf.nn.relu6": (keras, tf.nn.relu6),
    "ops.relu": (keras, ops.relu),
    "ops.leaky_relu": (keras, ops.leaky_relu),
    "ReLU": (keras, lambda: of.ReLU()),
    "ReLU(1.5)": (keras, lambda: of.ReLU(1.5)),
    "ReLU with a slope and a maximum": (keras, lambda: of.ReLU(1.5, 0.25)),
    "LeakyReLU(0.4)": (keras, lambda: of.LeakyReLU(0.4)),
    "Activation('relu6')": (keras, lambda: of.Activation("relu6")),
    "Activation(LeakyReLU)": (keras, lambda: of.Activation(of.LeakyReLU(0.4))),
    "linear": (keras, "linear"),
    "Keras 2: leaky_relu": (tf_keras, "leaky_relu"),
    "Keras 2: relu6": (tf_keras, "relu6"),
    "Keras 2: tf.nn.relu": (tf_keras, tf.nn.relu),
    "Keras 2: tf.nn.leaky_relu": (tf_keras, tf.nn.leaky_relu),
    "Keras 2: ReLU(1.5)": (tf_keras, lambda: of_2.ReLU(1.5)),
    "Keras 2: LeakyReLU(0.4)": (tf_keras, lambda: of_2.LeakyReLU(0.4)),
    "Keras 2: PReLU": (tf_keras, lambda: of_2.PReLU("random_normal", shared_axes=[1, 2])),
}


@pytest.mark.parametrize("as_layer", [False, True])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_may_be_a_name_a_function_or_a_layer(tmp_path, name, as_layer):
    library, activation = ACTIVATIONS[name]
    activation = activation() if getattr(activation, "__name__", "") == "<lambda>" else activation
    if as_layer:
        model = model_with(library, library.layers.Activation(activation))
    else:
        model = activated(library, activation)
    read_and_checked(model)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"m{suffix}")
        if suffix == ".keras" or library is tf_keras or not name.startswith(("tf.nn.", "ops.")):
            read_and_checked(load_model(tmp_path / f"m{suffix}"))


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("shared", [None, slow([1]), [1, 2], slow([1, 2, 3]), slow([3])])
@pytest.mark.parametrize("after", ["Dense", "Conv2D", "Flatten"])
def test_prelu_has_slopes_of_every_shape_and_sign(library, shared, after):
    random = library.initializers.RandomUniform(-0.5, 1.5, seed=2)
    prelu = library.layers.PReLU(random, shared_axes=shared)
    layers = {"Dense": [], "Conv2D": [library.layers.Conv2D(2, 2)], "Flatten": [library.layers.Flatten()]}
    model = model_with(library, prelu, *layers[after])
    read_and_checked(model)
    assert populations(model) == 3


def test_prelu_as_the_activation_is_converted_where_keras_has_its_slopes():
    model = activated(keras, of.PReLU("random_normal", shared_axes=[1, 2]))
    with pytest.raises(TgennError, match="without its slopes"):
        read_and_checked(model)
    model(np.zeros((1, *SHAPE)))
    read_and_checked(model)


def test_prelu_whose_slopes_are_0_is_a_relu():
    assert populations(model_with(keras, of.PReLU())) == 2


AUGMENTATION = {
    "RandomBrightness": (0.3,),
    "RandomContrast": (0.3,),
    "RandomCrop": (5, 4),
    "RandomFlip": (),
    "RandomRotation": (0.2,),
    "RandomTranslation": (0.2, 0.2),
    "RandomZoom": (0.3,),
    "Resizing": (5, 4),
}


@pytest.mark.parametrize("library", [keras, slow(tf_keras)])
def test_augmentation_is_left_out_and_said(tmp_path, library):
    layers = [getattr(library.layers, name)(*of) for name, of in AUGMENTATION.items()]
    model = model_with(library, *layers, library.layers.ReLU())
    model.save(tmp_path / "m.keras")
    for each in (model, load_model(tmp_path / "m.keras")):
        read_and_checked(each)
        notes = fold(read_model(each), Method()).notes
        assert [note.split()[1] for note in notes if "nothing at inference" in note] == [*AUGMENTATION]


@pytest.mark.parametrize("name", [n for n in dir(of) if n.startswith("Random")])
def test_every_random_layer_of_keras_3_is_left_out_where_keras_does_nothing(name):
    try:
        layer = getattr(of, name)(*AUGMENTATION.get(name, ()))
    except TypeError:
        layer = getattr(of, name)(*[1] * (2 if name == "RandomShear" else 1))
    read_and_checked(model_with(keras, layer))


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("size", [(5, 4), (3, 4), (2, 1), (4, 3)])
def test_a_center_crop_is_a_crop(library, size):
    read_and_checked(model_with(library, library.layers.CenterCrop(*size)))


@pytest.mark.parametrize("name", ["Resizing", "CenterCrop"])
def test_a_layer_that_resizes_is_refused_with_the_sizes(name):
    model = model_with(keras, getattr(of, name)(6, 8))
    with pytest.raises(
        TgennError, match=rf"{name} from \(5, 4, 3\) to \(6, 8, 3\).*\n.*bring the data to that size"
    ):
        convert(model, method=Method(normalize="none"))


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("dtype", ["uint8", slow("int32")])
@pytest.mark.parametrize("after", ["Rescaling", "x / 255", "cast", "Flatten"])
def test_an_input_of_whole_numbers_takes_them_as_they_are(tmp_path, library, dtype, after):
    cast = (lambda x: ops.cast(x, "float32")) if library is keras else (lambda x: tf.cast(x, "float32"))
    functions = {
        "Rescaling": [library.layers.Rescaling(1 / 255)],
        "x / 255": [cast, lambda x: x / 255],
        "cast": [cast],
        "Flatten": [library.layers.Flatten(), cast],
    }
    model = model_with(library, *functions[after], dense(library, activation="relu"), dtype=dtype)
    x = np.random.default_rng(0).integers(0, 256, (6, *SHAPE)).astype(np.float32)
    read_and_checked(model, x)
    model.save(tmp_path / "m.keras")
    read_and_checked(load_model(tmp_path / "m.keras"), x)
    for data in (x.astype(np.uint8), None):
        network = convert(model, data, Method(normalize="none" if data is None else "data"))
        assert network.inputs[0].uint8_divisor == 1


def test_integer_inputs_take_whole_numbers_and_truth_values_are_refused():
    def model(dtype):
        return keras.Sequential([keras.Input((6,), dtype=dtype), of.Dense(3, "relu"), of.Dense(2)], name="m")

    x = np.random.default_rng(0).random((40, 6))
    for dtype in ("int8", "uint16"):
        assert convert(model(dtype), method=Method("none")).inputs[0].uint8_divisor == 1
        assert convert(model(dtype), (100 * x).astype(dtype), Method("data")).inputs[0].uint8_divisor == 1
        with pytest.raises(TgennError, match=rf"T508\]: the model's input has dtype {dtype}, .* not whole"):
            convert(model(dtype), x.astype(np.float32), Method("data"))
    with pytest.raises(TgennError, match=r"T404\]: dtype bool is not supported"):
        convert(model("bool"), method=Method("none"))


def test_a_maximum_of_an_array_of_zeros_may_change_the_shape_and_is_refused():
    model = model_with(keras, lambda x: ops.maximum(x, np.zeros((2, *x.shape[1:]), np.float32)))
    with pytest.raises(TgennError, match=r"T404\]: keras.ops.Maximum layers are not supported"):
        convert(model, method=Method("none"))


def test_the_scaled_sum_of_inception_resnet_is_converted(tmp_path):
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    model = model_with(keras, of.ReLU(), lambda x: CustomScaleLayer(0.17)([x, dense(keras)(x)]))
    model.save(tmp_path / "m.keras")
    for each in (model, load_model(tmp_path / "m.keras")):
        read_and_checked(each)


REFUSED = {
    "sums of whole numbers wrap around": (
        lambda: model_with(keras, lambda x: of.Add()([x, x]), of.Flatten(), dtype="uint8"),
        "dtype uint8 is not supported",
    ),
    "products of whole numbers": (
        lambda: model_with(keras, lambda x: x * 2, of.Flatten(), dtype="uint8"),
        "dtype uint8 is not supported",
    ),
    "a cast to whole numbers": (
        lambda: model_with(keras, lambda x: ops.cast(x, "int32"), lambda x: ops.cast(x, "float32")),
        "dtype int32 is not supported",
    ),
    "Keras 2: a cast to whole numbers": (
        lambda: model_with(tf_keras, lambda x: tf.cast(x, tf.int32), lambda x: tf.cast(x, tf.float32)),
        "dtype int32 is not supported",
    ),
    "a quotient": (lambda: model_with(keras, lambda x: 1 / (x + 9)), "divided by numbers other than 0 only"),
    "a number other than 0": (lambda: model_with(keras, lambda x: ops.maximum(x, 0.5)), "of a tensor and 0"),
    "clipping from another number on": (lambda: model_with(keras, lambda x: ops.clip(x, -1, 1)), "from 0 on"),
    "a product of two tensors": (
        lambda: model_with(keras, lambda x: of.Multiply()([x, x])),
        "Multiply layers are not supported.*cannot multiply two activations",
    ),
    "Keras 2: a product of two tensors": (
        lambda: model_with(tf_keras, lambda x: x * x),
        "tf.math.multiply layers are not supported.*cannot multiply two activations",
    ),
    "a threshold": (
        lambda: activated(keras, of.ReLU(threshold=0.5)),
        "ReLU with threshold=0.5, which neurons cannot express",
    ),
    "a maximum of 0": (
        lambda: model_with(keras, lambda x: keras.activations.relu(x, max_value=0)),
        "ReLU with max_value=0",
    ),
    "a function of one's own": (lambda: activated(keras, lambda x: ops.relu(x)), "use one of Keras' own"),
    "ELU as the activation": (lambda: activated(keras, of.ELU()), "activation ELU is not supported"),
    "recurrence": (
        lambda: model_with(keras, of.GRU(3), shape=(4, 3)),
        "GRU layers are recurrent.*\n.*use Conv1D over the steps",
    ),
    "recurrence in both directions": (
        lambda: model_with(tf_keras, of_2.Bidirectional(of_2.LSTM(3)), shape=(4, 3)),
        "Bidirectional layers are recurrent",
    ),
    "attention": (
        lambda: model_with(keras, lambda x: of.MultiHeadAttention(2, 3)(x, x), shape=(4, 3)),
        "MultiHeadAttention layers multiply activations",
    ),
    "an embedding": (
        lambda: model_with(keras, of.Embedding(9, 3), shape=(4,), dtype="int32"),
        "Embedding layers are not supported\n.*give the embedded vectors",
    ),
    "a layer for each step": (
        lambda: model_with(keras, of.TimeDistributed(of.Dense(3)), shape=(4, 3)),
        "TimeDistributed layers are not supported\n.*use Dense without it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_layer_is_refused_with_a_hint(case):
    make, message = REFUSED[case]
    with pytest.raises(TgennError, match=f"T404.*{message}" if "\n" in message else f"(?s)T404.*{message}"):
        convert(make(), method=Method(normalize="none"))


@pytest.mark.parametrize(
    "function", [ops.relu6, lambda x: x / 4, lambda x: x + 1, lambda x: x * 2, lambda x: x + x]
)
def test_for_operations_in_an_h5_file_which_keras_cannot_read_the_hint_is_to_save_it_as_keras(
    tmp_path, function
):
    model_with(keras, function).save(tmp_path / "m.h5")
    with pytest.raises(
        TgennError, match=r"(?s)Keras cannot read (the operation|operations).*save the model as \.keras"
    ):
        load_model(tmp_path / "m.h5")
