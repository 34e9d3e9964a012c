"""The results of a sweep as one HTML page: the score against each setting, and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from tgenn_gen.reporting.charts import Line, line_chart
from tgenn_gen.reporting.page import rendered
from tgenn_gen.reporting.tables import Cell, Figure, Table
from tgenn_gen.reporting.tables import Row as TableRow
from tgenn_gen.sweep.sweep_table import SHARES, Row, score_of, shown_cells, shown_columns

MOST_LINES = 4  # of a chart: the page has as many colours


def sweep_html(title: str, rows: Sequence[Row]) -> str:
    """The page. title: the sweep's file."""
    columns = shown_columns(rows)
    first, *others = columns
    table = Table(
        "All tasks",
        columns.pop(first),
        tuple(columns.values()),
        tuple(TableRow(row[first], _cells(row, others)) for row in rows),
    )
    failed = sum(bool(row["error"]) for row in rows)
    return rendered(
        "sweep.html.j2", title=title, tasks=len(rows), failed=failed, figures=[*_figures(rows)], table=table
    )


def _cells(row: Row, columns: Sequence[str]) -> tuple[Cell, ...]:
    texts = zip(columns, shown_cells(row, columns), strict=True)
    return tuple(Cell(text, number=column != "error") for column, text in texts)


def _figures(rows: Sequence[Row]) -> Iterator[Figure]:
    """The score against each setting that has several values, but for seeds; a line for each document."""
    score = score_of(rows)
    done = [row for row in rows if score and row[score] is not None]
    settings = [key for key in rows[0] if key == "timesteps" or "." in key]
    documents = [*dict.fromkeys(row["document"] for row in done)]
    kind, unit = score.replace("_", " "), " %" if score in SHARES else ""
    for setting in settings:
        if len({row[setting] for row in done}) < 2:
            continue
        for start in range(0, len(documents), MOST_LINES):
            chosen = documents[start : start + MOST_LINES]
            lines = [_line(done, document, setting, score, series) for series, document in enumerate(chosen)]
            label = "time steps" if setting == "timesteps" else setting
            title = f"{kind.capitalize()} against {label}"
            words = [f"{line.name} ({_in_words(line, unit)})" for line in lines]
            text = f"{title}: {'; '.join(words)}"
            steps = setting == "timesteps"
            chart = line_chart(lines, label, kind, text, steps=steps, from_zero=False, unit=unit)
            point = "Each point" + (f" of {chosen[0]}" if len(documents) == 1 else "")
            counts = Counter((row["document"], row[setting]) for row in done).values()
            many = " to ".join(map(str, sorted({min(counts), max(counts)})))
            tasks = "one task." if many == "1" else f"the mean of {many} tasks, over all other settings."
            caption = f"{point} is {tasks}"
            yield Figure(Markup(chart), caption, title)


def _line(rows: Sequence[Row], document: str, setting: str, score: str, series: int) -> Line:
    """The mean score of a document's tasks for each value of a setting."""
    values: dict[float, list[float]] = {}
    for row in rows:
        if row["document"] == document:
            values.setdefault(row[setting], []).append(row[score])
    factor = 100 if score in SHARES else 1
    x = sorted(values)
    return Line(document, x, [factor * sum(values[v]) / len(values[v]) for v in x], series)


def _in_words(line: Line, unit: str) -> str:
    return ", ".join(f"{x:g}: {y:.4g}{unit}" for x, y in zip(line.x, line.y, strict=True))
