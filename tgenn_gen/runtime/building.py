"""What simulate.py does around GeNN's building."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait until no other run in this folder builds the same model."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def optimized() -> Iterator[None]:
    """The C++ compiler optimizes; GeNN's own option for that adds -ffast-math, which rounds otherwise."""
    compiler = os.environ.get("CXX")
    os.environ["CXX"] = f"{compiler or 'g++'} -O3 -ffp-contract=off"  # what make calls
    try:
        yield
    finally:
        if compiler is None:
            del os.environ["CXX"]
        else:
            os.environ["CXX"] = compiler


@contextlib.contextmanager
def stdout_closed() -> Iterator[None]:
    """What this process and its children print on stdout goes nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
