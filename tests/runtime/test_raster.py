"""Spike rasters: what is drawn of each population, and the files that figures are saved to."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from golden import golden_networks
from hypothesis import given, settings
from hypothesis import strategies as st

from tgenn_gen import simulate
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.raster import NEGATIVE, POSITIVE, ROWS, TRACES, draw_recorded, save_figure
from tgenn_gen.runtime.recording import RecordedExample
from tgenn_gen.runtime.results import Result

colors = pytest.importorskip("matplotlib.colors")
BLUE, VERMILION = (np.array(colors.to_rgb(name)) for name in (POSITIVE, NEGATIVE))
MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".PNG": b"\x89PNG"}


def draw_raster(spikes, images):
    return draw_recorded(RecordedExample(spikes), images)


def random_spikes(shape, signs=(-1, 0, 0, 1)):
    return np.random.default_rng(0).choice(signs, shape).astype(np.int8)


def image_of(axis):
    return np.asarray(axis.get_images()[0].get_array())


def by_channel(raster):
    """Brute force: the rows of neurons, channel after channel."""
    flat = raster.reshape(len(raster), -1)
    neurons = range(flat.shape[1])
    channels = raster.shape[-1]
    return np.array([flat[:, n] for c in range(channels) for n in neurons if n % channels == c])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 12))
def test_each_spike_of_a_small_population_has_the_colour_of_its_sign_in_the_row_of_its_neuron(shape, steps):
    raster = random_spikes((steps, *shape))
    (axis,) = draw_raster({"a": raster}, {}).axes
    expected = np.ones((*by_channel(raster).shape, 3))
    expected[by_channel(raster) == 1] = BLUE
    expected[by_channel(raster) == -1] = VERMILION
    np.testing.assert_allclose(image_of(axis), expected)
    neurons = raster[0].size
    assert axis.get_xlim() == (-0.5, steps - 0.5) and axis.get_ylim() == (neurons - 0.5, -0.5)


def test_many_neurons_share_rows_within_their_channel_and_the_shade_is_their_share_of_spikes():
    raster = random_spikes((6, 17, 23, 5), (-1, 0, 0, 0, 1, 1))
    (axis,) = draw_raster({"many": raster}, {}).axes
    image, rows = image_of(axis), ROWS // 5
    assert image.shape == (5 * rows, 6, 3)
    ordered = by_channel(raster).reshape(5, 17 * 23, 6)
    starts = [row * 17 * 23 // rows for row in range(rows)] + [17 * 23]
    parts = [channel[a:b] for channel in ordered for a, b in pairwise(starts)]
    positive, negative = (np.array([(part == sign).mean(axis=0) for part in parts]) for sign in (1, -1))
    darkest = (positive + negative).max()
    expected = 1 - (positive[..., None] * (1 - BLUE) + negative[..., None] * (1 - VERMILION)) / darkest
    np.testing.assert_allclose(image, expected)
    assert f"a row: 6 to 7 neurons; darkest: {100 * darkest:.3g} % of them spike" in axis.get_title("left")


def test_lines_and_ticks_stand_at_the_channels():
    raster = random_spikes((40, 2, 3, 4))
    (axis,) = draw_raster({"a": raster}, {}).axes
    assert [line.get_ydata()[0] for line in axis.lines] == [5.5, 11.5, 17.5]
    assert axis.get_yticks().tolist() == [2.5, 8.5, 14.5, 20.5]
    assert axis.get_ylabel() == "channel"
    (axis,) = draw_raster({"a": random_spikes((40, 7))}, {}).axes
    assert not axis.lines and axis.get_ylabel() == "neuron"


@pytest.mark.parametrize("steps", [1, 2, 4, 16, 350, 1000])
def test_ticks_of_time_are_whole_steps_inside_of_the_axis(steps):
    figure = draw_raster({"a": random_spikes((steps, 3))}, {})
    low, high = figure.axes[0].get_xlim()
    ticks = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
    assert ticks and len(ticks) <= 12 and all(tick == int(tick) for tick in ticks)


def test_signs_stand_in_a_legend_and_in_the_title_only_where_there_are_some():
    signed, plain = random_spikes((7, 5)), np.eye(6, dtype=np.int8)
    figure = draw_raster({"signed": signed, "plain": plain}, {})
    counts = [(signed == sign).sum() for sign in (1, -1)]
    title = f"signed (5 neurons): {counts[0]} spikes of +1, {counts[1]} of -1"
    assert [a.get_title("left") for a in figure.axes] == [title, "plain (6 neurons): 6 spikes"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["spikes of +1", "spikes of -1"]
    assert draw_raster({"plain": plain, "silent": 0 * plain}, {}).legends == []


def test_inputs_that_are_images_stand_beside_the_spikes():
    photo, letter = np.random.default_rng(0).random((4, 5, 3)), np.arange(12).reshape(3, 4, 1)
    inputs = {"photo": photo, "sound": np.ones(5), "letter": letter, "many": np.ones((4, 4, 8))}
    axes = draw_raster({"a": random_spikes((7, 5))}, inputs).axes
    assert [axis.get_title() for axis in axes[1:]] == ["photo", "letter"]
    np.testing.assert_allclose(image_of(axes[2]), letter[..., 0] / 11)
    np.testing.assert_allclose(image_of(axes[1]), (photo - photo.min()) / np.ptp(photo))
    assert len(draw_raster({"a": random_spikes((7, 5))}, {"sound": np.ones(5)}).axes) == 1


def lines_of(axis, word):
    """{label: (x, y)} of the lines whose label begins with a word."""
    return {line.get_label(): line.get_data() for line in axis.lines if line.get_label().startswith(word)}


def dashed(axis):
    return [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"]


@given(st.integers(1, TRACES), st.integers(1, 70), st.booleans(), st.sampled_from([None, 1.0, -50.0]))
def test_v_of_few_neurons_is_a_line_each_with_its_threshold_and_marks_at_its_spikes(
    count, steps, signed, threshold
):
    rng = np.random.default_rng(count)
    numbers = rng.permutation(40)[:count]
    v = rng.normal(threshold or 0, 2, (steps, count)).astype(np.float32)
    spikes = random_spikes((steps, 40), (-1, 0, 1) if signed else (0, 1))
    thresholds = {} if threshold is None else {"a": threshold}
    recorded = RecordedExample({"a": spikes}, {"a": v}, {}, numbers, thresholds)
    _, axis = draw_recorded(recorded, {}).axes
    lines = lines_of(axis, "neuron")
    assert [*lines] == [f"neuron {number}" for number in numbers]
    assert [text.get_text() for text in axis.get_yticklabels()] == [str(number) for number in numbers]
    levels = [lines[f"neuron {number}"][1] for number in numbers]
    for y, course in zip(levels, v.T, strict=True):
        np.testing.assert_allclose(y[::2] - y[0], course - course[0], atol=1e-3)  # a level for each step
        np.testing.assert_array_equal(y[::2], y[1::2])
    for upper, lower in pairwise(levels):
        assert upper.min() - lower.max() > 0 or np.ptp(v) == 0
    if threshold is None:
        assert dashed(axis) == []
    else:
        above = [line - y[0] for line, y in zip(dashed(axis), levels, strict=True)]
        np.testing.assert_allclose(above, threshold - v[0], atol=1e-3)
    for sign, label in ((1, "spikes of +1"), (-1, "spikes of -1")):
        at = np.nonzero(spikes[:, numbers] == sign)[0]
        found = lines_of(axis, label)
        assert sorted(found[label][0]) == sorted(at) if at.size else found == {}


def test_each_population_has_an_axis_for_v_and_one_for_i_below_the_rasters():
    rng = np.random.default_rng(0)
    v, i = ({name: rng.random((9, 3)).astype(np.float32) for name in names} for names in ("ab", "bc"))
    recorded = RecordedExample({"b": random_spikes((9, 3))}, v, i)
    axes = draw_recorded(recorded, {}, "a title").axes
    titles = [axis.get_title("left").split(";")[0] for axis in axes]
    assert titles[1:] == ["V of a", "V of b", "I of b", "I of c"] and titles[0].startswith("b (3 neurons)")
    assert [len(lines_of(axis, "neuron")) for axis in axes] == [0, 3, 3, 3, 3]
    assert [bool(lines_of(axis, "spikes")) for axis in axes] == [False, False, True, False, False]
    assert all(axis.get_xlim() == (-0.5, 8.5) for axis in axes)


def test_v_of_many_neurons_is_an_image_of_their_values_with_a_scale():
    v = np.random.default_rng(0).normal(0, 1, (6, 2, 3, 4)).astype(np.float32)
    axis, scale = draw_recorded(RecordedExample(v={"a": v}), {}).axes
    np.testing.assert_allclose(image_of(axis), by_channel(v), rtol=1e-6)
    assert axis.get_title("left") == "V of a (2 x 3 x 4 neurons)" and axis.get_ylabel() == "channel"
    assert scale.get_ylim() == (v.min(), v.max())
    large = np.random.default_rng(0).normal(0, 1, (3, 700, 2)).astype(np.float32)
    axis, _ = draw_recorded(RecordedExample(i={"a": large}), {}).axes
    assert image_of(axis).shape == (300, 3)
    assert axis.get_title("left").endswith("a row: 4 to 5 neurons; mean")
    np.testing.assert_allclose(image_of(axis)[0], large[:, :4, 0].mean(axis=1), rtol=1e-5)


def test_an_image_of_chosen_neurons_has_their_numbers():
    numbers = np.arange(100, 112)
    axis, _ = draw_recorded(RecordedExample(v={"a": np.zeros((4, 12), np.float32)}, neurons=numbers), {}).axes
    labels = [axis.yaxis.get_major_formatter()(tick, 0) for tick in (-3, 0, 5, 11, 40)]
    assert labels == ["", "100", "105", "111", ""]


@pytest.mark.parametrize("values", [0.0, 5.0, np.inf, np.nan])
def test_constant_and_infinite_values_can_be_drawn(tmp_path, values):
    for count in (2, 20):
        v = {"a": np.full((5, count), values, np.float32)}
        save_figure(draw_recorded(RecordedExample(v=v, i=v), {}), tmp_path / "v.png")


@pytest.mark.parametrize("suffix", MAGIC)
def test_a_figure_is_saved_in_the_format_of_its_suffix(tmp_path, suffix):
    path = tmp_path / f"raster{suffix}"
    save_figure(draw_raster({"a": random_spikes((7, 5))}, {}), path)
    assert path.read_bytes().startswith(MAGIC[suffix])


@pytest.fixture(scope="module")
def simulated():
    network = golden_networks()["small_cnn"]
    x = np.random.default_rng(0).random((3, *network.inputs[0].shape)).astype(np.float32)
    return simulate(network, x, record=None), x


def test_a_result_draws_an_example_with_channels_apart_and_saves_it(simulated, tmp_path):
    result, x = simulated
    figure = result.plot(2, x=x, path=str(tmp_path / "r.svg"))
    assert (tmp_path / "r.svg").read_bytes().startswith(MAGIC[".svg"])
    expected = draw_raster({name: spikes[2] for name, spikes in result.spikes.items()}, {})
    *rasters, image = figure.axes
    for found, same in zip(rasters, expected.axes, strict=True):
        np.testing.assert_array_equal(image_of(found), image_of(same))
        assert found.get_title("left") == same.get_title("left")
    assert image.get_title() == "input"  # of two channels: their difference
    assert figure.axes[0].get_ylabel() == "channel"


@pytest.mark.parametrize("example", [3, -1])
def test_a_result_says_which_examples_it_has(simulated, example):
    with pytest.raises(RunError, match=rf"^example {example}: there are 3 examples, expected 0 to 2$"):
        simulated[0].plot(example)


@pytest.mark.parametrize("example", [1.5, 1.0, np.float32(1), "1", None, True, np.bool_(True), [0]])
def test_an_example_is_a_whole_number(simulated, example):
    with pytest.raises(RunError, match=r"^example .+: expected a whole number$"):
        simulated[0].plot(example)


def test_examples_in_place_of_an_examples_number_are_told_in_few_words(simulated):
    result, x = simulated
    with pytest.raises(RunError, match=r"^example a ndarray: expected a whole number$"):
        result.plot(x)
    assert result.plot(np.int64(1), x=x.tolist()).axes


@pytest.mark.parametrize("x", ["abc", ["a", "b", "c"], [[1], [1, 2], [3]], [None] * 3, {"image": object()}])
def test_examples_that_are_no_numbers_are_refused(simulated, x):
    with pytest.raises(RunError, match=r"^x is (not )?an array of "):
        simulated[0].plot(0, x=x)


@pytest.mark.parametrize("path", [3, b"r.png", ["r.png"], True])
def test_a_file_to_save_to_is_a_path(simulated, path):
    with pytest.raises(RunError, match=r"^plot .+: expected a path$"):
        simulated[0].plot(path=path)


def test_a_result_draws_v_and_i_with_the_threshold_of_the_neurons(simulated):
    result = simulate(golden_networks()["small_cnn"], simulated[1], record_v=["dense"], record_i=["dense"])
    v, i = result.plot(1).axes
    assert v.get_title("left") == "V of dense; dashed: threshold 1" and i.get_title("left") == "I of dense"
    assert [len(lines_of(axis, "neuron")) for axis in (v, i)] == [6, 6]


def test_examples_that_are_not_those_that_were_simulated_are_refused(simulated):
    result, x = simulated
    with pytest.raises(
        RunError, match=r"^x has the shape \(2, .*expected the 3 examples that were simulated$"
    ):
        result.plot(1, x=x[1:])


def test_a_result_refuses_what_it_cannot_draw_or_save(simulated, tmp_path, monkeypatch):
    with pytest.raises(RunError, match=r"^plot .*r.jpg: expected a name that ends in .png, .svg or .pdf$"):
        simulated[0].plot(path=tmp_path / "r.jpg")
    with pytest.raises(RunError, match=r"^nothing is recorded: simulate with `record=None`, or `record_v="):
        Result({}, {}, {}, {}).plot()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RunError, match=r"^plot needs matplotlib: pip install matplotlib$"):
        simulated[0].plot()
