"""What is measured: speed, accuracy, peers. Each function adds rows to a run."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contestants import LIMIT, ContestantError, Process, alternate
from networks import Network
from results import Run

RATE, FEW, AUTO = "low_latency", "few_spike", "auto"  # presets
SPEED_STEPS = {"mnist": 16}  # of rate codes; 8 for the other networks
ACCURACY = {RATE: (4, 8, 16, 32), FEW: (3, 4, 5, 6, 8)}
PEER_STEPS = (8, 16, 32)
RECIPES = ("rate", "rate_channels", "ltb")
GENN_NETWORKS = ("mnist",)  # GeNN's CPU backend takes seconds an image for the others
FIGURES = """
    per_second seconds n correct batch_size peak_mib baseline_mib spikes synaptic_events latency error
""".split()


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    examples            test images at most
    rounds, seconds     of each contestant
    tuned_on            examples for the choice of a batch size
    all_trainings       of the networks that are trained with several seeds; else the first
    peers               the interpreter with PyTorch
    ml_genn             a checkout of ml_genn
    limit               seconds for a request to a contestant
    """

    examples: int = 10_000
    rounds: int = 3
    seconds: float = 4.0
    tuned_on: int = 512
    all_trainings: bool = True
    peers: str | None = None
    ml_genn: Path | None = None
    limit: float = LIMIT


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """What a row keeps of an answer."""
    row = {name: found[name] for name in FIGURES if name in found}
    if "correct" in row:
        row["accuracy"] = 100 * row.pop("correct") / row["n"]
    return row


@dataclass(frozen=True)
class Entry:
    """A contestant; settings: what its worker gets; script and python: the worker, and what runs it."""

    contestant: str
    method: str
    timesteps: int
    settings: dict[str, Any]
    script: str = "worker.py"
    python: str = sys.executable


def installed(name: str) -> bool:
    """Whether this interpreter has a package."""
    return importlib.util.find_spec(name) is not None


def speed(run: Run, network: Network, settings: Settings) -> None:
    """Examples/s of all contestants, which take turns, each in its own process with two threads."""
    steps = SPEED_STEPS.get(network.name, 8)
    entries = []
    if network.model:
        entries.append(Entry("keras", "", 0, {"model": str(network.model)}))
    for method, timesteps in ((FEW, 8), (RATE, steps)):
        project = {"project": str(network.export(method, timesteps))}
        kinds = [*(["numba"] if installed("numba") else []), "numpy", "reference"]
        if installed("pygenn") and network.name in GENN_NETWORKS:
            kinds.append("genn")
        entries += [Entry(kind, method, timesteps, project) for kind in kinds]
    if settings.peers and network.model:
        file = {"network": str(network.for_torch), "timesteps": steps}
        names = ("spikingjelly rate", "spikingjelly rate_channels", "snntorch")
        entries += [Entry(name, "", steps, file, "peers/worker.py", settings.peers) for name in names]
    if settings.ml_genn and network.name in GENN_NETWORKS:
        given = {"model": str(network.model), "timesteps": 8, "checkout": str(settings.ml_genn)}
        given["calibration"] = str(network.calibration)
        entries.append(Entry("ml_genn", FEW, 8, given, "peers/ml_genn_worker.py"))
    _race(run, "speed", network, entries, settings)


def peers(run: Run, network: Network, settings: Settings) -> None:
    """Accuracy and time of SpikingJelly's recipes and of snnTorch, beside this package's, at each T."""
    assert settings.peers
    names = [*(f"spikingjelly {recipe}" for recipe in RECIPES), "snntorch"]
    for steps in PEER_STEPS:
        file = {"network": str(network.for_torch), "timesteps": steps}
        entries = [Entry(name, "", steps, file, "peers/worker.py", settings.peers) for name in names]
        fastest = "numba" if installed("numba") else "numpy"
        project = network.export(RATE, steps, network.calibration if network.model else None)
        entries.append(Entry(fastest, RATE, steps, {"project": str(project)}))
        _race(run, "peers", network, entries, settings, all_examples=True)


def _race(
    run: Run,
    part: str,
    network: Network,
    entries: list[Entry],
    settings: Settings,
    all_examples: bool = False,
) -> None:
    """Let contestants take turns; a row for each. With all_examples, accuracy is that of all of them."""
    rows: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        processes = []
        for entry in entries:
            label = " ".join(filter(None, (entry.contestant, entry.method)))
            about = {"part": part, "network": network.name, "training": network.training}
            which = {"contestant": entry.contestant, "method": entry.method, "timesteps": entry.timesteps}
            rows[label] = {**about, **which}
            given = {"contestant": label, "examples": str(network.examples), **entry.settings}
            try:
                process = Process(entry.script, given, entry.python, settings.limit)
            except ContestantError as error:
                rows[label]["error"] = str(error)
                continue
            processes.append(stack.enter_context(process))
        count = min(settings.examples, len(network.test_images[1]))
        best = alternate(
            processes, count, rounds=settings.rounds, seconds=settings.seconds, tuned_on=settings.tuned_on
        )
        for process in processes if all_examples else ():
            found = best[process.name]
            if "error" not in found and found["n"] < count:
                try:
                    whole = process.ask(start=0, stop=count)
                except ContestantError as error:
                    found["error"] = str(error)
                    continue
                found |= {"correct": whole["correct"], "n": whole["n"]}
    for label, found in best.items():
        rows[label] |= figures(found)
    keras = best.get("keras", {}).get("per_second")
    peer = max((f.get("per_second", 0) for n, f in best.items() if n.startswith("spikingjelly")), default=0)
    for row in rows.values():
        if keras and "per_second" in row:
            row["of_keras"] = row["per_second"] / keras
        if peer and "per_second" in row and row["method"] == RATE:
            row["of_spikingjelly"] = row["per_second"] / peer
        run.add(**row)


def accuracy(run: Run, network: Network, settings: Settings) -> None:
    """Accuracy of exports, each for its own T, and of the ANN, on the same test images."""
    about = {"part": "accuracy", "network": network.name, "training": network.training}
    count = min(settings.examples, len(network.test_images[1]))
    if network.model is None:
        return
    fastest = "numba" if installed("numba") else "numpy"
    ann = _all_of(network, {"contestant": "keras", "model": str(network.model)}, count, settings.limit)
    run.add(**about, contestant="keras", **figures(ann))
    for method, steps in ((AUTO, None), *((name, t) for name in ACCURACY for t in ACCURACY[name])):
        project = network.export(method, steps)
        given = {"contestant": fastest, "project": str(project)}
        try:
            found = _all_of(network, given, count, settings.limit)
        except ContestantError as error:
            run.add(**about, contestant="ours", method=method, timesteps=steps, error=str(error))
            continue
        loss = 100 * (ann["correct"] - found["correct"]) / count
        how = {"method": method, "timesteps": steps or found["timesteps"], "loss": loss}
        run.add(**about, contestant="ours", **how, **figures(found))


def _all_of(network: Network, settings: dict[str, Any], count: int, limit: float) -> dict[str, Any]:
    """One contestant on the first `count` examples."""
    given = {"examples": str(network.examples), **settings}
    with Process("worker.py", given, limit=limit) as process:
        found = process.ask(start=0, stop=count)
        return {**found, "per_second": found["n"] / found["seconds"], "baseline_mib": process.baseline_mib}
