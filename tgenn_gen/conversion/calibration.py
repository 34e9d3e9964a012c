"""Calibration data: training examples, read from an .npz (or an array) in batches, never whole."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from tgenn_gen.engine.simulation import examples_of
from tgenn_gen.errors import TgennError
from tgenn_gen.files.archives import ArchiveError, array_names, open_archive, open_array, read_bytes
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Input
from tgenn_gen.runtime.data import (
    MAX_RATIO,
    UNREADABLE,
    Examples,
    as_current,
    count_of,
    example_problem,
    input_arrays,
    lengths_problem,
    named,
    target_arrays,
    with_last_axis,
)

ENDINGS = ("", "_train")
BATCH_BYTES = 8 * 2**20  # of the largest population's activations


@dataclass(frozen=True, eq=False)
class Calibration:
    """Examples of a network's inputs. `arrays` is None where they are read from the .npz `file`.

    count: how many; sha256: of the file's, or the arrays', bytes.
    """

    inputs: tuple[Input, ...]
    file: str
    count: int
    arrays: Examples | None = None

    def batches(self, neurons: int) -> Iterator[tuple[Examples, np.ndarray | None]]:
        """Currents {input: float32 (batch, *shape)}, and class numbers (batch,) where there are some.

        Batches are for populations of `neurons`. Raises TgennError on NaN (T505), or missing data (T501).
        """
        done = 0
        for blocks, y in self._blocks(
            max(1, BATCH_BYTES // (4 * max(neurons, *(prod(i.shape) for i in self.inputs))))
        ):
            batch = {
                i.name: as_current(blocks[i.name].reshape(-1, *i.shape), i.uint8_divisor) for i in self.inputs
            }
            for name, x in batch.items():
                finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
                if not finite.all():
                    index = done + int(np.flatnonzero(~finite)[0])
                    message = f"example {index} holds NaN or infinity, or a number too large for float32"
                    raise TgennError.at(self.file, "T505", named(name, message, batch), "remove or mend it")
            done += len(x)
            yield batch, y

    def _blocks(self, size: int) -> Iterator[tuple[Examples, np.ndarray | None]]:
        starts = range(0, self.count, size)
        if self.arrays is not None:
            yield from (
                ({n: x[start : start + size] for n, x in self.arrays.items()}, None) for start in starts
            )
            return
        try:
            yield from self._file_blocks(starts, size)
        except UNREADABLE as error:
            raise _unreadable(self.file, error) from None

    def _file_blocks(self, starts: range, size: int) -> Iterator[tuple[Examples, np.ndarray | None]]:
        with contextlib.ExitStack() as opened:
            archive = opened.enter_context(open_archive(Path(self.file), MAX_RATIO))
            there = array_names(archive)
            keys, ending = input_arrays([i.name for i in self.inputs], there, ENDINGS)
            examples, headers = {}, {}
            for name, key in keys.items():
                examples[name], shape, fortran, dtype = opened.enter_context(open_array(archive, key))
                headers[name] = _plain(shape, fortran, dtype)
            labels, label_dtype = None, np.dtype(np.uint8)
            for label_key in target_arrays(["y"], there, ending, keys.values()).values():
                with contextlib.suppress(ValueError):  # not an array of numbers: no labels
                    member, shape, _, dtype = opened.enter_context(open_array(archive, label_key))
                    if shape in ((self.count,), (self.count, 1)) and dtype.kind in "ui":
                        labels, label_dtype = member, dtype
            for start in starts:
                count = min(size, self.count - start)
                x = {
                    name: _read(examples[name], (count, *shape[1:]), dtype)
                    for name, (shape, dtype) in headers.items()
                }
                y = None if labels is None else _read(labels, (count,), label_dtype)
                yield x, y

    def sha256(self) -> str:
        """Of the file's bytes, or the arrays', one after the other."""
        if self.arrays is None:
            return file_sha256(Path(self.file))
        digest = hashlib.sha256()
        for x in self.arrays.values():
            digest.update(np.ascontiguousarray(x).tobytes())
        return digest.hexdigest()


def open_calibration(
    data: str | Path | np.ndarray | Mapping[str, np.ndarray], inputs: tuple[Input, ...]
) -> Calibration:
    """Check calibration data against the network's inputs, before any of it is used.

    data: examples (n, *input shape), or {input: examples}, or the path of an .npz with x or x_train, or with
    arrays named after the inputs. A missing channel axis of length 1 is added.
    Raises TgennError: T501 unreadable, T502 no array, T503 shape or number, T504 type or empty.
    """
    if isinstance(data, str | Path):
        name, arrays = str(data), None
        forms = _npz_forms(Path(data), inputs)
    else:
        name = "calibration array"
        arrays = examples_of(data, {i.name: {"shape": i.shape} for i in inputs}, name)
        forms = {key: _form(x.shape, x.dtype) for key, x in arrays.items()}
    forms = {i.name: with_last_axis(forms[i.name], i.shape) for i in inputs}
    for i in inputs:
        x = forms[i.name]
        if problem := example_problem(x[:1] if x.ndim else x, i.shape):
            code, hint = _code_and_hint(x, i.shape)
            raise TgennError.at(name, code, named(i.name, problem, forms), hint)
    if problem := lengths_problem(forms):
        raise TgennError.at(name, "T503", problem, "give each example an element of every array")
    return Calibration(inputs, name, count_of(forms), arrays)


def _form(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this shape and type that takes no memory, to be checked in the place of the real one."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _code_and_hint(x: np.ndarray, shape: Shape) -> tuple[str, str]:
    """Of a refusal of x, which are no examples of this shape."""
    if x.shape[1:] != shape:
        return "T503", "reshape the examples as the model was trained on them"
    if len(x) == 0 and x.dtype.kind in "buif":
        return "T504", "give some hundreds of training examples"
    return "T504", "save x as float32 or uint8"


def _npz_forms(path: Path, inputs: tuple[Input, ...]) -> Examples:
    """{input: the form of its array}."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with open_archive(path, MAX_RATIO) as archive:
            keys, _ = input_arrays([i.name for i in inputs], array_names(archive), ENDINGS)
            forms = {}
            for name, key in keys.items():
                with open_array(archive, key) as (_, shape, fortran, dtype):
                    forms[name] = _form(*_plain(shape, fortran, dtype))
            return forms
    except UNREADABLE as error:
        raise _unreadable(str(path), error) from None
    except LookupError as error:
        names = ", ".join(f"{i.name}=..." for i in inputs) if len(inputs) > 1 else "x=training_examples"
        raise TgennError.at(str(path), "T502", str(error), f"save it with np.savez(file, {names})") from None


def _plain(shape: tuple[int, ...], fortran: bool, dtype: np.dtype) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array that can be read in parts. Raises ValueError for another."""
    if fortran and len(shape) > 1:
        raise ValueError("it is in Fortran order: save np.ascontiguousarray(x)")
    if not shape:
        raise ValueError(f"its shape is {shape}")
    return shape, dtype


def _read(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The next part of an array, of this shape."""
    return np.frombuffer(read_bytes(member, dtype.itemsize * prod(shape)), dtype).reshape(shape)


def _unreadable(file: str, error: Exception) -> TgennError:
    save = "save it with np.savez(file, x=training_examples)"
    if isinstance(error, zipfile.BadZipFile):
        return TgennError.at(file, "T501", "is not an .npz file, or damaged", save)
    if isinstance(error, ArchiveError):
        return TgennError.at(file, "T501", f"cannot be read: {error}", save)
    if isinstance(error, EOFError):
        return TgennError.at(file, "T501", "ends before its last example", "write it again")
    if isinstance(error, OSError) and error.strerror:
        return TgennError.at(file, "T501", f"cannot be read: {error.strerror}", "give the path of an .npz")
    return TgennError.at(file, "T501", f"cannot be read: {error}", "save x as a plain array of numbers")


def file_sha256(path: Path) -> str:
    """A file's sha256, read in blocks; of a folder that of the lines "sha256  path" of its files."""
    digest = hashlib.sha256()
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        for name in sorted(files):
            digest.update(f"{file_sha256(files[name])}  {name}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
