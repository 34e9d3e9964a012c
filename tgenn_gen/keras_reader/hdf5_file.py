"""Checks an HDF5 file: reads it once in a separate process, before this process opens it.

The HDF5 library hangs or crashes on some damaged files. Malicious files can fill the memory, or lead to other
files.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from tgenn_gen.files.archives import open_archive
from tgenn_gen.runtime.data import MAX_UNPACKED

WEIGHTS = "model.weights.h5"  # in a .keras file
HDF5_START = b"\x89HDF\r\n\x1a\n"
MAX_RATIO = 10  # of unpacked weights to the file's size, beyond MAX_UNPACKED: weights hardly compress
MEMORY = 2**29  # bytes that reading takes, besides the weights
SECONDS, BYTES_A_SECOND = 120, 10 * 2**20
CHECK = "import sys; sys.path += sys.argv[2:]; from tgenn_gen.keras_reader import hdf5_file as f; f.check()"


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 files do."""
    with path.open("rb") as start:
        return start.read(len(HDF5_START)) == HDF5_START


def hdf5_problem(path: Path) -> str:
    """Why an HDF5 file, or the weights file in a .keras file, cannot be read safely; "" if it can."""
    command = [sys.executable, "-I", "-c", CHECK, str(path)]
    command += filter(None, sys.path)  # not "", the current folder, which may contain foreign modules
    seconds = SECONDS + path.stat().st_size / BYTES_A_SECOND
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"reading it with HDF5 takes more than {seconds:.0f} s: it may be damaged"
    if done.returncode > 1 or done.returncode < 0:
        return "HDF5 crashes while reading it, or there is not enough memory"
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2] if done.returncode else ""


def check() -> None:
    """End with status 1 and the reason on stderr if the file in sys.argv cannot be read safely."""
    path = Path(sys.argv[1])
    limit = MAX_UNPACKED + MAX_RATIO * path.stat().st_size
    try:
        _limit_memory(MEMORY + 2 * limit)
        if path.suffix == ".keras" and not is_hdf5(path):
            with open_archive(path, MAX_RATIO) as archive:
                _read(io.BytesIO(archive.read(WEIGHTS)), limit)
        else:
            _read(path, limit)
    except MemoryError:
        sys.exit("HDF5 needs more memory to read it than a file of this size should take")
    except Exception as error:  # h5py raises what it likes
        sys.exit(f"HDF5 cannot read it: {' '.join(str(error).split())}")


def _limit_memory(size: int) -> None:
    """Allow this process `size` bytes more than now, if the system supports limits."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _read(file: Path | io.BytesIO, limit: int) -> None:
    """Read everything that Keras may read, `limit` bytes at most."""
    import h5py

    size = 0
    with h5py.File(file, "r") as opened:
        for item in _items(opened):
            sizes = [_attribute_size(item.attrs.get_id(name)) for name in item.attrs]
            if isinstance(item, h5py.Dataset):
                sizes += [_dataset_size(item)]
            size += sum(sizes)
            if size > limit:
                _refuse(f"it has {size} bytes unpacked, expected at most {limit} for a file of its size")
            for name in item.attrs:
                item.attrs[name]
            if isinstance(item, h5py.Dataset):
                item[()]


def _refuse(reason: str) -> NoReturn:
    sys.exit(" ".join(reason.split()))  # in one line: names in a file may have more


def _items(file: Any) -> Iterator[Any]:
    """All groups and datasets; a dataset with several names comes several times, as Keras would read it."""
    import h5py

    waiting, seen = [file], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, h5py.Group):
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            for name in item:
                if not isinstance(item.get(name, getlink=True), h5py.HardLink):
                    _refuse(f"{name} in it is a link, expected data")
                waiting.append(item[name])
        yield item


def _attribute_size(attribute: Any) -> int:
    """In bytes, without texts of variable length, which Keras writes: reading them hits the memory limit."""
    return int(attribute.get_space().get_simple_extent_npoints()) * int(attribute.get_type().get_size())


def _dataset_size(dataset: Any) -> int:
    """In bytes; the size of a chunk if that is larger."""
    if dataset.external or dataset.is_virtual:
        _refuse(f"the data of {dataset.name} is in another file")
    if dataset.dtype.hasobject:
        _refuse(f"{dataset.name} in it has elements of variable length, expected numbers")
    chunk = dataset.dtype.itemsize
    for length in dataset.chunks or ():
        chunk *= int(length)
    return max(chunk, int(dataset.size or 0) * int(dataset.dtype.itemsize))
