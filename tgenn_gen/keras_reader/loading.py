"""Keras models to plain values. The only module that imports keras or tf_keras, and only when called."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.errors import Location, MissingEngineError, TgennError
from tgenn_gen.keras_reader.call_graph import graph_of, read_graph
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.keras_names import Library
from tgenn_gen.keras_reader.model_file import is_keras_2, model_config, refuse_code, subclassed


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


def import_tf_keras() -> Any:
    """Keras 2, the tf_keras package. Raises MissingEngineError where it is not installed."""
    import_keras()  # sets TensorFlow up
    try:
        import tf_keras
    except ImportError as error:
        raise MissingEngineError(
            f"reading a model of Keras 2 needs tf_keras ({error}): pip install 'tgenn-gen[savedmodel]'"
        ) from None
    return tf_keras


def _library_of(model: Any) -> Library:
    """The library that a model is of. Raises MissingEngineError as import_keras does."""
    keras = import_keras()
    keras_2 = sys.modules.get("tf_keras")
    if keras_2 is not None and isinstance(model, keras_2.Model):
        import tensorflow as tf

        return Library(keras_2, tf.nest.flatten, tf.nest.pack_sequence_as)
    return Library(keras, keras.tree.flatten, keras.tree.pack_sequence_as)


def load_model(path: Path) -> Any:
    """Load a .keras or .h5 file or a SavedModel folder without running code in it.

    Raises TgennError (T401, T404); MissingEngineError where tf_keras is needed and not installed.
    """
    _require_model_file(path)
    try:
        refuse_code(path)
        return _load(path)
    except (MissingEngineError, TgennError):
        raise
    except Exception as error:  # Keras raises whatever its layers' constructors do
        reason = str(error).strip().splitlines() or [type(error).__name__]
        hint = "open it with the Keras version that saved it, and save it again"
        if "model config" in str(error):
            hint = "it may hold weights alone: save the whole model with model.save"
        if "No cast function available" in str(error):
            hint = "Keras cannot read bfloat16 weights of an .h5 file: save the model as .keras"
        raise TgennError.at(path, "T401", f"Keras cannot load it: {' '.join(reason)[:300]}", hint) from None


def _load(path: Path) -> Any:
    if not is_keras_2(path):
        return import_keras().saving.load_model(path, compile=False, safe_mode=True)
    tf_keras = import_tf_keras()
    if path.is_file() and path.suffix != ".keras":
        return tf_keras.saving.load_model(path, compile=False, safe_mode=True)
    model = tf_keras.models.model_from_json(json.dumps(model_config(path)))
    if path.is_dir():
        _read_variables(model, path)
    else:
        _read_weights(model, path)
    return model


def _read_variables(model: Any, path: Path) -> None:
    """Give a model the weights of the SavedModel of Keras 2 that it was built after.

    TensorFlow's own loader is not used: a SavedModel is a program, and parts of it run while it is loaded.
    """
    status = model.load_weights(path / "variables/variables")
    status.assert_existing_objects_matched().expect_partial()


def _read_weights(model: Any, path: Path) -> None:
    """Give a model the weights of the .keras file that it was built after."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        model.load_weights(archive.extract("model.weights.h5", folder))


def _require_model_file(path: Path) -> None:
    """Raise TgennError (T401) where it can be seen from outside that a path is no model."""
    save = "save it with model.save('model.keras')"
    if not path.exists():
        raise TgennError.at(path, "T401", "there is no such file", "give the path of a .keras or .h5 file")
    if not path.is_file() and not path.is_dir():
        raise TgennError.at(path, "T401", "is not a regular file", "give the path of a .keras or .h5 file")
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        raise TgennError.at(
            path, "T401", "is a folder, not a Keras model", "give a .keras or .h5 file or a SavedModel"
        )
    if path.is_dir() and not (path / "keras_metadata.pb").is_file():
        message = "is a SavedModel without its layers, as model.export and tf.saved_model.save write it"
        raise TgennError.at(path, "T401", message, save)
    if path.is_dir():
        return
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise TgennError.at(path, "T401", f"is not a Keras model: its name ends in '{path.suffix}'", save)
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise TgennError.at(path, "T401", "is not a .keras file: it is not a zip archive", save)
    if path.suffix != ".keras":
        with path.open("rb") as file:
            if file.read(8) != b"\x89HDF\r\n\x1a\n":
                raise TgennError.at(path, "T401", "is not an HDF5 file", save)


def read_model(model: Any, file: str = "") -> KerasModel:
    """A Sequential or functional model as plain values. Raises TgennError (T402, T403)."""
    library = _library_of(model)
    place = Location(file or f"model '{getattr(model, 'name', model)}'")
    models = library.package
    known = isinstance(model, models.Model) and library.own(type(model).call)
    if not known or not (isinstance(model, models.Sequential) or hasattr(model, "_nodes_by_depth")):
        raise TgennError(subclassed(place, type(model).__name__))
    if graph_of(model, library) is None:
        raise TgennError.at(
            place, "T403", "the model has no input shape", "start it with keras.Input(shape=...)"
        )
    graph = read_graph(model, library)
    return KerasModel(
        file or model.name,
        model.name,
        graph.layers,
        graph.inputs,
        graph.outputs,
        library.package.__version__,
        graph.compute_dtype,
    )


def predict(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The model's own outputs, float32 (n, ...), for an array (n, ...) each input, in the model's order.

    Raises TgennError (T411) where the model cannot be run.
    """
    library = _library_of(model)
    given = inputs[0] if len(inputs) == 1 else library.pack(model.input, inputs)
    try:
        outputs = library.flatten(model(given, training=False))
    except Exception as error:  # TensorFlow raises whatever its kernels do
        reason = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
        message = f"Keras itself cannot run the model: {reason[:300]}"
        hint = "mend the model until model.predict works"
        raise TgennError.at(f"model '{model.name}'", "T411", message, hint) from None
    return [np.asarray(output).astype(np.float32) for output in outputs]
