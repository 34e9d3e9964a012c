"""Calibration data: training examples, read from an .npz (or an array) in batches, never whole."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, Any

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
    example_shape,
    frames_mean,
    input_arrays,
    lengths_problem,
    named,
    target_arrays,
    with_last_axis,
)
from tgenn_gen.runtime.input_encodings import input_problem
from tgenn_gen.runtime.mpi_ranks import ALONE, Ranks

ENDINGS = ("", "_train")
BATCH_BYTES = 8 * 2**20  # of the largest population's activations


@dataclass(frozen=True)
class StoredArray:
    """An array in an .npz: its name, the bytes of its header, and its shape and type."""

    name: str
    header: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Read = Callable[[int, int], np.ndarray]  # the rows from one number to before another


@dataclass(frozen=True, eq=False)
class Calibration:
    """Examples of a network's inputs: `arrays` in memory, or those `stored` in the .npz `file`.

    numbers: the indices of the examples, in ascending order: all of them, or a part; see `split`.
    labels: class numbers in the file, where it has some.
    """

    inputs: tuple[Input, ...]
    file: str
    numbers: np.ndarray
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    stored: Mapping[str, StoredArray] = field(default_factory=dict)
    labels: StoredArray | None = None

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.numbers)

    def split(self, size: int) -> tuple[Calibration, Calibration]:
        """All examples but `size` evenly spaced ones, and those."""
        spaced = self.spaced(size)
        others = np.delete(np.arange(self.count), spaced)
        return (
            replace(self, numbers=self.numbers[others]),
            replace(self, numbers=self.numbers[spaced]),
        )

    def batches(self, neurons: int, ranks: Ranks = ALONE) -> Iterator[tuple[Examples, np.ndarray | None]]:
        """Batches: inputs {input: float32 (batch, *shape)}, and class numbers (batch,) or None.

        Of examples with several frames they have the mean over these, which the ANN takes.

        neurons: of the largest population. Its activations for one batch take some 8 MiB. ranks: the
        processes that share the batches.
        Raises TgennError for NaN or infinity (T505), for values that the encoding of an input cannot take
        (T506) and for a file that ends too early (T501).
        """
        size = max(1, BATCH_BYTES // (4 * max(neurons, *(prod(i.example_shape) for i in self.inputs))))
        with self._opened() as (inputs, labels):
            for start in range(0, self.count, size)[ranks.rank :: ranks.size]:
                numbers = self.numbers[start : start + size]
                rows = {name: _rows(read, numbers) for name, read in inputs.items()}
                y = None if labels is None else _rows(labels, numbers).reshape(-1)
                yield self._mean(self._currents(rows, numbers)), y

    def spaced(self, size: int) -> np.ndarray:
        """The positions in `numbers` of `size` examples that are evenly spaced over all, (size,)."""
        return np.arange(size) * self.count // size

    def sample(self, size: int) -> Examples:
        """`size` evenly spaced examples as the ANN takes them, {input: float32 (size, *shape)}."""
        return self._mean(self.shown(size))

    def shown(self, size: int) -> Examples:
        """The same examples as the network takes them, with their frames; the others are not read."""
        return self._currents(self.labelled(size)[0], self.numbers[self.spaced(size)])

    def labelled(self, size: int) -> tuple[Examples, np.ndarray | None]:
        """`size` evenly spaced examples as they are in the file, and their class numbers (size,) or None."""
        numbers = self.numbers[self.spaced(size)]
        with self._opened() as (inputs, labels):
            rows = {name: _rows(read, numbers) for name, read in inputs.items()}
            y = None if labels is None else _rows(labels, numbers).reshape(-1)
        return {i.name: rows[i.name].reshape(-1, *i.example_shape) for i in self.inputs}, y

    def _mean(self, examples: Examples) -> Examples:
        return {i.name: frames_mean(examples[i.name], i.frames) for i in self.inputs}

    def _currents(self, rows: Examples, numbers: np.ndarray) -> Examples:
        """Examples with their frames, float32. numbers: their indices. Raises TgennError (T505, T506)."""
        found = {
            i.name: as_current(rows[i.name].reshape(-1, *i.example_shape), i.uint8_divisor)
            for i in self.inputs
        }
        for name, x in found.items():
            finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
            if not finite.all():
                number = numbers[np.flatnonzero(~finite)[0]]
                message = f"example {number} holds NaN or infinity, or a number too large for float32"
                raise TgennError.at(
                    self.file,
                    "T505",
                    named(name, message, found),
                    "remove this example, or correct its values",
                )
        for i in self.inputs:
            values, encoding = found[i.name] - i.offsets, i.encoding
            if problem := input_problem(values, encoding.low, encoding.high, encoding.binary):
                hint = (
                    "use `signed=True`, or another `encoding`"
                    if values.min() < 0
                    else "use another `encoding`"
                )
                raise TgennError.at(self.file, "T506", named(i.name, problem, found), hint)
        return found

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[dict[str, Read], Read | None]]:
        """Functions that read the rows of each input, and of the labels; rows must be read in order."""
        if self.arrays:
            yield {name: partial(_part, x) for name, x in self.arrays.items()}, None
            return
        try:
            with contextlib.ExitStack() as opened:
                archive = opened.enter_context(zipfile.ZipFile(self.file))  # open_calibration has checked it

                def reader(stored: StoredArray) -> Read:
                    member = opened.enter_context(archive.open(f"{stored.name}.npy"))
                    read_bytes(member, stored.header)
                    return partial(_read, member, stored)

                inputs = {name: reader(stored) for name, stored in self.stored.items()}
                yield inputs, None if self.labels is None else reader(self.labels)
        except UNREADABLE as error:
            raise _unreadable(self.file, error) from None

    def sha256(self) -> str:
        """The SHA-256 of the file, or of the bytes of all arrays, one array after the other."""
        if not self.arrays:
            # This reads the file once more: batches do not read it in the order of its bytes.
            return file_sha256(Path(self.file))
        digest = hashlib.sha256()
        for x in self.arrays.values():
            digest.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def open_calibration(
    data: str | Path | np.ndarray | Mapping[str, np.ndarray], inputs: tuple[Input, ...]
) -> Calibration:
    """Check calibration data against the network's inputs; the data itself is read later, in batches.

    data: examples (n, *input shape), of several frames (n, frames, *input shape), or {input: examples}, or
    the path of an .npz with x or x_train, or with arrays named after the inputs. A missing channel axis of
    length 1 is added.
    Raises TgennError: T501 for a file that cannot be read, T502 for a missing array, T503 for a wrong shape
    or unequal numbers of examples, T504 for a wrong type or no examples.
    """
    if isinstance(data, str | Path):
        name, arrays = str(data), {}
        stored, labels = _stored_arrays(Path(data), inputs)
        forms = {key: _form(x.shape, x.dtype) for key, x in stored.items()}
    else:
        name, stored, labels = "calibration array", {}, None
        arrays = examples_of(data, inputs, name)
        forms = {key: _form(x.shape, x.dtype) for key, x in arrays.items()}
    forms = {i.name: with_last_axis(forms[i.name], i.example_shape) for i in inputs}
    for i in inputs:
        x = forms[i.name]
        if problem := example_problem(x[:1] if x.ndim else x, i.example_shape):
            code, hint = _code_and_hint(x, i.shape, i.frames)
            raise TgennError.at(name, code, named(i.name, problem, forms), hint)
    if problem := lengths_problem(forms):
        raise TgennError.at(name, "T503", problem, "every array needs one entry for each example")
    return Calibration(inputs, name, np.arange(count_of(forms)), arrays, stored, labels)


def _form(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this shape and type that takes almost no memory: it is checked instead of the real one."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _code_and_hint(x: np.ndarray, shape: Shape, frames: int) -> tuple[str, str]:
    """The code and the hint for examples x that example_problem refuses."""
    if x.shape[1:] != example_shape(shape, frames):
        lengths = ", ".join(map(str, shape))
        if frames > 1 and x.shape[2:] == shape:
            return "T503", f"each example has {x.shape[1]} frames: give `frames={x.shape[1]}`"
        if frames > 1:
            return "T503", f"save examples of {frames} frames: (n, {frames}, {lengths})"
        if x.ndim > 2 and with_last_axis(x[:, 0], shape).shape[1:] == shape:
            return "T503", f"each example has {x.shape[1]} frames: give `frames={x.shape[1]}`, or their mean"
        return "T503", f"reshape the examples to (n, {lengths}), as the model was trained on them"
    if len(x) == 0 and x.dtype.kind in "buif":
        return "T504", "give a few hundred training examples"
    return "T504", "save x as float32 or uint8"


def _stored_arrays(
    path: Path, inputs: tuple[Input, ...]
) -> tuple[dict[str, StoredArray], StoredArray | None]:
    """{input: its array}, and the array of labels where the file has one."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with open_archive(path, MAX_RATIO) as archive:
            there = array_names(archive)
            keys, ending = input_arrays([i.name for i in inputs], there, ENDINGS)
            stored = {name: _stored_array(archive, key) for name, key in keys.items()}
            count = next(iter(stored.values())).shape[0]
            labels = None
            for key in target_arrays(["y"], there, ending, keys.values()).values():
                with contextlib.suppress(ValueError):  # not an array of numbers: no labels
                    y = _stored_array(archive, key)
                    labels = y if y.shape in ((count,), (count, 1)) and y.dtype.kind in "ui" else None
            return stored, labels
    except UNREADABLE as error:
        raise _unreadable(str(path), error) from None
    except LookupError as error:
        names = ", ".join(f"{i.name}=..." for i in inputs) if len(inputs) > 1 else "x=training_examples"
        raise TgennError.at(str(path), "T502", str(error), f"save it with np.savez(file, {names})") from None


def _stored_array(archive: zipfile.ZipFile, name: str) -> StoredArray:
    """Raises ValueError for an array that cannot be read in parts."""
    with open_array(archive, name) as (member, shape, fortran, dtype):
        if fortran and len(shape) > 1:
            raise ValueError("it is in Fortran order: save np.ascontiguousarray(x)")
        if not shape:
            raise ValueError("it is a single number, expected an array of examples")
        return StoredArray(name, member.tell(), shape, dtype)


def _part(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    return x[start:stop]


def _rows(read: Read, numbers: np.ndarray) -> np.ndarray:
    """The rows of these ascending numbers; rows that follow one another are read in one go."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return np.concatenate([read(int(run[0]), int(run[-1]) + 1) for run in runs])


def _read(member: IO[bytes], stored: StoredArray, start: int, stop: int) -> np.ndarray:
    """Rows of an array that is open."""
    row = stored.dtype.itemsize * prod(stored.shape[1:])
    member.seek(stored.header + start * row)  # does nothing for the row that comes next
    raw = read_bytes(member, (stop - start) * row)
    return np.frombuffer(raw, stored.dtype).reshape(stop - start, *stored.shape[1:])


def _unreadable(file: str, error: Exception) -> TgennError:
    save = "save it with np.savez(file, x=training_examples)"
    if isinstance(error, zipfile.BadZipFile):
        return TgennError.at(file, "T501", "is not an .npz file, or is damaged", save)
    if isinstance(error, ArchiveError):
        return TgennError.at(file, "T501", f"cannot be read: {error}", save)
    if isinstance(error, EOFError):
        return TgennError.at(
            file, "T501", "ends before its last example", "the file is incomplete: save it again"
        )
    if isinstance(error, OSError) and error.strerror:
        return TgennError.at(
            file, "T501", f"cannot be read: {error.strerror}", "give the path of an .npz file"
        )
    return TgennError.at(file, "T501", f"cannot be read: {error}", "save x as a plain array of numbers")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file; of a folder, the SHA-256 of the lines "sha256  path" of all its files."""
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
