"""Files written whole, by one process at a time.

Each file is written under a temporary name beside its own, all of them before the first takes its name by a
rename. So a process that is killed, or runs out of space, leaves every file as it was or as it was to be.
Which files of a network belong together is for their hashes to tell (see project/writing.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tgenn_gen.errors import TgennError


def content_of(path: Path) -> bytes | None:
    """What is in a file, if it is one that can be read."""
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def replace_files(folder: Path, files: Mapping[str, bytes], stale: Collection[str] = ()) -> None:
    """Write `files` ({relative path: bytes}) into a folder that is locked, and remove the `stale` ones.

    The stale ones go first, then the new ones take their names in the given order. Raises TgennError (T604);
    nothing has changed then, unless all files were written and the system did not let one be replaced.
    """
    prefix = f".tgenn-{secrets.token_hex(4)}-"
    temporary = {path: path.with_name(prefix + path.name) for path in (folder / name for name in files)}
    try:
        _write(dict(zip(temporary.values(), files.values(), strict=True)))
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        for path, written in temporary.items():
            os.replace(written, path)
    except OSError as error:
        raise unwritable(folder, error) from None
    for path in (folder / name for name in (*files, *stale)):
        remove_files(temporary_files(path.parent, path.name))


def temporary_files(folder: Path, name: str = "*") -> list[Path]:
    """The files of that name that killed processes have left in a folder, or all."""
    return [*folder.glob(f".tgenn-{'[0-9a-f]' * 8}-{name}")]


def remove_files(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _write(files: Mapping[Path, bytes]) -> None:
    """Write all files, and make their folders; or none of them."""
    made: list[Path] = []
    try:
        for folder in sorted({path.parent for path in files}):
            if not folder.exists():
                folder.mkdir(parents=True)
                made.append(folder)
        for path, content in files.items():
            path.write_bytes(content)
    except BaseException:  # Ctrl-C, too
        remove_files(files)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder, which is made if need be, and removed if it stays empty then.

    Where folders cannot be locked, on Windows and NFS, nobody is kept out. Raises TgennError: T605 another
    process has locked it, T604.
    """
    with contextlib.ExitStack() as held:
        try:
            made = not folder.exists()
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from None
        try:
            import fcntl

            file = os.open(folder, os.O_RDONLY)
            held.callback(os.close, file)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = "another tgenn is writing this folder"
            hint = "wait until it has finished, or choose another folder"
            raise TgennError.at(folder, "T605", message, hint) from None
        except (ImportError, OSError):
            pass
        if made:
            held.callback(_remove_if_empty, folder)
        yield


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def unwritable(folder: Path, error: OSError | RuntimeError) -> TgennError:
    """That the folder cannot be written, and why (T604)."""
    reason = str(error.strerror) if isinstance(error, OSError) else "a link that leads to itself"
    hint = "check the permissions of the folder and of its parent folder, and the free disk space"
    return TgennError.at(folder, "T604", f"cannot be written: {reason}", hint)
