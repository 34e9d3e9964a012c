"""Keras models to plain values. The only module that imports keras, and only when it is called."""

from __future__ import annotations

import contextlib
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, MissingEngineError, TgennError
from tgenn_gen.keras_file import refuse_code
from tgenn_gen.keras_model import KerasLayer, KerasModel


def import_keras() -> Any:
    """The keras package. Raises MissingEngineError where TensorFlow or Keras 3 is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "TF_ENABLE_ONEDNN_OPTS", "0"
    )  # its strided convolutions of one channel can be wrong
    try:
        with _stderr_closed():  # TensorFlow's notes about its own build
            import keras
    except ImportError as error:
        raise MissingEngineError(
            f"reading a Keras model needs TensorFlow ({error}): pip install 'tgenn-gen[keras]'"
        ) from None
    if int(keras.__version__.split(".")[0]) < 3:
        raise MissingEngineError(
            f"reading a Keras model needs Keras 3, found {keras.__version__}: pip install 'keras>=3'"
        )
    return keras


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def load_model(path: Path) -> Any:
    """Load a .keras or .h5 file in Keras' safe mode: no code in it is run. Raises TgennError (T401, T404)."""
    place = Location(str(path))

    def refuse(message: str, hint: str) -> TgennError:
        return TgennError(Diagnostic(place, "T401", message, hint))

    save = "save it with model.save('model.keras')"
    if not path.exists():
        raise refuse("there is no such file", "give the path of a .keras or .h5 file")
    if not path.is_file() and not path.is_dir():
        raise refuse("is not a regular file", "give the path of a .keras or .h5 file")
    if path.is_dir():
        raise refuse("is a folder, not a Keras model", f"a SavedModel cannot be read: {save}")
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise refuse(f"is not a Keras model: its name ends in '{path.suffix}'", save)
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise refuse("is not a .keras file: it is not a zip archive", save)
    if path.suffix != ".keras":
        with path.open("rb") as file:
            if file.read(8) != b"\x89HDF\r\n\x1a\n":
                raise refuse("is not an HDF5 file", save)
    refuse_code(path)
    keras = import_keras()
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers' constructors do
        reason = str(error).strip().splitlines() or [type(error).__name__]
        hint = "open it with the Keras version that saved it, and save it again"
        if "Unknown layer" in str(error) or "Could not locate class" in str(error):
            hint = "custom layers cannot be converted: replace them by Keras' own"
        raise refuse(f"Keras cannot load it: {' '.join(reason)[:300]}", hint) from None


def read_model(model: Any, file: str = "") -> KerasModel:
    """A Sequential or functional Keras 3 model as plain values. Raises TgennError (T402, T403)."""
    keras = import_keras()
    place = Location(file or f"model '{getattr(model, 'name', model)}'")
    if not isinstance(model, keras.Sequential | keras.models.Model) or (
        not isinstance(model, keras.Sequential) and not hasattr(model, "operations")
    ):
        raise TgennError(
            Diagnostic(
                place,
                "T402",
                f"{type(model).__name__} is neither a Sequential nor a functional Keras model",
                "write it as keras.Sequential([...]) or with the functional API",
            )
        )
    if not model.built or not model.inputs:
        raise TgennError(
            Diagnostic(place, "T403", "the model has no input shape", "start it with keras.Input(shape=...)")
        )
    read = _sequential if isinstance(model, keras.Sequential) else _functional
    layers, outputs = read(model)
    return KerasModel(file or model.name, model.name, layers, outputs, keras.__version__)


def _sequential(model: Any) -> tuple[tuple[KerasLayer, ...], tuple[str, ...]]:
    """A Sequential's layers, each the input of the next, and its output's name."""
    first = model.get_config()["layers"][0]
    name = first["config"]["name"] if first["class_name"] == "InputLayer" else "input"
    layers = [_input(name, model.inputs[0])]
    for layer in model.layers:
        layers.append(_layer(layer, (layers[-1].name,)))
    return tuple(layers), (layers[-1].name,)


def _input(name: str, tensor: Any) -> KerasLayer:
    return KerasLayer(name, "InputLayer", {"dtype": tensor.dtype}, output_shape=tuple(tensor.shape[1:]))


def _functional(model: Any) -> tuple[tuple[KerasLayer, ...], tuple[str, ...]]:
    """A functional model's layers and operations with what each reads, and its outputs' names."""
    operations = {operation.name: operation for operation in model.operations}
    config = model.get_config()
    layers = tuple(_layer(operations[c["name"]], _sources(c["inbound_nodes"])) for c in config["layers"])
    return layers, tuple(dict.fromkeys(_histories(config["output_layers"])))


def _histories(outputs: Any) -> list[str]:
    """The layers' names in a functional model's output_layers, however they are nested."""
    if isinstance(outputs, dict):
        return [name for item in outputs.values() for name in _histories(item)]
    if len(outputs) == 3 and isinstance(outputs[0], str) and isinstance(outputs[1], int):
        return [outputs[0]]
    return [name for item in outputs for name in _histories(item)]


def _sources(nodes: list[Any]) -> tuple[str, ...]:
    """The names of the layers that a functional model's layer reads; for a shared layer, of all its uses."""
    found: list[str] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                found.append(value["config"]["keras_history"][0])
            else:
                for item in value.values():
                    visit(item)
        elif isinstance(value, list | tuple):
            for item in value:
                visit(item)

    for node in nodes:
        visit(node)
    return tuple(found)


def _activation_name(activation: Any) -> str:
    """The name of one of Keras' activation functions; for anything else one that no rule has."""
    keras = import_keras()
    name = getattr(activation, "__name__", type(activation).__name__)
    return name if getattr(keras.activations, name, None) is activation else f"{name} (not Keras' own)"


def _class_name(layer: Any) -> str:
    """The layer's class; for one that is not Keras' own, whatever it is called, a name that no rule has."""
    name = type(layer).__name__
    return name if type(layer).__module__.split(".")[0] == "keras" else f"{name} (not Keras' own)"


def _layer(layer: Any, inputs: tuple[str, ...]) -> KerasLayer:
    config = dict(layer.get_config())
    if callable(getattr(layer, "activation", None)):
        config["activation"] = _activation_name(layer.activation)
    config["dtype"] = getattr(getattr(layer, "dtype_policy", None), "name", "float32")
    shape: tuple[Any, ...] = ()
    with contextlib.suppress(AttributeError, ValueError):  # a layer in several places: refused as a branch
        output = layer.output
        shape = tuple(output.shape[1:])
        if not inputs:
            config["dtype"] = output.dtype
    weights = {w.name: w.numpy() for w in getattr(layer, "weights", [])}
    return KerasLayer(layer.name, _class_name(layer), config, weights, inputs, shape)


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """The model's own output for examples x, float32 (n, ...)."""
    return np.array(model(x, training=False), np.float32)
