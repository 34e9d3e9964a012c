"""Writes files completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .messages import RunError, note

try:
    import fcntl
except ImportError:  # on Windows: files are not locked
    fcntl = None  # type: ignore[assignment]

# of flock on file systems of clusters that are mounted without locks
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


def lock_file(file: IO[Any], *, wait: bool) -> bool:
    """Lock an open file. False: its file system has no locks. Raises BlockingIOError unless it waits."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """In this context, no other process that asks for this lock has it: FILE.lock, removed at the end.

    A process that is killed leaves the file, but not the lock. Raises RunError if another one has it.
    """
    lock = path.with_name(path.name + ".lock")
    with contextlib.ExitStack() as stack:
        while True:
            try:
                file = stack.enter_context(lock.open("w"))
                if not lock_file(file, wait=False):
                    note(f"{path}: its file system has no locks: start only one run that writes it")
            except BlockingIOError:
                raise RunError(f"{path}: another run writes it now: give this one another file") from None
            except OSError as error:
                raise RunError(f"{lock}: cannot be locked: {error.strerror}") from None
            if os.fstat(file.fileno()).st_nlink:
                break  # else the run that had it has removed it in between
        stack.callback(lock.unlink, missing_ok=True)
        yield


def write_file(path: Path, write: Callable[[Any], object]) -> None:
    """Write a binary file completely or not at all. write(file) writes it. Raises RunError."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            write(file)
        os.replace(partial, path)
    except BaseException as error:  # an interruption, too
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunError(f"{path}: cannot be written: {error}") from None
        raise


def write_json(path: Path, data: object) -> None:
    """Write data as JSON."""
    text = json.dumps(data, indent=2) + "\n"
    write_file(path, lambda file: file.write(text.encode()))
