"""Models and options that cannot be used: the whole message, and nothing written."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from limits import seconds
from model_files import chain, change_config, rewrite
from refusals import refused

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers
SUPPORTED = "tgenn layers lists the supported layers"
IMAGE = keras.Input((6, 5, 2), name="image")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_tiny(path)
    return path


@pytest.fixture
def export(tmp_path, capsys):
    """What `tgenn export` says of a model and options that it refuses."""

    def run(model, *options: object) -> str:
        options = options or ("--normalize", "model")
        return refused(tmp_path, capsys, model, "--output", tmp_path / "out", *options)

    return run


def save_tiny(path):
    chain(layers.Dense(3, "relu", name="hidden"), layers.Dense(2, name="last"), shape=(4,)).save(path)


# Files.


WEIGHTS = "model.weights.h5"


def rewritten(entry, *content):
    """A .keras file with another content of an entry, or without it."""

    def write(path):
        save_tiny(path)
        rewrite(path, lambda entries: entries.update({entry: content[0]}) if content else entries.pop(entry))

    return write


def other_weights(path):
    save_tiny(path)
    change_config(path, lambda model: model["config"]["layers"][-1]["config"].update(units=5))


def empty_hdf5(path):
    import h5py

    h5py.File(path, "w").close()


def cut_off(length):
    def write(path):
        save_tiny(path)
        path.write_bytes(path.read_bytes()[:length])

    return write


def save_weights(path):
    chain(layers.Dense(3), shape=(4,)).save_weights(path)


SAVE = "\n  hint: save it with model.save('model.keras')"
GIVE = "\n  hint: give the path of a .keras or .h5 file"
VERSION = "\n  hint: open it with the Keras version that saved it, and save it again"
WHOLE = "\n  hint: the file may contain only weights: save the whole model with model.save"
NO_CONFIG = f"Keras cannot load it: No model config found in the file at PATH.{WHOLE}"
FOLDER = "is a folder, not a Keras model\n  hint: give a .keras or .h5 file or a SavedModel"
SUFFIX, EXPECTED = "its name ends in", f"expected .keras or .h5{SAVE}"
NOT_JSON = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
NO_WEIGHTS = "it contains no model.weights.h5\n  hint: save the model again with Keras, as .keras"
NO_ARCHIVE = f"is not a .keras file: it is not a zip archive{SAVE}"

FILES = {
    "nothing": ("m.keras", lambda path: None, f"there is no such file{GIVE}"),
    "a link to nothing": ("m.keras", lambda path: path.symlink_to("nowhere"), f"there is no such file{GIVE}"),
    # Opening a pipe would wait for a writer for ever.
    "a pipe": ("m.keras", os.mkfifo, f"is not a regular file{GIVE}"),
    "a pipe named .h5": ("m.h5", os.mkfifo, f"is not a regular file{GIVE}"),
    "a folder": ("m", os.mkdir, FOLDER),
    "another suffix": ("m.npz", lambda path: path.touch(), f"{SUFFIX} '.npz', {EXPECTED}"),
    "no suffix": ("m", lambda path: path.touch(), f"{SUFFIX} '', {EXPECTED}"),
    # Keras goes by the suffix as well, and knows lower case alone: it cannot load these.
    ".KERAS": ("M.KERAS", lambda path: path.touch(), f"{SUFFIX} '.KERAS', {EXPECTED}"),
    ".H5": ("M.H5", lambda path: path.touch(), f"{SUFFIX} '.H5', {EXPECTED}"),
    "an empty .keras": ("m.keras", lambda path: path.touch(), NO_ARCHIVE),
    "a cut off .keras": ("m.keras", cut_off(-30), NO_ARCHIVE),
    "text named .h5": ("m.h5", lambda path: path.write_text("hello"), f"is not an HDF5 file{SAVE}"),
    "a cut off .h5": ("m.h5", cut_off(3000), "HDF5 cannot read it: "),
    "HDF5 of nothing": ("m.h5", empty_hdf5, NO_CONFIG),
    "HDF5 of weights alone": ("m.weights.h5", save_weights, NO_CONFIG),
    "an empty configuration": ("m.keras", rewritten("config.json", b"{}"), "Keras cannot load it: "),
    "no JSON": ("m.keras", rewritten("config.json", b"{"), f"Keras cannot load it: {NOT_JSON}{VERSION}"),
    "no weights": ("m.keras", rewritten(WEIGHTS), NO_WEIGHTS),
    # Keras' message has several lines, the reason in the third.
    "weights of other layers": ("m.keras", other_weights, "Keras cannot load it: ", "(3, 5)", "(3, 2)"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_model_is_refused(tmp_path, case, export):
    name, write, expected, *further = FILES[case]
    path = tmp_path / name
    write(path)
    with seconds(20):
        said = export(path)
    start = f"{path}: error[T401]: {expected.replace('PATH', str(path))}"
    assert said == f"{start}\n" if "hint" in expected else said.startswith(start)
    assert said.count("\n") == 2 and all(text in said for text in further)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_without_tensorflow_one_line_says_what_to_install(tmp_path, capsys, monkeypatch, name):
    """TensorFlow brings h5py."""
    save_tiny(tmp_path / name)
    for missing in ("keras", "h5py"):
        monkeypatch.setitem(sys.modules, missing, None)
    assert main(["check", str(tmp_path / name)]) == 3
    assert capsys.readouterr().err == (
        "error: reading a Keras model needs TensorFlow (import of h5py halted; None in sys.modules): "
        "pip install 'tgenn-gen[keras]'\n"
    )


# Layers.


def relu(x):
    """Not Keras' own, though its name is the same."""
    return 2 * keras.ops.relu(x)


class Own(layers.Layer):
    def call(self, x):
        return x


def diverged():
    model = chain(layers.Dense(3, name="d"), shape=(4,))
    model.layers[0].set_weights([np.zeros((4, 3)), np.array([0, np.nan, 0])])
    return model


def added():
    """A sum that broadcasts."""
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(IMAGE)
    return keras.Model(IMAGE, layers.Add(name="add")([IMAGE, pooled]), name="m")


def tanh_read_twice():
    """Two outputs: the tanh, and a layer after it."""
    x = keras.Input((4,), name="image")
    y = layers.Dense(3, "tanh", name="a")(x)
    return keras.Model(x, [y, layers.Dense(2, name="b")(y)], name="m")


def squared():
    keras.utils.clear_session()  # the operation's name has no number
    x = keras.Input((4,), name="image")
    return keras.Model(x, layers.Dense(3)(x * x), name="m")


def at(layer: str, message: str, hint: str) -> str:
    return f"layer '{layer}': error[T404]: {message}\n  hint: {hint}"


def in_the_middle(layer: str, function: str, reader: str) -> str:
    return at(
        layer,
        f"{function} in the middle of the network: {reader} reads it",
        f"{function} is supported only at an output: use relu, and train again",
    )


ACTIVATION = "use relu, or linear, softmax, sigmoid or tanh at the output, and train again"
OWN = "use one of Keras' own, such as 'relu' or layers.LeakyReLU(0.1): the weights stay valid"
BROADCAST = "give them the same shape: broadcasting is not supported"
FIXED = "build the model with keras.Input(shape=...) without None"
NEAREST = "use interpolation='nearest', or a Conv2DTranspose, and train again"
POOLING = (
    "max-pooling of values that may be negative needs calibration data",
    "give `calibration='TRAINING.npz'`, or train again with a ReLU before the max-pooling or right after it",
)
FIRST = ("data_format 'channels_first' is not supported", "use data_format='channels_last'")
NOTHING = (
    "error[T407]: nothing to convert: the model has no layer that computes something\n"
    "  hint: give a model with trained layers"
)
NORM = (
    "LayerNormalization layers are not supported",
    "use BatchNormalization, which can be folded into weights, and train again",
)
THRESHOLD = (
    "ReLU with threshold=0.5, which neurons cannot express",
    "use ReLU without threshold, and train again",
)

MODELS = {
    "channels first": (
        lambda: chain(layers.AveragePooling2D(2, data_format="channels_first", name="pool")),
        at("pool", *FIRST),
    ),
    "convolution with channels first": (
        lambda: chain(
            layers.Conv2D(2, 2, activation="relu", data_format="channels_first", name="c"),
            layers.Flatten(data_format="channels_first", name="f"),
            layers.Dense(2),
        ),
        at("c", *FIRST),
        at("f", *FIRST),
    ),
    "another function named relu": (
        lambda: chain(layers.Dense(3, activation=relu, name="d"), shape=(4,)),
        at("d", "activation relu (not Keras' own) is not supported", OWN),
    ),
    "activations that are not supported, as attributes and as layers": (
        lambda: chain(
            layers.Dense(3, "gelu", name="a"),
            layers.Activation("elu", name="b"),
            layers.ELU(name="c"),
            layers.Dense(2, name="d"),
            shape=(4,),
        ),
        at("a", "activation gelu is not supported", ACTIVATION),
        at("b", "activation elu is not supported", ACTIVATION),
        at("c", "ELU layers are not supported", "use LeakyReLU, PReLU or ReLU, and train again"),
    ),
    "ReLU with everything": (
        lambda: chain(layers.Dense(3), layers.ReLU(6, 0.25, 0.5, name="r"), layers.Dense(2), shape=(4,)),
        at("r", *THRESHOLD),
    ),
    "ReLU that is always 0": (
        lambda: chain(layers.Dense(3), layers.ReLU(max_value=0, name="r"), layers.Dense(2), shape=(4,)),
        at("r", "ReLU with max_value=0", "use ReLU without max_value, and train again"),
    ),
    "a layer of one's own": (
        lambda: chain(Own(name="own"), layers.Flatten(), layers.Dense(3)),
        at("own", "Own (not Keras' own) layers are not supported", SUPPORTED),
    ),
    "recurrence": (
        lambda: chain(layers.LSTM(3, name="l"), layers.Dense(2), shape=(4, 3)),
        at(
            "l",
            "LSTM layers are recurrent: converted networks have no state between steps of data",
            "use Conv1D over the steps with relu, and train again",
        ),
    ),
    "softmax inside": (
        lambda: chain(layers.Dense(3, "softmax", name="a"), layers.Dense(2, name="b"), shape=(4,)),
        in_the_middle("a", "softmax", "b"),
    ),
    "sigmoid and tanh inside, as attributes and as layers": (
        lambda: chain(
            layers.Dense(3, "sigmoid", name="a"),
            layers.Dropout(0.5),
            layers.Dense(2, name="b"),
            layers.Activation("tanh", name="c"),
            layers.ReLU(name="d"),
            layers.Dense(2, "tanh", name="e"),
            layers.Softmax(name="f"),
            shape=(4,),
        ),
        in_the_middle("a", "sigmoid", "b"),
        in_the_middle("c", "tanh", "d"),
        in_the_middle("e", "tanh", "f"),
    ),
    "an output that another layer reads": (
        lambda: tanh_read_twice(),
        in_the_middle("a", "tanh", "b"),
    ),
    "softmax that is flattened": (
        lambda: chain(layers.Conv2D(3, 2, activation="softmax", name="a"), layers.Flatten(name="b")),
        in_the_middle("a", "softmax", "b"),
    ),
    "softmax whose classes are reshaped": (
        lambda: chain(layers.Dense(6, "softmax", name="a"), layers.Reshape((2, 3), name="b"), shape=(4,)),
        in_the_middle("a", "softmax", "b"),
    ),
    "sigmoid that is padded": (
        lambda: chain(layers.Conv2D(3, 2, activation="sigmoid", name="a"), layers.ZeroPadding2D(1, name="b")),
        in_the_middle("a", "sigmoid", "b"),
    ),
    "softmax over another axis": (
        lambda: chain(layers.Conv2D(3, 2, name="c"), layers.Softmax(axis=1, name="s")),
        at("s", "Softmax over axis 1, expected the last one", "use axis=-1"),
    ),
    "BatchNormalization over another axis": (
        lambda: chain(layers.BatchNormalization(axis=1, name="n"), layers.Flatten(), layers.Dense(3)),
        at("n", "BatchNormalization over axis 1, expected the last one", "use axis=-1"),
    ),
    "weights that are not finite": (
        diverged,
        at("d", "NaN or infinity in bias", "train the model again: its training diverged"),
    ),
    "arithmetic on tensors": (
        squared,
        at(
            "multiply",
            "keras.ops.Multiply layers are not supported",
            "spiking neurons cannot multiply two activations: use Add, and train again",
        ),
    ),
    "a named output": (
        lambda: keras.Model(IMAGE, {"ab": layers.MaxPooling2D(2, name="p")(IMAGE)}, name="m"),
        at("p", *POOLING),
    ),
    "max-pooling between convolutions without a ReLU": (
        lambda: chain(layers.Conv2D(3, 2), layers.MaxPooling2D(2, name="p"), layers.Conv2D(2, 2, name="c")),
        at("p", *POOLING),
    ),
    "windows larger than neurons take": (
        lambda: chain(layers.ReLU(), layers.MaxPooling2D((17, 2), strides=1, name="p"), shape=(40, 5, 2)),
        at(
            "p",
            "max-pooling windows of 17 elements on an axis, expected at most 15",
            "pool in two steps with smaller windows",
        ),
    ),
    "an Add that broadcasts": (
        added,
        at("add", "Add of tensors of different shapes, (6, 5, 2), (1, 1, 2)", BROADCAST),
    ),
    "variable input": (
        lambda: chain(layers.Conv2D(3, 2), shape=(None, 5, 2)),
        at("image", "the input shape (None, 5, 2) is not fixed", FIXED),
    ),
    "nothing to convert": (lambda: chain(layers.Dropout(0.5), shape=(4,)), NOTHING),
    "the input as the output": (lambda: keras.Model(IMAGE, IMAGE, name="m"), NOTHING),
    "no input shape": (
        lambda: keras.Sequential([layers.Dense(3)], name="m"),
        "model 'm': error[T403]: the model has no input shape\n  hint: start it with keras.Input(shape=...)",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_be_converted_is_refused_by_layer(case):
    make, *expected = MODELS[case]
    with pytest.raises(TgennError) as caught:
        convert(make(), method=Method(normalize="model"))
    assert [str(d).removeprefix("m: ") for d in caught.value.diagnostics] == expected


def test_all_that_is_not_supported_in_a_file_is_said_at_once_by_check_too(tmp_path, export, capsys):
    path = tmp_path / "m.keras"
    chain(
        layers.UpSampling2D(2, interpolation="bilinear", name="bilinear"),
        layers.MaxPooling2D(2, name="max_pool"),
        layers.Conv2D(4, 3, activation="tanh", name="tanh"),
        layers.ReLU(max_value=6, threshold=0.5, name="relu6"),
        layers.Flatten(name="flatten"),
        layers.LayerNormalization(name="a\x1b[2J\nb"),
        layers.Dense(3, activation="sigmoid", name="last"),
        layers.Dense(2, name="after"),
        shape=(12, 12, 2),
    ).save(path)
    expected = [
        in_the_middle("tanh", "tanh", "relu6"),
        in_the_middle("last", "sigmoid", "after"),
        at("a\\x1b[2J\\nb", *NORM),
        at("bilinear", "interpolation 'bilinear' is not supported", NEAREST),
        at("relu6", *THRESHOLD),
    ]
    said = export(path)
    assert sorted(said.split(f"{path}: ")[1:]) == sorted(f"{line}\n" for line in expected)
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == said


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TgennError) as caught:
        convert(Mine(name="mine"), method=Method(normalize="model"))
    assert str(caught.value) == (
        "model 'mine': error[T402]: Mine is neither a Sequential nor a functional Keras model\n"
        "  hint: write it as keras.Sequential([...]) or with the functional API"
    )
    with pytest.raises(TgennError, match=r"T402.*int is neither"):
        convert(3, method=Method(normalize="model"))


# Options.

NORMALIZATIONS = (
    "none, model, data, percentile:P, mse, ltb, spike_norm, tensor_genn, as_trained; P in (0, 100]"
)


@pytest.mark.parametrize(
    "method",
    ["", "Data", "percent:9"] + [f"percentile{p}" for p in ("", ":0", ":101", ":nan", ":-1", ":1e1")],
)
def test_a_word_that_is_no_normalization_is_refused(export, method):
    """Before the model is looked at: there is none."""
    assert export("no.keras", "--normalize", method) == (
        f"options: error[T408]: unknown normalization '{method}': use {NORMALIZATIONS}\n"
    )


def test_a_normalization_without_the_data_that_it_needs_is_refused(export):
    assert export("no.keras", "--normalize", "data") == (
        "options: error[T408]: normalization 'data' needs calibration data\n"
        "  hint: give --calibration TRAINING.npz, or use --normalize model, which needs many time steps\n"
    )


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--timesteps", "0", "--timesteps: expected a whole number above 0, got '0'"),
        ("--dt", "-1", "--dt: expected a number above 0, got '-1'"),
        ("--uint8-divisor", "nan", "--uint8-divisor: expected a number above 0, got 'nan'"),
        # 0 and infinity in float32
        ("--uint8-divisor", "1e-320", "uint8"),
        ("--uint8-divisor", "1e300", "uint8"),
        ("--reset", "soft", "--reset: expected subtract, zero, to_rest, got 'soft'"),
        ("--readout", "spikes", "--readout: expected membrane, spike_count, first_spike, got 'spikes'"),
        ("--v-init", "nan", "--v-init: expected a number of at most 1e+30, got 'nan'"),
        ("--v-init", "inf", "--v-init: expected a number of at most 1e+30, got 'inf'"),
        ("--v-init", "-inf", "--v-init: expected a number of at most 1e+30, got '-inf'"),
        ("--name", "a b", "network 'a b': error[T116]: name: name is \"a b\", expected letters"),
        ("--name", "../x", "network '../x': error[T116]: name: name is \"../x\", expected letters"),
        ("--dt", "1e6", "error[T114]: simulation.dt: dt is 1000000.0, expected at most 1000\n"),
        ("--timesteps", "1000000", "simulation.timesteps: timesteps is 1000000, expected at most 100000\n"),
    ],
)
def test_an_option_out_of_range_is_refused(model_file, export, option, value, expected):
    assert expected in export(model_file, "--normalize", "model", f"{option}={value}")


def test_calibration_data_is_checked_to_its_end_where_the_method_does_not_need_it(
    tmp_path, model_file, export
):
    path, x = tmp_path / "data.npz", np.zeros((20, 4), np.float32)
    x[17, 2] = np.inf
    np.savez(path, x=x)
    said = export(model_file, "--normalize", "none", "--calibration", path)
    assert said.startswith(f"{path}: error[T505]: example 17 holds NaN or infinity")
