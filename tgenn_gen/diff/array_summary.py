"""Summarizes a .npy file as text with one number on each line, so that `git diff` can compare two files.

The same file gives the same text on every machine: sums have a fixed order, which does not depend on the
processor, and are rounded to six digits; everything else is exact.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.document.weight_files import read_npy_header
from tgenn_gen.errors import TgennError

PERCENTILES = {"min": 0, "1 %": 1, "5 %": 5, "25 %": 25, "median": 50, "75 %": 75, "95 %": 95, "99 %": 99}
PERCENTILES |= {"max": 100}
FEW = 64  # arrays with at most so many elements are shown in full
BLOCK = 2**20  # elements that are processed together


def blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The same parts of arrays of one size, flat in C order, float64, at most BLOCK elements each."""
    flat = [a.reshape(-1) for a in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(a[start : start + BLOCK].astype(np.float64) for a in flat)


def total(values: np.ndarray) -> float:
    """The sum of values (n,), float64, by adding halves to halves: the same bits on every machine."""
    while len(values) > 1:
        half = len(values) // 2
        values = np.concatenate([values[:half] + values[half : 2 * half], values[2 * half :]])
    return float(values.sum())


def read_array(path: Path) -> tuple[np.ndarray, str]:
    """The array of numbers in a .npy file, and the sha256 of the file.

    No memory is allocated before header and size of the file agree. Raises TgennError: T302 cannot be read,
    T303 not a .npy, T304 not bools, integers or floats, T306 wrong length.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a regular file")
        with path.open("rb") as file:
            try:
                shape, fortran, dtype = read_npy_header(file)
            except ValueError as error:
                raise TgennError.at(path, "T303", str(error)) from None
            if dtype.hasobject:
                raise TgennError.at(path, "T304", "contains pickled Python objects, which tgenn never loads")
            if dtype.kind not in "biuf" or dtype.itemsize > 8:
                raise TgennError.at(path, "T304", f"holds {dtype}, expected numbers of at most 64 bits")
            start = file.tell()
            length = os.fstat(file.fileno()).st_size - start
            size = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
            if length != size:
                raise TgennError.at(path, "T306", f"holds {length} bytes of data, its shape needs {size}")
            file.seek(0)
            raw = file.read(start + size)
    except OSError as error:
        raise TgennError.at(path, "T302", f"cannot be read: {error.strerror}") from None
    values = np.frombuffer(raw, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
    return values, hashlib.sha256(raw).hexdigest()


def array_data(path: Path) -> dict[str, Any]:
    """Shape, dtype, sha256 and numbers of a .npy file, in the order of the text. Raises TgennError."""
    values, sha256 = read_array(path)
    data: dict[str, Any] = {"shape": list(values.shape), "dtype": str(values.dtype), "sha256": sha256}
    data["elements"] = values.size
    finite = values[np.isfinite(values)]
    if finite.size < values.size:
        data["not finite"] = values.size - finite.size
    if finite.size:
        data |= _numbers(finite)
    if values.size <= FEW:
        data["values"] = {str(list(index)): _exact(value) for index, value in np.ndenumerate(values)}
    return data


def array_text(data: dict[str, Any]) -> str:
    """The result of array_data as text, one number on each line."""
    elements = data.get("values", {})
    lines = {**{k: v for k, v in data.items() if k != "values"}, **elements}
    width = max(10, *map(len, lines)) + 2  # the same with and without "not finite"
    return "\n".join(f"{name.ljust(width)}{value}" for name, value in lines.items())


def _numbers(values: np.ndarray) -> dict[str, Any]:
    """Statistics of finite values (n,). Percentiles are elements of the array, not interpolated."""
    size = values.size
    with np.errstate(over="ignore", invalid="ignore"):  # of float64: they are inf then, or nan
        mean = sum(total(x) for (x,) in blocks(values)) / size
        deviation = math.sqrt(sum(total((x - mean) ** 2) for (x,) in blocks(values)) / size)
        norm = math.sqrt(sum(total(x**2) for (x,) in blocks(values)))
    data: dict[str, Any] = {"zeros": int(size - np.count_nonzero(values))}
    data |= {k: _number(f"{v:.6g}") for k, v in {"norm": norm, "mean": mean, "std": deviation}.items()}
    ranks = [max(-(-size * percent // 100) - 1, 0) for percent in PERCENTILES.values()]
    found = np.partition(values, ranks)[ranks]
    # -0 is shown as 0: the order of -0 and 0 after a partition is undefined
    return data | {k: _exact(v) if v else 0 for k, v in zip(PERCENTILES, found, strict=True)}


def _exact(value: np.generic) -> Any:
    """An element: its text is the shortest that reads back the same in the array's dtype."""
    return _number(str(value)) if value.dtype.kind == "f" else value.item()


def _number(text: str) -> float | str:
    """A number for JSON; the text itself for infinity and NaN, which JSON does not have."""
    value = float(text)
    return value if math.isfinite(value) else text
