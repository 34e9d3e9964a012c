"""Weights in .npy files: float32, little-endian, C order, no pickles; named by a path, a shape and a hash."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError

MAX_HEADER = 4096  # bytes; a float32 array's header has 128
RESTORE = "restore the file, or export the network again"


def _is_unchangeable(values: np.ndarray) -> bool:
    """Whether an array in C order can be shared: it owns its values, and they are not to be written."""
    flags = values.flags
    return values.base is None and flags.c_contiguous and not flags.writeable


@dataclass(frozen=True, eq=False)
class Tensor:
    """An array (float32) and the file it is kept in, relative to the document's folder."""

    file: str
    values: np.ndarray

    def __post_init__(self) -> None:
        kept = self.values
        if not (isinstance(kept, np.ndarray) and kept.dtype == "<f4" and _is_unchangeable(kept)):
            values = np.array(kept, dtype="<f4", order="C")
            values.flags.writeable = False
            object.__setattr__(self, "values", values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        return (
            self.file == other.file
            and self.values.shape == other.values.shape
            and self.values.tobytes() == other.values.tobytes()
        )

    def __hash__(self) -> int:
        return hash((self.file, self.values.shape))

    @staticmethod
    def placeholder(file: str, shape: tuple[int, ...]) -> Tensor:
        """Zeros of any shape that take no memory: for what can be said of a document without its weights."""
        tensor = object.__new__(Tensor)
        object.__setattr__(tensor, "file", file)
        object.__setattr__(tensor, "values", np.broadcast_to(np.float32(0), shape))
        return tensor

    def npy(self) -> bytes:
        """The .npy file's bytes: the same for the same array."""
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, self.values, version=(1, 0), allow_pickle=False)
        return buffer.getvalue()

    @cached_property
    def sha256(self) -> str:
        """Of the .npy file's bytes."""
        return hashlib.sha256(self.npy()).hexdigest()

    def reference(self) -> dict[str, Any]:
        """What the document says of it: file, shape, dtype and the file's sha256."""
        return {
            "file": self.file,
            "shape": list(self.values.shape),
            "dtype": "float32",
            "sha256": self.sha256,
        }


def npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Of a .npy: its shape, whether it is in Fortran order, its dtype. Raises ValueError where it is none."""
    try:
        if np.lib.format.read_magic(file) == (1, 0):
            return np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER)
    except (ValueError, EOFError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        pass
    raise ValueError("is not a .npy file of format 1.0")


@dataclass(frozen=True)
class _Refusal:
    """What is wrong with a weight file, said at the place that names it."""

    file: str
    place: Location

    def __call__(self, code: str, message: str, hint: str = RESTORE) -> TgennError:
        return TgennError(Diagnostic(self.place, code, f"{self.file}: {message}", hint))


def read_tensor(folder: Path, reference: dict[str, Any], place: Location) -> Tensor:
    """Read the .npy that `reference` (file, shape, dtype, sha256) names, below `folder`.

    Nothing is allocated before the file's header and size agree with the shape the document gives.
    Raises TgennError at `place`: T301 the path leaves the folder, T302 it cannot be read,
    T303 not a .npy, T304 dtype or order, T305 shape, T306 length, T307 hash, T308 NaN or infinity.
    """
    refuse = _Refusal(reference["file"], place)
    shape = tuple(reference["shape"])
    size = 4 * int(np.prod([int(n) for n in shape], dtype=object))
    with _opened(folder, refuse) as (file, found):
        if found != shape:
            message = f"has shape {list(found)}, the document says {list(shape)}"
            raise refuse("T305", message, f"{RESTORE}; or run tgenn lock, if it was changed on purpose")
        header_length = file.tell()
        length = os.fstat(file.fileno()).st_size - header_length
        if length != size:
            raise refuse("T306", f"holds {length} bytes of data, its shape needs {size}")
        file.seek(0)
        raw = file.read(header_length + size)
    digest = hashlib.sha256(raw).hexdigest()
    if digest != reference["sha256"]:
        message = f"has sha256 {digest}, the document says {reference['sha256']}"
        raise refuse("T307", message, "if it was changed on purpose, run tgenn lock")
    values = np.frombuffer(raw, "<f4", offset=header_length).reshape(shape)
    if not np.isfinite(values).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise refuse("T308", f"holds {values[index]} at index {list(index)}")
    return Tensor(reference["file"], values)


def current_reference(folder: Path, file: str, place: Location) -> dict[str, Any]:
    """What a document has to say of a .npy below `folder` as it is now: file, shape, dtype and sha256.

    Raises TgennError at `place` (T301 to T304); what the array holds is for read_tensor to judge.
    """
    digest = hashlib.sha256()
    with _opened(folder, _Refusal(file, place)) as (opened, shape):
        opened.seek(0)
        while part := opened.read(2**20):
            digest.update(part)
    return {"file": file, "shape": list(shape), "dtype": "float32", "sha256": digest.hexdigest()}


@contextlib.contextmanager
def _opened(folder: Path, refuse: _Refusal) -> Iterator[tuple[BinaryIO, tuple[int, ...]]]:
    """A .npy of float32 in C order below `folder`, read up to its array, and the shape in its header."""
    if not is_inside(refuse.file):
        hint = "give one like weights/dense.kernel.npy"
        raise refuse("T301", "is not a path inside the document's folder", hint)
    path = folder / refuse.file
    with contextlib.suppress(OSError, RuntimeError):  # a link to itself: opening it says so
        if not path.resolve().is_relative_to(folder.resolve()):
            message = "is a link that leads out of the document's folder"
            raise refuse("T301", message, "copy the file into the folder")
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with path.open("rb") as file:
            yield file, _shape_of(file, refuse)
    except OSError as error:
        raise refuse("T302", f"cannot be read: {error.strerror}") from None


def _shape_of(file: BinaryIO, refuse: _Refusal) -> tuple[int, ...]:
    """The shape that a .npy's header gives, which leaves the file at its array."""
    try:
        shape, fortran, dtype = npy_header(file)
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


def is_inside(file: str) -> bool:
    """Whether a path is a plain relative one, which names nothing outside the folder."""
    return (
        str(PurePosixPath(file)) == file
        and not file.startswith("/")
        and ".." not in PurePosixPath(file).parts
        and "\\" not in file
        and "\0" not in file
    )
