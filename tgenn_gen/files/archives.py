"""Reads zip archives and arrays from strangers: checks the sizes they claim before it allocates memory."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from tgenn_gen.runtime.data import archive_problem

MAX_HEADER = 4096  # bytes of a .npy header; for plain numbers it has 128
BLOCK = 2**20  # bytes that are unpacked at once


class ArchiveError(ValueError):
    """A zip archive is refused: NumPy and Keras do not write such archives."""


@contextlib.contextmanager
def open_archive(path: Path, ratio: int) -> Iterator[zipfile.ZipFile]:
    """Open the zip archive at `path`; `ratio` limits its unpacked size, see runtime.data.archive_problem.

    Raises ArchiveError if it is refused; OSError or zipfile.BadZipFile if it is not an archive.
    """
    with zipfile.ZipFile(path) as archive:
        if problem := archive_problem(archive, path.stat().st_size, ratio):
            raise ArchiveError(problem)
        name, times = Counter([*archive.namelist(), ""]).most_common(1)[0]
        if times > 1:
            raise ArchiveError(f"{times} entries have the same name, {name}")
        yield archive


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """The names of an .npz file's arrays."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def array_header(
    file: IO[bytes], versions: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order (bool) and dtype of a .npy of one of these format versions.

    Raises ValueError if it is not such a file.
    """
    version = np.lib.format.read_magic(file)
    if version not in versions:
        raise ValueError(f"an array of .npy format {version[0]}.{version[1]}")
    length = file.read(2 * version[0])
    size = int.from_bytes(length, "little")
    if size > MAX_HEADER:
        raise ValueError(f"its header has {size} bytes, expected at most {MAX_HEADER}")
    header = io.BytesIO(length + file.read(size))
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 2 wrote another header
            return read(header, max_header_size=MAX_HEADER)
    except Exception:  # NumPy raises whatever Python does on text that is no dictionary, or no dtype
        raise ValueError("its header does not describe an array") from None


@contextlib.contextmanager
def open_array(
    archive: zipfile.ZipFile, name: str
) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype[Any]]]:
    """Open an array of an .npz: the file at the start of its numbers, shape, Fortran order (bool), dtype.

    Raises ValueError if it is not an array of numbers, or its length does not match its shape.
    """
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as member:
        shape, fortran, dtype = array_header(member, ((1, 0), (2, 0)))
        if dtype.hasobject:
            raise ValueError("it contains pickled Python objects, which tgenn never loads")
        if not all(type(n) is int and 0 <= n < 2**63 for n in shape):
            raise ValueError(f"its shape is {shape}")
        length, size = entry.file_size - member.tell(), dtype.itemsize * math.prod(shape)
        if length != size:
            raise ValueError(f"{name} holds {length} bytes of data, its shape needs {size}")
        yield member, shape, fortran, dtype


def read_bytes(member: IO[bytes], size: int) -> bytearray:
    """Read exactly `size` bytes. Raises EOFError if there are fewer."""
    raw = bytearray(size)
    done = 0
    while done < size:
        part = member.read(min(BLOCK, size - done))
        if not part:
            raise EOFError("it ends before its last example")
        raw[done : done + len(part)] = part
        done += len(part)
    return raw
