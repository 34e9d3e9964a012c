"""Scores of a network against time steps and synaptic events, and which classes it confuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from tgenn_gen.engine.accuracy_interval import CONFIDENCE, accuracy_interval, are_examples
from tgenn_gen.engine.evaluation import Evaluation
from tgenn_gen.engine.evaluation_plot import Scores, measures
from tgenn_gen.engine.evaluation_report import shown_steps
from tgenn_gen.reporting.charts import Line, line_chart
from tgenn_gen.reporting.observations import Observer
from tgenn_gen.reporting.tables import Cell, Figure, Row, Table, percent

MOST_CLASSES = 20  # of a confusion matrix that is shown whole


@dataclass(frozen=True)
class Course:
    """The score of an output after each step that has an answer: of n examples, and of how many time steps.

    kind is "accuracy", in percent, or "mean squared error". best: the score of the `reference`; None without.
    """

    output: str
    kind: str
    unit: str
    timesteps: int
    steps: list[int]
    values: list[float]
    reference: str
    best: float | None

    def line(self, name: str, series: int = 0) -> Line:
        """The course against time steps."""
        return Line(f"{name}: {self.text(self.values[-1])}", self.steps, self.values, series)

    def against_events(self, observer: Observer, line: Line) -> Line:
        """The line of the course against the synaptic events per example."""
        of_step = dict(zip(self.steps, self.values, strict=True))
        reached = zip(observer.synaptic_events().tolist(), observer.points.tolist(), strict=True)
        events, values = zip(*((e, of_step[step]) for e, step in reached if step in of_step), strict=True)
        return replace(line, x=events, y=values)

    def levels(self, name: str, first: float, last: float, series: int) -> list[Line]:
        """A dashed line for the reference, if there is one."""
        if self.best is None:
            return []
        return [Line(f"{name}: {self.text(self.best)}", (first, last), (self.best,) * 2, series, True)]

    def text(self, value: float) -> str:
        """A score with its unit."""
        return f"{value:.4g}{self.unit}"


def courses(evaluation: Evaluation, ann: Scores | None) -> list[Course]:
    """The course of each output, beside the ANN's scores; without them, beside the network with ReLUs."""
    found = []
    reference = "the network with ReLUs" if ann is None else "Keras model"
    for name, m in zip(evaluation.outputs, measures(evaluation, ann), strict=True):
        factor, unit = (100, " %") if m.key == "accuracy" else (1, "")
        steps, values = m.answers, factor * m.per_step[m.answers - 1]
        best = None if np.isnan(m.best) else factor * m.best
        kind = m.key.replace("_", " ")
        found.append(
            Course(name, kind, unit, evaluation.timesteps, steps.tolist(), values.tolist(), reference, best)
        )
    return found


def accuracy_figures(evaluation: Evaluation, ann: Scores | None, observer: Observer) -> Iterator[Figure]:
    """Scores of each output against time steps, and of the first one against synaptic events."""
    every = courses(evaluation, ann)
    for course in every:
        found, several = evaluation.outputs[course.output], len(every) > 1
        title = f"{course.kind.capitalize()} against time steps" + (f": {course.output}" if several else "")
        error = ""
        if are_examples(found):
            accuracy = interval(found["accuracy"], evaluation.n)
            error = f" {CONFIDENCE} interval (Wilson) of the last value: {accuracy}."
        read = "Read out after each step of an example"
        flat = "Where the line is flat, fewer steps do as well."
        if len(course.steps) == 1 < course.timesteps:
            read = "Read out after the last step of an example"
            flat = (
                f"There is no answer before: each population takes all {course.timesteps} steps before the "
                "next one starts."
            )
        caption = f"{read}, over {evaluation.n:,} examples; the axis of steps is logarithmic.{error} {flat}"
        line = course.line("spiking network")
        levels = course.levels(course.reference, 1, course.timesteps, 1)
        yield score_chart(title, [line, *levels], "time steps", caption, course)
        if course is every[0] and (events := observer.synaptic_events()[-1]) > 0:
            title = f"{course.kind.capitalize()} against synaptic events"
            caption = (
                "Synaptic events per example up to each time step: one for each spike and synapse with a "
                "weight that is not 0. This is what event-driven hardware computes for an accuracy."
            )
            line = course.against_events(observer, line)
            levels = [replace(level, x=(0, events)) for level in levels]
            yield score_chart(title, [line, *levels], "synaptic events per example", caption, course)


def score_chart(title: str, lines: list[Line], x_label: str, caption: str, course: Course) -> Figure:
    """A chart of scores of the kind of a course. In words it has some points of the lines."""
    in_words = [line.name if line.dashed else f"{line.name} ({_points(line, course.unit)})" for line in lines]
    steps, text = x_label == "time steps", f"{title}: {'; '.join(in_words)}"
    chart = line_chart(lines, x_label, course.kind, text, steps=steps, unit=course.unit)
    return Figure(Markup(chart), caption, title)


def interval(accuracy: float, examples: int) -> str:
    """The interval of an accuracy, in percent."""
    low, high = accuracy_interval(accuracy, examples)
    return f"{100 * low:.2f} to {percent(float(high))}"


def _points(line: Line, unit: str) -> str:
    """Some points of a line in words."""
    chosen = np.unique(np.linspace(0, len(line.x) - 1, 8).round().astype(int))
    return ", ".join(f"{round(line.x[i]):,}: {line.y[i]:.4g}{unit}" for i in chosen)


def score_table(evaluation: Evaluation, ann: Scores | None) -> Table:
    """Scores after some steps beside those of the ANN."""
    steps = shown_steps([evaluation])
    rows = []
    for name, m in zip(evaluation.outputs, measures(evaluation, ann), strict=True):
        accurate = m.key == "accuracy"
        values = [m.best, *(m.per_step[t - 1] for t in steps)]
        texts = [percent(v) if accurate else f"{v:.4g}" for v in values]
        texts[0] = "" if np.isnan(m.best) else texts[0]
        label = name if accurate else f"{name} (mean squared error)"
        rows.append(Row(label, tuple(map(Cell, texts))))
    columns = ("with ReLUs" if ann is None else "Keras model", *(f"T = {t}" for t in steps))
    return Table("Accuracy after T time steps", "output", columns, tuple(rows))


def confusion_table(evaluation: Evaluation) -> Table | None:
    """The confusion matrix of the first output with one; of many classes the most frequent confusions."""
    matrices = [
        found["confusion_matrix"] for found in evaluation.outputs.values() if "confusion_matrix" in found
    ]
    if not matrices:
        return None
    matrix = np.array(matrices[0])
    classes = range(len(matrix))
    if len(matrix) <= MOST_CLASSES:
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        rows = [
            Row(str(i), tuple(_confusion(matrix[i, j], shares[i, j], i == j) for j in classes))
            for i in classes
        ]
        caption = "Confusion matrix: rows are the targets, columns the network's classes"
        return Table(caption, "target", tuple(map(str, classes)), tuple(rows), shaded=True)
    wrong = matrix * (1 - np.eye(len(matrix), dtype=int))
    places = [p for p in np.argsort(-wrong, axis=None, kind="stable")[:15] if wrong.flat[p]]
    pairs = [divmod(int(p), len(matrix)) for p in places]
    rows = [
        Row(str(i), (Cell(str(j)), Cell(str(matrix[i, j])), Cell(str(matrix[i].sum())))) for i, j in pairs
    ]
    columns = ("taken for", "examples", "all examples of the target")
    return Table("The most frequent confusions", "target", columns, tuple(rows))


def _confusion(count: int, share: float, right: bool) -> Cell:
    return Cell(str(count) if count else "·", True, float(share), count > 0 and not right)
