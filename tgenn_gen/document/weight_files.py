"""Weights read from .npy files, as the document says that they are: by a path, a shape and a hash."""

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
from tgenn_gen.errors import Location, TgennError
from tgenn_gen.files.archives import array_header
from tgenn_gen.files.paths import behind_links, is_inside
from tgenn_gen.network.tensors import Tensor, npy_header

RESTORE = "restore the file, or export the network again"
LOCK = f"{RESTORE}; or run tgenn lock, if it was changed on purpose"
SHARED = "if you trust the document, --allow-outside reads files that documents share"


def read_npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Of a .npy: its shape, whether it is in Fortran order, its dtype. Raises ValueError where it is none."""
    try:
        return array_header(file, ((1, 0),))
    except ValueError:
        raise ValueError("is not a .npy file of format 1.0") from None


@dataclass(frozen=True)
class _Refusal:
    """What is wrong with a weight file, said at the place that names it."""

    file: str
    place: Location

    def __call__(self, code: str, message: str, hint: str = RESTORE) -> TgennError:
        return TgennError.at(self.place, code, f"{self.file}: {message}", hint)


class WeightFiles(Protocol):
    """The files that a document names, wherever it is kept.

    allow_outside: whether those that are not below its folder are read.
    """

    @property
    def allow_outside(self) -> bool: ...

    def open(self, file: str, place: Location) -> BinaryIO:
        """One that is named at `place`. Raises TgennError (T301: it leads out), OSError."""


@dataclass(frozen=True)
class WeightFolder:
    """The files below the folder of a document; with `allow_outside` those outside of it, too."""

    path: Path
    allow_outside: bool = False

    def open(self, file: str, place: Location) -> BinaryIO:
        """A regular file. Raises TgennError (T301: a link leads out of the folder), OSError."""
        real, is_below = behind_links(self.path, file)
        if not (is_below or self.allow_outside):
            message = "is a link that leads out of the document's folder"
            raise _Refusal(file, place)("T301", message, f"copy the file into the folder; {SHARED}")
        if not real.is_file():
            raise OSError(0, "not a regular file")
        return real.open("rb")


def read_tensor(files: WeightFiles, reference: dict[str, Any], place: Location) -> Tensor:
    """Read the .npy that `reference` (file, shape, dtype, sha256) names.

    Nothing is allocated before the file's header and size agree with the shape the document gives.
    Raises TgennError at `place`: what `files` refuses (T301), T302 it cannot be read,
    T303 not a .npy, T304 dtype or order, T305 shape, T306 length, T307 hash, T308 NaN or infinity.
    """
    refuse = _Refusal(reference["file"], place)
    shape = tuple(reference["shape"])
    size = 4 * int(np.prod([int(n) for n in shape], dtype=object))
    with _opened(files, refuse) as (file, found):
        if found != shape:
            message = f"has shape {list(found)}, the document says {list(shape)}"
            raise refuse("T305", message, LOCK)
        start = file.tell()
        length = file.seek(0, os.SEEK_END) - start
        if length != size:
            raise refuse("T306", f"holds {length} bytes of data, its shape needs {size}")
        file.seek(0)
        digest = hashlib.sha256(_canonical_header(file, shape, refuse))
        values = np.empty(shape, "<f4")
        file.readinto(values.reshape(-1).view("u1").data)  # type: ignore[attr-defined]
    values.flags.writeable = False
    digest.update(values.data)
    if digest.hexdigest() != reference["sha256"]:
        message = f"has sha256 {digest.hexdigest()}, the document says {reference['sha256']}"
        raise refuse("T307", message, LOCK)
    if not np.isfinite(values).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise refuse("T308", f"holds {values[index]} at index {list(index)}")
    return Tensor.with_hash(reference["file"], values, digest.hexdigest())


def current_reference(files: WeightFiles, file: str, place: Location) -> dict[str, Any]:
    """What a document has to say of a .npy as it is now: file, shape, dtype and sha256.

    Raises TgennError at `place` (T301 to T304); what the array holds is for read_tensor to judge.
    """
    digest = hashlib.sha256()
    refuse = _Refusal(file, place)
    with _opened(files, refuse) as (opened, shape):
        opened.seek(0)
        digest.update(_canonical_header(opened, shape, refuse))
        while part := opened.read(2**20):
            digest.update(part)
    return {"file": file, "shape": list(shape), "dtype": "float32", "sha256": digest.hexdigest()}


@contextlib.contextmanager
def _opened(files: WeightFiles, refuse: _Refusal) -> Iterator[tuple[BinaryIO, tuple[int, ...]]]:
    """A .npy of float32 in C order, read up to its array, and the shape in its header."""
    if not (fits("file", refuse.file) and (files.allow_outside or is_inside(refuse.file))):
        hint = f"give one like weights/dense.kernel.npy; {SHARED}"
        raise refuse("T301", "is not a path inside the document's folder", hint)
    try:
        with files.open(refuse.file, refuse.place) as file:
            yield file, _shape_of(file, refuse)
    except OSError as error:
        raise refuse("T302", f"cannot be read: {error.strerror}") from None


def _shape_of(file: BinaryIO, refuse: _Refusal) -> tuple[int, ...]:
    """The shape that a .npy's header gives, which leaves the file at its array."""
    try:
        shape, fortran, dtype = read_npy_header(file)
    except ValueError as error:
        raise refuse("T303", str(error)) from None
    if dtype.hasobject:
        raise refuse("T304", "holds pickled objects, which are never loaded")
    if dtype != np.dtype("<f4") or fortran:
        order = " in Fortran order" if fortran else ""
        raise refuse(
            "T304",
            f"holds {dtype}{order}, expected float32 in C order",
            "save it with np.save(file, np.ascontiguousarray(array, dtype='<f4'))",
        )
    return shape


def _canonical_header(file: BinaryIO, shape: tuple[int, ...], refuse: _Refusal) -> bytes:
    """The header at the start of a .npy, if it is np.save's: scripts expect the hash of such a file."""
    expected = npy_header(shape)
    if file.read(len(expected)) != expected:
        message = "does not begin as np.save writes it"
        raise refuse("T303", message, "write it anew, np.save(file, np.load(file)), and run tgenn lock")
    return expected
