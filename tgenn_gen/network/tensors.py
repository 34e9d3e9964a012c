"""Weights: float32 arrays, and the bytes of their .npy files."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tgenn_gen.network.fields import by


def _is_unchangeable(values: np.ndarray) -> bool:
    """Whether an array can be shared without a copy: in C order, read-only, and owner of its values."""
    flags = values.flags
    return values.base is None and flags.c_contiguous and not flags.writeable


@dataclass(frozen=True, eq=False)
class Tensor:
    """Weights: an array and its file.

    Attributes:
        file: Relative to the document's folder; "" if not chosen yet.
        values: float32, read-only.
    """

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

    def __repr__(self) -> str:
        return f"<Tensor {self.file or 'without a file'}: {by(self.values.shape)}>"

    @staticmethod
    def unnamed(values: np.ndarray) -> Tensor:
        """A tensor without a file name: it gets one when its network is written."""
        return Tensor("", values)

    @staticmethod
    def placeholder(file: str, shape: tuple[int, ...]) -> Tensor:
        """Ones of any shape that take no memory: to check a document whose weights cannot be read.

        Zeros would be errors of their own, as scales.
        """
        tensor = object.__new__(Tensor)
        object.__setattr__(tensor, "file", file)
        object.__setattr__(tensor, "values", np.broadcast_to(np.float32(1), shape))
        return tensor

    @staticmethod
    def with_hash(file: str, values: np.ndarray, sha256: str) -> Tensor:
        """A tensor whose file has exactly the bytes of npy(), with this hash: it is not computed again."""
        tensor = Tensor(file, values)
        tensor.__dict__["sha256"] = sha256
        return tensor

    def npy(self) -> bytes:
        """The bytes of the .npy file, as np.save writes them; the same for the same array."""
        return b"".join((npy_header(self.values.shape), np.ascontiguousarray(self.values).data.cast("B")))

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the bytes of the .npy file, in hexadecimal digits."""
        digest = hashlib.sha256(npy_header(self.values.shape))
        digest.update(np.ascontiguousarray(self.values).data)
        return digest.hexdigest()

    def reference(self) -> dict[str, Any]:
        """The reference in a document: {"file": ..., "shape": ...}."""
        return {"file": self.file, "shape": list(self.values.shape)}


def npy_header(shape: tuple[int, ...]) -> bytes:
    """The header of a .npy of float32 in C order, as np.save writes it."""
    buffer = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()
