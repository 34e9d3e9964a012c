"""The results of a sweep as a table: a row for each task."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tgenn_gen.sweep.tasks import Task

SCORES = ("accuracy", "mean_iou", "exact_match", "mean_squared_error", "mean_absolute_error")
SHARES = SCORES[:3]  # from 0 to 1
FIGURES = ("spikes_per_example", "n", "seconds", "examples_per_second", "build_seconds")
MOST_ROWS = 50  # that are printed

Row = dict[str, Any]


def table_of(tasks: Sequence[Task], errors: Mapping[str, str], folder: Path) -> list[Row]:
    """The rows: document, settings, scores of the first output, figures, error and the result's file.

    errors: {task's name: its message}; these tasks have no scores and figures. folder: where the table is.
    """
    results = [task.result() if task.name not in errors else {} for task in tasks]
    scores = [key for key in SCORES if any(found.get(key) is not None for found in results)]
    rows = []
    for task, found in zip(tasks, results, strict=True):
        run = found.get("run", {})
        spikes = {"spikes_per_example": sum(found["spikes_per_example"].values())} if found else {}
        figures = {**found, **spikes}
        rows.append(
            {
                "document": task.document,
                **{key: run.get(key) for key in ("timesteps", "seed")},
                **task.settings,
                **{key: figures.get(key) for key in (*scores, *FIGURES)},
                "error": errors.get(task.name, ""),
                "result": os.path.relpath(task.written, folder) if found else None,
            }
        )
    return rows


def csv_text(rows: Sequence[Row]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def score_of(rows: Sequence[Row]) -> str:
    """The first score that the results have; "" if there is none."""
    return next((key for key in SCORES if key in rows[0]), "")


def shown_cells(row: Row, columns: Sequence[str]) -> list[str]:
    """The values of a row for people."""
    return [_shown(key, row[key]) for key in columns]


def shown_columns(rows: Sequence[Row]) -> dict[str, str]:
    """{column: its title} for people: the settings that differ between tasks, and some figures."""
    settings = [key for key in rows[0] if key in ("timesteps", "seed") or "." in key]
    varied = [key for key in settings if len({row[key] for row in rows}) > 1]
    score, wrong = score_of(rows), any(row["error"] for row in rows)
    shown = ["document", *varied, score, "spikes_per_example", "seconds", "error" if wrong else ""]
    return {key: key.replace("_", " ") for key in shown if key}


def markdown(rows: Sequence[Row]) -> str:
    """The first rows as Markdown."""
    columns = shown_columns(rows)
    cells = [shown_cells(row, [*columns]) for row in rows[:MOST_ROWS]]
    lines = ["| " + " | ".join(line) + " |" for line in ([*columns.values()], ["---"] * len(columns), *cells)]
    left = len(rows) - MOST_ROWS
    return "\n".join([*lines, *([f"and {left} more"] if left > 0 else [])])


def _shown(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in SHARES:
        return f"{100 * value:.2f} %"
    if key in SCORES:
        return f"{value:.4g}"
    if key == "spikes_per_example":
        return f"{value:,.0f}"
    return f"{value:.2f}" if key == "seconds" else str(value)
