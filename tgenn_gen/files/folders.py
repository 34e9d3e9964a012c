"""Folders that change whole, by one process at a time: also where it is killed, or the power goes.

No system renames a folder over one that has files in it. So a copy of the folder (its files are links)
gets the new files, hidden beside it, and the two exchange their names in one system call. Then the folder
itself, hidden now, gets the new files too and takes its name back: who stands in it, a shell or a program,
stays in it. At every moment the name stands for a whole folder, the old or the new.

Linux exchanges names on most file systems. Elsewhere they are exchanged by renaming, with an instant at which
nothing has the folder's name: the next command that reads or writes the folder gives it back (`restore`).
Where a folder keeps its name for good, a mount point or one in a lower layer of a container, its files are
replaced one by one, each whole: a mixture is then possible, which the hashes of the weights tell.

For the sake of power cuts, files and their folders are forced to the disk before names are exchanged, and
the folder above after it, before anything else changes: as far as the system's fsync does, which is not on
Windows.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from tgenn_gen.errors import TgennError

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of some network file systems
NO_FSYNC = (errno.EINVAL, errno.EOPNOTSUPP)
_IN_THIS_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def write_whole(folder: Path, files: Mapping[str, bytes], stale: Collection[str] = ()) -> None:
    """Write `files` ({relative path: bytes}) into a folder, new or not, and remove the `stale` ones.

    Other files stay. The caller is alone_in the folder. Raises TgennError (T604).
    """
    named, copy = _real(folder), _hidden(folder, "new")
    try:
        if not named.exists():
            _replace(copy, files, _writing(files), stale)
            os.replace(copy, named)
            _names_to_disk(named.parent)
            return
        if not named.is_mount():
            shutil.copytree(named, copy, symlinks=True, copy_function=_link)
            for path, _, _ in os.walk(copy):
                _names_to_disk(Path(path))
            _replace(copy, files, _writing(files), stale)
            if _exchange(named, copy):
                with contextlib.suppress(OSError):  # the work is done, if in another folder than before
                    _replace(copy, files, lambda name, path: _link(named / name, path), stale)
                    _exchange(named, copy)
                return
        _replace(named, files, _writing(files), stale)
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def replace_files(folder: Path, files: Mapping[str, bytes], stale: Collection[str] = ()) -> None:
    """Replace files one by one, each by a rename, once all are written; `stale` ones go before.

    Raises TgennError (T604).
    """
    try:
        _replace(folder, files, _writing(files), stale)
    except OSError as error:
        raise unwritable(folder, error) from None


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only one of the processes that come this way with a folder, which need not be there yet.

    What a killed one left is put in order. Raises TgennError: T605 another process is there, T604.
    """
    lock = _hidden(folder, "lock")
    try:
        taken = _taken(lock)
    except BlockingIOError:
        message = "another tgenn is writing this folder"
        raise TgennError.at(
            folder, "T605", message, "wait until it is done, or choose another folder"
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from None
    try:
        _put_in_order(folder)
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows removes no file that is open
            lock.unlink(missing_ok=True)
        os.close(taken)


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Wait for other processes that come this way with a folder; where it cannot be locked, nobody waits."""
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            file = os.open(folder, os.O_RDONLY)
            opened.callback(os.close, file)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def restore(folder: Path) -> None:
    """Give a folder its name back, if a process was killed while nothing had it. Raises TgennError."""
    if not os.path.lexists(_real(folder)) and os.path.lexists(_hidden(folder, "old")):
        with alone_in(folder):
            pass


def unwritable(folder: Path, error: OSError | RuntimeError) -> TgennError:
    """That the folder cannot be written, and why (T604)."""
    reason = "a link that leads to itself"
    if isinstance(error, shutil.Error):  # of many files
        reason = error.args[0][0][2]
    elif isinstance(error, OSError):
        reason = str(error.strerror)
    hint = "see its permissions, those of the folder above it, and the free space"
    return TgennError.at(folder, "T604", f"cannot be written: {reason}", hint)


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _hidden(folder: Path, purpose: str) -> Path:
    """The name, beside the folder, of what is there while it is written."""
    real = _real(folder)
    return real.parent / f".{real.name}.tgenn-{purpose}"


def _writing(files: Mapping[str, bytes]) -> Callable[[str, Path], object]:
    def write(name: str, path: Path) -> None:
        path.write_bytes(files[name])
        _to_disk(path)

    return write


def _replace(
    folder: Path, names: Collection[str], put: Callable[[str, Path], object], stale: Collection[str]
) -> None:
    """Replace files, on the disk too, with what `put` puts where it is told to, once all are there."""
    partial = f".{secrets.token_hex(4)}.part"
    paths = {name: folder / f"{name}{partial}" for name in names}
    try:
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            put(name, path)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        for name, path in paths.items():
            os.replace(path, folder / name)
        for inside in {p for name in (*names, *stale) for p in Path(name).parents}:
            _names_to_disk(folder / inside)
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # not on every file system, and not of every file
        shutil.copy2(source, target)
        _to_disk(Path(target))


def _to_disk(path: Path) -> None:
    """Force a file's content, or a folder's names, to the disk."""
    if os.name == "nt":  # forces no file that is open for reading, and opens no folder
        return
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise
    finally:
        os.close(file)


def _names_to_disk(folder: Path) -> None:
    """Force a folder's names to the disk, where the file system can and the folder may be read."""
    with contextlib.suppress(OSError):
        _to_disk(folder)


def _exchange(named: Path, copy: Path) -> bool:
    """Exchange two names, on the disk too, or say that the folder keeps its own."""
    if not _exchanged(named, copy):
        old = _hidden(named, "old")
        try:
            os.replace(named, old)
        except OSError:
            return False
        os.replace(copy, named)
        os.replace(old, copy)
    _names_to_disk(named.parent)
    return True


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system could exchange two names at once."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux
        return False
    names = os.fsencode(one), os.fsencode(other)
    return rename(_IN_THIS_FOLDER, names[0], _IN_THIS_FOLDER, names[1], _EXCHANGE) == 0


def _taken(lock: Path) -> int:
    """An open file that no other process can take until it is closed. Raises BlockingIOError."""
    while True:
        file = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(file)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), lock.stat()):
                    return file
        except OSError:
            os.close(file)
            raise
        os.close(file)  # it was removed by the one that had it: this is no longer the file of that name


def _lock(file: int) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _put_in_order(folder: Path) -> None:
    real, old = _real(folder), _hidden(folder, "old")
    try:
        if old.exists() and not real.exists():
            os.replace(old, real)
        for path in (old, _hidden(folder, "new")):
            if path.exists():
                shutil.rmtree(path)
    except OSError as error:
        raise unwritable(folder, error) from None
