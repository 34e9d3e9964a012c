"""Loads a model file with Keras, reads the model into plain values, and runs it."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.errors import Location, MissingEngineError, TgennError
from tgenn_gen.keras_reader.call_graph import graph_of, read_graph
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.libraries import import_keras, import_tf_keras, library_of
from tgenn_gen.keras_reader.model_copy import write_copy
from tgenn_gen.keras_reader.model_file import (
    ModelFile,
    open_model_file,
    refuse_code,
    refuse_other_content,
    subclassed,
)

log = logging.getLogger(__name__)


def load_model(path: Path) -> Any:
    """Load a .keras or .h5 file or a SavedModel folder without running code in it.

    Raises TgennError (T401, T402, T404); MissingEngineError where TensorFlow or tf_keras is missing.
    """
    try:
        file = open_model_file(path)
        refuse_code(file)
        refuse_other_content(file)
        log.info("loading %s with Keras", path)
        return _load(file)
    except (MissingEngineError, TgennError):
        raise
    except Exception as error:  # Keras raises whatever its layers' constructors do
        reason = str(error).strip().splitlines() or [type(error).__name__]
        hint = "open it with the Keras version that saved it, and save it again"
        if "model config" in str(error):
            hint = "the file may contain only weights: save the whole model with model.save"
        if "positional argument" in str(error):
            hint = "Keras cannot read operations such as x + 1 from an .h5 file: save the model as .keras"
        if "No cast function available" in str(error):
            hint = "Keras cannot read bfloat16 weights of an .h5 file: save the model as .keras"
        raise TgennError.at(path, "T401", f"Keras cannot load it: {' '.join(reason)[:300]}", hint) from None


def _load(file: ModelFile) -> Any:
    library = import_tf_keras() if file.is_keras_2 else import_keras()
    if file.kind == "SavedModel":
        model = library.models.model_from_json(json.dumps(file.config))
        _read_variables(model, file.path)
        return model
    with tempfile.TemporaryDirectory() as folder:
        copy = write_copy(file, Path(folder))
        try:
            return library.saving.load_model(copy, compile=False, safe_mode=True)
        except Exception:
            if not file.is_keras_2 and file.version.startswith("2."):
                import_tf_keras()  # it is missing, and Keras 3 cannot read every file of Keras 2
            raise


def _read_variables(model: Any, path: Path) -> None:
    """Load the weights of a SavedModel of Keras 2 into the model that was built from its configuration.

    TensorFlow's own loader is not used: a SavedModel is a program, and parts of it run while it is loaded.
    """
    status = model.load_weights(path / "variables/variables")
    status.assert_existing_objects_matched().expect_partial()


def read_model(model: Any, file: str = "") -> KerasModel:
    """A Sequential or functional model as plain values. Raises TgennError (T402, T403)."""
    library = library_of(model)
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
    """The outputs of the Keras model, float32 (n, ...). inputs: arrays (n, ...), in the model's order.

    Raises TgennError (T411) where the model cannot be run.
    """
    library = library_of(model)
    given = inputs[0] if len(inputs) == 1 else library.pack(model.input, inputs)
    try:
        outputs = library.flatten(model(given, training=False))
    except Exception as error:  # TensorFlow raises whatever its kernels do
        reason = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
        message = f"Keras itself cannot run the model: {reason[:300]}"
        hint = "change the model so that model.predict works"
        raise TgennError.at(f"model '{model.name}'", "T411", message, hint) from None
    return [np.asarray(output).astype(np.float32) for output in outputs]
