"""Accuracy against time steps: what the figure holds."""

from __future__ import annotations

import numpy as np
import pytest

from tgenn_gen import TgennError
from tgenn_gen.engine.accuracy_interval import accuracy_interval
from tgenn_gen.engine.evaluation import Evaluation
from tgenn_gen.runtime.messages import RunError

pytest.importorskip("matplotlib")

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def evaluation(per_step, ann=0.98, name="mnist", n=500, key="accuracy", **more):
    scores = {f"{key}_per_step": list(per_step), key: per_step[-1], **more}
    return Evaluation(name, n, len(per_step), {"classes": scores}, {"classes": {key: ann}}, 1.0)


def rising(timesteps, low=0.1, high=0.97):
    return [high - (high - low) * 0.5**t for t in range(timesteps)]


def ticks(axis):
    low, high = axis.get_xlim()
    return [tick for tick in axis.get_xticks().tolist() if low <= tick <= high]


@pytest.mark.parametrize(("timesteps", "expected"), [(1, [1]), (4, [1, 2, 3, 4]), (16, [*range(1, 17)])])
def test_few_steps_have_a_tick_each(timesteps, expected):
    (axis,) = evaluation(rising(timesteps)).plot().axes
    assert axis.get_xscale() == "linear" and ticks(axis) == expected


@pytest.mark.parametrize("timesteps", [17, 20, 32, 33, 64, 350, 1000])
def test_more_steps_have_whole_numbers_and_a_logarithmic_axis_has_powers_of_two_and_the_last_step(timesteps):
    (axis,) = evaluation(rising(timesteps)).plot().axes
    assert all(tick == int(tick) >= 1 for tick in ticks(axis)) and len(ticks(axis)) <= 12
    if timesteps > 32:
        assert axis.get_xscale() == "log" and ticks(axis)[:5] == [1, 2, 4, 8, 16]
        assert ticks(axis)[-1] == timesteps


def test_a_first_step_at_chance_leaves_the_frame_and_the_figure_says_so():
    per_step = [0.1, 0.94, 0.96, 0.97, 0.97, 0.97, 0.975, 0.97]
    (axis,) = evaluation(per_step).plot().axes
    low, high = axis.get_ylim()
    assert 90 < low < 94 and 98 < high < 100
    assert axis.get_title("left").splitlines()[1] == "not in the frame: mnist, step 1: 10 %"


@pytest.mark.parametrize(
    "per_step", [[0.9, 0.93, 0.95, 0.97], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.97], [1.0, 1.0]]
)
def test_curves_that_are_not_far_from_their_end_are_in_the_frame(per_step):
    (axis,) = evaluation(per_step).plot().axes
    low, high = axis.get_ylim()
    assert low < 100 * min(per_step) and high > 100 * max(per_step)
    assert "frame" not in axis.get_title("left")


def test_bands_are_wilsons_intervals_and_n_is_shown():
    per_step = np.array([0.5, 0.9, 0.96, 1.0])
    (axis,) = evaluation(per_step.tolist(), n=1234).plot().axes
    (band,) = axis.collections
    path = band.get_paths()[0].vertices
    for step, ends in zip(range(1, 5), zip(*accuracy_interval(per_step, 1234), strict=True), strict=True):
        of_step = path[path[:, 0] == step, 1]
        assert (of_step.min(), of_step.max()) == pytest.approx([100 * end for end in ends])
    assert axis.get_title("left").splitlines()[0] == "n = 1,234 examples; bands: 68 % intervals (Wilson)"


def test_an_answer_after_the_last_step_alone_is_a_point_with_an_interval():
    few = evaluation([*[None] * 7, 0.97], name="few")
    for first, others in ((few, []), (evaluation(rising(64)), [few]), (few, [evaluation(rising(16))])):
        (axis,) = first.plot(*others).axes
        (line,) = [line for line in axis.lines if line.get_label() == "few"]
        assert line.get_xydata().tolist() == [[8, 97]] and line.get_marker() == "D"
        (ends,) = [c.get_segments()[0] for c in axis.collections if hasattr(c, "get_segments")]
        assert ends[:, 0].tolist() == [8, 8]
        assert ends[:, 1] == pytest.approx([100 * end for end in accuracy_interval(0.97, 500)])
        assert np.isfinite([axis.get_xlim(), axis.get_ylim()]).all() and axis.get_ylim()[0] < ends[:, 1].min()
        assert axis.get_xlim()[0] < 8 < axis.get_xlim()[1]
        assert "few" not in axis.get_title("left")


def test_accuracies_of_parts_of_examples_and_errors_have_no_band():
    for found in (
        evaluation([0.8, 0.9], mean_iou=0.5),
        evaluation([0.8, 0.9], exact_match=0.5),
        evaluation([0.2, 0.1], 0.1, key="mean_squared_error"),
    ):
        (axis,) = found.plot().axes
        assert not axis.collections and axis.get_title("left") == "n = 500 examples"


def test_each_score_of_an_ann_has_one_line():
    curves = [evaluation(rising(8), ann, name) for name, ann in (("a", 0.98), ("b", 0.98), ("c", 0.97))]
    (axis,) = curves[0].plot(*curves[1:]).axes
    labels = ["a", "b", "c", "with ReLU: 98.00 % (a, b)", "with ReLU: 97.00 % (c)"]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == labels
    (axis,) = curves[0].plot(*curves[1:], ann={"classes": {"accuracy": 0.9812}}).axes
    labels = ["a", "b", "c", "ANN: 98.12 %"]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == labels


def test_the_legend_is_outside_of_the_curves():
    figure = evaluation(rising(8)).plot()
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert axis.get_legend().get_window_extent().x0 >= axis.get_window_extent().x1


def test_eighteen_curves_can_be_told_apart():
    curves = [evaluation(rising(4), name=str(i)) for i in range(18)]
    (axis,) = curves[0].plot(*curves[1:]).axes
    assert len({(line.get_color(), line.get_linestyle()) for line in axis.lines[:18]}) == 18


@pytest.mark.parametrize("suffix", MAGIC)
def test_a_figure_is_saved_in_the_format_of_its_suffix(tmp_path, suffix):
    path = tmp_path / f"accuracy{suffix}"
    evaluation(rising(3)).plot(path=str(path))
    assert path.read_bytes().startswith(MAGIC[suffix])


def test_another_format_is_refused_with_the_three(tmp_path):
    with pytest.raises(RunError, match=r"x.jpg: expected a name that ends in .png, .svg or .pdf$"):
        evaluation(rising(3)).plot(path=tmp_path / "x.jpg")


@pytest.mark.parametrize("path", [3, b"x.png", ["x.png"], True])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(RunError, match=r"^plot .*: expected a path$"):
        evaluation(rising(3)).plot(path=path)


@pytest.mark.parametrize("other", [None, 1, "mnist", {"accuracy": 0.9}, [evaluation([0.9])]])
def test_others_that_are_no_evaluations_are_refused(other):
    with pytest.raises(TgennError, match=r"plot: error\[T503\]: others has .*, expected evaluations"):
        evaluation(rising(3)).plot(other)


def test_a_path_among_the_others_is_told_from_them():
    with pytest.raises(TgennError, match=r"to write a file: plot\(path='x.png'\)"):
        evaluation(rising(3)).plot("x.png")


@pytest.mark.parametrize(
    ("ann", "said"),
    [
        ({}, "ann has no accuracy of classes"),
        ({"classes": {}}, "ann has no accuracy of classes"),
        ({"classes": {"mean_squared_error": 0.1}}, "ann has no accuracy of classes"),
        ({"classes": 0.98}, "ann has no accuracy of classes"),
        ({"a": {"accuracy": 0.9}, "b": {"accuracy": 0.9}}, "ann has no accuracy of classes"),
        (0.98, "ann is 0.98, expected a dict with the ANN's scores of each output"),
        ([0.98], "ann is [0.98], expected a dict with the ANN's scores of each output"),
        ({"classes": {"accuracy": "0.98"}}, "ann has the accuracy '0.98' of classes, expected a number"),
        ({"classes": {"accuracy": True}}, "ann has the accuracy True of classes, expected a number"),
        ({"classes": {"accuracy": float("nan")}}, "ann has the accuracy nan of classes, expected 0 to 1"),
        ({"classes": {"accuracy": -0.1}}, "ann has the accuracy -0.1 of classes, expected 0 to 1"),
    ],
)
def test_scores_of_an_ann_that_do_not_fit_are_refused(ann, said):
    with pytest.raises(TgennError) as caught:
        evaluation(rising(3)).plot(ann=ann)
    assert f"plot: error[T503]: {said}" in str(caught.value)
    if "no accuracy" in said or "dict" in said:
        assert "hint: write {'classes': {'accuracy': 0.9}}" in str(caught.value)


def test_an_accuracy_of_an_ann_in_percent_is_refused_with_the_right_one():
    with pytest.raises(TgennError) as caught:
        evaluation(rising(3)).plot(ann={"classes": {"accuracy": 98.2}})
    assert "has the accuracy 98.2 of classes, expected 0 to 1" in str(caught.value)
    assert "hint: write 0.982" in str(caught.value)


def of_two_outputs(first, second):
    scores = {n: {"accuracy": p, "accuracy_per_step": [p]} for n, p in (("a", first), ("b", second))}
    return Evaluation("two", 500, 1, scores, scores, 1.0)


def test_an_anns_scores_go_by_the_names_of_outputs_not_their_order():
    found = of_two_outputs(0.8, 0.9)
    (axis,) = found.plot(ann={"b": {"accuracy": 0.95}, "a": {"accuracy": 0.85}}).axes
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels[2:] == ["ANN: 85.00 % (two: a)", "ANN: 95.00 % (two: b)"]
    with pytest.raises(TgennError, match="ann has no accuracy of b"):
        found.plot(ann={"a": {"accuracy": 0.95}})


def test_the_only_output_of_another_network_may_have_another_name():
    scores = {"accuracy": 0.9, "accuracy_per_step": [0.9]}
    other = Evaluation("other", 500, 1, {"output": scores}, {"output": scores}, 1.0)
    (axis,) = evaluation([0.8]).plot(other, ann={"classes": {"accuracy": 0.98}}).axes
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["mnist", "other", "ANN: 98.00 %"]
