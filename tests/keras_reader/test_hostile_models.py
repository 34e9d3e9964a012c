"""Models that name code, and damaged SavedModels: refused in words, and nothing in them is run."""

from __future__ import annotations

import io
import json
import pathlib

import numpy as np
import pytest
from limits import seconds
from model_files import as_of_tensorflow_2_4, change_config, change_text, field, rewrite
from refusals import refused

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen.cli.main import main  # noqa: E402

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::UserWarning")]
SUPPORTED = "tgenn layers lists the supported layers"
OF_KERAS_2 = [("tf_keras", "m.keras"), ("tf_keras", "m.h5"), ("tf_keras", "saved_model")]
ALL_KINDS = [("keras", "m.keras"), ("keras", "m.h5"), *OF_KERAS_2]


@pytest.fixture
def export(tmp_path, capsys):
    """What `tgenn export` says of a model that it refuses, as tgenn check does."""

    def run(path) -> str:
        assert main(["check", str(path)]) == 2
        checked = capsys.readouterr().err
        said = refused(tmp_path, capsys, path, "--normalize", "model", "--output", tmp_path / "out")
        assert said == checked
        return said

    return run


def of_dense_layers(library):
    of = pytest.importorskip(library)
    stack = [of.layers.Dense(3, "relu", name="hidden"), of.layers.Dense(2, name="last")]
    return of.Sequential([of.Input((4,), name="image"), *stack], name="m")


@pytest.mark.parametrize(("library", "name"), ALL_KINDS)
@pytest.mark.parametrize("nested", [False, True])
def test_code_in_a_model_is_never_run(tmp_path, export, library, name, nested):
    of, ran = pytest.importorskip(library), tmp_path / "ran"

    def leave_a_trace(x, path=str(ran)):
        import pathlib

        pathlib.Path(path).touch()
        return x

    code = of.layers.Lambda(leave_a_trace, name="code")
    model = of.Sequential([of.Input((4, 1)), code, of.layers.Masking(name="masking")], name="inner")
    if nested:
        model = of.Sequential([of.Input((4, 1)), model, of.layers.Dense(2)])
    path = tmp_path / name
    model.save(path)
    assert ran.exists()
    ran.unlink()
    assert export(path) == (
        f"{path}: layer 'code': error[T404]: Lambda layers are not supported\n"
        "  hint: use a Keras layer: tgenn never runs code from a model\n"
        f"{path}: layer 'masking': error[T404]: Masking layers are not supported\n  hint: {SUPPORTED}\n"
    )
    assert not ran.exists()


@pytest.mark.parametrize(("library", "name"), ALL_KINDS)
def test_a_layer_of_ones_own_in_a_file_is_refused_by_name(tmp_path, export, library, name):
    of, path = pytest.importorskip(library), tmp_path / name

    class Own(of.layers.Layer):
        def call(self, x):
            return x

    of.Sequential([of.Input((4,)), Own(name="own"), of.layers.Dense(2)]).save(path)
    expected = f"layer 'own': error[T404]: Own layers are not supported\n  hint: {SUPPORTED}\n"
    assert export(path) == f"{path}: {expected}"


@pytest.mark.parametrize(
    ("library", "name", "expected"),
    [
        ("keras", "m.keras", "error[T404]: the model uses code that is not part of Keras: Mine"),
        ("tf_keras", "saved_model", "error[T402]: Mine is neither a Sequential nor a functional Keras model"),
    ],
)
def test_a_subclassed_model_in_a_file_is_refused_by_its_class(tmp_path, export, library, name, expected):
    """As it is in memory: the user must know which class is meant."""
    of, path = pytest.importorskip(library), tmp_path / name

    class Mine(of.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = of.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            return {}

    model = Mine()
    model(np.zeros((1, 4), np.float32))
    model.save(path)
    assert export(path).startswith(f"{path}: {expected}\n  hint: ")


CALLS = {
    "a function": ("TFOpLambda", {"name": "evil", "function": "io.gfile.makedirs"}),
    "a function without a name": ("TFOpLambda", {"name": "", "function": "io.gfile.makedirs"}),
    "a method": ("InstanceMethod", {"name": "evil", "method_symbol": "join"}),
    "a method of a class": ("ClassMethod", {"name": "evil", "cls_symbol": "Variable", "method_name": "x"}),
    "a slice": ("SlicingOpLambda", {"name": "evil", "function": "io.gfile.makedirs"}),
    "a class that is not listed": ("StringLookup", {"name": "evil", "vocabulary": "/etc/hostname"}),
}


@pytest.mark.parametrize(("library", "name"), OF_KERAS_2)
@pytest.mark.parametrize("call", CALLS)
def test_functions_of_tensorflow_in_a_model_of_keras_2_are_never_called(
    tmp_path, export, library, name, call
):
    """Keras 2 calls whatever function of TensorFlow a layer names, with the constants it is given."""
    of, ran, path = pytest.importorskip(library), tmp_path / "ran", tmp_path / name
    x = of.Input((4,))
    of.Model(x, of.layers.Dense(4, name="dense")(x), name="m").save(path)
    class_name, config = CALLS[call]
    node = [["_CONSTANT_VALUE", -1, str(ran), {}]]
    evil = {"class_name": class_name, "name": "evil", "config": config, "inbound_nodes": node}
    change_config(path, lambda model: model["config"]["layers"].append(evil))
    assert "error[T404]" in export(path)
    assert not ran.exists()


def test_what_a_file_of_keras_3_names_is_of_a_known_class(tmp_path, export):
    path = tmp_path / "m.keras"
    of_dense_layers("keras").save(path)
    evil = {"module": "keras.layers", "class_name": "StringLookup", "registered_name": None}
    evil["config"] = {"name": "evil", "vocabulary": "/etc/hostname"}
    change_config(path, lambda model: model["config"]["layers"].append(evil))
    expected = f"layer 'evil': error[T404]: StringLookup layers are not supported\n  hint: {SUPPORTED}\n"
    assert export(path) == f"{path}: {expected}"


@pytest.mark.parametrize(
    ("attribute", "module", "function"),
    [("activation", "builtins", "eval"), ("activation", "os", "system")],
)
def test_a_function_that_is_not_keras_own_is_not_looked_up(tmp_path, export, attribute, module, function):
    """Keras finds any function of a module that a file names."""
    named = {"class_name": "function", "module": module, "config": function, "registered_name": function}
    path = tmp_path / "m.keras"
    of_dense_layers("keras").save(path)
    assert main(["check", str(path)]) == 0
    change_config(path, lambda model: model["config"]["layers"][1]["config"].update({attribute: named}))
    assert export(path) == (
        f"{path}: error[T404]: the model uses code that is not part of Keras: function {function}\n"
        "  hint: use only layers and functions of Keras\n"
    )


@pytest.mark.parametrize(("library", "name"), ALL_KINDS)
def test_a_configuration_nested_without_end_is_refused(tmp_path, export, library, name):
    path = tmp_path / name
    of_dense_layers(library).save(path)
    change_text(path, lambda _: "[" * 10_000 + "]" * 10_000)
    assert export(path).startswith(f"{path}: error[T401]: Keras cannot load it: ")


@pytest.fixture
def saved_model(tmp_path) -> pathlib.Path:
    of_dense_layers("tf_keras").save(tmp_path / "saved_model")
    return tmp_path / "saved_model"


def test_the_program_of_a_saved_model_is_not_even_read(saved_model):
    (saved_model / "saved_model.pb").write_bytes(b"whatever this does")
    assert main(["check", str(saved_model)]) == 0


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
    with seconds(20):
        said = export(saved_model)
    assert said.startswith(f"{saved_model}: error[T401]: Keras cannot load it: ") and said.count("\n") == 2


def test_groups_of_layers_in_each_other_without_end_are_refused(tmp_path, export):
    h5py = pytest.importorskip("h5py")
    path, name = tmp_path / "m.keras", "_layer_checkpoint_dependencies"  # as Keras 2.13 calls the layers
    of_dense_layers("tf_keras").save(path)

    def link(entries):
        weights = io.BytesIO(entries["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            file.move("layers", name)
            file[f"{name}/dense/{name}"] = file[name]
            file[f"{name}/dense_1/{name}"] = file[name]
        entries["model.weights.h5"] = weights.getvalue()

    rewrite(path, link)
    with seconds(20):
        said = export(path)
    assert "in model.weights.h5 has several names" in said and said.count("\n") == 2


OLD_DAMAGE = {
    "nothing": b"",
    "no message": b"\xff" * 40,
    "a number without an end": b"\xff" * 2_000_000,
    "a size beyond the end": field(2, field(7, field(1, b"")))[:-1] + b"\x7f",
    "a size of 2**63": b"\x12" + b"\xff" * 8 + b"\x7f",
    "fields without an end": field(2, b"\x08\x01" * 5_000_000),
    "messages in each other without an end": field(2, b"\x3b" * 1000),
}


@pytest.mark.parametrize("case", OLD_DAMAGE)
def test_a_damaged_saved_model_of_before_tensorflow_2_5_is_refused(saved_model, export, case):
    (saved_model / "keras_metadata.pb").unlink()
    (saved_model / "saved_model.pb").write_bytes(OLD_DAMAGE[case])
    with seconds(20):
        said = export(saved_model)
    assert said.startswith(f"{saved_model}: error[T401]: ") and said.count("\n") == 2


def test_what_fills_the_memory_in_a_saved_model_of_before_tensorflow_2_5_is_not_read(
    saved_model, export, monkeypatch
):
    as_of_tensorflow_2_4(saved_model)
    assert main(["check", str(saved_model)]) == 0
    monkeypatch.setattr("tgenn_gen.keras_reader.model_file.MAX_CONFIG", 1000)
    assert "its description has " in export(saved_model)
    monkeypatch.setattr("tgenn_gen.keras_reader.model_file.MAX_PROGRAM", 1000)
    assert "its saved_model.pb has " in export(saved_model)


def test_code_in_a_saved_model_of_before_tensorflow_2_5_is_not_run(saved_model, export):
    layers = [{"class_name": "Lambda", "config": {"name": "code", "function": ["4wEAAAA=", None, None]}}]
    text = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    as_of_tensorflow_2_4(saved_model, json.dumps(text).encode())
    assert "layer 'code': error[T404]: Lambda layers are not supported" in export(saved_model)
    as_of_tensorflow_2_4(saved_model, json.dumps({"class_name": "Mine"}).encode())
    assert "error[T402]: Mine is neither a Sequential" in export(saved_model)


def test_metadata_of_a_saved_model_that_fills_the_memory_is_not_read(saved_model, export, monkeypatch):
    monkeypatch.setattr("tgenn_gen.keras_reader.model_file.MAX_CONFIG", 1000)
    assert "its keras_metadata.pb has " in export(saved_model)
