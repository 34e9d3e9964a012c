"""What a model file declares, read as JSON before Keras loads it: a file from a stranger may name any class.

Keras' safe mode has had holes, and its .h5 reader and Keras 2 have none; a file that names anything but the
classes in keras_known is therefore refused before Keras sees it.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tgenn_gen.errors import Diagnostic, Location, MissingEngineError, TgennError
from tgenn_gen.files.archives import ArchiveError, open_archive
from tgenn_gen.files.paths import is_inside
from tgenn_gen.keras_reader.hdf5_file import MAX_RATIO, WEIGHTS, hdf5_problem
from tgenn_gen.keras_reader.known_classes import NESTED, function_of, is_converted, is_part, may_be_built
from tgenn_gen.keras_reader.supported_layers import unsupported_class

MAX_CONFIG = 8 * 2**20  # Python takes thirty times that for it; one of a thousand layers has 1 MiB
REFUSED = {"model.weights.npz"}  # in a .keras file: Keras would read it unchecked
MAX_VARINT = 10  # bytes of a number of 64 bits in a protobuf message
UNREADABLE = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    RuntimeError,
    EOFError,
    AttributeError,
    MemoryError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def refuse_code(path: Path) -> None:
    """Raise TgennError (T404) if the model names what Keras must not build, with every layer not converted.

    T402 for a model of Keras 2 that is of a class of its own, T401 for a file that would fill the memory or
    leads to others. Raises one of UNREADABLE where the configuration cannot be read.
    """
    members = _plain_members(path)
    if not members and path.is_file():
        _require_plain_hdf5(path)
    config = model_config(path)
    keras_2 = is_keras_2(path)
    class_name = config.get("class_name") if isinstance(config, dict) else None
    if keras_2 and class_name not in NESTED:
        raise TgennError(subclassed(Location(str(path)), str(class_name)))
    parts = [part for part in _dictionaries(config) if "class_name" in part]
    judged = [(part, may_be_built(part, keras_2)) for part in parts]
    if all(may for _, may in judged):
        _require_written_by_keras(path, members)
        return
    found = [
        Diagnostic.at(
            Location(str(path), layer_index=index, layer=_name(part)),
            "T404",
            *unsupported_class(_called(part)),
        )
        for index, (part, may) in enumerate(judged)
        if _name(part) and not (may and (is_converted(part) or is_part(part)))
    ]
    if not found:
        names = sorted({_called(part) for part, may in judged if not may})
        hint = "build the model of Keras' own layers and functions alone"
        message = f"the model names code that is not Keras' own: {', '.join(names)}"
        found = [Diagnostic.at(path, "T404", message, hint)]
    raise TgennError(found)


def subclassed(place: Location, class_name: str) -> Diagnostic:
    """What is said of a model of a class of its own."""
    message = f"{class_name} is neither a Sequential nor a functional Keras model"
    return Diagnostic.at(
        place, "T402", message, "write it as keras.Sequential([...]) or with the functional API"
    )


def is_keras_2(path: Path) -> bool:
    """Whether a model is of Keras 2, and for Keras 2 to read; not where its configuration cannot be read.

    Keras 3 reads some .h5 files of Keras 2: it does where tf_keras is not installed.
    """
    if path.is_dir():
        return True
    try:
        if path.suffix == ".keras":
            with open_archive(path, MAX_RATIO) as archive:
                version = json.loads(_member(archive, "metadata.json"))["keras_version"]
            return str(version).startswith("2.")
        if find_spec("tf_keras") is not None and _h5_version(path).startswith("2."):
            return True
        return any(map(_is_of_keras_2, _dictionaries(model_config(path))))
    except UNREADABLE:
        return False


def _h5_version(path: Path) -> str:
    import h5py

    with h5py.File(path, "r") as file:
        version = file.attrs.get("keras_version", "")
        return version if isinstance(version, str) else bytes(version).decode()


def _is_of_keras_2(part: dict[str, Any]) -> bool:
    """Whether a part of an .h5 file's configuration is what Keras 3 no longer reads."""
    kind, config = part.get("class_name"), part.get("config")
    if kind == "Sequential":
        stack = config["layers"] if isinstance(config, dict) else part["config"]
        first = stack[0]
        return first["class_name"] != "InputLayer" and "batch_input_shape" in first["config"]
    depthwise = kind == "DepthwiseConv2D" and "groups" in part["config"]
    return depthwise or kind in ("TFOpLambda", "BatchNormalizationV1")


def model_config(path: Path) -> Any:
    """The model's configuration, without how it was trained where Keras is not given that.

    Raises one of UNREADABLE where there is none, TgennError for too much.
    """
    if path.is_dir():
        return _of_tf_keras(_saved_model_config(path / "keras_metadata.pb"))
    config = json.loads(_config_text(path))
    if path.suffix != ".keras":
        return config
    if is_keras_2(path):
        return _of_tf_keras(config)
    return {**config, "compile_config": None}


def _of_tf_keras(config: Any) -> Any:
    """A configuration of Keras 2 with the modules where tf_keras has them, without how it was trained."""
    if isinstance(config, list):
        return [_of_tf_keras(item) for item in config]
    if not isinstance(config, dict):
        return config
    renamed = {name: _of_tf_keras(value) for name, value in config.items() if name != "compile_config"}
    module = renamed.get("module")
    if isinstance(module, str) and module.startswith(("keras.src.", "keras.engine.")):
        renamed["module"] = f"tf_keras.src.{module.removeprefix('keras.').removeprefix('src.')}"
    return renamed


def _config_text(path: Path) -> str:
    if path.suffix.lower() == ".keras":
        with open_archive(path, MAX_RATIO) as archive:
            return _member(archive, "config.json")
    with _import_h5py().File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ValueError(f"No model config found in the file at {path}.")
        text = file.attrs["model_config"]
        _require_small(len(text), "model_config", str(path))
        return text if isinstance(text, str) else bytes(text).decode()


def _import_h5py() -> Any:
    """Raises MissingEngineError."""
    try:
        import h5py
    except ImportError as error:
        message = f"reading a Keras model needs TensorFlow ({error}): pip install 'tgenn-gen[keras]'"
        raise MissingEngineError(message) from None
    return h5py


def _member(archive: zipfile.ZipFile, name: str) -> str:
    _require_small(archive.getinfo(name).file_size, name, str(archive.filename))
    return archive.read(name).decode()


def _plain_members(path: Path) -> list[str]:
    """The names of a .keras file's entries; [] of other files. Raises TgennError (T401) and zipfile's."""
    if path.suffix != ".keras":
        return []
    try:
        with open_archive(path, MAX_RATIO) as archive:
            return archive.namelist()
    except ArchiveError as error:
        raise _not_of_keras(str(path), str(error)) from None


def _require_written_by_keras(path: Path, members: list[str]) -> None:
    """Raise TgennError (T401) for entries of a .keras file that the layers that are converted have not."""
    files = [member for member in members if not member.endswith("/")]
    if others := [f for f in files if f in REFUSED or f.startswith("assets/") or not is_inside(f)]:
        raise _not_of_keras(str(path), f"it holds {others[0]}, which is no part of a model that is converted")
    if WEIGHTS in members:
        _require_plain_hdf5(path)


def _require_plain_hdf5(path: Path) -> None:
    """Raise TgennError (T401) for weights that would fill the memory or lead to other files.

    MissingEngineError without h5py.
    """
    _import_h5py()
    if problem := hdf5_problem(path):
        raise _not_of_keras(str(path), problem)


def _not_of_keras(file: str, message: str) -> TgennError:
    return TgennError.at(file, "T401", message, "save the model again with Keras, as .keras")


def _require_small(size: int, name: str, file: str) -> None:
    """Raise TgennError (T401) for a configuration that would fill the memory."""
    if size > MAX_CONFIG:
        raise _not_of_keras(file, f"its {name} has {size} bytes, the largest that is read has {MAX_CONFIG}")


def _saved_model_config(path: Path) -> dict[str, Any]:
    """The class and configuration of the model of a SavedModel of Keras 2."""
    _require_small(path.stat().st_size, path.name, str(path.parent))
    for number, node in _fields(path.read_bytes()):
        parts = dict(_fields(node)) if number == 1 else {}
        if parts.get(3) == b"root":
            described = json.loads(parts[5])
            return {"class_name": described["class_name"], "config": described["config"]}
    raise KeyError("root")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and contents of a protobuf message's fields of bytes. Raises ValueError, IndexError."""
    at = 0

    def number() -> int:
        nonlocal at
        value = 0
        for place in range(MAX_VARINT):
            byte = message[at]
            at += 1
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value
        raise ValueError("a number that is too long")

    while at < len(message):
        key = number()
        if key & 7 == 0:
            number()
        elif key & 7 == 2:
            length = number()
            yield key >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError("a field that Keras does not write")


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries in a value, outer before inner, in their order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += reversed(item.values())
        elif isinstance(item, list):
            waiting += reversed(item)


def _called(part: dict[str, Any]) -> str:
    """The class of a part of the configuration, or the function that it stands for."""
    if part["class_name"] == "TFOpLambda" and function_of(part):
        return f"tf.{function_of(part)}"
    is_function = part["class_name"] == "function"
    return f"function {part.get('config')}" if is_function else str(part["class_name"])


def _name(part: dict[str, Any]) -> str:
    """The name of the layer that a part of the configuration is; "" if it is none."""
    config = part.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""
