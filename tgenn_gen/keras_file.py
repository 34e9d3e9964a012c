"""What a model file declares, read as JSON before Keras loads it: a file from a stranger may name any class.

Keras' safe mode has had holes, and its .h5 reader has none; a class that is not Keras' own, or a Lambda,
is therefore refused before Keras sees the file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgenn_gen.errors import Diagnostic, Location, MissingEngineError, TgennError
from tgenn_gen.supported import supported_layers, unsupported_class

MAX_CONFIG = 64 * 2**20
CARRIES_CODE = frozenset({"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})


def refuse_code(path: Path) -> None:
    """Raise TgennError (T404) if the model names code of its own, with every layer of an unsupported class.

    Does nothing for a file whose configuration cannot be read: Keras then says why.
    """
    try:
        config = json.loads(_config_text(path))
    except (OSError, KeyError, ValueError, RuntimeError, RecursionError, zipfile.BadZipFile):
        return
    if not any(_is_foreign(part) for part in _dictionaries(config)):
        return
    layers = [part for part in _dictionaries(config) if _layer_name(part) and part is not config]
    found = [
        Diagnostic(
            Location(str(path), layer_index=index, layer=_layer_name(layer)),
            "T404",
            *unsupported_class(str(layer["class_name"])),
        )
        for index, layer in enumerate(layers)
        if _is_foreign(layer) or layer["class_name"] not in supported_layers()
    ]
    if not found:
        hint = "build the model of Keras' own layers and functions alone"
        names = sorted({str(part["class_name"]) for part in _dictionaries(config) if _is_foreign(part)})
        message = f"the model names code that is not Keras' own: {', '.join(names)}"
        found = [Diagnostic(Location(str(path)), "T404", message, hint)]
    raise TgennError(found)


def _config_text(path: Path) -> str:
    """The model's configuration as JSON text. Raises KeyError where there is none, or too much."""
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > MAX_CONFIG:
                raise KeyError
            return archive.read("config.json").decode()
    try:
        import h5py
    except ImportError as error:
        raise MissingEngineError(
            f"reading a Keras model needs TensorFlow ({error}): pip install 'tgenn-gen[keras]'"
        ) from None

    with h5py.File(path, "r") as file:
        text = file.attrs["model_config"]
        return text if isinstance(text, str) else bytes(text).decode()


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _dictionaries(item)
    elif isinstance(value, list):
        for item in value:
            yield from _dictionaries(item)


def _is_foreign(part: dict[str, Any]) -> bool:
    """Whether a part of the configuration names code that is not Keras' own."""
    module = part.get("module")
    own = module in (None, "builtins") or str(module).split(".")[0] == "keras"
    return "class_name" in part and (part["class_name"] in CARRIES_CODE or not own)


def _layer_name(part: dict[str, Any]) -> str:
    """The name of the layer that a part of the configuration is; "" if it is none."""
    config = part.get("config")
    if "class_name" not in part or not isinstance(config, dict):
        return ""
    return str(config.get("name", "")) if "trainable" in config or "batch_shape" in config else ""
