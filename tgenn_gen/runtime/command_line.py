"""The command line that simulate.py and reference.py share: data in, simulation, results out."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

# A simulation yields one of these for each batch of examples:
#   output        (steps, batch, classes): the readout after each step, or after the last one alone
#   spike_counts  {population: (batch, neurons)}
#   spikes        {population: (timesteps, neurons) bool}: the first example, recorded populations only
Batch = dict[str, Any]
Simulation = Callable[[np.ndarray], Iterator[Batch]]

# What reading a damaged, foreign or hostile .npz raises.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def fail(message: str, status: int = 2) -> NoReturn:
    """End with one line on stderr. Status 2: bad input or usage; 3: something needed is missing."""
    print(f"{Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
    raise SystemExit(status)


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
        "--data", type=Path, required=True, metavar="F.npz", help="examples: arrays x, y (or x_test, y_test)"
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
        help="write output, spike_counts/<population>, spikes/<recorded>",
    )
    parser.add_argument("--json", type=Path, metavar="RESULT.json", help="write the results as JSON")
    return parser


def check_timesteps(timesteps: int, start: int, most: int) -> None:
    """End with a message where the network cannot run for so many steps, or be read from step `start` on."""
    if timesteps > most:
        fail(f"--timesteps {timesteps}: the network takes at most {most}")
    if timesteps <= start:
        fail(f"--timesteps {timesteps}: the readout starts only after step {start}")


def examples_problem(x: object, shape: tuple[int, ...]) -> str:
    """Why x is no array of examples of this shape; "" if it is."""
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        return "the examples are not an array"
    if x.shape[1:] != shape:
        return f"an example has shape {x.shape[1:]}, the network takes {shape}"
    if x.dtype.kind not in "buif":
        return f"examples are {x.dtype}, expected numbers"
    if len(x) == 0:
        return "holds no examples"
    if x.dtype.kind == "f":
        bad = ~(np.abs(x) <= np.finfo(np.float32).max)
        if bad.any():
            return (
                f"example {np.argwhere(bad)[0][0]} holds NaN or infinity, or a number too large for float32"
            )
    return ""


def read_examples(
    path: Path, shape: tuple[int, ...], limit: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Examples x (n, *shape), of the file's dtype, and labels y (n,) where the file has them."""
    try:
        if path.exists() and not path.is_file():
            fail(f"{path}: is not a regular file")
        with path.open("rb") as start:
            if start.read(2) not in (b"PK", b"\x93N"):  # NumPy would call anything else a pickle
                fail(f"{path}: cannot be read as .npz: it is not one, or damaged")
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            fail(f"{path}: expected an .npz with arrays x and y, got a single array")
        with file as arrays:
            suffix = next((s for s in ("", "_test") if "x" + s in arrays), None)
            if suffix is None:
                fail(f"{path}: no array x or x_test in it; it has {', '.join(arrays) or 'none'}")
            x, y = arrays["x" + suffix], arrays.get("y" + suffix)
    except UNREADABLE as error:
        fail(f"{path}: cannot be read as .npz: {error}")
    examples = 0
    if isinstance(x, np.ndarray) and x.ndim > 0:
        examples = len(x)
        x = x[:limit, ..., None] if x.ndim == len(shape) and shape[-1] == 1 else x[:limit]
    problem = examples_problem(x, shape)
    if problem:
        fail(f"{path}: {problem}")
    if y is not None:
        y = np.asarray(y)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if wrong := labels_problem(y, examples):
            fail(f"{path}: {wrong}")
        y = y[:limit]
    return x, y


def as_current(x: np.ndarray, uint8_divisor: float) -> np.ndarray:
    """float32; uint8 intensities (0..255) are divided by `uint8_divisor`, other data is taken as it is."""
    if x.dtype == np.uint8:
        return x.astype(np.float32) / np.float32(uint8_divisor)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return x.astype(np.float32)


def show_progress(done: int, total: int, correct: int | None, started: float) -> None:
    """A bar on stderr with the running accuracy; on a terminal only."""
    if not sys.stderr.isatty():
        return
    bar = "#" * (30 * done // total)
    accuracy = "" if correct is None else f"  accuracy {100 * correct / done:.2f} %"
    rate = done / max(time.perf_counter() - started, 1e-9)
    end = "\n" if done == total else ""
    print(f"\r[{bar:30}] {done}/{total}{accuracy}  {rate:.0f}/s ", end=end, file=sys.stderr, flush=True)


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


def labels_problem(y: np.ndarray, examples: int) -> str:
    """Why y are no labels of so many examples; "" if they are."""
    if y.ndim != 1 or len(y) != examples or y.dtype.kind not in "ui":
        return f"labels are {y.dtype} {y.shape}, expected one class index for each of {examples}"
    return ""


def classes_problem(y: np.ndarray, classes: int) -> str:
    """Why labels y are not of these classes; "" if they are."""
    if not 0 <= int(y.min()) <= int(y.max()) < classes:
        return f"labels run from {y.min()} to {y.max()}, the network has {classes} classes"
    return ""


def run(
    arguments: argparse.Namespace,
    backend: str,
    build: Callable[[int], Simulation],
    shape: tuple[int, ...],
    classes: int,
    problem: Callable[[np.ndarray], str],
) -> None:
    """Read the examples, build the simulation for their number, simulate, and report.

    problem: why these values, as they come to the network, cannot be its input; "" if they can.
    """
    check_outputs(arguments, ("plot", "save-outputs", "json"))
    x, y = read_examples(arguments.data, shape, arguments.limit)
    if unsuitable := problem(x):
        fail(f"{arguments.data}: {unsuitable}")
    if y is not None and (wrong := classes_problem(y, classes)):
        fail(f"{arguments.data}: {wrong}")

    started = time.perf_counter()
    simulate = build(len(x))
    build_seconds = time.perf_counter() - started

    started = time.perf_counter()
    done, correct = 0, np.zeros(1, int)
    outputs: list[np.ndarray] = []
    spike_totals: dict[str, int] = {}
    spike_counts: dict[str, list[np.ndarray]] = {}
    spikes: dict[str, np.ndarray] = {}
    for batch in simulate(x):
        output = batch["output"]
        done += output.shape[1]
        if y is not None:
            labels = y[done - output.shape[1] : done]
            correct = correct + (output.argmax(axis=2) == labels).sum(axis=1)
        outputs.append(output[-1])
        for name, counts in batch["spike_counts"].items():
            spike_totals[name] = spike_totals.get(name, 0) + int(counts.sum(dtype=np.int64))
            if arguments.save_outputs is not None:
                spike_counts.setdefault(name, []).append(counts)
        spikes.update(batch.get("spikes", {}))
        show_progress(done, len(x), None if y is None else int(correct[-1]), started)
    seconds = time.perf_counter() - started

    if arguments.save_outputs is not None:
        arrays: dict[str, Any] = {"output": np.concatenate(outputs)}
        arrays.update({f"spike_counts/{name}": np.concatenate(c) for name, c in spike_counts.items()})
        arrays.update({f"spikes/{name}": np.argwhere(raster) for name, raster in spikes.items()})
        write_file(arguments.save_outputs, lambda file: np.savez(file, **arrays))
    if arguments.plot is not None:
        plot_raster(spikes, arguments.plot)
    if arguments.json is not None:
        result = {
            "accuracy": None if y is None else correct[-1] / len(x),
            "n": len(x),
            "timesteps": arguments.timesteps,
            "seconds": seconds,
            "examples_per_second": len(x) / seconds,
            "build_seconds": build_seconds,
            "backend": backend,
            "spikes_per_example": {name: total / len(x) for name, total in spike_totals.items()},
            "accuracy_per_step": None if y is None else (correct / len(x)).tolist(),
        }
        write_json(arguments.json, result)
    if y is None:
        print("accuracy: none, the data has no labels")
    else:
        print(
            f"accuracy: {correct[-1] / len(x):.4f} ({correct[-1]} of {len(x)}, {arguments.timesteps} steps)"
        )
