"""The results of a run, or of a shard of its examples: saved, read again to go on, and merged."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .data import MAX_RATIO, UNREADABLE, archive_problem
from .messages import RunError
from .recording import RECORDED, RecordedExample
from .results import Result
from .scores import Totals, added, totals_from_json
from .written_files import write_file, write_json

NAMES_SHOWN = 10
DAMAGED = (*UNREADABLE, AttributeError, ArithmeticError)  # what reading a damaged or foreign file raises


@dataclass(frozen=True)
class Shard:
    """The part `index` of `count`: the examples index, index + count, index + 2 count, ..."""

    index: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def numbers(self, total: int) -> range:
        """The numbers of its examples, of `total` examples."""
        return range(self.index, total, self.count)


def shard(text: str) -> Shard:
    """The shard that a text "I/N" names; "auto": that of this task of a Slurm job array.

    Raises ValueError.
    """
    if text == "auto":
        return _of_array_task()
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or int(match[1]) >= int(match[2]):
        raise ValueError(f"expected I/N with I from 0 to N - 1, such as 0/4, or auto, got {text!r}")
    return Shard(int(match[1]), int(match[2]))


def _of_array_task() -> Shard:
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")
    values = [os.environ.get(name, "") for name in names]
    if missing := [name for name, value in zip(names, values) if not value.isdigit()]:
        raise ValueError(f"auto: {', '.join(missing)} is not set: start the script with sbatch --array=0-3")
    task, first, step, count = map(int, values)
    index, rest = divmod(task - first, step or 1)
    if rest or index >= count:
        raise ValueError(f"auto: task {task} of {count}: number the tasks of the array from 0 to {count - 1}")
    return Shard(index, count)


@dataclass
class RunResults:
    """The results of the first `done` examples of a shard.

    run           what was simulated, and how: equal for all shards of a run
    total         the number of examples of the run
    shard         which of them this part has
    scores        {output: its totals, or None without targets}
    seconds       the time of the simulation, and build_seconds of the build before it
    spikes        {population: spikes of all examples}, of +1 and -1 together
    net_spikes    {population: spikes of +1 minus spikes of -1}
    arrays        {name in the .npz of --save-outputs: its parts, in the order of examples}; None: not kept
    saved         the .npz that the arrays were read from
    recorded      {name in that .npz: an array of what was recorded of the recorded example}
    """

    run: dict[str, Any]
    total: int
    shard: Shard
    scores: dict[str, Totals | None]
    arrays: dict[str, list[np.ndarray]] | None = None
    done: int = 0
    seconds: float = 0.0
    build_seconds: float = 0.0
    spikes: dict[str, int] = field(default_factory=dict)
    net_spikes: dict[str, int] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)
    saved: Path | None = None

    @property
    def numbers(self) -> range:
        """The numbers of all examples of the shard."""
        return self.shard.numbers(self.total)

    @property
    def complete(self) -> bool:
        """Whether all examples of the shard are done."""
        return self.done == len(self.numbers)

    def add_batch(self, batch: Result, example: int) -> RecordedExample | None:
        """Add the results of the next examples, but for the scores.

        Returns what was recorded of the only recorded example, which has the number `example`, if this batch
        has it.
        """
        size = len(next(iter(batch.logits.values())))
        shown = self.numbers[self.done : self.done + size]
        self.done += size
        for totals, counts in ((self.spikes, batch.spike_counts), (self.net_spikes, batch.net_counts)):
            for name, count in counts.items():
                totals[name] = totals.get(name, 0) + int(count.sum(dtype=np.int64))
        if self.arrays is not None:
            for name, output in batch.outputs.items():
                key = "output" if len(batch.outputs) == 1 else f"output/{name}"
                self.arrays.setdefault(key, []).append(output.copy())
            for kind, counts in (("spike_counts", batch.spike_counts), ("net_counts", batch.net_counts)):
                for name, count in counts.items():
                    self.arrays.setdefault(f"{kind}/{name}", []).append(count)
        if example not in shown:
            return None
        recorded = batch.recorded(0)
        self.recorded |= recorded.arrays()
        return recorded

    def as_json(self, outputs: str | None) -> dict[str, Any]:
        """The results as values of JSON. outputs: the .npz with the arrays, relative to the JSON file."""
        found = {name: totals.results() if totals else {} for name, totals in self.scores.items()}
        return {
            "complete": self.complete,
            "accuracy": None,
            "n": self.done,
            "timesteps": self.run["timesteps"],
            "seconds": self.seconds,
            "examples_per_second": self.done / self.seconds,
            "build_seconds": self.build_seconds,
            **{name: self.run[name] for name in ("backend", "connectivity") if name in self.run},
            "spikes_per_example": {name: count / self.done for name, count in self.spikes.items()},
            "net_spikes_per_example": {name: count / self.done for name, count in self.net_spikes.items()},
            "accuracy_per_step": None,
            **next(iter(found.values())),
            **({"outputs": found} if len(found) > 1 else {}),
            "run": self.run,
            "examples": self.total,
            "shard": str(self.shard),
            "saved_outputs": outputs,
            "totals": {
                "spikes": self.spikes,
                "net_spikes": self.net_spikes,
                "scores": {name: totals and totals.as_json() for name, totals in self.scores.items()},
            },
        }

    def save(self, json_file: Path | None, arrays_file: Path | None) -> None:
        """Write the results to these files, the .npz first: it never has fewer examples than the JSON.

        Raises RunError.
        """
        if arrays_file is not None:
            arrays: dict[str, Any] = {
                name: np.concatenate(parts) for name, parts in (self.arrays or {}).items()
            }
            arrays["examples"] = np.array(self.numbers[: self.done])
            arrays["run"] = np.array(_run_hash(self.run))
            write_file(arrays_file, lambda file: np.savez(file, **arrays, **self.recorded))
        if json_file is not None:
            folder = json_file.parent.resolve()  # a link has another folder above it
            relative = None if arrays_file is None else os.path.relpath(arrays_file.resolve(), folder)
            write_json(json_file, self.as_json(relative))


def read_results(path: Path) -> RunResults:
    """The results in a JSON file, with the arrays in the .npz that it names. Raises RunError."""
    try:
        found = json.loads(path.read_text())
        totals = found["totals"]
        results = RunResults(
            run=found["run"],
            total=found["examples"],
            shard=shard(found["shard"]),
            scores={
                name: None if each is None else totals_from_json(each)
                for name, each in totals["scores"].items()
            },
            done=found["n"],
            seconds=found["seconds"],
            build_seconds=found["build_seconds"],
            spikes=totals["spikes"],
            net_spikes=totals["net_spikes"],
        )
        saved = found["saved_outputs"] and path.parent / found["saved_outputs"]
        if results.done < 1 or results.numbers[results.done - 1] < 0 or not results.scores:
            raise ValueError
        with np.errstate(divide="raise", invalid="raise"):
            results.as_json(None)  # fails where a number or a name is missing
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except DAMAGED:
        raise RunError(f"{path}: is no result of simulate.py or reference.py --json") from None
    if saved:
        results.saved = saved
        _read_arrays(results, saved)
    return results


def _read_arrays(results: RunResults, path: Path) -> None:
    """Read the arrays of the examples that are done."""
    try:
        with zipfile.ZipFile(path) as archive:
            if problem := archive_problem(archive, path.stat().st_size, MAX_RATIO):
                raise ValueError(problem)
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        run, numbers = found.pop("run", None), found.get("examples", np.zeros(0))[: results.done]
        results.recorded = {name: found.pop(name) for name in [*found] if name.startswith(RECORDED)}
        short = any(array.shape[0] < results.done for array in found.values())
    except DAMAGED as error:
        raise RunError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if run != _run_hash(results.run) or not np.array_equal(numbers, results.numbers[: len(numbers)]):
        raise RunError(f"{path}: is not of the same run as the JSON file beside it")
    if short:
        raise RunError(f"{path}: has fewer examples than the JSON file beside it, expected {results.done}")
    del found["examples"]
    results.arrays = {name: [array[: results.done]] for name, array in found.items()}


def _run_hash(run: Mapping[str, Any]) -> str:
    """The sha256 of what was simulated, and how."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """In what two runs differ, as text; "" if they are the same run."""
    names = [name for name in expected if found.get(name) != expected[name]]
    return ", ".join(f"{name} {found.get(name)}, expected {expected[name]}" for name in names)


def merged(parts: Mapping[Path, RunResults]) -> RunResults:
    """One result of the results of shards, equal to that of one run. Raises RunError.

    Its `seconds` are those of all shards together.
    """
    first_path, first = next(iter(parts.items()))
    for path, part in parts.items():
        if problem := differences(
            {**part.run, "examples": part.total}, {**first.run, "examples": first.total}
        ):
            raise RunError(f"{path}: is not of the same run as {first_path}: {problem}")
        if not part.complete:
            left = f"has {part.done} of the {len(part.numbers)} examples of shard {part.shard}"
            raise RunError(f"{path}: {left}: run it again with --resume")
        if (part.arrays is None) != (first.arrays is None):
            raise RunError(f"{path}: expected saved outputs for all results or for none, as in {first_path}")
    numbers = np.concatenate([np.array(part.numbers) for part in parts.values()])
    times = np.bincount(numbers, minlength=first.total)
    if (times > 1).any():
        twice = {str(path): part for path, part in parts.items() if times[np.array(part.numbers)].max() > 1}
        raise RunError(
            f"examples {_some(np.flatnonzero(times > 1))} are in several results: {', '.join(twice)}"
        )
    if not times.all():
        shards = ", ".join(str(part.shard) for part in parts.values())
        raise RunError(f"examples {_some(np.flatnonzero(times == 0))} are missing: there are shards {shards}")
    try:
        return joined_parts([*parts.values()], Shard())
    except (AttributeError, KeyError, TypeError, ValueError):
        raise RunError("the results do not fit together: one of their files is damaged") from None


def joined_parts(parts: Sequence[RunResults], shard: Shard) -> RunResults:
    """One result of the results of all parts of a shard. Its `seconds` are those of all parts together."""
    first, numbers = parts[0], np.concatenate([np.array(part.numbers, int) for part in parts])
    whole = RunResults(first.run, first.total, shard, dict.fromkeys(first.scores), done=len(numbers))
    for part in parts:
        whole.seconds += part.seconds
        whole.build_seconds += part.build_seconds
        for sums, counts in ((whole.spikes, part.spikes), (whole.net_spikes, part.net_spikes)):
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count
    for part in sorted(parts, key=lambda part: part.shard.index, reverse=True):
        whole.recorded |= part.recorded  # of several, that of the first example, as in a whole run
    for name in first.scores:
        whole.scores[name] = added([part.scores[name] for part in parts])
    if first.arrays is not None:
        order = np.argsort(numbers)
        whole.arrays = {
            name: [np.concatenate([a for p in parts for a in (p.arrays or {})[name]])[order]]
            for name in first.arrays
        }
    return whole


def _some(numbers: np.ndarray) -> str:
    shown = ", ".join(str(number) for number in numbers[:NAMES_SHOWN])
    return f"{shown} and {len(numbers) - NAMES_SHOWN} more" if len(numbers) > NAMES_SHOWN else shown
