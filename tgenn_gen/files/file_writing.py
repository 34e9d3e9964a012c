"""Writes files completely or not at all, one process at a time.

All files are first written under temporary names in the same folder, then renamed one after the other. So
after a crash or with a full disk, each file is either the old or the new one, never a part of it. Hashes
tell whether the files of a network belong together (see project/writing.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tgenn_gen.errors import TgennError


def content_of(path: Path) -> bytes | None:
    """The bytes of a file; None if it is not a file, or cannot be read."""
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def with_unix_line_ends(content: bytes) -> bytes:
    """The content of a text file as tgenn wrote it: git may have checked it out with \\r\\n."""
    return content.replace(b"\r\n", b"\n")


def replace_files(folder: Path, files: Mapping[str, bytes], stale: Collection[str] = ()) -> None:
    """Write `files` ({relative path: bytes}) into a folder that is locked, and remove the `stale` ones.

    The stale files are removed first, then the new ones are renamed in the given order. Raises TgennError
    (T604). Then nothing has changed, unless all files were written and one could not be renamed.
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
    """The temporary files that killed processes left in a folder, for one file name or for all."""
    return [*folder.glob(f".tgenn-{'[0-9a-f]' * 8}-{name}")]


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files; those that cannot be removed stay."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _write(files: Mapping[Path, bytes]) -> None:
    """Write all files and make their folders; after an error remove what was written."""
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
    """Lock a folder against other tgenn processes. It is created if needed, and removed if it stays empty.

    On Windows and NFS folders cannot be locked, and other processes are not kept out. Raises TgennError:
    T604 the folder cannot be written, T605 another process has locked it.
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
    """The error (T604) that a folder cannot be written, with the reason."""
    reason = str(error.strerror) if isinstance(error, OSError) else "a link that leads to itself"
    hint = "check the permissions of the folder and of its parent folder, and the free disk space"
    return TgennError.at(folder, "T604", f"cannot be written: {reason}", hint)
