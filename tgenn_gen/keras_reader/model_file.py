"""Opens, checks and parses a model file before Keras loads it.

A file may name any class or function for Keras to call. Keras' safe mode has had holes, and there is none for
.h5 files and in Keras 2. So a file that names anything but the classes in known_classes is refused first.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.files.archives import ArchiveError, open_archive
from tgenn_gen.files.paths import is_inside
from tgenn_gen.keras_reader import saved_model
from tgenn_gen.keras_reader.hdf5_file import MAX_RATIO, WEIGHTS, hdf5_problem, is_hdf5
from tgenn_gen.keras_reader.known_classes import NESTED, function_of, is_converted, is_part, may_be_built
from tgenn_gen.keras_reader.libraries import import_h5py
from tgenn_gen.keras_reader.supported_layers import unsupported_class

MAX_CONFIG = 8 * 2**20  # a thousand layers take 1 MiB; parsed, it takes thirty times as much memory
MAX_PROGRAM = 2**28  # a hundred layers take 10 MiB; it is not parsed
REFUSED = {"model.weights.npz"}  # in a .keras file: Keras would read it unchecked
COMPILED = "compile_config"  # of a model: its optimizer, losses and metrics
TRAINING = ("_initializer", "_regularizer", "_constraint")  # a layer's attributes end so
SAVE = "save it with model.save('model.keras')"


@dataclass(frozen=True)
class ModelFile:
    """A model file before Keras loads it. Its configuration may name anything: see refuse_code.

    is_keras_2  whether it is of Keras 2, so that tf_keras loads it
    version     of Keras, as the file says it; "" if it does not
    config      the model's class and attributes, without those that only training needs
    members     the names of a .keras file's entries
    """

    path: Path
    kind: Literal["keras", "h5", "SavedModel"]
    is_keras_2: bool
    version: str
    config: Any
    members: tuple[str, ...] = ()


def open_model_file(path: Path) -> ModelFile:
    """Open a model file and read its configuration.

    Raises TgennError (T401) for a file that is not a model, would fill the memory or leads to other files;
    MissingEngineError where h5py or tf_keras is needed and missing. Damaged files raise other errors too.
    """
    if not path.exists():
        raise TgennError.at(path, "T401", "there is no such file", "give the path of a .keras or .h5 file")
    if path.is_dir():
        return _open_saved_model(path)
    if not path.is_file():
        raise TgennError.at(path, "T401", "is not a regular file", "give the path of a .keras or .h5 file")
    if path.suffix == ".keras" and not is_hdf5(path):  # Keras 2 before 2.13 writes HDF5 under this name too
        return _open_keras_file(path)
    if path.suffix in (".keras", ".h5", ".hdf5"):
        return _open_hdf5_file(path)
    raise TgennError.at(path, "T401", f"its name ends in '{path.suffix}', expected .keras or .h5", SAVE)


def _open_saved_model(path: Path) -> ModelFile:
    if not (path / saved_model.PROGRAM).is_file():
        hint = "give a .keras or .h5 file or a SavedModel"
        raise TgennError.at(path, "T401", "is a folder, not a Keras model", hint)
    if (path / saved_model.METADATA).is_file():
        _require_small((path / saved_model.METADATA).stat().st_size, saved_model.METADATA, path, MAX_CONFIG)
    else:
        _require_small((path / saved_model.PROGRAM).stat().st_size, saved_model.PROGRAM, path, MAX_PROGRAM)
    text = saved_model.description(path)
    if text is None:
        message = "is a SavedModel without Keras layers, as model.export and tf.saved_model.save write it"
        raise TgennError.at(path, "T401", message, SAVE)
    _require_small(len(text), "description", path, MAX_CONFIG)
    model = json.loads(text)
    config = {"class_name": model["class_name"], "config": model.get("config")}
    return ModelFile(path, "SavedModel", True, "", _for_inference(config, is_keras_2=True))


def _open_keras_file(path: Path) -> ModelFile:
    try:
        with open_archive(path, MAX_RATIO) as archive:
            members = tuple(archive.namelist())
            metadata = _member(archive, "metadata.json", path) if "metadata.json" in members else {}
            config = _member(archive, "config.json", path)
    except zipfile.BadZipFile:
        raise TgennError.at(path, "T401", "is not a .keras file: it is not a zip archive", SAVE) from None
    except ArchiveError as error:
        raise _refusal(path, str(error)) from None
    version = str(metadata.get("keras_version", ""))
    is_keras_2 = version.startswith("2.")
    return ModelFile(path, "keras", is_keras_2, version, _for_inference(config, is_keras_2), members)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    _require_small(archive.getinfo(name).file_size, name, path, MAX_CONFIG)
    return json.loads(archive.read(name))


def _open_hdf5_file(path: Path) -> ModelFile:
    if not is_hdf5(path):
        raise TgennError.at(path, "T401", "is not an HDF5 file", SAVE)
    _require_plain_hdf5(path)
    with import_h5py().File(path, "r") as file:
        version, text = (_text(file.attrs.get(name, "")) for name in ("keras_version", "model_config"))
    if not text:
        raise ValueError(f"No model config found in the file at {path}.")
    _require_small(len(text), "model_config", path, MAX_CONFIG)
    config = json.loads(text)
    is_keras_2 = version.startswith("2.") and find_spec("tf_keras") is not None
    is_keras_2 = is_keras_2 or any(map(_needs_keras_2, _dictionaries(config)))
    return ModelFile(path, "h5", is_keras_2, version, _for_inference(config, is_keras_2))


def _text(attribute: Any) -> str:
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)


def _needs_keras_2(part: dict[str, Any]) -> bool:
    """Whether a part of an .h5 file's configuration can be read by Keras 2 only."""
    match part:
        case {"class_name": "TFOpLambda" | "BatchNormalizationV1"}:
            return True
        case {"class_name": "DepthwiseConv2D", "config": {"groups": _}}:
            return True
        case {"class_name": "Sequential", "config": {"layers": [first, *_]} | [first, *_]}:
            match first:
                case {"class_name": name, "config": {"batch_input_shape": _}}:
                    return name != "InputLayer"
    return False


def _for_inference(config: Any, is_keras_2: bool) -> Any:
    """A configuration without what only training needs; for Keras 2 with the modules of tf_keras.

    Left out: optimizers, losses and metrics; initializers, regularizers and constraints. They may be code of
    the user's own, which is thus never looked up; a layer has its defaults instead.
    """
    if isinstance(config, list):
        return [_for_inference(item, is_keras_2) for item in config]
    if not isinstance(config, dict):
        return config
    found = {name: _for_inference(value, is_keras_2) for name, value in config.items() if name != COMPILED}
    if "class_name" in found and isinstance(found.get("config"), dict):
        found["config"] = {k: v for k, v in found["config"].items() if not k.endswith(TRAINING)}
    module = found.get("module")
    if is_keras_2 and isinstance(module, str) and module.startswith(("keras.src.", "keras.engine.")):
        found["module"] = f"tf_keras.src.{module.removeprefix('keras.').removeprefix('src.')}"
    return found


def _require_plain_hdf5(path: Path) -> None:
    """Raise TgennError (T401) for weights that would fill the memory or lead to other files.

    MissingEngineError without h5py.
    """
    import_h5py()
    if problem := hdf5_problem(path):
        raise _refusal(path, problem)


def _require_small(size: int, name: str, path: Path, limit: int) -> None:
    """Raise TgennError (T401) for a configuration that would fill the memory."""
    if size > limit:
        raise _refusal(path, f"its {name} has {size} bytes, expected at most {limit}")


def _refusal(path: Path, message: str) -> TgennError:
    return TgennError.at(path, "T401", message, "save the model again with Keras, as .keras")


def refuse_code(file: ModelFile) -> None:
    """Raise TgennError (T404), with every layer that cannot be converted, if the model names unsafe code.

    T402 for a model of Keras 2 whose class is not Keras' own.
    """
    class_name = file.config.get("class_name") if isinstance(file.config, dict) else None
    if file.is_keras_2 and class_name not in NESTED:
        raise TgennError(subclassed(Location(str(file.path)), str(class_name)))
    parts = [part for part in _dictionaries(file.config) if "class_name" in part]
    judged = [(part, may_be_built(part, file.is_keras_2)) for part in parts]
    if all(may for _, may in judged):
        return
    found = [
        Diagnostic.at(
            Location(str(file.path), layer_index=index, layer=_name(part)),
            "T404",
            *unsupported_class(_called(part)),
        )
        for index, (part, may) in enumerate(judged)
        if _name(part) and not (may and (is_converted(part) or is_part(part)))
    ]
    if not found:
        names = sorted({_called(part) for part, may in judged if not may})
        hint = "use only layers and functions of Keras"
        message = f"the model uses code that is not part of Keras: {', '.join(names)}"
        found = [Diagnostic.at(file.path, "T404", message, hint)]
    raise TgennError(found)


def refuse_other_content(file: ModelFile) -> None:
    """Raise TgennError (T401) for entries of a .keras file that no supported layer has.

    MissingEngineError without h5py.
    """
    files = [member for member in file.members if not member.endswith("/")]
    if others := [f for f in files if f in REFUSED or f.startswith("assets/") or not is_inside(f)]:
        raise _refusal(file.path, f"it contains {others[0]}, which no supported layer has")
    if file.kind == "keras":
        if WEIGHTS not in files:
            raise _refusal(file.path, f"it contains no {WEIGHTS}")
        _require_plain_hdf5(file.path)


def subclassed(place: Location, class_name: str) -> Diagnostic:
    """The error for a model whose class has code of its own."""
    message = f"{class_name} is neither a Sequential nor a functional Keras model"
    return Diagnostic.at(
        place, "T402", message, "write it as keras.Sequential([...]) or with the functional API"
    )


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries in a value, outer before inner, in order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += reversed(item.values())
        elif isinstance(item, list):
            waiting += reversed(item)


def _called(part: dict[str, Any]) -> str:
    """The class of a part of the configuration, or the function that it calls."""
    if part["class_name"] == "TFOpLambda" and function_of(part):
        return f"tf.{function_of(part)}"
    is_function = part["class_name"] == "function"
    return f"function {part.get('config')}" if is_function else str(part["class_name"])


def _name(part: dict[str, Any]) -> str:
    """The layer's name of a part of the configuration; "" if it is not a layer."""
    config = part.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""
