"""Simulates examples in several processes.

GeNN's CPU backend uses one core, and one example at a time; its GPU backends use one GPU.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import runpy
import signal
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .data import Examples, count_of
from .genn_network import CPU, GeNNNetwork
from .messages import RunError
from .mpi_ranks import cores
from .recording import Recording
from .results import Result, joined

MOST = 256  # examples that a process simulates and sends at a time
MOST_COUNTS = 2**22  # spike counts of all their neurons
MOST_COUNTS_OF_GPU = 2**28
VISIBLE_DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
JOBS_PER_CORE = 4


class Jobs:
    """Processes that each build the network of a script again, and simulate some of the blocks of examples.

    net      the network: its settings hold in all processes
    script   the path of simulate.py
    options  of its function build
    jobs     the number of processes
    devices  the GPUs that they use in turn
    most     how many examples a process simulates at a time at most; None: as many as suit it
    """

    def __init__(
        self,
        net: GeNNNetwork,
        script: str,
        options: Mapping[str, Any],
        jobs: int,
        devices: Sequence[str] = (),
        most: int | None = None,
    ) -> None:
        if net.backend != CPU and not devices:
            message = f"{jobs}: expected 1 on one GPU, which simulates many examples at a time"
            raise RunError(f"{message}: see --batch-size, and --devices for several GPUs", option="jobs")
        most_jobs = JOBS_PER_CORE * cores()
        if jobs > most_jobs:
            message = f"{jobs}: expected at most {most_jobs}, {JOBS_PER_CORE} for each processor core"
            raise RunError(message, option="jobs")
        self.net, self.script, self.options, self.jobs = net, script, dict(options), jobs
        self.devices = devices
        self.most = most

    def batches(
        self, examples: Examples, numbers: range, timesteps: int, recording: Recording
    ) -> Iterator[Result]:
        """As GeNNNetwork.batches, with a result for each block."""
        total = count_of(examples)
        neurons = sum(group.num_neurons for group in self.net.populations.values())
        most = self.most or total
        if self.net.backend == CPU:
            size = max(1, min(MOST, MOST_COUNTS // neurons, -(-total // (4 * self.jobs)), most))
        else:  # whole batches, and few blocks: each begins and ends with GPUs that are partly idle
            batches = min(-(-total // self.jobs), MOST_COUNTS_OF_GPU // neurons, most) // self.net.batch_size
            size = max(1, batches) * self.net.batch_size
        starts = [*range(0, total, size)]
        stops = dict(zip(starts, [*starts[1:], total]))
        jobs = min(self.jobs, len(starts))
        context = multiprocessing.get_context("spawn")  # a fork would share what GeNN has loaded
        processes, results = [], []
        try:
            with _interruptions_later():
                for job in range(jobs):
                    blocks = [
                        (
                            numbers[start : stops[start]],
                            {name: x[start : stops[start]] for name, x in examples.items()},
                        )
                        for start in starts[job::jobs]
                    ]
                    device = self.devices[job % len(self.devices)] if self.devices else None
                    options = {**self.options, "batch_size": self.net.batch_size}  # the same build
                    arguments = (self.script, options, self.net.settings.values, device)
                    call = (timesteps, recording)
                    try:
                        end, far_end = context.Pipe(duplex=False)
                        process = context.Process(
                            target=_simulate, args=(far_end, arguments, blocks, call), daemon=True
                        )
                        process.start()
                    except OSError as error:  # too many processes or open files, not enough memory
                        message = (
                            f"{self.jobs}: process {job + 1} cannot be started: {error.strerror}: use fewer"
                        )
                        raise RunError(message, 3, option="jobs") from None
                    far_end.close()
                    processes.append(process)
                    results.append(end)
            for block in range(len(starts)):
                yield _received(results[block % jobs])
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()


@contextlib.contextmanager
def _interruptions_later() -> Iterator[None]:
    """Block Ctrl-C and SIGTERM, which can reach all processes: those that start here inherit that.

    The process that starts them ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # multiprocessing's own process, whose start unblocks both
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def use_device(device: str) -> None:
    """Let GeNN see only this GPU, as device 0: the same build fits all. Call it before GeNN is used."""
    for name in VISIBLE_DEVICES:
        os.environ[name] = device


def visible_devices() -> list[str]:
    """The GPUs that this process may use: those of CUDA_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES, or all."""
    given = next((os.environ[name] for name in VISIBLE_DEVICES if name in os.environ), None)
    if given is None:
        return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]
    return given.split(",") if given else []


def _received(end: Connection) -> Result:
    """The next result of a process. Raises its error."""
    try:
        result = end.recv()
    except (EOFError, OSError):  # OSError: within a message
        message = "a process ended before it was done: there may not be enough memory: use fewer jobs"
        raise RunError(message, 3) from None
    if isinstance(result, BaseException):
        raise result
    return result


def _simulate(end: Connection, arguments: Any, blocks: Any, call: Any) -> None:
    """What a process runs: it sends a result for each block, or an error."""
    script, options, settings, device = arguments
    timesteps, recording = call
    if device is not None:
        use_device(device)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # notes, which the first process has printed
            net = runpy.run_path(script, run_name="simulate")["build"](**options)
        for population, values in settings.items():
            net.set(population, **values)
        for numbers, examples in blocks:
            end.send(joined(net.batches(examples, numbers, timesteps, recording)))
    except Exception as error:
        end.send(error if isinstance(error, (RunError, MemoryError)) else RunError(repr(error), 3))
