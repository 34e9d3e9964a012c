"""Calibration data: training examples, read from an .npz (or an array) in batches, never whole."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.runtime.command_line import UNREADABLE, as_current
from tgenn_gen.spec import Input

KEYS = ("x", "x_train")
LABEL_KEYS = ("y", "y_train")
BATCH_BYTES = 16 * 2**20  # of the largest population's activations


@dataclass(frozen=True, eq=False)
class Calibration:
    """Examples of a network's input. `array` is None where they are read from the .npz `file`.

    count: how many; sha256: of the file's, or the array's, bytes.
    """

    network_input: Input
    file: str
    count: int
    array: np.ndarray | None = None

    def batches(self, neurons: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Examples as float32 currents (batch, *input shape), and their labels (batch,) where there are some.

        Batches are for populations of `neurons`. Raises TgennError on NaN (T505), or missing data (T501).
        """
        done = 0
        for x, y in self._blocks(max(1, BATCH_BYTES // (4 * max(neurons, prod(self.network_input.shape))))):
            batch = as_current(x.reshape(-1, *self.network_input.shape), self.network_input.uint8_divisor)
            finite = np.isfinite(batch).all(axis=tuple(range(1, batch.ndim)))
            if not finite.all():
                index = done + int(np.flatnonzero(~finite)[0])
                message = f"example {index} holds NaN or infinity, or a number too large for float32"
                raise _refusal(self.file, "T505", message, "remove or mend it")
            done += len(batch)
            yield batch, y

    def _blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        starts = range(0, self.count, size)
        if self.array is not None:
            yield from ((self.array[start : start + size], None) for start in starts)
            return
        try:
            yield from self._file_blocks(starts, size)
        except UNREADABLE as error:
            raise _unreadable(self.file, error) from None

    def _file_blocks(self, starts: range, size: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        with zipfile.ZipFile(self.file) as archive, contextlib.ExitStack() as members:
            key = next(k for k in KEYS if f"{k}.npy" in archive.namelist())
            examples = members.enter_context(archive.open(f"{key}.npy"))
            shape, dtype = _header(examples)
            labels, label_dtype = self._labels(archive, members)
            for start in starts:
                count = min(size, self.count - start)
                x = _read(examples, (count, *shape[1:]), dtype, self.file)
                y = None if labels is None else _read(labels, (count,), label_dtype, self.file)
                yield x, y

    def _labels(
        self, archive: zipfile.ZipFile, members: contextlib.ExitStack
    ) -> tuple[IO[bytes] | None, np.dtype]:
        """The array y or y_train beside the examples, if it holds a class index for each; and its type."""
        key = next((k for k in LABEL_KEYS if f"{k}.npy" in archive.namelist()), None)
        if key is not None:
            member = members.enter_context(archive.open(f"{key}.npy"))
            with contextlib.suppress(ValueError):  # not an array of numbers: no labels
                shape, dtype = _header(member)
                if shape in ((self.count,), (self.count, 1)) and dtype.kind in "ui":
                    return member, dtype
        return None, np.dtype(np.uint8)

    def sha256(self) -> str:
        """Of the file's bytes, or the array's."""
        if self.array is not None:
            return hashlib.sha256(np.ascontiguousarray(self.array).tobytes()).hexdigest()
        return file_sha256(Path(self.file))


def open_calibration(data: str | Path | np.ndarray, network_input: Input) -> Calibration:
    """Check calibration data against the network's input, before any of it is used.

    data: examples (n, *input shape), or the path of an .npz with x or x_train. A missing channel axis
    of length 1 is added. Raises TgennError: T501 unreadable, T502 no array, T503 shape, T504 type or empty.
    """
    if isinstance(data, np.ndarray):
        name, shape, dtype, array = "calibration array", data.shape, data.dtype, data
    else:
        name, array = str(data), None
        shape, dtype = _npz_header(Path(data))
    expected = network_input.shape
    if shape[1:] != expected and not (expected[-1] == 1 and shape[1:] == expected[:-1]):
        message = f"an example has shape {list(shape[1:])}, the model takes {list(expected)}"
        raise _refusal(name, "T503", message, "reshape the examples as the model was trained on them")
    if dtype.kind not in "buif":
        raise _refusal(name, "T504", f"examples are {dtype}, expected numbers", "save x as float32 or uint8")
    if shape[0] == 0:
        raise _refusal(name, "T504", "holds no examples", "give some hundreds of training examples")
    return Calibration(network_input, name, shape[0], array)


def _npz_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            key = next((k for k in KEYS if f"{k}.npy" in names), None)
            if key is None:
                there = ", ".join(n.removesuffix(".npy") for n in names) or "nothing"
                hint = "save it with np.savez(file, x=training_examples)"
                raise _refusal(str(path), "T502", f"has no array x or x_train; it has {there}", hint)
            with archive.open(f"{key}.npy") as member:
                return _header(member)
    except UNREADABLE as error:
        raise _unreadable(str(path), error) from None


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of a .npy array. Raises ValueError for what is no plain array of numbers."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError(f"an array of .npy format {version[0]}.{version[1]}")
    if dtype.hasobject:
        raise ValueError("it holds pickled Python objects, which are never loaded")
    if fortran and len(shape) > 1:
        raise ValueError("it is in Fortran order: save np.ascontiguousarray(x)")
    if not shape or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, dtype


def _read(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, file: str) -> np.ndarray:
    """The next part of an array, of this shape."""
    parts, wanted = [], dtype.itemsize * prod(shape)
    while wanted > 0:
        part = member.read(wanted)
        if not part:
            raise _refusal(file, "T501", "ends before its last example", "write it again")
        parts.append(part)
        wanted -= len(part)
    return np.frombuffer(b"".join(parts), dtype).reshape(shape)


def _unreadable(file: str, error: Exception) -> TgennError:
    if isinstance(error, zipfile.BadZipFile):
        return _refusal(
            file,
            "T501",
            "is not an .npz file, or damaged",
            "save it with np.savez(file, x=training_examples)",
        )
    if isinstance(error, OSError) and error.strerror:
        return _refusal(file, "T501", f"cannot be read: {error.strerror}", "give the path of an .npz")
    return _refusal(file, "T501", f"cannot be read: {error}", "save x as a plain array of numbers")


def _refusal(file: str, code: str, message: str, hint: str) -> TgennError:
    return TgennError(Diagnostic(Location(file), code, message, hint))


def file_sha256(path: Path) -> str:
    """A file's sha256, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
