"""A run of simulate.py or reference.py: reads examples, simulates them, saves and prints the results."""

from __future__ import annotations

import argparse
import glob
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from .data import (
    checksums,
    count_of,
    currents_of,
    label_problem,
    labels_note,
    of_numbers,
    range_problem,
    read_data,
)
from .input_encodings import values_problem
from .messages import RunError, note
from .mpi_ranks import Ranks
from .raster import draw_recorded, require_plot, save_figure
from .recording import RecordedExample, Recording
from .results import Result, example_problem
from .run_results import RunResults, Shard, differences, joined_parts, read_results
from .runnable_network import RunnableNetwork
from .scores import Score, scores_of
from .written_files import locked

NO_TARGETS = "score: none, the data has no targets"

# the results of a part of the examples, and what was recorded, if the recorded one is among them
SimulatedPart = tuple[RunResults, Optional[RecordedExample]]  # noqa: UP045  (Python 3.9)


def show_progress(done: int, total: int, score: str, started: float) -> None:
    """Show a progress bar with the score so far on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        return
    bar = "#" * (30 * done // total)
    rate = done / max(time.perf_counter() - started, 1e-9)
    end = "\n" if done == total else ""
    print(f"\r[{bar:30}] {done}/{total}  {score}  {rate:.0f}/s ", end=end, file=sys.stderr, flush=True)


def recording_of(arguments: argparse.Namespace) -> Recording:
    """What the options ask to record: with --plot alone, spikes of all populations. Raises RunError."""
    if arguments.plot is not None:
        require_plot(arguments.plot)
    names = {
        option: [name.strip() for name in text.split(",")]
        for option in ("record", "record_v", "record_i")
        if (text := getattr(arguments, option)) is not None
    }
    if arguments.neurons is not None and not {"record_v", "record_i"} & {*names}:
        raise RunError("--neurons: add --record-v POP or --record-i POP, whose neurons these are")
    if arguments.example is not None and arguments.plot is None and not names:
        raise RunError("--example: add --plot FILE.png or --record POP, which show that example")
    if names and arguments.plot is None and arguments.save_outputs is None:
        option = next(iter(names)).replace("_", "-")
        raise RunError(
            f"--{option}: add --plot FILE.png or --save-outputs OUT.npz, which write what is recorded"
        )
    spikes = names.get("record", None if arguments.plot is not None and not names else [])
    v, i = (names.get(option, []) for option in ("record_v", "record_i"))
    return Recording(spikes, v, i, arguments.neurons, recorded_example(arguments))


def recorded_example(arguments: argparse.Namespace) -> int:
    """The number of the example that is recorded and plotted."""
    return arguments.shard.index if arguments.example is None else int(arguments.example)


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


def check_saving(arguments: argparse.Namespace) -> None:
    """Raise RunError for --save-every or --resume without --json, which has what they need."""
    for option in ("save_every", "resume"):
        if getattr(arguments, option) and arguments.json is None:
            raise RunError("add --json RESULT.json, which keeps what is done", option=option)


def check_stream(net: RunnableNetwork, arguments: argparse.Namespace, ranks: Ranks) -> None:
    """Raise RunError for options that share or skip examples, where these are a stream."""
    if net.reset != "never":
        return
    shared = {
        "shard": arguments.shard.count > 1,
        "jobs": getattr(arguments, "jobs", None) not in (None, 1),
        "devices": len(getattr(arguments, "devices", ())) > 1,
    }
    reason = "the examples are a stream, in which neurons keep V (reset: never)"
    for option in (option for option, given in shared.items() if given):
        raise RunError(f"--{option}: leave it out: {reason}")
    if ranks.size > 1:
        raise RunError(f"start one process: {reason}")
    before = arguments.json if arguments.resume else None
    if before is not None and before.exists() and not read_results(before).complete:
        message = f"{before}: has a part of the results, with which nothing can go on: {reason}"
        raise RunError(message, option="resume")


def simulate(
    net: RunnableNetwork,
    arguments: argparse.Namespace,
    engine: Mapping[str, str],
    ranks: Ranks,
    batches: Callable[..., Iterator[Result]] | None = None,
) -> None:
    """Read the examples, simulate them, and report.

    engine: the backend and its options, for --json. ranks: the processes that share the examples; the first
    one reports. batches: what simulates; by default net.batches.

    Raises RunError. After an interruption the results are those of the finished examples, and --json marks
    them as incomplete.
    """
    check_outputs(arguments, ("plot", "save-outputs", "json"))
    check_stream(net, arguments, ranks)
    check_saving(arguments)
    for population, name, value in arguments.settings:
        net.set(population, **{name: value})
    net.check_timesteps(arguments.timesteps)
    net.check_frames(arguments.timesteps)
    recording = recording_of(arguments)
    examples, targets = read_data(arguments.data, net.inputs, net.outputs, arguments.limit)
    if unsuitable := values_problem(examples, net.inputs):
        raise RunError(f"{arguments.data}: {unsuitable}")
    doubts = (label_problem(targets, net.outputs), labels_note(targets, net.outputs))
    for doubt in (range_problem(examples, net.inputs), *doubts):
        if doubt:
            note(f"{arguments.data}: {doubt}")
    total, example = count_of(examples), recorded_example(arguments)
    if not arguments.shard.numbers(total):
        raise RunError(f"{arguments.shard}: has no example: there are {total}", option="shard")
    if recording and example >= total:
        raise RunError(example_problem(example, total), option="example")
    run = {
        "network": net.name,
        **net.folder.identity(),
        "data": checksums(arguments.data),
        "timesteps": arguments.timesteps,
        "seed": arguments.seed,
        "settings": net.settings.values,
        **engine,
    }

    require_same_run(ranks, {**run, "examples": total}, arguments)

    def simulate_part(part: argparse.Namespace) -> SimulatedPart:
        results = results_so_far(part, run, total, net.outputs)
        left = results.numbers[results.done :]
        details = part.json is not None or part.save_outputs is not None
        recorded_here = replace(recording if example in left else Recording(), details=details)
        scores = scores_of(of_numbers(targets, left), net.inputs, net.outputs, net.few_spike)
        for name, score in scores.items():
            before: Any = results.scores[name]
            if before is not None:
                score.totals.add(before)
            results.scores[name] = score.totals
        with ranks.first_alone():  # it builds the network, which the others load
            if left:
                started = time.perf_counter()
                net.prepare(-(-total // part.shard.count), recorded_here)  # the same build for all shards
                results.build_seconds += time.perf_counter() - started
        shown = of_numbers(examples, left)
        simulated = (batches or net.batches)(shown, left, arguments.timesteps, recorded_here)
        recorded = run_batches(simulated if left else iter(()), results, scores, part)
        return results, recorded and recorded.shaped(net.shapes)

    with ExitStack() as locks:
        for path in (arguments.json, arguments.save_outputs):
            if path is not None and not ranks.rank:
                locks.enter_context(locked(path))
        if ranks.size == 1:
            results, recorded = simulate_part(arguments)
            if not results.done:
                raise KeyboardInterrupt
            results.save(arguments.json, arguments.save_outputs)
        else:
            results, recorded = simulate_together(ranks, arguments, simulate_part)
    if ranks.rank:
        return
    if arguments.plot is not None and recorded:
        images = {n: x[0] for n, x in currents_of(examples, example, example + 1, net.inputs).items()}
        save_figure(draw_recorded(recorded, images, f"{net.name}, example {example}"), arguments.plot)
    elif recording and (arguments.plot is not None or not results.recorded):
        what = "plotted" if results.recorded else "recorded or plotted"
        note(f"example {example} was not simulated in this run: it is not {what}")
    for line in score_lines(results):
        print(line)
    if not results.complete:
        done = f"{results.done} of {len(results.numbers)} examples"
        raise RunError(f"interrupted: the results are those of {done}", 130)


def require_same_run(ranks: Ranks, run: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Raise RunError where a rank has another network or other data or options than the first one."""
    options = ["shard", "resume", "json", "save_outputs", "example"]
    options += ["record", "record_v", "record_i", "neurons"]
    own = {**run, **{option: str(getattr(arguments, option)) for option in options}}
    first, *others = ranks.gathered_by_all(own)
    for rank, other in enumerate(others, 1):
        if problem := differences(other, first):
            message = f"rank {rank} has {problem}, as rank 0 has"
            raise RunError(f"{message}: start all processes with the same files and options")


def simulate_together(
    ranks: Ranks, arguments: argparse.Namespace, simulate_part: Callable[[argparse.Namespace], SimulatedPart]
) -> SimulatedPart:
    """Simulate the part of this rank. Returns the results of all ranks in the first one.

    Until all are done, each rank saves its results in files of its own, with which --resume goes on. Raises
    RunError.
    """
    if arguments.resume and ranks.of_first(lambda: already_done(arguments, ranks.size)):
        return simulate_part(arguments)
    own = part_of_rank(arguments, ranks.rank, ranks.size)
    results, recorded = simulate_part(own)
    with interrupted_later():  # an interruption of a rank that waits must not end one that still saves
        if own.json is not None and results.done:
            results.save(own.json, own.save_outputs)
        parts = ranks.gathered((results, recorded))
        if parts:
            done = sum(part.done for part, _ in parts)
            count = len(arguments.shard.numbers(results.total))
            if done < count:
                saved = ", --resume goes on with them" if own.json else ""
                raise RunError(f"interrupted: {done} of {count} examples are done{saved}", 130)
            results = joined_parts([part for part, _ in parts if part.done], arguments.shard)
            results.seconds = max(part.seconds for part, _ in parts)
            results.build_seconds = max(part.build_seconds for part, _ in parts)
            recorded = next((found for _, found in parts if found), None)
            results.save(arguments.json, arguments.save_outputs)
        ranks.wait()  # until the first one has saved
        if own.json is not None:
            for path in (own.json, own.save_outputs):
                if path is not None:
                    path.unlink(missing_ok=True)
    return results, recorded


def part_of_rank(arguments: argparse.Namespace, rank: int, size: int) -> argparse.Namespace:
    """The arguments of one of `size` ranks: its part of the examples, and its own files."""
    shard = arguments.shard
    part = argparse.Namespace(**vars(arguments))
    part.example = recorded_example(arguments)
    part.shard = Shard(shard.index + rank * shard.count, size * shard.count)
    for option in ("json", "save_outputs"):
        if path := getattr(arguments, option):
            setattr(part, option, path.with_name(f"{path.stem}.rank{rank}of{size}{path.suffix}"))
    return part


def already_done(arguments: argparse.Namespace, size: int) -> bool:
    """Whether --json has a whole result. Raises RunError where it, or a rank, has one of other processes."""
    path: Path = arguments.json
    others = [*path.parent.glob(f"{glob.escape(path.stem)}.rank*of*{path.suffix}")]
    for file in sorted(others):
        if (found := re.search("rank[0-9]+of([0-9]+)$", file.stem)) and int(found[1]) != size:
            message = f"{file}: is of {found[1]} processes, not {size}"
            raise RunError(f"{message}: start as many, or remove the file", option="resume")
    if others or not path.exists():
        return False
    if not read_results(path).complete:
        message = f"{path}: has a part of the results, of one process"
        raise RunError(f"{message}: go on with one, or remove the file", option="resume")
    return True


def results_so_far(
    arguments: argparse.Namespace, run: dict[str, Any], total: int, outputs: Iterable[str]
) -> RunResults:
    """The results that --resume goes on with, or those of no example. Raises RunError."""
    nothing = RunResults(
        run,
        total,
        arguments.shard,
        dict.fromkeys(outputs),
        None if arguments.save_outputs is None else {},
    )
    if not arguments.resume or not arguments.json.exists():
        return nothing
    found = read_results(arguments.json)
    known = {**found.run, "examples": found.total, "shard": str(found.shard)}
    if problem := differences(known, {**run, "examples": total, "shard": str(arguments.shard)}):
        raise RunError(f"{arguments.json}: is of another run: {problem}", option="resume")
    if (found.arrays is None) != (nothing.arrays is None):
        there = "has no saved outputs" if found.arrays is None else "has saved outputs: add --save-outputs"
        raise RunError(f"{arguments.json}: {there}", option="resume")
    return found


def run_batches(
    batches: Iterator[Result], results: RunResults, scores: Mapping[str, Score], arguments: argparse.Namespace
) -> RecordedExample | None:
    """Add the results of all batches, and save them now and then. After an interruption, those so far.

    Returns what was recorded, if an example was.
    """
    recorded = None
    first, before, started = next(iter(results.scores)), results.seconds, time.perf_counter()
    saved = results.done
    try:
        for batch in batches:
            with interrupted_later():
                recorded = results.add_batch(batch, recorded_example(arguments)) or recorded
                for name, logits in batch.logits_per_step.items():
                    if name in scores:
                        scores[name].add(logits)
                results.seconds = before + time.perf_counter() - started
                running = scores[first].totals.running() if first in scores else ""
                show_progress(results.done, len(results.numbers), running, started)
                if arguments.save_every and results.done - saved >= arguments.save_every:
                    results.save(arguments.json, arguments.save_outputs)
                    saved = results.done
    except KeyboardInterrupt:
        pass
    return recorded


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of this context: a batch is added as a whole."""
    kept: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, lambda number, frame: kept.append(number)) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, handlers):
            signal.signal(number, handler)
    if kept:
        raise KeyboardInterrupt


def score_lines(results: RunResults) -> list[str]:
    """The results as lines of text, the first output's last."""
    lines = []
    for name, totals in reversed(results.scores.items()):
        shown = totals.line(results.run["timesteps"]) if totals else NO_TARGETS
        lines.append(shown if len(results.scores) == 1 else f"{name}: {shown}")
    return lines
