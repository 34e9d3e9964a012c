"""The command line that simulate.py and reference.py share: data in, simulation, results out."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.runtime.data import Examples, Table, count_of, fail, read_data, scores_of
from tgenn_gen.runtime.input_encodings import values_problem

# A simulation yields one of these for each batch of examples:
#   outputs       {population: (steps, batch, *shape)}: the readout after each step, or after the last alone
#   spike_counts  {population: (batch, neurons)}
#   spikes        {population: (timesteps, neurons) bool}: the first example, recorded populations only
Batch = dict[str, Any]
Simulation = Callable[[Examples], Iterator[Batch]]

NO_TARGETS = "score: none, the data has no targets"


def guarded(main: Callable[[], None]) -> None:
    """Run main; an interruption or a lack of memory ends it with one line."""
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except OSError as error:  # standard output is full, or closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        fail(f"standard output cannot be written: {error.strerror}")
    except MemoryError:
        fail("there is not enough memory: try a smaller --batch-size, --timesteps or --limit", 3)


def argument_parser(description: str, timesteps: int) -> argparse.ArgumentParser:
    """The options that both scripts have; `timesteps` is the document's."""

    def positive(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
        return int(text)

    def seed(text: str) -> int:
        if not re.fullmatch("[0-9]{1,10}", text) or int(text) >= 2**32:
            raise argparse.ArgumentTypeError(f"expected a whole number of 0 to 2^32 - 1, got {text!r}")
        return int(text)

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="F.npz",
        help="examples x and targets y, or x_test and y_test, or arrays named after the inputs and outputs: "
        "class numbers (n,), or values of the output's shape; uint8 images are divided as the input's are",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N examples (default: all)")
    parser.add_argument(
        "--timesteps", type=positive, default=timesteps, metavar="T", help="steps an example (%(default)s)"
    )
    parser.add_argument(
        "--batch-size", type=positive, metavar="B", help="examples at a time (default: what fits)"
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="S",
        help="for random numbers, where the network draws any (%(default)s)",
    )
    parser.add_argument(
        "--record", metavar="POP[,POP]", help="record the first example's spikes of these populations"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="spike raster of what is recorded (default: all)"
    )
    parser.add_argument(
        "--save-outputs",
        type=Path,
        metavar="OUT.npz",
        help="write output (output/<population> for several), spike_counts/<population>, spikes/<recorded>",
    )
    parser.add_argument("--json", type=Path, metavar="RESULT.json", help="write the results as JSON")
    return parser


def check_timesteps(timesteps: int, outputs: Table, most: int) -> None:
    """End with a message where the network cannot run for so many steps, or be read."""
    start = max(output["start"] for output in outputs.values())
    if timesteps > most:
        fail(f"--timesteps {timesteps}: the network takes at most {most}")
    if timesteps <= start:
        fail(f"--timesteps {timesteps}: the readout starts only after step {start}")


def show_progress(done: int, total: int, score: str, started: float) -> None:
    """A bar on stderr with the score of what is done; on a terminal only."""
    if not sys.stderr.isatty():
        return
    bar = "#" * (30 * done // total)
    rate = done / max(time.perf_counter() - started, 1e-9)
    end = "\n" if done == total else ""
    print(f"\r[{bar:30}] {done}/{total}  {score}  {rate:.0f}/s ", end=end, file=sys.stderr, flush=True)


def write_file(path: Path, write: Callable[[Any], object]) -> None:
    """Write a binary file whole or not at all."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            write(file)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        fail(f"{path}: cannot be written: {error}")


def write_json(path: Path, data: object) -> None:
    """Write data as JSON."""
    text = json.dumps(data, indent=2) + "\n"
    write_file(path, lambda file: file.write(text.encode()))


def check_plot(path: Path) -> None:
    """End with a message where no PNG file can be drawn at `path`."""
    if path.suffix != ".png":
        fail(f"--plot {path}: a PNG file is written, give a name that ends in .png")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        fail("--plot needs matplotlib: pip install matplotlib", 3)


def plot_raster(spikes: dict[str, np.ndarray], path: Path) -> None:
    """Spikes {population: (timesteps, neurons) bool} as one raster a population, in a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(spikes), sharex=True, squeeze=False, figsize=(8, 1.2 + 1.6 * len(spikes)), layout="constrained"
    )
    for axis, (name, raster) in zip(axes[:, 0], spikes.items(), strict=True):
        steps, neurons = np.nonzero(raster)
        axis.plot(steps, neurons, "|", markersize=3, color="black")
        axis.set(title=f"{name}: {len(steps)} spikes", ylabel="neuron", ylim=(-0.5, raster.shape[1] - 0.5))
        axis.set_xlim(-0.5, len(raster) - 0.5)
    axes[-1, 0].set_xlabel("local time step of the first example")
    write_file(path, lambda file: figure.savefig(file, format="png", dpi=120))


def recorded_populations(arguments: argparse.Namespace, spiking: list[str]) -> list[str]:
    """The populations --record names; all spiking ones where there is only --plot."""
    if arguments.plot is not None:
        check_plot(arguments.plot)
    if arguments.record is None:
        return spiking if arguments.plot is not None else []
    names = [name.strip() for name in arguments.record.split(",")]
    unknown = [name for name in names if name not in spiking]
    if unknown:
        fail(f"--record: no spiking population {', '.join(unknown)}; there are {', '.join(spiking)}")
    if arguments.plot is None and arguments.save_outputs is None:
        fail("--record: add --plot FILE.png or --save-outputs OUT.npz, which show what is recorded")
    return names


def check_outputs(arguments: argparse.Namespace, options: tuple[str, ...]) -> None:
    """End with a message where a file that one of these options names cannot be written, or is the data."""
    written: dict[Path, str] = {}
    for option in options:
        path = getattr(arguments, option.replace("-", "_"))
        if path is None:
            continue
        if not path.absolute().parent.is_dir():
            fail(f"--{option} {path}: there is no folder {path.parent}")
        if path.exists() and not path.is_file():
            fail(f"--{option} {path}: is {'a folder' if path.is_dir() else 'not a regular file'}")
        if path.exists() and arguments.data.exists() and path.samefile(arguments.data):
            fail(f"--{option} {path}: is the data itself")
        if path.absolute() in written:
            fail(f"--{option} {path}: --{written[path.absolute()]} is to be written there too")
        written[path.absolute()] = option


def run(
    arguments: argparse.Namespace,
    engine: dict[str, str],
    build: Callable[[int], Simulation],
    inputs: Table,
    outputs: Table,
) -> None:
    """Read the examples, build the simulation for their number, simulate, and report.

    engine: what runs the simulation, for --json. inputs, outputs: the scripts' INPUTS and OUTPUTS.
    """
    check_outputs(arguments, ("plot", "save-outputs", "json"))
    examples, targets = read_data(arguments.data, inputs, outputs, arguments.limit)
    if unsuitable := values_problem(examples, inputs):
        fail(f"{arguments.data}: {unsuitable}")
    scores = scores_of(targets, inputs)
    first, total = next(iter(outputs)), count_of(examples)

    started = time.perf_counter()
    simulate = build(total)
    build_seconds = time.perf_counter() - started

    started = time.perf_counter()
    done = 0
    last: dict[str, list[np.ndarray]] = {name: [] for name in outputs}
    spike_totals: dict[str, int] = {}
    spike_counts: dict[str, list[np.ndarray]] = {}
    spikes: dict[str, np.ndarray] = {}
    for batch in simulate(examples):
        done += batch["outputs"][first].shape[1]
        for name, output in batch["outputs"].items():
            if name in scores:
                scores[name].add(output)
            if arguments.save_outputs is not None:
                last[name].append(output[-1].copy())
        for name, counts in batch["spike_counts"].items():
            spike_totals[name] = spike_totals.get(name, 0) + int(counts.sum(dtype=np.int64))
            if arguments.save_outputs is not None:
                spike_counts.setdefault(name, []).append(counts)
        spikes.update(batch.get("spikes", {}))
        show_progress(done, total, scores[first].running() if first in scores else "", started)
    seconds = time.perf_counter() - started

    if arguments.save_outputs is not None:
        keys = {name: "output" if len(outputs) == 1 else f"output/{name}" for name in outputs}
        arrays: dict[str, Any] = {keys[name]: np.concatenate(parts) for name, parts in last.items()}
        arrays.update({f"spike_counts/{name}": np.concatenate(c) for name, c in spike_counts.items()})
        arrays.update({f"spikes/{name}": np.argwhere(raster) for name, raster in spikes.items()})
        write_file(arguments.save_outputs, lambda file: np.savez(file, **arrays))
    if arguments.plot is not None:
        plot_raster(spikes, arguments.plot)
    found = {name: scores[name].results() if name in scores else {} for name in outputs}
    if arguments.json is not None:
        result = {
            "accuracy": None,
            "n": total,
            "timesteps": arguments.timesteps,
            "seconds": seconds,
            "examples_per_second": total / seconds,
            "build_seconds": build_seconds,
            **engine,
            "spikes_per_example": {name: count / total for name, count in spike_totals.items()},
            "accuracy_per_step": None,
            **found[first],
            **({"outputs": found} if len(outputs) > 1 else {}),
        }
        write_json(arguments.json, result)
    for name in reversed(outputs):
        shown = scores[name].line(arguments.timesteps) if name in scores else NO_TARGETS
        print(shown if len(outputs) == 1 else f"{name}: {shown}")
