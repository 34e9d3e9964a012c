"""The command line of simulate.py."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from .command_line import argument_parser, guarded, positive
from .genn_jobs import Jobs, use_device, visible_devices
from .genn_network import CPU, GeNNNetwork
from .messages import RunError
from .mpi_ranks import Ranks, local_rank
from .script_run import simulate


def devices(text: str) -> list[str]:
    """GPUs separated by commas, as an argument: numbers, or the names that CUDA_VISIBLE_DEVICES takes."""
    names = text.split(",")
    if not all(re.fullmatch("[0-9A-Za-z_/-]+", name) for name in names):
        raise argparse.ArgumentTypeError(f"expected numbers of GPUs, such as 0,1, got {text!r}")
    return names


def main(build: Callable[..., GeNNNetwork], name: str, timesteps: int) -> None:
    """The command line of simulate.py. timesteps: the default, from network.yaml."""
    parser = argument_parser(f"Simulate {name} on GeNN.", timesteps)
    parser.add_argument(
        "--backend", metavar="NAME", help="GeNN's backend (default: the fastest that PyGeNN has)"
    )
    parser.add_argument(
        "--connectivity",
        choices=("auto", "sparse", "toeplitz"),
        default="auto",
        help="how GeNN stores synapses that share weights: sparse: each one; toeplitz, or auto (default): "
        "only the kernel",
    )
    parser.add_argument(
        "--build-dir",
        type=Path,
        metavar="DIR",
        help="folder for GeNN's code (default: this folder, or a cache folder if this one is read-only)",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="simulate in N processes, on a CPU or on the GPUs of --devices (default: 1, or one a GPU)",
    )
    parser.add_argument(
        "--devices",
        type=devices,
        default=[],
        metavar="D[,D]",
        help="simulate on these GPUs, such as 0,1 (default: on one; each process of an MPI run on its own)",
    )

    def run(ranks: Ranks) -> None:
        arguments = parser.parse_args()
        gpus, jobs = arguments.devices, arguments.jobs or len(arguments.devices) or 1
        if ranks.size > 1:
            gpus, jobs = gpus or visible_devices(), arguments.jobs or 1
        if gpus:
            use_device(gpus[local_rank() % len(gpus)])
        options = ("timesteps", "backend", "batch_size", "seed", "connectivity", "build_dir")
        given = {option: getattr(arguments, option) for option in options}
        given |= {"keep_i": True} if arguments.record_i is not None else {}
        net = build(**given)
        script = str(net.folder.script)
        if arguments.devices and net.backend == CPU:
            raise RunError(f"{','.join(gpus)}: backend {CPU} uses no GPU", option="devices")
        own = gpus if ranks.size == 1 else []
        simulated_by = Jobs(net, script, given, jobs, own, arguments.save_every) if jobs > 1 else net
        engine = {"backend": net.backend, "connectivity": net.matrix.lower()}
        simulate(net, arguments, engine, ranks, simulated_by.batches)

    guarded(run)
