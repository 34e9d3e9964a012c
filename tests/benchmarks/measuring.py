"""What is measured: speed, accuracy, peers. Each function adds rows to a run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from contestants import ContestantError, Process, alternate
from networks import Network
from results import Run

RATE, FEW = "low_latency", "few_spike"  # presets
SPEED_STEPS = {"mnist": 16}  # of rate codes; 8 for the other networks
ACCURACY = {RATE: (4, 8, 16, 32), FEW: (4, 5, 6, 8)}
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
    peers               the interpreter with PyTorch
    """

    examples: int = 10_000
    rounds: int = 3
    seconds: float = 4.0
    tuned_on: int = 512
    peers: str | None = None


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """What a row keeps of an answer."""
    row = {name: found[name] for name in FIGURES if name in found}
    if "correct" in row:
        row["accuracy"] = 100 * row.pop("correct") / row["n"]
    return row


def speed(run: Run, network: Network, settings: Settings) -> None:
    """Examples/s of all contestants, which take turns, each in its own process with two threads."""
    steps = SPEED_STEPS.get(network.name, 8)
    asked: list[tuple[str, str, int, dict[str, Any], str]] = []
    if network.model:
        asked.append(("keras", "", 0, {"model": str(network.model)}, ""))
    for method, timesteps in ((FEW, 8), (RATE, steps)):
        project = {"project": str(network.export(method, timesteps))}
        kinds = ["numpy", "reference"]
        if importlib.util.find_spec("numba"):
            kinds.insert(0, "numba")
        if importlib.util.find_spec("pygenn") and network.name in GENN_NETWORKS:
            kinds.append("genn")
        asked += [(kind, method, timesteps, project, "") for kind in kinds]
    if settings.peers and network.model:
        file = {"network": str(network.for_torch), "timesteps": steps}
        peers = ("spikingjelly rate", "spikingjelly rate_channels", "snntorch")
        asked += [(name, "peer", steps, file, settings.peers) for name in peers]
    _race(run, "speed", network, asked, settings)


def peers(run: Run, network: Network, settings: Settings) -> None:
    """Accuracy and time of SpikingJelly's recipes and of snnTorch, beside this package's, at each T."""
    assert settings.peers
    names = [*(f"spikingjelly {recipe}" for recipe in RECIPES), "snntorch"]
    compiled = "numba" if importlib.util.find_spec("numba") else "numpy"
    for steps in PEER_STEPS:
        file = {"network": str(network.for_torch), "timesteps": steps}
        asked = [(name, "peer", steps, file, settings.peers) for name in names]
        asked.append((compiled, RATE, steps, {"project": str(network.export(RATE, steps))}, ""))
        _race(run, "peers", network, asked, settings, all_examples=True)


def _race(
    run: Run,
    part: str,
    network: Network,
    asked: Iterable[tuple[str, str, int, dict[str, Any], str]],
    settings: Settings,
    all_examples: bool = False,
) -> None:
    """Let contestants take turns; a row for each. With all_examples, accuracy is that of all of them."""
    about = {"part": part, "network": network.name, "training": network.training}
    rows: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        processes = []
        for name, method, steps, more, python in asked:
            label = f"{name} {method} {steps}" if method not in ("", "peer") else name
            rows[label] = {**about, "contestant": name, "method": method, "timesteps": steps}
            script = "peers/worker.py" if python else "worker.py"
            given = {"contestant": label, "examples": str(network.examples), **more}
            try:
                process = Process(script, given, python or sys.executable)
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
                whole = process.ask(start=0, stop=count)
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
    compiled = "numba" if importlib.util.find_spec("numba") else "numpy"
    if network.model is None:
        return
    ann = _all_of(network, {"contestant": "keras", "model": str(network.model)}, count)
    run.add(**about, contestant="keras", **figures(ann))
    for method, all_steps in ACCURACY.items():
        for steps in all_steps:
            project = network.export(method, steps)
            found = _all_of(network, {"contestant": compiled, "project": str(project)}, count)
            loss = 100 * (ann["correct"] - found["correct"]) / count
            run.add(**about, contestant="ours", method=method, timesteps=steps, loss=loss, **figures(found))


def _all_of(network: Network, settings: dict[str, Any], count: int) -> dict[str, Any]:
    """One contestant on the first `count` examples."""
    with Process("worker.py", {"examples": str(network.examples), **settings}) as process:
        found = process.ask(start=0, stop=count)
        return {**found, "per_second": found["n"] / found["seconds"], "baseline_mib": process.baseline_mib}
