"""Evaluations side by side: as a table, as JSON data and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.evaluation import Evaluation
from tgenn_gen.runtime.command_line import write_file


def shown_steps(timesteps: int) -> list[int]:
    """The numbers of steps that tables show: powers of two, and the last one."""
    powers = [2**k for k in range(1, 20) if 2**k < timesteps]
    return [*powers[-6:], timesteps]


def evaluation_table(evaluations: Sequence[Evaluation], ann_accuracy: float | None) -> str:
    """The evaluations side by side, in Markdown; accuracies in %."""
    steps = shown_steps(max(e.timesteps for e in evaluations))
    header = ["network", "ANN", *(f"T = {t}" for t in steps), "spikes per example"]
    rows = []
    for e in evaluations:
        ann = e.relu_accuracy if ann_accuracy is None else ann_accuracy
        accuracies = [f"{100 * e.accuracy_per_step[t - 1]:.2f}" if t <= e.timesteps else "" for t in steps]
        rows.append([e.name, f"{100 * ann:.2f}", *accuracies, f"{e.spikes_per_example:,.0f}"])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def evaluation_data(evaluations: Sequence[Evaluation], ann_accuracy: float | None) -> dict[str, Any]:
    """The evaluations as JSON data."""
    return {"ann_accuracy": ann_accuracy, "networks": [asdict(e) for e in evaluations]}


def plot_evaluations(evaluations: Sequence[Evaluation], ann_accuracy: float | None, path: Path) -> None:
    """Accuracy against time steps as a PNG file, the ANN's as a dashed line. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for e in evaluations:
        (line,) = axis.plot(np.arange(1, e.timesteps + 1), 100 * np.array(e.accuracy_per_step), label=e.name)
        if ann_accuracy is None:
            axis.axhline(100 * e.relu_accuracy, linestyle="--", linewidth=1, color=line.get_color())
    if ann_accuracy is not None:
        axis.axhline(100 * ann_accuracy, linestyle="--", linewidth=1, color="black", label="ANN")
    axis.set(xlabel="time steps", ylabel="accuracy (%)", xscale="log")
    axis.legend()
    write_file(path, lambda file: figure.savefig(file, format="png", dpi=120))
