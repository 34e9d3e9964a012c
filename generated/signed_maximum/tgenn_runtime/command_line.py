"""The command line that simulate.py and reference.py share: data in, simulation, results out."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .data import Examples, count_of, label_problem, labels_note, range_problem, read_data
from .input_encodings import values_problem
from .messages import RunError, note
from .neuron_settings import parsed
from .raster import draw_raster, require_plot, save_figure
from .results import Result, example_problem
from .runnable_network import RunnableNetwork
from .scores import scores_of
from .written_files import write_file, write_json

NO_TARGETS = "score: none, the data has no targets"


def main(build: Callable[..., RunnableNetwork], name: str, timesteps: int) -> None:
    """The command line of reference.py. timesteps: the default, from network.yaml."""
    parser = argument_parser(f"Simulate {name} in NumPy.", timesteps)

    def run() -> None:
        arguments = parser.parse_args()
        net = build(timesteps=arguments.timesteps, batch_size=arguments.batch_size, seed=arguments.seed)
        simulate(net, arguments, {"backend": "numpy"})

    guarded(run)


def guarded(run: Callable[[], None]) -> None:
    """Call run. Errors, an interruption and a lack of memory end the script with a message of one line."""

    def end(message: str, status: int) -> None:
        print(f"{Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
        raise SystemExit(status)

    try:
        run()
    except RunError as error:
        end(error.for_command_line(), error.status)
    except KeyboardInterrupt:
        end("interrupted", 130)
    except OSError as error:  # standard output is full, or closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        end(f"standard output cannot be written: {error.strerror}", 2)
    except MemoryError:
        end("there is not enough memory: use a smaller --batch-size, --timesteps or --limit", 3)


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
        "--plot",
        type=Path,
        metavar="FILE.png",
        help="draw a spike raster of the recorded populations (default: all); or FILE.svg, FILE.pdf",
    )
    parser.add_argument(
        "--example",
        type=index,
        metavar="N",
        help="the example that --record and --plot show, from 0 (default: 0)",
    )
    parser.add_argument(
        "--save-outputs",
        type=Path,
        metavar="OUT.npz",
        help="write output (or output/<population>), spike_counts/<population>, spikes/<recorded population>",
    )
    parser.add_argument("--json", type=Path, metavar="RESULT.json", help="write the results as JSON")
    return parser


def show_progress(done: int, total: int, score: str, started: float) -> None:
    """Show a progress bar with the score so far on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        return
    bar = "#" * (30 * done // total)
    rate = done / max(time.perf_counter() - started, 1e-9)
    end = "\n" if done == total else ""
    print(f"\r[{bar:30}] {done}/{total}  {score}  {rate:.0f}/s ", end=end, file=sys.stderr, flush=True)


def recorded_names(arguments: argparse.Namespace) -> list[str] | None:
    """The populations of --record; None, which means all that spike, if only --plot is given."""
    if arguments.plot is not None:
        require_plot(arguments.plot)
    if arguments.example is not None and arguments.plot is None and arguments.record is None:
        raise RunError("--example: add --plot FILE.png or --record POP, which show that example")
    if arguments.record is None:
        return [] if arguments.plot is None else None
    if arguments.plot is None and arguments.save_outputs is None:
        raise RunError(
            "--record: add --plot FILE.png or --save-outputs OUT.npz, which write the recorded spikes"
        )
    return [name.strip() for name in arguments.record.split(",")]


def check_outputs(arguments: argparse.Namespace, options: tuple[str, ...]) -> None:
    """Raise RunError where the file of one of these options cannot be written, or is the data file."""
    written: dict[Path, str] = {}
    for option in options:
        path = getattr(arguments, option.replace("-", "_"))
        if path is None:
            continue
        if not path.absolute().parent.is_dir():
            raise RunError(f"--{option} {path}: there is no folder {path.parent}")
        if path.exists() and not path.is_file():
            raise RunError(f"--{option} {path}: is {'a folder' if path.is_dir() else 'not a regular file'}")
        if path.exists() and arguments.data.exists() and path.samefile(arguments.data):
            raise RunError(f"--{option} {path}: is the data file, which would be overwritten")
        if path.absolute() in written:
            raise RunError(
                f"--{option} {path}: --{written[path.absolute()]} has the same file, give another one"
            )
        written[path.absolute()] = option


def simulate(
    net: RunnableNetwork,
    arguments: argparse.Namespace,
    engine: Mapping[str, str],
    batches: Callable[..., Iterator[Result]] | None = None,
) -> None:
    """Read the examples, simulate them, and report.

    engine: added to the results of --json. batches: what simulates; by default net.batches.

    Raises RunError. After an interruption the results are those of the finished examples, and --json marks
    them as incomplete.
    """
    check_outputs(arguments, ("plot", "save-outputs", "json"))
    for population, name, value in arguments.settings:
        net.set(population, **{name: value})
    net.check_timesteps(arguments.timesteps)
    record = recorded_names(arguments)
    examples, targets = read_data(arguments.data, net.inputs, net.outputs, arguments.limit)
    if unsuitable := values_problem(examples, net.inputs):
        raise RunError(f"{arguments.data}: {unsuitable}")
    doubts = (label_problem(targets, net.outputs), labels_note(targets, net.outputs))
    for doubt in (range_problem(examples, net.inputs), *doubts):
        if doubt:
            note(f"{arguments.data}: {doubt}")
    scores = scores_of(targets, net.inputs, net.outputs, net.few_spike)
    first, total = next(iter(net.outputs)), count_of(examples)
    example = arguments.example or 0
    if example >= total:
        raise RunError(example_problem(example, total), option="example")

    details = arguments.json is not None or arguments.save_outputs is not None
    started = time.perf_counter()
    net.prepare(total, record, ())
    build_seconds = time.perf_counter() - started

    started = time.perf_counter()
    kept = Kept(arguments.save_outputs is not None, example)
    try:
        for batch in (batches or net.batches)(examples, arguments.timesteps, record, (), details):
            kept.add(batch)
            for name, logits in batch.logits_per_step.items():
                if name in scores:
                    scores[name].add(logits)
            running = scores[first].running() if first in scores else ""
            show_progress(kept.done, total, running, started)
    except KeyboardInterrupt:
        if not kept.done:
            raise
    seconds = time.perf_counter() - started

    if arguments.save_outputs is not None:
        write_file(arguments.save_outputs, lambda file: np.savez(file, **kept.arrays()))
    if arguments.plot is not None:
        save_raster(arguments.plot, net, kept.spikes, examples, example)
    found = {name: scores[name].results() if name in scores else {} for name in net.outputs}
    if arguments.json is not None:
        result = {
            "complete": kept.done == total,
            "accuracy": None,
            "n": kept.done,
            "timesteps": arguments.timesteps,
            "seconds": seconds,
            "examples_per_second": kept.done / seconds,
            "build_seconds": build_seconds,
            **engine,
            "spikes_per_example": {name: count / kept.done for name, count in kept.events.items()},
            "net_spikes_per_example": {name: count / kept.done for name, count in kept.net.items()},
            "accuracy_per_step": None,
            **found[first],
            **({"outputs": found} if len(net.outputs) > 1 else {}),
        }
        write_json(arguments.json, result)
    for name in reversed(net.outputs):
        shown = scores[name].line(arguments.timesteps) if name in scores else NO_TARGETS
        print(shown if len(net.outputs) == 1 else f"{name}: {shown}")
    if kept.done < total:
        raise RunError(f"interrupted: the results are those of {kept.done} of {total} examples", 130)


def save_raster(
    path: Path, net: RunnableNetwork, spikes: Mapping[str, np.ndarray], examples: Examples, example: int
) -> None:
    """Draw the recorded spikes of an example, {population: (timesteps, neurons)}, beside its images."""
    if not spikes:  # after an interruption
        note(f"{path}: not written: example {example} was not simulated")
        return
    shaped = {name: raster.reshape(len(raster), *net.shapes[name]) for name, raster in spikes.items()}
    images = {name: x[example] for name, x in examples.items()}
    save_figure(draw_raster(shaped, images, f"{net.name}, example {example}"), path)


class Kept:
    """The results of all batches.

    arrays: whether to keep the arrays for --save-outputs. example: of which to keep recorded spikes.
    """

    def __init__(self, arrays: bool, example: int) -> None:
        self.keep, self.example, self.done = arrays, example, 0
        self.events: dict[str, int] = {}
        self.net: dict[str, int] = {}
        self.spikes: dict[str, np.ndarray] = {}
        self._arrays: dict[str, list[np.ndarray]] = {}

    def add(self, batch: Result) -> None:
        """Add the results of the next examples."""
        size = len(next(iter(batch.logits.values())))
        if self.done <= self.example < self.done + size:
            self.spikes = {name: s[self.example - self.done].copy() for name, s in batch.spikes.items()}
        self.done += size
        for totals, counts in ((self.events, batch.spike_counts), (self.net, batch.net_counts)):
            for name, count in counts.items():
                totals[name] = totals.get(name, 0) + int(count.sum(dtype=np.int64))
        if not self.keep:
            return
        for name, output in batch.outputs.items():
            key = "output" if len(batch.outputs) == 1 else f"output/{name}"
            self._arrays.setdefault(key, []).append(output.copy())
        for kind, counts in (("spike_counts", batch.spike_counts), ("net_counts", batch.net_counts)):
            for name, count in counts.items():
                self._arrays.setdefault(f"{kind}/{name}", []).append(count)

    def arrays(self) -> dict[str, Any]:
        """The arrays of --save-outputs.

        spikes/<population>, of the example that is recorded: the step, neuron and sign of each spike.
        """
        arrays: dict[str, Any] = {name: np.concatenate(parts) for name, parts in self._arrays.items()}
        for name, spikes in self.spikes.items():
            steps, neurons = np.nonzero(spikes)
            arrays[f"spikes/{name}"] = np.stack([steps, neurons, spikes[steps, neurons]], axis=1)
        return arrays
