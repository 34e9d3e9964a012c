"""Starts contestants, each in a process of its own, and asks them; see serving.py."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
THREADS = 2
LEAST = 16  # examples that are timed, however long they take
LIMIT = 1800.0  # seconds for a request


def environment(threads: int = THREADS) -> dict[str, str]:
    """The variables of a contestant: the same number of threads, and the processor's own BLAS kernels."""
    variables = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    counts = "OMP OPENBLAS MKL NUMBA".split()
    variables |= {f"{name}_NUM_THREADS": str(threads) for name in counts}
    variables |= {f"TF_NUM_{kind}OP_THREADS": str(threads) for kind in ("INTRA", "INTER")}
    path = [str(HERE.parent.parent), variables.get("PYTHONPATH", "")]
    return variables | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": ":".join(filter(None, path)),
    }


class ContestantError(Exception):
    """A contestant that ended or took too long, and why."""


class Process:
    """A running contestant.

    script    a file in this folder that calls serving.serve
    settings  its arguments; "examples" is the .npz with x and y
    limit     seconds that it may take for the answer to a request; then it is ended
    """

    def __init__(
        self, script: str, settings: dict[str, Any], python: str = sys.executable, limit: float = LIMIT
    ) -> None:
        self.name, self.limit = settings["contestant"], limit
        self.log = Path(settings["examples"]).with_name(
            f"{self.name}.log".replace("/", "_").replace(" ", "_")
        )
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, str(HERE / script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(),
                cwd=HERE,
                start_new_session=True,  # compilers that it started end with it
            )
        self.baseline_mib = self.ask(**settings)["baseline_mib"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises ContestantError."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            if not select.select([self.process.stdout], [], [], self.limit)[0]:
                self.close()
                raise ContestantError(f"took more than {self.limit:g} s")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": _last_line(self.log)}
        if "error" in answer:
            self.close()
            raise ContestantError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _last_line(log: Path) -> str:
    lines = log.read_text().strip().splitlines()
    return lines[-1] if lines else "it ended without a message"


def alternate(
    processes: Sequence[Process], examples: int, *, rounds: int, seconds: float, tuned_on: int
) -> dict[str, dict[str, Any]]:
    """Let the processes run one after the other, `rounds` times: {name: its fastest run}.

    Each runs as many examples as take it about `seconds`, at most `examples`. Those that fail have an
    "error".
    """
    counts: dict[str, int] = {}
    best: dict[str, dict[str, Any]] = {}
    running = [*processes]
    for turn in range(-1, rounds):
        for process in [*running]:
            try:
                if turn < 0:  # warms up; chooses the batch size and the number of examples
                    first = min(examples, tuned_on)
                    process.ask(start=0, stop=min(first, 16))
                    process.ask(tune=first)
                    rate = first / process.ask(start=0, stop=first)["seconds"]
                    counts[process.name] = min(examples, max(LEAST, int(rate * seconds)))
                    continue
                found = process.ask(start=0, stop=counts[process.name])
            except ContestantError as error:
                best[process.name] = {"error": str(error)}
                running.remove(process)
                continue
            found["per_second"] = found["n"] / found["seconds"]
            found["baseline_mib"] = process.baseline_mib
            if process.name not in best or found["per_second"] > best[process.name]["per_second"]:
                best[process.name] = found
    return best
