"""A contestant runs in a process of its own and answers requests, a line of JSON each, on stdin and stdout.

Used by worker.py and by peers/, whose interpreter has none of this package's dependencies.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

TUNED_ON = 512  # examples


class Contestant(Protocol):
    """What simulates, or predicts, all examples of an array.

    batch_sizes  those to choose from; empty: the contestant chooses itself
    """

    batch_sizes: tuple[int, ...]

    def run(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        """The predictions (n,) for uint8 examples (n, rows, columns, channels)."""

    def facts(self) -> dict[str, Any]:
        """What else is known after runs, such as spikes an example. It may be empty."""


def serve(make: Callable[[dict[str, Any]], Contestant]) -> None:
    """Make the contestant from the arguments in the first line, then answer until stdin ends.

    {"start": s, "stop": t}: run those examples; the answer has seconds, correct (how many) and peak_mib.
    {"tune": n}: choose the fastest batch size with n examples.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=out, flush=True)

    try:
        settings = json.loads(sys.stdin.readline())
        with np.load(settings["examples"]) as arrays:
            x, y = arrays["x"], arrays["y"]
        contestant = make(settings)
        batch_size = next(iter(contestant.batch_sizes), 0)
        answer(ready=True, baseline_mib=_peak_mib())
        for line in sys.stdin:
            request = json.loads(line)
            if "tune" in request:
                batch_size = _fastest(contestant, x[: request["tune"]])
                answer(batch_size=batch_size)
                continue
            part = slice(request["start"], request["stop"])
            started = time.perf_counter()
            predictions = contestant.run(x[part], batch_size)
            seconds = time.perf_counter() - started
            correct = int((predictions == y[part]).sum())
            answer(
                seconds=seconds,
                correct=correct,
                n=len(predictions),
                batch_size=batch_size,
                peak_mib=_peak_mib(),
                **contestant.facts(),
            )
    except Exception as error:
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")
        sys.exit(1)


def _peak_mib() -> int:
    """The most resident memory of this program; getrusage also counts that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def _fastest(contestant: Contestant, x: np.ndarray) -> int:
    """The batch size that takes the least time an example, the best of two runs."""
    times = {}
    for size in contestant.batch_sizes:
        n = max(1, min(size, len(x)))
        contestant.run(x[:n], size)
        for _ in range(2):
            started = time.perf_counter()
            contestant.run(x, size)
            seconds = time.perf_counter() - started
            times[size] = min(seconds, times.get(size, seconds))
    return min(times, key=lambda size: times[size]) if times else 0
