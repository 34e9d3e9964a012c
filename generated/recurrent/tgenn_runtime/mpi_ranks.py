"""The processes that share a run: those that mpiexec or srun started, and the cores for them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from .messages import RunError

# what MPICH and Intel MPI, Open MPI, and Slurm set in each process: the number of processes
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
LOCAL_RANKS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
POLLED_EVERY = 0.01  # seconds: MPI's own waiting keeps a core busy
FORWARDED_AFTER = 0.5  # seconds: what is printed just before the end may not reach mpiexec


class Ranks:
    """The processes of a run. rank: the number of this one, of `size`; without MPI, 0 of 1."""

    def __init__(self, communicator: Any = None) -> None:
        self.communicator = communicator
        self.rank: int = communicator.rank if communicator else 0
        self.size: int = communicator.size if communicator else 1

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        """In this context, rank 0 is alone: the others enter when it has left."""
        if self.rank:
            self.wait()
        yield
        if not self.rank:
            self.wait()

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.communicator:
            arrival = self.communicator.Ibarrier()
            while not arrival.Test():
                time.sleep(POLLED_EVERY)

    def part(self, count: int) -> range:
        """The numbers of this rank's part of `count` examples, or of something else."""
        return range(self.rank, count, self.size)

    def gathered(self, value: Any) -> list[Any]:
        """The values of all ranks, in the first one; an empty list in others."""
        self.wait()
        return self.communicator.gather(value) or []

    def gathered_by_all(self, value: Any) -> list[Any]:
        """The values of all ranks, in each of them."""
        self.wait()
        return self.communicator.allgather(value) if self.communicator else [value]

    def from_others(self, value: Any) -> list[Any]:
        """The values of all ranks but this one, in each of them."""
        values = self.gathered_by_all(value)
        del values[self.rank]
        return values

    def of_first(self, compute: Callable[[], bool]) -> bool:
        """What the first rank computes, in all ranks."""
        return bool(self.communicator.bcast(None if self.rank else compute()))

    @contextlib.contextmanager
    def one_voice(self) -> Iterator[None]:
        """In this context only the first rank prints. An error of another one leaves it a second later.

        The first one may have the same error, and then ends all.
        """
        if not self.rank:
            yield
            return
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                yield
        except BaseException as error:
            time.sleep(1)
            if isinstance(error, SystemExit):  # of argparse, which has printed why
                print(said.getvalue(), end="", file=sys.stderr)
            raise

    def end_all(self, status: int) -> None:
        """End the processes of all ranks, whatever they do. Without MPI, nothing."""
        if self.communicator:
            sys.stderr.flush()
            time.sleep(FORWARDED_AFTER)
            self.communicator.Abort(status)


ALONE = Ranks()


def ranks_of_run() -> Ranks:
    """The processes that mpiexec or srun started. Raises RunError where they cannot use MPI."""
    expected = _first_set(SIZES, 1)
    if expected == 1:
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        message = f"{expected} processes were started, but mpi4py cannot be imported ({error})"
        variables = " and ".join(name for name in SIZES if name in os.environ)
        hint = f"run pip install mpi4py; or, for processes with nothing in common, unset {variables}"
        raise RunError(f"{message}: {hint}", 3) from None
    ranks = Ranks(MPI.COMM_WORLD)
    if ranks.size != expected:
        message = f"{expected} processes were started, but mpi4py's MPI library finds {ranks.size}"
        raise RunError(f"{message}: start them with that library's mpiexec, or with srun --mpi=pmi2 or pmix")
    return ranks


def cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_rank() -> int:
    """The number of this process among those of the run on this machine."""
    return _first_set(LOCAL_RANKS, 0)


def _first_set(names: tuple[str, ...], default: int) -> int:
    """The number in the first of these environment variables that is set: mpiexec may itself use srun."""
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), default)
