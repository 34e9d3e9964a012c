"""Accuracy against time steps: what the figure holds."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_bands_are_the_binomial_standard_error_and_n_is_shown():
    per_step = np.array([0.5, 0.9, 0.96, 1.0])
    (axis,) = evaluation(per_step.tolist(), n=1234).plot().axes
    (band,) = axis.collections
    path = band.get_paths()[0].vertices
    error = np.sqrt(per_step * (1 - per_step) / 1234)
    for step, p, e in zip(range(1, 5), per_step, error, strict=True):
        of_step = path[path[:, 0] == step, 1]
        assert (of_step.min(), of_step.max()) == pytest.approx((100 * (p - e), 100 * (p + e)))
    assert axis.get_title("left").splitlines()[0] == "n = 1,234 examples; bands: ± 1 standard error"


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
