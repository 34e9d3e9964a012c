"""The command line of simulate.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .command_line import argument_parser, guarded, simulate
from .genn_network import MAX_SPARSE_BYTES, GeNNNetwork


def main(build: Callable[..., GeNNNetwork], name: str, timesteps: int) -> None:
    """Simulate examples with the network that `build` defines. timesteps: the document's."""
    parser = argument_parser(f"Simulate {name} on GeNN.", timesteps)
    parser.add_argument("--backend", metavar="NAME", help="GeNN's backend (default: the fastest there is)")
    parser.add_argument(
        "--connectivity",
        choices=("auto", "sparse", "toeplitz"),
        default="auto",
        help="how synapses that share weights are kept: all of them, or their kernel alone (default: auto, "
        f"which is sparse on a CPU up to {MAX_SPARSE_BYTES / 2**30:g} GiB, else toeplitz)",
    )
    parser.add_argument(
        "--build-dir",
        type=Path,
        metavar="DIR",
        help="where GeNN's code is built (default: here, or a cache folder if this folder is read-only)",
    )

    def run() -> None:
        arguments = parser.parse_args()
        options = ("timesteps", "backend", "batch_size", "seed", "connectivity", "build_dir")
        net = build(**{option: getattr(arguments, option) for option in options})
        simulate(net, arguments, {"backend": net.backend, "connectivity": net.matrix.lower()})

    guarded(run)
