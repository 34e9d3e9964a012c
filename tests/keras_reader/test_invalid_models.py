"""Models, calibration data and output folders that cannot be used: the whole message, and nothing written."""

# ruff: noqa: E501  (what is said stands in one piece)
from __future__ import annotations

import zipfile

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert, save  # noqa: E402
from tgenn_gen.cli.main import export_main, main  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers
SUPPORTED = "tgenn layers lists what is supported"
IMAGE = keras.Input((6, 5, 2), name="image")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    image = keras.Input((4, 3), name="image")
    keras.Sequential([image, layers.Flatten(), layers.Dense(3, "softmax")], name="tiny").save(path)
    return path


def export(*arguments: object) -> int:
    return export_main([str(a) for a in arguments])


def refusals(model) -> list[str]:
    """What is said about a model, without its name."""
    with pytest.raises(TgennError) as caught:
        convert(model, method=Method(normalize="model"))
    return [str(d).removeprefix(f"{model.name}: ") for d in caught.value.diagnostics]


# Files.

SAVE = "\n  hint: save it with model.save('model.keras')\n"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("no.keras", None, "T401]: there is no such file\n  hint: give the path of a .keras or .h5 file\n"),
        ("model.pb", b"", f"T401]: is not a Keras model: its name ends in '.pb'{SAVE}"),
        ("model", b"", f"T401]: is not a Keras model: its name ends in ''{SAVE}"),
        ("text.keras", b"hello", f"T401]: is not a .keras file: it is not a zip archive{SAVE}"),
        ("text.h5", b"hello", f"T401]: is not an HDF5 file{SAVE}"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, capsys, name, content, expected):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert export(tmp_path / name, "--normalize", "model", "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err == f"{tmp_path / name}: error[{expected}"
    assert not (tmp_path / "out").exists()


def test_a_folder_is_refused(tmp_path, capsys):
    assert export(tmp_path, "--normalize", "model", "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}: error[T401]: is a folder, not a Keras model\n"
        "  hint: give a .keras or .h5 file or a SavedModel\n"
    )


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_damaged_model_is_refused(tmp_path, capsys, suffix):
    path = tmp_path / f"model.{suffix}"
    keras.Sequential([keras.Input((4,)), layers.Dense(3)]).save(path)
    path.write_bytes(path.read_bytes()[: 3000 if suffix == "h5" else -30])
    assert export(path, "--normalize", "model", "--output", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: error[T401]: ") and "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_an_archive_without_a_model_is_refused(tmp_path, capsys):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert export(path, "--normalize", "model", "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith(f"{path}: error[T401]: Keras cannot load it: ")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_model_is_never_run(tmp_path, capsys, suffix):
    ran = tmp_path / "ran"

    def leave_a_trace(x, path=str(ran)):
        import pathlib

        pathlib.Path(path).touch()
        return x

    stack = [keras.Input((4, 1)), layers.Lambda(leave_a_trace, name="code"), layers.LSTM(3, name="lstm")]
    model = keras.Sequential(stack)
    model.save(tmp_path / f"model{suffix}")
    assert ran.exists()
    path = tmp_path / f"model{suffix}"
    ran.unlink()
    assert export(tmp_path / f"model{suffix}", "--normalize", "model", "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err == (
        f"{path}: layer 'code': error[T404]: Lambda layers are not supported\n"
        "  hint: use a Keras layer: code in a model is never run\n"
        f"{path}: layer 'lstm': error[T404]: LSTM layers are not supported\n  hint: {SUPPORTED}\n"
    )
    assert not ran.exists()
    assert main(["check", str(tmp_path / f"model{suffix}")]) == 2


def test_a_model_that_names_other_code_is_not_loaded(tmp_path, capsys):
    """A file made by hand: an initializer that is a function of some module."""
    import json

    chain(layers.Dense(3, name="d"), shape=(4,)).save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good:
        members = {name: good.read(name) for name in good.namelist()}
    config = json.loads(members["config.json"])
    bad = {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}
    config["config"]["layers"][1]["config"]["kernel_initializer"] = bad
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert main(["check", str(tmp_path / "good.keras")]) == 0
    capsys.readouterr()
    assert main(["check", str(tmp_path / "bad.keras")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'bad.keras'}: error[T404]: the model names code that is not Keras' own: function system\n"
        "  hint: build the model of Keras' own layers and functions alone\n"
    )


# Layers.


def test_everything_that_is_not_supported_is_said_at_once_and_nothing_is_written(tmp_path, capsys):
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.UpSampling2D(2, interpolation="bilinear", name="bilinear"),
            layers.MaxPooling2D(2, name="max_pool"),
            layers.Conv2D(4, 3, activation="tanh", name="tanh"),
            layers.ReLU(max_value=6, threshold=0.5, name="relu6"),
            layers.Flatten(name="flatten"),
            layers.LayerNormalization(name="norm"),
            layers.Dense(3, activation="sigmoid", name="last"),
        ],
        name="m",
    )
    path = tmp_path / "m.keras"
    model.save(path)
    assert export(path, "--normalize", "model", "--output", tmp_path / "out") == 2
    expected = [
        "'tanh': error[T404]: activation tanh is not supported\n  hint: use relu, or softmax or linear at the output, and train again",
        "'last': error[T404]: activation sigmoid is not supported\n  hint: at the output use linear, without training again: above 0 is above 0.5 of the sigmoid",
        "'norm': error[T404]: LayerNormalization layers are not supported\n  hint: use BatchNormalization, which can be folded into weights, and train again",
        "'bilinear': error[T404]: interpolation 'bilinear'\n"
        "  hint: use interpolation='nearest', or a Conv2DTranspose, and train again",
        "'relu6': error[T404]: ReLU with threshold=0.5, which neurons cannot express\n"
        "  hint: use ReLU without threshold, and train again",
    ]
    said = capsys.readouterr().err
    assert sorted(said.split(f"{path}: layer ")[1:]) == sorted(f"{line}\n" for line in expected)
    assert not (tmp_path / "out").exists()
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == said


def chain(*stack, shape=(6, 5, 2)):
    return keras.Sequential([keras.Input(shape, name="image"), *stack], name="m")


def leaky():
    return layers.LeakyReLU(name="leaky")


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


def divided():
    x = keras.Input((4,), name="image")
    return keras.Model(x, layers.Dense(3)(x / 255), name="m")


MODELS = {
    "channels first": (
        lambda: chain(layers.AveragePooling2D(2, data_format="channels_first", name="pool")),
        ["layer 'pool': error[T404]: data_format 'channels_first'\n  hint: use data_format='channels_last'"],
    ),
    "activation as a layer": (
        lambda: chain(layers.Dense(3, activation=leaky(), name="d"), shape=(4,)),
        [
            "layer 'd': error[T404]: activation LeakyReLU (not Keras' own) is not supported\n  hint: use relu, or softmax or linear at the output, and train again"
        ],
    ),
    "another function named relu": (
        lambda: chain(layers.Dense(3, activation=relu, name="d"), shape=(4,)),
        [
            "layer 'd': error[T404]: activation relu (not Keras' own) is not supported\n  hint: use relu, or softmax or linear at the output, and train again"
        ],
    ),
    "a layer of one's own": (
        lambda: chain(Own(name="own"), layers.Flatten(), layers.Dense(3)),
        [f"layer 'own': error[T404]: Own (not Keras' own) layers are not supported\n  hint: {SUPPORTED}"],
    ),
    "softmax inside": (
        lambda: chain(layers.Dense(3, "softmax", name="a"), layers.Dense(2, name="b"), shape=(4,)),
        ["layer 'b': error[T404]: Dense after softmax\n  hint: softmax is supported at the output only"],
    ),
    "softmax over another axis": (
        lambda: chain(layers.Conv2D(3, 2, name="c"), layers.Softmax(axis=1, name="s")),
        ["layer 's': error[T404]: Softmax over axis 1\n  hint: use axis=-1"],
    ),
    "BatchNormalization over another axis": (
        lambda: chain(layers.BatchNormalization(axis=1, name="n"), layers.Flatten(), layers.Dense(3)),
        ["layer 'n': error[T404]: BatchNormalization over axis 1\n  hint: use axis=-1"],
    ),
    "uint8 input": (
        lambda: keras.Sequential([keras.Input((4,), name="image", dtype="uint8"), layers.Dense(3)], name="m"),
        [
            "layer 'image': error[T404]: dtype uint8 is not supported\n  hint: train or load the model in float32"
        ],
    ),
    "weights that are not finite": (
        diverged,
        ["layer 'd': error[T404]: NaN or infinity in bias\n  hint: train it again: its training diverged"],
    ),
    "arithmetic on tensors": (
        divided,
        [
            "layer 'true_divide': error[T404]: TrueDivide layers are not supported\n  hint: use a Rescaling layer"
        ],
    ),
    "a named output": (
        lambda: keras.Model(IMAGE, {"ab": layers.MaxPooling2D(2, name="p")(IMAGE)}, name="m"),
        [
            "layer 'p': error[T404]: max-pooling of what may be negative, at an output\n"
            "  hint: put a ReLU before the max-pooling or right behind it, or use --max-pool average"
        ],
    ),
    "max-pooling between convolutions without a ReLU": (
        lambda: chain(layers.Conv2D(3, 2), layers.MaxPooling2D(2, name="p"), layers.Conv2D(2, 2, name="c")),
        [
            "layer 'c': error[T404]: Conv2D of a max-pooling, 'p', of what may be negative\n"
            "  hint: put a ReLU before the max-pooling or right behind it, or use --max-pool average"
        ],
    ),
    "windows larger than neurons take": (
        lambda: chain(layers.ReLU(), layers.MaxPooling2D((17, 2), strides=1, name="p"), shape=(40, 5, 2)),
        [
            "layer 'p': error[T404]: windows of 17 elements on an axis, more than 15\n"
            "  hint: pool twice with smaller windows"
        ],
    ),
    "an Add that broadcasts": (
        lambda: keras.Model(
            IMAGE,
            layers.Add(name="add")([IMAGE, layers.GlobalAveragePooling2D(keepdims=True)(IMAGE)]),
            name="m",
        ),
        [
            "layer 'add': error[T404]: Add of tensors of several shapes, (6, 5, 2), (1, 1, 2)\n"
            "  hint: give them one shape: broadcasting is not supported"
        ],
    ),
    "variable input": (
        lambda: chain(layers.Conv2D(3, 2), shape=(None, 5, 2)),
        [
            "layer 'image': error[T404]: the input shape (None, 5, 2) is not fixed\n"
            "  hint: build the model with keras.Input(shape=...) without None"
        ],
    ),
    "nothing to convert": (
        lambda: chain(layers.Dropout(0.5), shape=(4,)),
        [
            "error[T407]: the model has no layer with weights: there is nothing to convert\n  hint: give a trained model"
        ],
    ),
    "no input shape": (
        lambda: keras.Sequential([layers.Dense(3)], name="m"),
        ["error[T403]: the model has no input shape\n  hint: start it with keras.Input(shape=...)"],
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_be_converted_is_refused_by_layer(case):
    make, expected = MODELS[case]
    model = make()
    prefix = f"model '{model.name}': " if "T403" in expected[0] else ""
    assert refusals(model) == [prefix + line for line in expected]


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    model = Mine(name="mine")
    with pytest.raises(TgennError) as caught:
        convert(model, method=Method(normalize="model"))
    assert str(caught.value) == (
        "model 'mine': error[T402]: Mine is neither a Sequential nor a functional Keras model\n"
        "  hint: write it as keras.Sequential([...]) or with the functional API"
    )
    with pytest.raises(TgennError, match=r"T402.*int is neither"):
        convert(3, method=Method(normalize="model"))


# Options and calibration data.


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (
            "data",
            "normalization 'data' needs calibration data\n"
            "  hint: give --calibration TRAINING.npz; --normalize model needs none, but often thousands of steps",
        ),
        (
            "percent:9",
            "'percent:9' is no normalization: use none, model, data, percentile:P, mse, ltb, spike_norm, tensor_genn, as_trained with P in (0, 100]",
        ),
        (
            "percentile:0",
            "'percentile:0' is no normalization: use none, model, data, percentile:P, mse, ltb, spike_norm, tensor_genn, as_trained with P in (0, 100]",
        ),
        (
            "percentile:101",
            "'percentile:101' is no normalization: use none, model, data, percentile:P, mse, ltb, spike_norm, tensor_genn, as_trained with P in (0, 100]",
        ),
    ],
)
def test_a_normalization_that_cannot_be_done_is_refused(tmp_path, capsys, model_file, method, expected):
    assert export(model_file, "--normalize", method, "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err == f"options: error[T408]: {expected}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--timesteps", "0"], "argument --timesteps: expected a whole number above 0, got '0'"),
        (["--dt", "-1"], "argument --dt: expected a number above 0, got '-1'"),
        (["--uint8-divisor", "nan"], "argument --uint8-divisor: expected a number above 0, got 'nan'"),
        (["--reset", "soft"], "argument --reset: invalid choice: 'soft'"),
        (["--readout", "spikes"], "argument --readout: invalid choice: 'spikes'"),
    ],
)
def test_an_option_out_of_range_is_refused(tmp_path, capsys, model_file, arguments, expected):
    with pytest.raises(SystemExit) as caught:
        export(model_file, "--output", tmp_path / "out", *arguments)
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def cut_off(path):
    np.savez(path, x=np.zeros((100, 4, 3), np.float32))
    path.write_bytes(path.read_bytes()[:-200])


def damaged_inside(path):
    """One byte of the packed array is another."""
    np.savez_compressed(path, x=np.random.default_rng(0).random((100, 4, 3), np.float32))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))


def with_header(path, shape):
    """An archive whose array promises a shape, and holds 100 bytes."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as member:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        member.write(b"0" * 100)


WITH_NAN = np.zeros((10, 4, 3), np.float32)
WITH_NAN[7, 2, 1] = np.nan
PLAIN = "save x as a plain array of numbers"
SAVEZ = "save it with np.savez(file, x=training_examples)"
CALIBRATION = {
    "missing": (
        lambda path: None,
        "T501]: cannot be read: No such file or directory\n  hint: give the path of an .npz",
    ),
    "not an archive": (
        lambda path: path.write_text("hello"),
        f"T501]: is not an .npz file, or damaged\n  hint: {SAVEZ}",
    ),
    "cut off": (cut_off, f"T501]: is not an .npz file, or damaged\n  hint: {SAVEZ}"),
    "no x": (
        npz(images=np.zeros(3), y=np.zeros(3)),
        f"T502]: no array x, x_train, image or image_train in it; it has images, y\n  hint: {SAVEZ}",
    ),
    "another shape": (
        npz(x=np.zeros((5, 3, 4))),
        "T503]: an example has shape (3, 4), the network takes (4, 3)\n  hint: reshape the examples as the model was trained on them",
    ),
    "a single example": (
        npz(x=np.zeros((4, 3))),
        "T503]: an example has shape (3,), the network takes (4, 3)\n  hint: reshape the examples as the model was trained on them",
    ),
    "no examples": (
        npz(x=np.zeros((0, 4, 3))),
        "T504]: holds no examples\n  hint: give some hundreds of training examples",
    ),
    "text": (
        npz(x=np.full((5, 4, 3), "a")),
        "T504]: examples are <U1, expected numbers\n  hint: save x as float32 or uint8",
    ),
    "NaN": (
        npz(x=WITH_NAN),
        "T505]: example 7 holds NaN or infinity, or a number too large for float32\n  hint: remove or mend it",
    ),
    "pickled": (
        npz(x=np.array([[{}]])),
        f"T501]: cannot be read: it holds pickled Python objects, which are never loaded\n  hint: {PLAIN}",
    ),
    "in Fortran order": (
        npz(x=np.asfortranarray(np.zeros((10, 4, 3)))),
        f"T501]: cannot be read: it is in Fortran order: save np.ascontiguousarray(x)\n  hint: {PLAIN}",
    ),
    "a negative length": (
        lambda path: with_header(path, (-5, 4, 3)),
        f"T501]: cannot be read: its shape is (-5, 4, 3)\n  hint: {PLAIN}",
    ),
    "fewer than promised": (
        lambda path: with_header(path, (10, 4, 3)),
        f"T501]: cannot be read: x holds 100 bytes of data, its shape needs 480\n  hint: {PLAIN}",
    ),
}


@pytest.mark.parametrize("case", CALIBRATION)
def test_calibration_data_that_cannot_be_used_is_refused(tmp_path, capsys, model_file, case):
    make, expected = CALIBRATION[case]
    path = tmp_path / "data.npz"
    make(path)
    assert export(model_file, "--calibration", path, "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err == f"{path}: error[{expected}\n"
    assert not (tmp_path / "out").exists()


def test_mangled_archives_give_diagnostics_and_no_tracebacks(tmp_path):
    """Bytes changed at random places, headers and directories included."""
    from tgenn_gen.conversion.calibration import open_calibration
    from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
    from tgenn_gen.network.model import Input

    rng, path = np.random.default_rng(0), tmp_path / "data.npz"
    whole = []
    for write in (np.savez, np.savez_compressed):
        write(path, x=rng.random((20, 4, 3), np.float32), y=np.arange(20))
        whole.append(path.read_bytes())
    refused = 0
    for trial in range(600):
        raw = np.frombuffer(whole[trial % 2], np.uint8).copy()
        raw[rng.integers(0, len(raw), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(raw.tobytes())
        try:
            list(open_calibration(path, (Input("image", (4, 3), ConstantCurrentInput()),)).batches(10))
        except TgennError:
            refused += 1
    assert refused > 100


def test_a_damaged_archive_gives_a_diagnostic_and_no_traceback(tmp_path, capsys, model_file):
    damaged_inside(tmp_path / "data.npz")
    assert export(model_file, "--calibration", tmp_path / "data.npz", "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'data.npz'}: error[T501]: ")
    assert not (tmp_path / "out").exists()


# The output folder.


def test_a_folder_that_is_not_empty_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    assert export("no.keras", "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'out'}: error[T601]: the folder is not empty\n"
        "  hint: choose another one, or give --force to replace the document, weights and scripts in it\n"
    )
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_filled(tmp_path, model_file):
    (tmp_path / "out").mkdir()
    assert export(model_file, "--normalize", "none", "--output", tmp_path / "out") == 0
    assert (tmp_path / "out/network.yaml").exists()


def test_a_file_and_a_folder_in_no_folder_are_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert export("no.keras", "--output", tmp_path / "file") == 2
    assert export("no.keras", "--output", tmp_path / "no/out") == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'file'}: error[T602]: is a file, not a folder\n  hint: choose another --output\n"
        f"{tmp_path / 'no/out'}: error[T602]: there is no folder {tmp_path / 'no'}\n  hint: create it\n"
    )


def test_force_replaces_the_tools_own_files_and_leaves_all_others(tmp_path, model_file):
    out = tmp_path / "out"
    wide = keras.Sequential(
        [keras.Input((4, 3)), layers.Flatten(), layers.Dense(5, "relu", name="old"), layers.Dense(3)]
    )
    wide.save(tmp_path / "wide.keras")
    assert export(tmp_path / "wide.keras", "--normalize", "none", "--output", out) == 0
    (out / "notes.txt").write_text("mine")
    (out / "weights/mine.npy").write_bytes(b"mine")
    assert (out / "weights/old.kernel.npy").exists()
    assert export(model_file, "--normalize", "none", "--output", out, "--force") == 0
    assert export(model_file, "--normalize", "none", "--output", tmp_path / "fresh") == 0
    fresh = {
        p.relative_to(tmp_path / "fresh"): p.read_bytes()
        for p in (tmp_path / "fresh").rglob("*")
        if p.is_file()
    }
    found = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    foreign = {p: c for p, c in found.items() if p not in fresh}
    assert {str(p): c for p, c in foreign.items()} == {"notes.txt": b"mine", "weights/mine.npy": b"mine"}
    assert {p: found[p] for p in fresh} == fresh


@pytest.mark.parametrize("name", ["network.yaml", "simulate.py", "weights/dense.kernel.npy"])
def test_force_does_not_replace_a_file_that_the_tool_did_not_write(tmp_path, capsys, name):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense")])
    model.save(tmp_path / "model.keras")
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    assert export(tmp_path / "model.keras", "--normalize", "none", "--output", out, "--force") == 2
    changed = ", or was changed since" if name.endswith(".npy") else ""
    assert capsys.readouterr().err == (
        f"{out / name}: error[T603]: was not written by tgenn{changed}\n  hint: move it out of the way\n"
    )
    assert (out / name).read_text() == "mine"
    assert [p.name for p in out.rglob("*") if p.is_file()] == [name.split("/")[-1]]


def test_force_deletes_no_file_that_only_an_old_document_claims(tmp_path, model_file):
    """Weights whose hash is not the document's any more may be somebody's own."""
    out = tmp_path / "out"
    wide = chain(layers.Dense(5, "relu", name="old"), layers.Dense(3), shape=(4,))
    wide.save(tmp_path / "wide.keras")
    assert export(tmp_path / "wide.keras", "--normalize", "none", "--output", out) == 0
    (out / "weights/old.kernel.npy").write_bytes(b"mine")
    assert export(model_file, "--normalize", "none", "--output", out, "--force") == 0
    assert (out / "weights/old.kernel.npy").read_bytes() == b"mine"
    assert not (out / "weights/old.bias.npy").exists()


def test_force_follows_no_link_out_of_the_folder(tmp_path, capsys, model_file):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "weights").symlink_to(elsewhere)
    assert export(model_file, "--normalize", "none", "--output", out, "--force") == 2
    assert "error[T603]: was not written by tgenn" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


def test_saving_a_network_again_leaves_its_scripts(tmp_path, model_file):
    out = tmp_path / "out"
    assert export(model_file, "--normalize", "none", "--output", out) == 0
    network = convert(model_file, method=Method(normalize="none"))
    save(network, out, force=True)
    assert (out / "simulate.py").exists() and (out / "reference.py").exists()


def test_the_current_folder_is_an_output_like_any_other(tmp_path, monkeypatch, model_file):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert export(model_file, "--normalize", "none", "--output", ".") == 0
    assert (tmp_path / "here/network.yaml").exists()


def test_a_name_that_is_too_long_is_refused(tmp_path, capsys):
    assert export("no.keras", "--output", tmp_path / ("a" * 300)) == 2
    assert "error[T604]: cannot be written: File name too long" in capsys.readouterr().err
