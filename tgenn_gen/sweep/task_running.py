"""Runs jobs in processes of their own: on this machine, or by the workers of a Dask cluster.

joblib is not used: its Dask backend runs everything in the calling process where a cluster begins with one
worker of one thread, and reports nothing before all is done.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgenn_gen.errors import MissingEngineError
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.written_files import lock_file
from tgenn_gen.sweep.tasks import Job

TIMEOUT = 30  # seconds for a scheduler to answer
GRACE = 1  # seconds
NOTE = r"^(?:\S+: )?note: (.*)$"  # of a script, or of tgenn

_running: set[subprocess.Popen[bytes]] = set()  # in this process


@dataclass(frozen=True)
class Ended:
    """How a job ended: its error, "" if there is none, and its notes."""

    error: str = ""
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def local_executor(jobs: int) -> Iterator[Executor]:
    """Runs so many jobs at a time on this machine."""
    with ThreadPoolExecutor(jobs) as executor:  # each thread waits for a process
        yield executor


@contextlib.contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """Has jobs run by the workers of a Dask cluster. scheduler: its address, or its scheduler file (.json).

    Raises MissingEngineError without Dask, RunError where the scheduler does not answer.
    """
    try:
        import distributed
    except ImportError:
        message = "tgenn sweep --scheduler needs Dask: pip install 'tgenn-gen[dask]'"
        raise MissingEngineError(message) from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # lost connections have a traceback
    library: Any = distributed  # its functions have no types
    if scheduler.endswith(".json"):
        until = time.monotonic() + TIMEOUT
        while not Path(scheduler).exists():  # a scheduler that has just been started writes it
            if time.monotonic() > until:
                raise RunError(f"{scheduler}: there is no such file", option="scheduler")
            time.sleep(0.1)
        where = {"scheduler_file": scheduler}
    elif re.search(":[0-9]+/?$", scheduler):
        where = {"address": scheduler}
    else:
        raise RunError(f"{scheduler}: expected an address such as tcp://node1:8786", option="scheduler")
    try:
        client = library.Client(**where, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        message = f"{scheduler}: no Dask scheduler answers there: {error}"
        raise RunError(message, option="scheduler") from None
    with client:
        yield client.get_executor(pure=False)


def run_jobs(
    jobs: Sequence[Job], executor: Executor, threads: int | None, ended: Callable[[Job, Ended], None]
) -> None:
    """Run jobs, and call ended(job, how it ended) at the end of each.

    threads: how many a job may use; None: as the worker's environment says. After an interruption no further
    job begins, and those on this machine are interrupted too.
    """
    futures = {executor.submit(run_job, job, threads): job for job in jobs}
    try:
        for future in as_completed(futures):
            try:
                how = future.result()
            except CancelledError:
                raise RunError("lost the Dask scheduler: the same command goes on", status=1) from None
            except Exception as error:  # its worker was lost too often, or cannot import tgenn_gen
                how = Ended(f"{type(error).__name__}: {error}")
            ended(futures[future], how)
    except BaseException:
        for future in futures:
            future.cancel()
        time.sleep(GRACE if _running else 0)  # Ctrl-C reaches them too: they save what is done
        for process in [*_running]:
            process.terminate()
        raise


def run_job(job: Job, threads: int | None) -> Ended:
    """Run a job, unless it is done.

    The job's process inherits the lock of the log. If a worker is killed, and its process goes on, the next
    worker that gets this job waits for that process.
    """
    with job.log.open("a+b") as log:
        lock_file(log, wait=True)
        if job.is_done():
            return Ended()
        log.truncate(0)
        own = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen(
            [sys.executable, *job.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**own, **os.environ},
        )
        _running.add(process)
        try:
            status = process.wait()
        finally:
            _running.discard(process)
        log.seek(0)
        printed = log.read().decode(errors="replace")
    return Ended(error_of(printed, status) if status else "", tuple(re.findall(NOTE, printed, re.M)))


def error_of(printed: str, status: int) -> str:
    """The error of a process that ended with a status, in one line, from what it has printed."""
    if status < 0:
        return f"killed by signal {-status}" + (" (too little memory?)" if status == -9 else "")
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if any(line.startswith("Traceback ") for line in lines):
        lines = lines[-1:]
    errors = [number for number, line in enumerate(lines) if "error" in line]
    return " ".join(lines[errors[0] if errors else -1 :]) or f"exit status {status}"
