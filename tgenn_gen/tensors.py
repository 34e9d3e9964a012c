"""Weights in .npy files: float32, little-endian, C order, no pickles; named by a path, a shape and a hash."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError

MAX_HEADER = 4096  # bytes; a float32 array's header has 128


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


def read_tensor(folder: Path, reference: dict[str, Any], place: Location) -> Tensor:
    """Read the .npy that `reference` (file, shape, dtype, sha256) names, below `folder`.

    Nothing is allocated before the file's header and size agree with the shape the document gives.
    Raises TgennError at `place`: T301 the path leaves the folder, T302 it cannot be read,
    T303 not a .npy, T304 dtype or order, T305 shape, T306 length, T307 hash, T308 NaN or infinity.
    """

    def refuse(code: str, message: str, hint: str = "") -> TgennError:
        return TgennError(Diagnostic(place, code, f"{reference['file']}: {message}", hint))

    if not is_inside(reference["file"]):
        raise refuse(
            "T301", "is not a path inside the document's folder", "give one like weights/dense.kernel.npy"
        )
    path = folder / reference["file"]
    with contextlib.suppress(OSError, RuntimeError):  # a link to itself: opening it says so
        if not path.resolve().is_relative_to(folder.resolve()):
            raise refuse(
                "T301", "is a link that leads out of the document's folder", "copy the file into the folder"
            )
    restore = "restore the file, or export the network again"
    shape = tuple(reference["shape"])
    size = 4 * int(np.prod([int(n) for n in shape], dtype=object))
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with path.open("rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError
                found, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER)
            except (ValueError, EOFError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
                raise refuse("T303", "is not a .npy file of format 1.0", restore) from None
            if dtype.hasobject:
                raise refuse("T304", "holds pickled objects, which are never loaded", restore)
            if dtype != np.dtype("<f4") or fortran:
                order = " in Fortran order" if fortran else ""
                raise refuse(
                    "T304",
                    f"holds {dtype}{order}, expected float32 in C order",
                    "save it with np.save(file, np.ascontiguousarray(array, dtype='<f4'))",
                )
            if found != shape:
                raise refuse(
                    "T305",
                    f"has shape {list(found)}, the document says {list(shape)}",
                    f"{restore}; or correct the shape in the document",
                )
            length = os.fstat(file.fileno()).st_size - file.tell()
            if length != size:
                raise refuse("T306", f"holds {length} bytes of data, its shape needs {size}", restore)
            header_length = file.tell()
            file.seek(0)
            raw = file.read(header_length + size)
    except OSError as error:
        raise refuse("T302", f"cannot be read: {error.strerror}", restore) from None
    digest = hashlib.sha256(raw).hexdigest()
    if digest != reference["sha256"]:
        raise refuse(
            "T307",
            f"has sha256 {digest}, the document says {reference['sha256']}",
            "if you changed the weights on purpose, write the new hash into the document",
        )
    values = np.frombuffer(raw, "<f4", offset=header_length).reshape(shape)
    if not np.isfinite(values).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise refuse("T308", f"holds {values[index]} at index {list(index)}", restore)
    return Tensor(reference["file"], values)


def is_inside(file: str) -> bool:
    """Whether a path is a plain relative one, which names nothing outside the folder."""
    return (
        str(PurePosixPath(file)) == file
        and not file.startswith("/")
        and ".." not in PurePosixPath(file).parts
        and "\\" not in file
        and "\0" not in file
    )
