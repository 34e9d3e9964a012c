"""Several evaluations side by side: as a table and as JSON data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tgenn_gen.engine.evaluation import Evaluation
from tgenn_gen.engine.evaluation_plot import Scores, measures, of_what

NO_ANSWER = "-"


def shown_steps(evaluations: Sequence[Evaluation]) -> list[int]:
    """The numbers of steps that tables show, after which an output has an answer.

    They are powers of two, and the last step of each evaluation.
    """
    last = {e.timesteps for e in evaluations}
    powers = [2**k for k in range(1, 20) if 2**k < max(last)]
    measured = [m for e in evaluations for m in measures(e, None)]
    return [t for t in sorted({*powers[-6:], *last}) if any(t in m.answers for m in measured)]


def evaluation_table(evaluations: Sequence[Evaluation], ann: Scores | None) -> str:
    """The evaluations in Markdown, one row per output: accuracies in %, or mean squared errors."""
    steps = shown_steps(evaluations)
    header = ["network", of_what(ann), *(f"T = {t}" for t in steps), "spikes per example"]
    rows, late, without_ann = [], {}, {}
    for e in evaluations:
        for m in measures(e, ann):
            accuracy = m.key == "accuracy"
            shown = [f"{100 * v:.2f}" if accuracy else f"{v:.4g}" for v in (m.best, *m.per_step)]
            if np.isnan(m.best):
                shown[0] = NO_ANSWER
                without_ann[e.name] = True
            cells = ["" if t > e.timesteps else shown[t] if t in m.answers else NO_ANSWER for t in steps]
            label = m.label if accuracy else f"{m.label} (mean squared error)"
            rows.append([label, shown[0], *cells, f"{e.spikes_per_example:,.0f}"])
            if NO_ANSWER in cells:
                late[e.name] = e.timesteps
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    notes = [
        f"{NO_ANSWER}: {name} has an answer only after all {count} steps, which each population takes before "
        "the next one starts"
        for name, count in late.items()
    ]
    notes += [f"{of_what(ann)}: {name} has recurrent connections, and so no ANN" for name in without_ann]
    return "\n\n".join([table, "\n".join(notes)] if notes else [table])


def evaluation_data(evaluations: Sequence[Evaluation], ann: Scores | None) -> dict[str, Any]:
    """The evaluations as JSON data; the scores of the first output also by themselves."""
    networks = []
    for e in evaluations:
        first, relu = next(iter(e.outputs.values())), next(iter(e.relu_outputs.values()), {})
        relu_accuracy = {"relu_accuracy": relu["accuracy"]} if "accuracy" in relu else {}
        scores = {key: value for key, value in first.items() if key != "confusion_matrix"}  # only once
        networks.append({**asdict(e), **scores, **relu_accuracy})
    ann_accuracy = None if ann is None else next(iter(ann.values())).get("accuracy")
    return {"ann_accuracy": ann_accuracy, "ann": ann, "networks": networks}
