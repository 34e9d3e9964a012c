"""Limits on what a part of a test may use."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def memory(size: int) -> Iterator[None]:
    """No more than `size` bytes above what the process has now; where that is not known a skip."""
    if sys.platform != "linux":
        pytest.skip("what memory a process has is read from Linux' /proc")

    import resource

    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + size if before[1] == resource.RLIM_INFINITY else min(now + size, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def seconds(limit: int) -> Iterator[None]:
    """Fail after that time, rather than wait for ever."""

    def give_up(*_):
        pytest.fail(f"still waiting after {limit} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
