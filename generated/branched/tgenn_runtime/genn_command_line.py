"""The command line of simulate.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .command_line import argument_parser, guarded, positive
from .genn_jobs import Jobs
from .genn_network import GeNNNetwork
from .script_run import recorded_example, simulate


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
        default=1,
        metavar="N",
        help="simulate in N processes, on a CPU (default: %(default)s)",
    )

    def run() -> None:
        arguments = parser.parse_args()
        options = ("timesteps", "backend", "batch_size", "seed", "connectivity", "build_dir")
        given = {option: getattr(arguments, option) for option in options}
        net = build(**given)
        script = str(net.folder.script)
        example = recorded_example(arguments)
        jobs = Jobs(net, script, given, arguments.jobs, example) if arguments.jobs > 1 else net
        simulate(net, arguments, {"backend": net.backend, "connectivity": net.matrix.lower()}, jobs.batches)

    guarded(run)
