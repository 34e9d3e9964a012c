"""Reads weights from .npy files. Paths and shapes come from the document, hashes from weights/SHA256SUMS."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from tgenn_gen.document.schema_check import fits
from tgenn_gen.document.weight_hashes import MAX_SUMS_BYTES, SUMS, WeightHashes, parsed_hashes
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.files.archives import array_header
from tgenn_gen.files.paths import behind_links, is_inside
from tgenn_gen.network.tensors import Tensor, npy_header

RESTORE = "restore the file, or export the network again"
LOCK = f"run tgenn lock, if it was changed on purpose; or {RESTORE}"
FIT = (
    "if it was changed on purpose, change the shapes of populations to match, then run tgenn lock; else "
    "restore the file"
)
SHARED = "if you trust the document, `allow_outside=True` reads files outside of its folder"


_Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def read_npy_header(file: BinaryIO) -> _Header:
    """Shape, Fortran order (bool) and dtype of a .npy. Raises ValueError if the file is not a .npy."""
    try:
        return array_header(file, ((1, 0),))
    except ValueError:
        raise ValueError("is not a .npy file of format 1.0") from None


@dataclass(frozen=True)
class _Refusal:
    """Makes errors about a weight file, at the place in the document that names it."""

    file: str
    place: Location

    def __call__(self, code: str, message: str, hint: str = RESTORE) -> TgennError:
        return TgennError.at(self.place, code, f"{self.file}: {message}", hint)


class WeightFiles(Protocol):
    """Gives access to the files that a document names, in a folder or in a git revision.

    allow_outside: whether files outside of the document's folder may be read.
    """

    @property
    def allow_outside(self) -> bool: ...

    def name(self, file: str) -> str:
        """The file's name in messages."""

    def open(self, file: str, place: Location) -> BinaryIO:
        """Open a file that `place` names. Raises TgennError (T301: it is outside of the folder), OSError."""


@dataclass(frozen=True)
class WeightFolder:
    """The files below the document's folder `path`; with `allow_outside` also files outside of it."""

    path: Path
    allow_outside: bool = False

    def name(self, file: str) -> str:
        return str(self.path / file)

    def open(self, file: str, place: Location) -> BinaryIO:
        """Open a regular file. Raises TgennError (T301: a link leads out of the folder), OSError."""
        real, is_below = behind_links(self.path, file)
        if not (is_below or self.allow_outside):
            message = "is a link to a file outside of the document's folder"
            raise _Refusal(file, place)("T301", message, f"copy the file into the folder; {SHARED}")
        if not real.is_file():
            raise OSError(0, "not a regular file")
        return real.open("rb")


def read_hashes(files: WeightFiles) -> WeightHashes:
    """Read weights/SHA256SUMS. Errors in it (T301, T309) are in the result's `problems`."""
    place = Location(files.name(SUMS))
    try:
        with files.open(SUMS, place) as file:
            return parsed_hashes(file.read(MAX_SUMS_BYTES + 1), place.file)
    except TgennError as error:
        return WeightHashes(problems=error.diagnostics)
    except OSError as error:
        hint = f"run tgenn lock, which writes the hashes of the weights as they are now; or {RESTORE}"
        message = f"cannot be read: {error.strerror}"
        return WeightHashes(problems=(Diagnostic.at(place, "T309", message, hint),))


def read_tensor(
    files: WeightFiles, reference: dict[str, Any], hashes: WeightHashes, place: Location
) -> Tensor:
    """Read the .npy that `reference` ({"file": ..., "shape": ...}) names.

    No memory is allocated before the file's header and size agree with the document's shape.
    Raises TgennError at `place`: T301 outside of the folder, T302 cannot be read, T303 not a .npy,
    T304 wrong dtype or order, T305 wrong shape, T306 wrong length, T307 wrong hash, T308 NaN or infinity,
    T310 no hash.
    """
    name = reference["file"]
    refuse = _Refusal(name, place)
    shape = tuple(reference["shape"])
    with _opened(files, refuse) as (file, (found, fortran, dtype)):
        if dtype != np.dtype("<f4") or fortran:
            raise _not_float32(dtype, fortran, refuse)
        if found != shape:
            message = f"has shape {list(found)}, the document says {list(shape)}"
            raise refuse("T305", message, FIT)
        _require_length(file, shape, dtype, refuse)
        file.seek(0)
        digest = hashlib.sha256(_canonical_header(file, shape, refuse))
        values = np.empty(shape, "<f4")
        file.readinto(values.reshape(-1).view("u1").data)  # type: ignore[attr-defined]
    values.flags.writeable = False
    digest.update(values.data)
    expected = hashes.hashes.get(name)
    if expected is None and not hashes.problems:  # else its line may be one of the invalid ones
        raise refuse("T310", f"has no line in {SUMS}", "run tgenn lock, which adds the line")
    if expected not in (None, digest.hexdigest()):
        message = f"has sha256 {digest.hexdigest()}, {SUMS}:{hashes.lines[name]} says {expected}"
        raise refuse("T307", message, LOCK)
    if not np.isfinite(values).all():
        raise _not_finite(values, values, refuse)
    return Tensor.with_hash(name, values, digest.hexdigest())


@dataclass(frozen=True)
class CurrentFile:
    """A .npy as it is now: the shape of its array and its sha256.

    cast_from   its dtype and order if they are not float32 in C order, else ""
    content     the bytes of the converted .npy, to be written; b"" if no conversion is needed
    """

    shape: tuple[int, ...]
    sha256: str
    cast_from: str = ""
    content: bytes = b""


def read_current(files: WeightFiles, file: str, place: Location) -> CurrentFile:
    """Read a .npy; floats of another type, byte order or memory order are converted to float32 in C order.

    Raises TgennError at `place` (T301 to T306; T308 if a converted value is not finite).
    """
    refuse = _Refusal(file, place)
    with _opened(files, refuse) as (opened, (shape, fortran, dtype)):
        if dtype == np.dtype("<f4") and not fortran:
            opened.seek(0)
            digest = hashlib.sha256(_canonical_header(opened, shape, refuse))
            while part := opened.read(2**20):
                digest.update(part)
            return CurrentFile(shape, digest.hexdigest())
        if dtype.kind != "f" or dtype.itemsize > 8:
            raise _not_float32(dtype, fortran, refuse)
        if not fits("shape", list(shape)):  # the header may claim any shape
            message = f"has shape {list(shape)}, expected 1 to 4 axes without an empty one"
            raise refuse("T305", message)
        length = _require_length(opened, shape, dtype, refuse)
        values = np.frombuffer(opened.read(length), dtype).reshape(shape, order="F" if fortran else "C")
    with np.errstate(over="ignore"):
        cast = values.astype("<f4", order="C")
    if not np.isfinite(cast).all():
        raise _not_finite(values, cast, refuse)
    tensor = Tensor(file, cast)
    return CurrentFile(shape, tensor.sha256, _described(dtype, fortran), tensor.npy())


@contextlib.contextmanager
def _opened(files: WeightFiles, refuse: _Refusal) -> Iterator[tuple[BinaryIO, _Header]]:
    """Open a .npy without Python objects: the file, at the start of its array, and its header."""
    if not (fits("file", refuse.file) and (files.allow_outside or is_inside(refuse.file))):
        hint = f"use a path like weights/dense.kernel.npy; {SHARED}"
        raise refuse("T301", "is not a path inside the document's folder", hint)
    try:
        with files.open(refuse.file, refuse.place) as file:
            try:
                header = read_npy_header(file)
            except ValueError as error:
                raise refuse("T303", str(error)) from None
            if header[2].hasobject:
                raise refuse("T304", "contains pickled Python objects, which tgenn never loads")
            yield file, header
    except OSError as error:
        raise refuse("T302", f"cannot be read: {error.strerror}") from None


def _require_length(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], refuse: _Refusal) -> int:
    """The bytes of a .npy's array. Raises T306 if its shape needs more or fewer. Keeps the file position."""
    size = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
    start = file.tell()
    length = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if length != size:
        raise refuse("T306", f"holds {length} bytes of data, its shape needs {size}")
    return length


def _described(dtype: np.dtype[Any], fortran: bool) -> str:
    return f"{dtype}{' in Fortran order' if fortran else ''}"


def _not_float32(dtype: np.dtype[Any], fortran: bool, refuse: _Refusal) -> TgennError:
    message = f"holds {_described(dtype, fortran)}, expected float32 in C order"
    hint = "save it with np.save(file, np.ascontiguousarray(array, dtype='<f4'))"
    if dtype.kind == "f" and dtype.itemsize <= 8:
        hint = "run tgenn lock, which converts it"
    return refuse("T304", message, hint)


def _not_finite(values: np.ndarray, cast: np.ndarray, refuse: _Refusal) -> TgennError:
    """The error (T308) that `values`, converted to float32 in `cast`, are not all finite."""
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(cast))[0])
    reason = ", too large for float32" if np.isfinite(values[index]) else ""
    return refuse("T308", f"contains {values[index]} at index {list(index)}{reason}")


def _canonical_header(file: BinaryIO, shape: tuple[int, ...], refuse: _Refusal) -> bytes:
    """Read the header of a .npy. Raises T303 unless it is np.save's, which the hash in scripts assumes."""
    expected = npy_header(shape)
    if file.read(len(expected)) != expected:
        message = "has another header than np.save writes"
        raise refuse("T303", message, "save it again: np.save(file, np.load(file)), then run tgenn lock")
    return expected
