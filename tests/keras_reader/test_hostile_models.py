"""More models, calibration data and folders that cannot be used: what test_invalid_models.py does not have."""

# ruff: noqa: E501  (what is said stands in one piece)
from __future__ import annotations

import json
import os
import signal
import sys
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen.cli.main import export_main, main  # noqa: E402
from tgenn_gen.keras_reader.model_file import _fields  # noqa: E402

pytestmark = [pytest.mark.keras, pytest.mark.slow]
layers = keras.layers
SUPPORTED = "tgenn layers lists what is supported"
SAVE = "\n  hint: save it with model.save('model.keras')\n"
WEIGHTS = "\n  hint: it may hold weights alone: save the whole model with model.save\n"
VERSION = "\n  hint: open it with the Keras version that saved it, and save it again\n"


def chain(*stack, shape=(4,)):
    return keras.Sequential([keras.Input(shape, name="image"), *stack], name="m")


def save_tiny(path):
    chain(layers.Dense(3, "relu", name="hidden"), layers.Dense(2, name="last")).save(path)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_tiny(path)
    return path


@pytest.fixture
def export(tmp_path, capsys):
    """tgenn-export into tmp_path/out: what it says. It refuses, and nothing is there that was not before."""

    def run(model, *options: object, output="out") -> str:
        before = {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")}
        arguments = [model, "--output", tmp_path / output, *(options or ("--normalize", "model"))]
        try:
            status = export_main([str(a) for a in arguments])
        except SystemExit as end:
            status = end.code
        captured = capsys.readouterr()
        assert {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")} == before
        assert (status, captured.out) == (2, "")
        return captured.err

    return run


@contextmanager
def seconds(limit: int):
    """Fail, rather than wait for ever."""

    def give_up(*_):
        pytest.fail(f"still waiting after {limit} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# Files.


def without(member: str):
    def write(path):
        save_tiny(path)
        with zipfile.ZipFile(path) as archive:
            kept = {n: archive.read(n) for n in archive.namelist() if n != member}
        rewrite(path, kept)

    return write


def with_config(change):
    def write(path):
        save_tiny(path)
        with zipfile.ZipFile(path) as archive:
            content = {n: archive.read(n) for n in archive.namelist()}
        rewrite(path, {**content, "config.json": change(content["config.json"])})

    return write


def rewrite(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def empty_h5(path):
    import h5py

    h5py.File(path, "w").close()


def upper(path):
    save_tiny(path.with_suffix(path.suffix.lower()))
    path.with_suffix(path.suffix.lower()).rename(path)


FILES = {
    "an empty file": (
        "m.keras",
        lambda path: path.touch(),
        f"is not a .keras file: it is not a zip archive{SAVE}",
    ),
    "an empty .h5": ("m.h5", lambda path: path.touch(), f"is not an HDF5 file{SAVE}"),
    "a link to nothing": (
        "m.keras",
        lambda path: path.symlink_to("nowhere"),
        "there is no such file\n  hint: give the path of a .keras or .h5 file\n",
    ),
    "another suffix": (
        "m.weights.npz",
        lambda path: np.savez(path, x=np.zeros(3)),
        f"is not a Keras model: its name ends in '.npz'{SAVE}",
    ),
    "no weights": (
        "m.keras",
        without("model.weights.h5"),
        f"Keras cannot load it: Expected a model.weights.h5 or model.weights.npz file.{VERSION}",
    ),
    "a configuration that is not JSON": (
        "m.keras",
        with_config(lambda _: b"{"),
        f"Keras cannot load it: Expecting property name enclosed in double quotes: line 1 column 2 (char 1){VERSION}",
    ),
    "HDF5 that holds nothing": (
        "m.h5",
        empty_h5,
        f"Keras cannot load it: No model config found in the file at PATH.{WEIGHTS}",
    ),
    "HDF5 that holds weights alone": (
        "m.weights.h5",
        lambda path: chain(layers.Dense(3)).save_weights(path),
        f"Keras cannot load it: No model config found in the file at PATH.{WEIGHTS}",
    ),
    # Keras goes by the suffix as well, and knows lower case alone: it cannot load these.
    ".KERAS": ("M.KERAS", upper, f"is not a Keras model: its name ends in '.KERAS'{SAVE}"),
    ".H5": ("M.H5", upper, f"is not a Keras model: its name ends in '.H5'{SAVE}"),
    # Opening a pipe would wait for a writer for ever.
    "a pipe": (
        "m.keras",
        os.mkfifo,
        "is not a regular file\n  hint: give the path of a .keras or .h5 file\n",
    ),
    "a pipe named .h5": (
        "m.h5",
        os.mkfifo,
        "is not a regular file\n  hint: give the path of a .keras or .h5 file\n",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_model_is_refused(tmp_path, case, monkeypatch, capsys):
    name, write, expected = FILES[case]
    path = tmp_path / name
    write(path)
    with seconds(3):
        status = export_main([str(path), "--normalize", "model", "--output", str(tmp_path / "out")])
    assert capsys.readouterr().err == f"{path}: error[T401]: {expected.replace('PATH', str(path))}"
    assert status == 2 and list(tmp_path.iterdir()) == [path]


class Own(layers.Layer):
    def call(self, x):
        return x


class Mine(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def subclassed(path):
    model = Mine(name="mine")
    model(np.zeros((1, 4), np.float32))
    model.save(path)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_layer_of_ones_own_in_a_file_is_refused_by_name(tmp_path, export, name):
    path = tmp_path / name
    chain(Own(name="own"), layers.Dense(2)).save(path)
    assert (
        export(path)
        == f"{path}: layer 'own': error[T404]: Own layers are not supported\n  hint: {SUPPORTED}\n"
    )


def test_a_subclassed_model_in_a_file_is_refused_by_its_class(tmp_path, export):
    """As it is in memory: the user must know which class is meant."""
    path = tmp_path / "m.keras"
    subclassed(path)
    said = export(path)
    assert said.startswith(f"{path}: error[T40") and said.count("\n") == 2
    assert "Mine" in said.split("\n")[0]


def test_weights_that_do_not_fit_the_layers_are_said_with_the_reason(tmp_path, export):
    """Keras' message has several lines, the reason in the third."""
    path = tmp_path / "m.keras"
    with_config(lambda config: config.replace(b'"units": 2', b'"units": 5'))(path)
    said = export(path)
    assert said.startswith(f"{path}: error[T401]: Keras cannot load it: ")
    assert "(3, 5)" in said and "(3, 2)" in said
    assert said.endswith(VERSION) and said.count("\n") == 2


@pytest.mark.parametrize(("name", "missing"), [("m.keras", "h5py"), ("m.h5", "h5py")])
def test_without_tensorflow_one_line_says_what_to_install(tmp_path, capsys, monkeypatch, name, missing):
    """TensorFlow brings h5py."""
    save_tiny(tmp_path / name)
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert main(["check", str(tmp_path / name)]) == 3
    assert capsys.readouterr().err == (
        f"error: reading a Keras model needs TensorFlow (import of {missing} halted; None in sys.modules): "
        "pip install 'tgenn-gen[keras]'\n"
    )


# Models of Keras 2.


@pytest.fixture
def tf_keras():
    return pytest.importorskip("tf_keras", reason="tf_keras is not installed")


KINDS = ["m.keras", "m.h5", "saved_model"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_code_in_a_model_of_keras_2_is_never_run(tmp_path, tf_keras, export, name, nested):
    ran = tmp_path / "ran"

    def leave_a_trace(x, path=str(ran)):
        import pathlib

        pathlib.Path(path).touch()
        return x

    stack = [tf_keras.Input((4,)), tf_keras.layers.Lambda(leave_a_trace, name="code")]
    model = tf_keras.Sequential(stack, name="inner")
    if nested:
        model = tf_keras.Sequential([tf_keras.Input((4,)), model, tf_keras.layers.Dense(2)])
    path = tmp_path / name
    model.save(path)
    assert ran.exists()
    ran.unlink()
    assert export(path) == (
        f"{path}: layer 'code': error[T404]: Lambda layers are not supported\n"
        "  hint: use a Keras layer: code in a model is never run\n"
    )
    assert main(["check", str(path)]) == 2
    assert not ran.exists()


def changed_config(path, change):
    """Replace the model's configuration in a file of Keras 2 by what `change` makes of it."""
    if path.is_dir():
        change_saved_model(path / "keras_metadata.pb", change)
    elif path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            content = {n: archive.read(n) for n in archive.namelist()}
        config = change(json.loads(content["config.json"]))
        rewrite(path, {**content, "config.json": json.dumps(config)})
    else:
        import h5py

        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = json.dumps(change(json.loads(file.attrs["model_config"])))


def change_saved_model(path, change):
    """Of a SavedModel's metadata, the node of the model itself."""
    _, root = next(
        field for field in _fields(path.read_bytes()) if b"root" in dict(_fields(field[1])).values()
    )
    described = json.loads(dict(_fields(root))[5])
    described["config"] = change({"config": described["config"]})["config"]
    node = protobuf_field(3, b"root") + protobuf_field(5, json.dumps(described).encode())
    path.write_bytes(protobuf_field(1, node))


def protobuf_field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


CALLS = {
    "a function": ("TFOpLambda", {"name": "evil", "function": "io.gfile.makedirs"}),
    "a function without a name": ("TFOpLambda", {"name": "", "function": "io.gfile.makedirs"}),
    "a method": ("InstanceMethod", {"name": "evil", "method_symbol": "join"}),
    "a method of a class": ("ClassMethod", {"name": "evil", "cls_symbol": "Variable", "method_name": "x"}),
    "a slice": ("SlicingOpLambda", {"name": "evil", "function": "io.gfile.makedirs"}),
    "a class that is not listed": ("StringLookup", {"name": "evil", "vocabulary": "/etc/hostname"}),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_functions_of_tensorflow_in_a_model_of_keras_2_are_never_called(
    tmp_path, tf_keras, export, name, call
):
    """Keras 2 calls whatever function of TensorFlow a layer names, with the constants it is given."""
    ran, path = tmp_path / "ran", tmp_path / name
    x = tf_keras.Input((4,))
    tf_keras.Model(x, tf_keras.layers.Dense(4, name="dense")(x), name="m").save(path)
    class_name, config = CALLS[call]
    node = [["_CONSTANT_VALUE", -1, str(ran), {}]]
    evil = {"class_name": class_name, "name": "evil", "config": config, "inbound_nodes": node}

    def with_evil(model):
        layers = [*model["config"]["layers"], evil]
        return {**model, "config": {**model["config"], "layers": layers}}

    changed_config(path, with_evil)
    assert "error[T404]" in export(path)
    assert main(["check", str(path)]) == 2
    assert not ran.exists()


def test_a_function_that_is_no_activation_is_not_looked_up(tmp_path, export):
    """Keras finds any function of a module that a file names, such as builtins.eval."""
    function = {"class_name": "function", "module": "builtins", "config": "eval", "registered_name": "eval"}
    path = tmp_path / "m.keras"
    with_config(
        lambda c: c.replace(b'"activation": "relu"', b'"activation": ' + json.dumps(function).encode())
    )(path)
    assert export(path) == (
        f"{path}: error[T404]: the model names code that is not Keras' own: function eval\n"
        "  hint: build the model of Keras' own layers and functions alone\n"
    )


def test_what_a_file_of_keras_3_names_is_of_a_known_class(tmp_path, export):
    path = tmp_path / "m.keras"
    save_tiny(path)
    evil = {"module": "keras.layers", "class_name": "StringLookup", "registered_name": None}
    evil["config"] = {"name": "evil", "vocabulary": "/etc/hostname"}

    def with_evil(model):
        layers = [*model["config"]["layers"], evil]
        return {**model, "config": {**model["config"], "layers": layers}}

    changed_config(path, with_evil)
    assert export(path) == (
        f"{path}: layer 'evil': error[T404]: StringLookup layers are not supported\n  hint: {SUPPORTED}\n"
    )


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_class_of_ones_own_in_a_model_of_keras_2_is_refused_by_name(tmp_path, tf_keras, export, name):
    class Mine2(tf_keras.layers.Layer):
        def call(self, x):
            return x

    path = tmp_path / name
    tf_keras.Sequential([tf_keras.Input((4,)), Mine2(name="mine"), tf_keras.layers.Dense(2)]).save(path)
    assert export(path) == (
        f"{path}: layer 'mine': error[T404]: Mine2 layers are not supported\n  hint: {SUPPORTED}\n"
    )


@pytest.fixture
def saved_model(tmp_path, tf_keras):
    stack = [tf_keras.layers.Dense(3, "relu", name="hidden"), tf_keras.layers.Dense(2, name="last")]
    tf_keras.Sequential([tf_keras.Input((4,), name="image"), *stack], name="m").save(tmp_path / "saved_model")
    return tmp_path / "saved_model"


def test_the_program_of_a_saved_model_is_not_even_read(saved_model):
    (saved_model / "saved_model.pb").write_bytes(b"whatever this does")
    assert main(["check", str(saved_model)]) == 0


def test_a_subclassed_saved_model_is_refused_by_its_class(tmp_path, tf_keras, export):
    class Mine2(tf_keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = tf_keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            return {}

    model = Mine2()
    model(np.zeros((1, 4), np.float32))
    model.save(tmp_path / "saved_model")
    assert export(tmp_path / "saved_model") == (
        f"{tmp_path / 'saved_model'}: error[T402]: Mine2 is neither a Sequential nor a functional Keras model\n"
        "  hint: write it as keras.Sequential([...]) or with the functional API\n"
    )


DAMAGE = {
    "no metadata": ("keras_metadata.pb", b""),
    "metadata that is no message": ("keras_metadata.pb", b"\xff" * 40),
    "metadata cut off": ("keras_metadata.pb", None),
    "a number without an end": ("keras_metadata.pb", b"\xff" * 2_000_000),
    "weights that are none": ("variables/variables.index", b"\x00" * 50),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_saved_model_is_refused(saved_model, export, case):
    name, content = DAMAGE[case]
    whole = (saved_model / name).read_bytes()
    (saved_model / name).write_bytes(whole[: len(whole) // 8] if content is None else content)
    with seconds(5):
        said = export(saved_model)
    assert said.startswith(f"{saved_model}: error[T401]: Keras cannot load it: ") and said.count("\n") == 2


def test_a_configuration_that_fills_the_memory_is_not_read(tmp_path, export, monkeypatch):
    monkeypatch.setattr("tgenn_gen.keras_reader.model_file.MAX_CONFIG", 1000)
    save_tiny(tmp_path / "m.keras")
    assert "config.json has" in export(tmp_path / "m.keras")


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_an_archive_that_would_fill_the_disk_is_not_unpacked(tmp_path, export, monkeypatch, library):
    monkeypatch.setattr("tgenn_gen.runtime.data.MAX_UNPACKED", 2**26)
    of = pytest.importorskip(library)
    path = tmp_path / "m.keras"
    of.Sequential([of.Input((4,)), of.layers.Dense(2)]).save(path)
    with zipfile.ZipFile(path) as archive:
        content = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data + bytes(2**27 if name == "model.weights.h5" else 0))
    said = export(path)
    assert said.startswith(f"{path}: error[T401]: unpacked it has 134") and said.count("\n") == 2


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_configuration_nested_without_end_is_refused(tmp_path, export, name):
    path = tmp_path / name
    chain(layers.Dense(2)).save(path)
    deep = "[" * 100_000 + "]" * 100_000
    if name == "m.h5":
        import h5py

        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = deep[90_000:110_000]
    else:
        with_config(lambda _: deep)(path)
    assert export(path).startswith(f"{path}: error[T401]: Keras cannot load it: ")


# Layers.

IMAGE = keras.Input((4,), name="image")


MODELS = {
    "ReLU with everything": (
        lambda: chain(layers.Dense(3), layers.ReLU(6, 0.25, 0.5, name="r"), layers.Dense(2)),
        [
            "layer 'r': error[T404]: ReLU with threshold=0.5, which neurons cannot express\n  hint: use ReLU without threshold, and train again",
        ],
    ),
    "ReLU that is always 0": (
        lambda: chain(layers.Dense(3), layers.ReLU(max_value=0, name="r"), layers.Dense(2)),
        [
            "layer 'r': error[T404]: ReLU with max_value=0\n  hint: use ReLU without max_value, and train again"
        ],
    ),
    "activations that are not supported, as attributes and as layers": (
        lambda: chain(
            layers.Dense(3, "gelu", name="a"),
            layers.Activation("elu", name="b"),
            layers.ELU(name="c"),
            layers.PReLU(name="d"),
            layers.Dense(2, name="e"),
        ),
        [
            "layer 'a': error[T404]: activation gelu is not supported\n  hint: use relu, or softmax or linear at the output, and train again",
            "layer 'b': error[T404]: activation elu is not supported\n  hint: use relu, or softmax or linear at the output, and train again",
            "layer 'c': error[T404]: ELU layers are not supported\n  hint: use ReLU and train again",
            "layer 'd': error[T404]: PReLU layers are not supported\n  hint: use LeakyReLU or ReLU and train again",
        ],
    ),
    "convolution with channels first": (
        lambda: chain(
            layers.Conv2D(2, 2, activation="relu", data_format="channels_first", name="c"),
            layers.Flatten(data_format="channels_first", name="f"),
            layers.Dense(2),
            shape=(2, 5, 6),
        ),
        [
            "layer 'c': error[T404]: data_format 'channels_first'\n  hint: use data_format='channels_last'",
            "layer 'f': error[T404]: data_format 'channels_first'\n  hint: use data_format='channels_last'",
        ],
    ),
    "recurrence": (
        lambda: chain(layers.LSTM(3, name="l"), layers.Dense(2), shape=(4, 3)),
        [f"layer 'l': error[T404]: LSTM layers are not supported\n  hint: {SUPPORTED}"],
    ),
    "the input as the output": (
        lambda: keras.Model(IMAGE, IMAGE, name="m"),
        [
            "error[T407]: the model has no layer with weights: there is nothing to convert\n  hint: give a trained model"
        ],
    ),
    "names that would steer the terminal": (
        lambda: chain(layers.LayerNormalization(name="a\x1b[2J\nb"), layers.Dense(2)),
        [
            "layer 'a\\x1b[2J\\nb': error[T404]: LayerNormalization layers are not supported\n"
            "  hint: use BatchNormalization, which can be folded into weights, and train again"
        ],
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_be_converted_is_refused_by_layer(tmp_path, export, capsys, case):
    make, expected = MODELS[case]
    path = tmp_path / "m.keras"
    make().save(path)
    said = export(path)
    assert said == "".join(f"{path}: {line}\n" for line in expected)
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == said


# Options.


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_membrane_potential_that_is_not_finite_is_refused_as_an_option(model_file, export, value):
    """By the option's name, and before any work."""
    said = export(model_file, "--normalize", "model", f"--v-init={value}")
    assert said.endswith(
        f"tgenn-export: error: argument --v-init: expected a number of at most 1e+30, got '{value}'\n"
    )


@pytest.mark.parametrize("value", ["1e-320", "1e300"])
def test_a_divisor_that_is_0_or_infinite_in_float32_is_refused(model_file, export, value):
    assert "uint8" in export(model_file, "--normalize", "model", "--uint8-divisor", value).splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--name", "a b"], "network 'a b': error[T116]: name: name is \"a b\", expected letters"),
        (["--name", "../x"], "network '../x': error[T116]: name: name is \"../x\", expected letters"),
        (
            ["--dt", "1e6"],
            "network 'm': error[T114]: simulation.dt: dt is 1000000.0, expected at most 1000\n",
        ),
        (
            ["--timesteps", "1000000"],
            "network 'm': error[T114]: simulation.timesteps: timesteps is 1000000, expected at most 100000\n",
        ),
    ],
)
def test_an_option_that_makes_no_valid_document_is_refused(model_file, export, options, expected):
    assert export(model_file, "--normalize", "model", *options).startswith(expected)


@pytest.mark.parametrize(
    "method", ["", "Data", "percentile", "percentile:nan", "percentile:-1", "percentile:1e1"]
)
def test_a_word_that_is_no_normalization_is_refused(export, method):
    """Before the model is looked at: there is none."""
    assert export("no.keras", "--normalize", method) == (
        f"options: error[T408]: '{method}' is no normalization: use none, model, data, percentile:P, mse, ltb, spike_norm, tensor_genn, as_trained with P in (0, 100]\n"
    )


# Calibration data.

X = np.random.default_rng(0).random((20, 4), np.float32)
SAVEZ = "\n  hint: save it with np.savez(file, x=training_examples)"


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def an_npy(path):
    with path.open("wb") as file:
        np.save(file, X)


CALIBRATION = {
    "a folder": (
        lambda path: path.mkdir(),
        "T501]: cannot be read: not a regular file\n  hint: give the path of an .npz",
    ),
    "a pipe": (os.mkfifo, "T501]: cannot be read: not a regular file\n  hint: give the path of an .npz"),
    "an empty file": (lambda path: path.touch(), f"T501]: is not an .npz file, or damaged{SAVEZ}"),
    "an .npy": (an_npy, f"T501]: is not an .npz file, or damaged{SAVEZ}"),
    "an archive of nothing": (
        lambda path: np.savez(path),
        f"T502]: no array x, x_train, image or image_train in it; it has none{SAVEZ}",
    ),
    "a single number": (
        npz(x=np.float32(3)),
        "T501]: cannot be read: its shape is ()\n  hint: save x as a plain array of numbers",
    ),
    "complex numbers": (
        npz(x=X.astype(complex)),
        "T504]: examples are complex128, expected numbers\n  hint: save x as float32 or uint8",
    ),
    "dates": (
        npz(x=np.zeros((5, 4), "M8[s]")),
        "T504]: examples are datetime64[s], expected numbers\n  hint: save x as float32 or uint8",
    ),
    "numbers too large": (
        npz(x=X.astype(np.float64) * 1e300 + 1e300),
        "T505]: example 0 holds NaN or infinity, or a number too large for float32\n  hint: remove or mend it",
    ),
}


@pytest.mark.parametrize("case", CALIBRATION)
@pytest.mark.filterwarnings("error")
def test_calibration_data_that_cannot_be_used_is_refused(tmp_path, model_file, export, case):
    write, expected = CALIBRATION[case]
    path = tmp_path / "data.npz"
    write(path)
    with seconds(3):
        said = export(model_file, "--calibration", path)
    assert said == f"{path}: error[{expected}\n"


def test_calibration_data_is_checked_to_its_end_where_the_method_does_not_need_it(
    tmp_path, model_file, export
):
    x = X.copy()
    x[17, 2] = np.inf
    np.savez(tmp_path / "data.npz", x=x)
    assert export(model_file, "--normalize", "none", "--calibration", tmp_path / "data.npz").startswith(
        f"{tmp_path / 'data.npz'}: error[T505]: example 17 holds NaN or infinity"
    )


# The output folder.


def test_a_file_that_is_in_the_way_of_a_folder_is_named(tmp_path, model_file, export):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/weights").write_text("mine")
    assert export(model_file, "--normalize", "model", "--force") == (
        f"{tmp_path / 'out/weights'}: error[T603]: was not written by tgenn\n  hint: move it out of the way\n"
    )
    assert (tmp_path / "out/weights").read_text() == "mine"


def test_all_files_that_are_in_the_way_are_named(tmp_path, model_file, export):
    (tmp_path / "out").mkdir()
    for name in ("reference.py", "simulate.py"):
        (tmp_path / "out" / name).write_text("mine")
    (tmp_path / "out/network.yaml").write_text("format: tgenn/1\nname: [")
    assert export(model_file, "--normalize", "model", "--force") == "".join(
        f"{tmp_path / 'out' / name}: error[T603]: was not written by tgenn\n  hint: move it out of the way\n"
        for name in ("network.yaml", "reference.py", "simulate.py")
    )


def test_a_folder_that_is_named_like_a_script_is_refused(tmp_path, model_file, export):
    (tmp_path / "out/simulate.py").mkdir(parents=True)
    assert export(model_file, "--normalize", "model", "--force") == (
        f"{tmp_path / 'out/simulate.py'}: error[T603]: was not written by tgenn\n  hint: move it out of the way\n"
    )


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("mine"), lambda path: path.symlink_to("nowhere"), os.mkfifo]
)
def test_what_is_no_folder_is_refused_with_force_and_without(tmp_path, export, make, force):
    make(tmp_path / "out")
    before = sorted(tmp_path.iterdir())
    arguments = ["no.keras", "--output", str(tmp_path / "out"), *force]
    assert export_main(arguments) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_links_to_itself_is_refused(tmp_path, capsys):
    (tmp_path / "out").symlink_to("out")
    assert export_main(["no.keras", "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'out'}: error[T604]: cannot be written: a link that leads to itself\n"
        "  hint: see its permissions, those of the folder above it, and the free space\n"
    )


def test_a_folder_of_hidden_files_is_not_empty(tmp_path, export):
    (tmp_path / "out/.git").mkdir(parents=True)
    assert export("no.keras") == (
        f"{tmp_path / 'out'}: error[T601]: the folder is not empty\n"
        "  hint: choose another one, or give --force to replace the document, weights and scripts in it\n"
    )


def test_a_folder_below_a_file_is_refused(tmp_path, export):
    (tmp_path / "file").write_text("mine")
    assert export("no.keras", output="file/out") == (
        f"{tmp_path / 'file/out'}: error[T602]: there is no folder {tmp_path / 'file'}\n  hint: create it\n"
    )
