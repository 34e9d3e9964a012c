"""The shapes and hashes of weights in a document, brought up to date with the files."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tgenn_gen.document.weight_files import WeightFiles, current_reference
from tgenn_gen.document.yaml_source import Source
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.problems import PathInDocument


def locked(source: Source, files: WeightFiles) -> tuple[Any, list[str]]:
    """The document's data with shapes, dtypes and hashes as the weight files have them; the changes.

    A reference may name its file alone. Raises TgennError with all files that cannot be read, or hold no
    float32 in C order (T301 to T304).
    """
    data = deepcopy(source.data)
    read: dict[str, dict[str, Any]] = {}
    changes: dict[str, str] = {}
    found: list[Diagnostic] = []

    def visit(value: Any, path: PathInDocument) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                visit(item, (*path, index))
        elif isinstance(value, dict) and isinstance(value.get("file"), str):
            update(value, path)
        elif isinstance(value, dict):
            for key, item in value.items():
                visit(item, (*path, key))

    def update(reference: dict[str, Any], path: PathInDocument) -> None:
        file = reference["file"]
        try:
            if file not in read:
                read[file] = current_reference(files, file, source.location(path))
        except TgennError as error:
            found.extend(error.diagnostics)
            return
        if any(reference.get(key) != value for key, value in read[file].items()):
            changes[file] = f"{file}: {_change(reference, read[file])}"
        reference.update(read[file])

    if isinstance(data, dict):
        visit(data.get("populations"), ("populations",))
    if found:
        raise TgennError(found)
    return data, list(changes.values())


def _change(old: dict[str, Any], new: dict[str, Any]) -> str:
    if "sha256" not in old:
        return f"new, {new['shape']}"
    if old.get("shape") != new["shape"]:
        return f"{old.get('shape', 'no shape')} -> {new['shape']}"
    return f"other values, {new['shape']}"
