"""The command line that simulate.py and reference.py share."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .messages import RunError
from .mpi_ranks import ALONE, Ranks, ranks_of_run
from .neuron_settings import parsed
from .recording import parsed_neurons
from .run_results import Shard, shard
from .runnable_network import RunnableNetwork
from .script_run import simulate


def main(build: Callable[..., RunnableNetwork], name: str, timesteps: int) -> None:
    """The command line of reference.py. timesteps: the default, from network.yaml."""
    parser = argument_parser(f"Simulate {name} in NumPy.", timesteps)

    def run(ranks: Ranks) -> None:
        arguments = parser.parse_args()
        net = build(timesteps=arguments.timesteps, batch_size=arguments.batch_size, seed=arguments.seed)
        simulate(net, arguments, {"backend": "numpy"}, ranks)

    guarded(run)


def guarded(run: Callable[[Ranks], None]) -> None:
    """Call run(ranks). Errors, an interruption and a lack of memory end the script with one line.

    SIGTERM, which Slurm sends when a job's time is over, interrupts as Ctrl-C does. Of the processes of an
    MPI run only the first one prints, but for errors, which end all of them.
    """
    ranks = ALONE

    def end(message: str, status: int) -> None:
        message = f"rank {ranks.rank}: {message}" if ranks.rank else message
        print(f"{Path(sys.argv[0]).name}: error: {message}", file=sys.stderr, flush=True)
        ranks.end_all(status)
        raise SystemExit(status)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ranks = ranks_of_run()
        with ranks.one_voice():
            run(ranks)
    except SystemExit as ended:  # of argparse, which has printed why
        if ended.code:
            ranks.end_all(2)
        raise
    except RunError as error:
        end(error.for_command_line(), error.status)
    except KeyboardInterrupt:
        end("interrupted", 130)
    except OSError as error:  # standard output is full, or closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        end(f"standard output cannot be written: {error.strerror}", 2)
    except MemoryError:
        end("there is not enough memory: use a smaller --batch-size, --timesteps or --limit", 3)
    except Exception:
        traceback.print_exc()
        ranks.end_all(1)
        raise SystemExit(1) from None


def positive(text: str) -> int:
    """A whole number of at least 1, as an argument."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def index(text: str) -> int:
    """A whole number of at least 0, as an argument."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def argument_parser(description: str, timesteps: int) -> argparse.ArgumentParser:
    """The options that both scripts have. timesteps: the default, from network.yaml."""

    def seed(text: str) -> int:
        if not re.fullmatch("[0-9]{1,10}", text) or int(text) >= 2**32:
            raise argparse.ArgumentTypeError(f"expected a whole number of 0 to 2^32 - 1, got {text!r}")
        return int(text)

    def setting(text: str) -> tuple[str, str, float]:
        try:
            return parsed(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    def neurons(text: str) -> np.ndarray:
        try:
            return parsed_neurons(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    def part(text: str) -> Shard:
        try:
            return shard(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="F.npz",
        help="examples x and targets y, or x_test and y_test, or arrays named after the inputs and outputs; "
        "targets are class numbers, 0/1 labels or values (n, *output shape); uint8 examples are divided by "
        "the input's uint8_divisor",
    )
    parser.add_argument(
        "-n", "--limit", type=positive, metavar="N", help="use only the first N examples (default: all)"
    )
    parser.add_argument(
        "--timesteps",
        type=positive,
        default=timesteps,
        metavar="T",
        help="time steps per example (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=positive, metavar="B", help="examples at a time (default: as many as fit)"
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="S",
        help="seed of random numbers, if the network uses any (default: %(default)s)",
    )
    parser.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        dest="settings",
        metavar="POP.NAME=VALUE",
        help="set a parameter of a population's neurons, such as conv2d.threshold=0.9; can be repeated",
    )
    parser.add_argument(
        "--record", metavar="POP[,POP]", help="record an example's spikes of these populations"
    )
    parser.add_argument(
        "--record-v",
        metavar="POP[,POP]",
        help="record their membrane potentials for that example, after each time step",
    )
    parser.add_argument(
        "--record-i", metavar="POP[,POP]", help="record their input currents, of each time step"
    )
    parser.add_argument(
        "--neurons",
        type=neurons,
        metavar="A:B[,N]",
        help="the neurons of --record-v and --record-i, such as 0:10 (0 to 9) or 3,7,9 (default: all)",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.png",
        help="draw what is recorded: spikes as a raster (default: of all populations), V and I as traces; or "
        "FILE.svg, FILE.pdf",
    )
    parser.add_argument(
        "--example",
        type=index,
        metavar="N",
        help="the example that is recorded and plotted, from 0 (default: the first)",
    )
    parser.add_argument(
        "--save-outputs",
        type=Path,
        metavar="OUT.npz",
        help="write output (or output/<population>), spike_counts/<population>, and what is recorded: "
        "spikes/<population>, v/<population>, i/<population>, neurons/<population>",
    )
    parser.add_argument("--json", type=Path, metavar="RESULT.json", help="write the results as JSON")
    parser.add_argument(
        "--shard",
        type=part,
        default=Shard(),
        metavar="I/N",
        help="simulate only the examples I, I + N, I + 2 N, ...; auto: those of this task of a Slurm array",
    )
    parser.add_argument(
        "--save-every",
        type=positive,
        metavar="N",
        help="write --json and --save-outputs after every N examples",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the results in --json, if there are any"
    )
    return parser
