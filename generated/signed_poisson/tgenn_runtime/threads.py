"""Batches in several threads, one for each processor core.

NumPy's products use all cores by themselves, everything else only one. So each thread simulates a batch of
its own, and products use one core. Without the package threadpoolctl, which sets that, there is one thread.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

try:
    from threadpoolctl import threadpool_limits
except ImportError:
    threadpool_limits = None

Argument = TypeVar("Argument")
Value = TypeVar("Value")


def in_threads(function: Callable[[Argument], Value], arguments: Iterable[Argument]) -> Iterator[Value]:
    """Yield function(argument) for all arguments, in their order; a few are computed ahead."""
    threads = usable_cores() if threadpool_limits else 1
    limited = threadpool_limits(1, "blas") if threadpool_limits else contextlib.nullcontext()
    running: deque[Future[Value]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        with limited:
            for argument in arguments:
                running.append(pool.submit(function, argument))
                if len(running) > threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def usable_cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
