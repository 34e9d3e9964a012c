"""Several evaluations side by side: as a table and as JSON data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tgenn_gen.engine.evaluation import Evaluation
from tgenn_gen.engine.evaluation_plot import Scores, measures, of_what


def shown_steps(timesteps: int) -> list[int]:
    """The numbers of steps that tables show: powers of two, and the last one."""
    powers = [2**k for k in range(1, 20) if 2**k < timesteps]
    return [*powers[-6:], timesteps]


def evaluation_table(evaluations: Sequence[Evaluation], ann: Scores | None) -> str:
    """The evaluations in Markdown, one row per output: accuracies in %, or mean squared errors."""
    steps = shown_steps(max(e.timesteps for e in evaluations))
    header = ["network", of_what(ann), *(f"T = {t}" for t in steps), "spikes per example"]
    rows = []
    for e in evaluations:
        for m in measures(e, ann):
            accuracy = m.key == "accuracy"
            values = (m.best, *m.per_step)
            shown = [f"{100 * v:.2f}" if accuracy else f"{v:.4g}" for v in values]
            cells = [shown[t] if t <= e.timesteps else "" for t in steps]
            label = m.label if accuracy else f"{m.label} (mean squared error)"
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
