"""The processes of an MPI run, which mpiexec or srun started: they share the examples."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from .messages import RunError

# what MPICH and Intel MPI, Open MPI, and Slurm set in each process: the number of processes
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
LOCAL_RANKS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
POLLED_EVERY = 0.01  # seconds: MPI's own waiting keeps a core busy


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

    def gathered(self, value: Any) -> list[Any]:
        """The values of all ranks in rank 0; in others, none."""
        self.wait()
        return self.communicator.gather(value) or []

    def of_first(self, compute: Callable[[], bool]) -> bool:
        """What the first rank computes, in all ranks."""
        return bool(self.communicator.bcast(None if self.rank else compute()))

    def end_all(self, status: int) -> None:
        """End the processes of all ranks, whatever they do. Without MPI, nothing."""
        if self.communicator:
            self.communicator.Abort(status)


def ranks_of_run() -> Ranks:
    """The processes that mpiexec or srun started. Raises RunError where they cannot use MPI."""
    expected = max(int(os.environ.get(name) or 1) for name in SIZES)
    if expected == 1:
        return Ranks()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        message = f"{expected} processes were started, but mpi4py cannot be imported ({error})"
        raise RunError(f"{message}: run pip install mpi4py, or simulate parts with --shard", 3) from None
    ranks = Ranks(MPI.COMM_WORLD)
    if ranks.size != expected:
        message = f"{expected} processes were started, but mpi4py's MPI library finds {ranks.size}"
        raise RunError(f"{message}: start them with that library's mpiexec, or with srun --mpi=pmi2 or pmix")
    return ranks


def local_rank() -> int:
    """The number of this process among those of the run on this machine."""
    return max(int(os.environ.get(name) or 0) for name in LOCAL_RANKS)
