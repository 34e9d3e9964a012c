"""An HDF5 file from a stranger, read once in a process of its own before anything here relies on it.

The HDF5 library waits for ever, or crashes, on some damaged files; others claim what would fill the memory,
or lead to other files.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgenn_gen.files.archives import open_archive
from tgenn_gen.runtime.data import MAX_UNPACKED

WEIGHTS = "model.weights.h5"  # in a .keras file
MAX_RATIO = 10  # of weights to the file's size, beyond MAX_UNPACKED: they hardly get smaller
MEMORY = 2**29  # bytes that reading takes, besides the weights
SECONDS, BYTES_A_SECOND = 120, 10 * 2**20
CHECK = "import sys; sys.path += sys.argv[2:]; from tgenn_gen.keras_reader import hdf5_file; hdf5_file.say()"


def hdf5_problem(path: Path) -> str:
    """Why an HDF5 file, or that of weights in a .keras file, is not read; "" if it is."""
    command = [sys.executable, "-I", "-c", CHECK, str(path)]
    command += filter(None, sys.path)  # "" is the present folder, where a stranger's modules may be
    try:
        seconds = SECONDS + path.stat().st_size / BYTES_A_SECOND
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"HDF5 does not come to its end within {seconds:.0f} s"
    if done.returncode == -9:  # SIGKILL, which Windows has no name for
        return "reading it with HDF5 was killed: is there enough memory?"
    if done.returncode < 0:
        return "HDF5 crashes on it"
    if done.returncode > 0:
        _, _, why = done.stderr.decode(errors="replace").strip().rpartition("\n")
        return f"reading it with HDF5 failed: {why}"
    return done.stdout.decode()


def say() -> None:
    """Print why the file that is the first of sys.argv is not read, if so."""
    import h5py  # noqa: F401  (where it fails, that is not the file's fault)

    path = Path(sys.argv[1])
    limit = MAX_UNPACKED + MAX_RATIO * path.stat().st_size
    _limit_memory(MEMORY + 2 * limit)
    try:
        if path.suffix == ".keras":
            with open_archive(path, MAX_RATIO) as archive:
                _read(io.BytesIO(archive.read(WEIGHTS)), limit)
        else:
            _read(path, limit)
    except _RefusalError as refused:
        _print(str(refused))
    except MemoryError:
        _print("HDF5 cannot read it in the memory that such a file takes")
    except Exception as error:  # h5py raises what it likes
        _print(f"HDF5 cannot read it: {error}")


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode(errors="replace"))  # whatever the locale


class _RefusalError(Exception):
    """Why a file is not read."""


def _limit_memory(size: int) -> None:
    """Where the system can: `size` bytes more than now."""
    try:
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = now + size if hard == resource.RLIM_INFINITY else min(now + size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _read(file: Path | io.BytesIO, limit: int) -> None:
    """Read all that Keras may read, of at most `limit` bytes. Raises _RefusalError, and what h5py raises."""
    import h5py

    size = 0
    with h5py.File(file, "r") as opened:
        for item in _items(opened):
            sizes = [_attribute_size(item.attrs.get_id(name)) for name in item.attrs]
            if isinstance(item, h5py.Dataset):
                sizes += [_dataset_size(item)]
            size += sum(sizes)
            if size > limit:
                raise _RefusalError(f"unpacked it has {size} bytes, at most {limit} are read of its size")
            for name in item.attrs:
                item.attrs[name]
            if isinstance(item, h5py.Dataset):
                item[()]


def _items(file: Any) -> Iterator[Any]:
    """The groups, and the datasets as often as they are named."""
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
                    raise _RefusalError(f"{name} in it is a link to elsewhere")
                waiting.append(item[name])
        yield item


def _attribute_size(attribute: Any) -> int:
    """In bytes, without texts of any length: Keras writes such, and reading them shows what they take."""
    return int(attribute.get_space().get_simple_extent_npoints()) * int(attribute.get_type().get_size())


def _dataset_size(dataset: Any) -> int:
    """In bytes, or that of a chunk if it is larger."""
    if dataset.external or dataset.is_virtual:
        raise _RefusalError(f"the numbers of {dataset.name} in it are in another file")
    if dataset.dtype.hasobject:
        raise _RefusalError(f"{dataset.name} in it has elements of any length")
    chunk = dataset.dtype.itemsize
    for length in dataset.chunks or ():
        chunk *= int(length)
    return max(chunk, int(dataset.size or 0) * int(dataset.dtype.itemsize))
