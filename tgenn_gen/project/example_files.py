"""Writes examples and targets as .npy files for model.cc: one file for each input and each output."""

from __future__ import annotations

import io
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from tgenn_gen.errors import TgennError
from tgenn_gen.files.file_writing import alone_in, replace_files, unwritable
from tgenn_gen.project.writing import require_writable_target
from tgenn_gen.runtime.data import Examples, Table, Targets


def example_files(examples: Examples, targets: Targets, outputs: Table) -> dict[str, np.ndarray]:
    """{input or output: array for its file}, in C order, little-endian.

    Examples (n, *shape) and target values (n, *shape): uint8 stays uint8, everything else becomes float32.
    Class numbers become int32, 0/1 labels uint8.
    """
    shapes = {name: outputs[name]["shape"] for name in targets}
    labels = {name: y.astype(np.uint8) for name, y in targets.items() if y.dtype == np.bool_}
    arrays = {**examples, **targets, **labels}
    classes = {name for name in targets if name not in labels and arrays[name].ndim == len(shapes[name])}
    return {name: np.asarray(x, _dtype(x, name in classes), order="C") for name, x in arrays.items()}


def _dtype(x: np.ndarray, classes: bool) -> str:
    if classes:
        return "<i4"
    return "u1" if x.dtype == np.uint8 else "<f4"


def require_writable_examples(folder: Path, names: Collection[str], kept: Collection[Path]) -> None:
    """Raise TgennError (T602, T604) if files of these names cannot be written into the folder.

    kept: files that must not be overwritten.
    """
    require_writable_target(folder, force=True)
    real = {os.path.realpath(path) for path in kept}  # Path.resolve raises for links that lead to themselves
    for path in (folder / f"{name}.npy" for name in names):
        if _is_no_file(path, folder):
            raise _in_the_way(path, "is not a regular file")
        if os.path.realpath(path) in real:
            raise _in_the_way(
                path, "is the data file, or a weight file of the document, and must not be overwritten"
            )


def _is_no_file(path: Path, folder: Path) -> bool:
    try:
        return path.exists() and not path.is_file()
    except OSError as error:  # a folder that may not be looked into
        raise unwritable(folder, error) from None


def _in_the_way(path: Path, message: str) -> TgennError:
    return TgennError.at(path, "T602", message, "choose another `folder`")


def write_examples(folder: Path, arrays: dict[str, np.ndarray], outputs: Collection[str]) -> list[Path]:
    """Write {name: array} to folder/name.npy. Remove and return the old files of `outputs` without an array.

    Otherwise model.cc would compare old targets with new examples. Raises TgennError (T604, T605).
    """
    stale = [f"{o}.npy" for o in outputs if o not in arrays and os.path.lexists(folder / f"{o}.npy")]
    with alone_in(folder):
        replace_files(folder, {f"{name}.npy": _npy(array) for name, array in arrays.items()}, stale)
    return [folder / name for name in stale]


def _npy(array: np.ndarray) -> bytes:
    """An .npy file, format 1.0."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()
