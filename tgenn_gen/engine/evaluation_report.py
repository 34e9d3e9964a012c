"""Several evaluations side by side: as a table, as JSON data and as a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.engine.evaluation import Evaluation
from tgenn_gen.runtime.written_files import write_file

Scores = Mapping[str, Mapping[str, Any]]  # {output: {measure: value}}, as Evaluation.outputs


def shown_steps(timesteps: int) -> list[int]:
    """The numbers of steps that tables show: powers of two, and the last one."""
    powers = [2**k for k in range(1, 20) if 2**k < timesteps]
    return [*powers[-6:], timesteps]


def _measures(evaluation: Evaluation, ann: Scores | None) -> Iterator[tuple[str, bool, list[float], float]]:
    """For each output: its name, whether it has an accuracy, its score per step, and the ANN's score."""
    of_ann = evaluation.relu_outputs if ann is None else ann
    for (name, found), best in zip(evaluation.outputs.items(), of_ann.values(), strict=True):
        key = "accuracy" if "accuracy" in found else "mean_squared_error"
        shown = evaluation.name if len(evaluation.outputs) == 1 else f"{evaluation.name}: {name}"
        yield shown, key == "accuracy", found[f"{key}_per_step"], best[key]


def _best(ann: Scores | None) -> str:
    """The name of the scores to compare with: the ANN's, or else those of the network with ReLUs."""
    return "with ReLU" if ann is None else "ANN"


def evaluation_table(evaluations: Sequence[Evaluation], ann: Scores | None) -> str:
    """The evaluations in Markdown, one row per output: accuracies in %, or mean squared errors."""
    steps = shown_steps(max(e.timesteps for e in evaluations))
    header = ["network", _best(ann), *(f"T = {t}" for t in steps), "spikes per example"]
    rows = []
    for e in evaluations:
        for name, accuracy, per_step, best in _measures(e, ann):
            shown = [f"{100 * v:.2f}" if accuracy else f"{v:.4g}" for v in (best, *per_step)]
            cells = [shown[t] if t <= e.timesteps else "" for t in steps]
            label = name if accuracy else f"{name} (mean squared error)"
            rows.append([label, shown[0], *cells, f"{e.spikes_per_example:,.0f}"])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def evaluation_data(evaluations: Sequence[Evaluation], ann: Scores | None) -> dict[str, Any]:
    """The evaluations as JSON data; the scores of the first output also by themselves."""
    networks = []
    for e in evaluations:
        first, relu = next(iter(e.outputs.values())), next(iter(e.relu_outputs.values()))
        relu_accuracy = {"relu_accuracy": relu["accuracy"]} if "accuracy" in relu else {}
        scores = {key: value for key, value in first.items() if key != "confusion_matrix"}  # only once
        networks.append({**asdict(e), **scores, **relu_accuracy})
    ann_accuracy = None if ann is None else next(iter(ann.values())).get("accuracy")
    return {"ann_accuracy": ann_accuracy, "ann": ann, "networks": networks}


def plot_evaluations(evaluations: Sequence[Evaluation], ann: Scores | None, path: Path) -> None:
    """Accuracy, and error, against time steps as a PNG file, the ANN's as dashed lines. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    measures = [measure for e in evaluations for measure in _measures(e, ann)]
    kinds = sorted({accuracy for _, accuracy, _, _ in measures}, reverse=True)
    figure, axes = pyplot.subplots(
        len(kinds), squeeze=False, figsize=(7, 4 * len(kinds)), layout="constrained"
    )
    for axis, kind in zip(axes[:, 0], kinds, strict=True):
        percent = 100 if kind else 1
        for name, _, per_step, best in (m for m in measures if m[1] == kind):
            steps = np.arange(1, len(per_step) + 1)
            (line,) = axis.plot(steps, percent * np.array(per_step), label=name)
            color = line.get_color()
            axis.axhline(
                percent * best, linestyle="--", linewidth=1, color=color, label=f"{name}: {_best(ann)}"
            )
        axis.set(xlabel="time steps", ylabel="accuracy (%)" if kind else "mean squared error", xscale="log")
        axis.legend()
    write_file(path, lambda file: figure.savefig(file, format="png", dpi=120))
