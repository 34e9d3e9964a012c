"""Spike rasters: what is drawn of each population."""

from __future__ import annotations

import numpy as np
import pytest

from tgenn_gen.runtime.raster import plot_raster


@pytest.fixture
def figure_of(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")

    def drawn(spikes):
        plot_raster(spikes, tmp_path / "raster.png")
        assert (tmp_path / "raster.png").read_bytes().startswith(b"\x89PNG")
        return pyplot.gcf()

    yield drawn
    pyplot.close("all")


def test_spikes_of_each_sign_have_their_colour_and_stand_in_a_legend(figure_of):
    spikes = np.random.default_rng(0).choice([-1, 0, 0, 1], (7, 5)).astype(np.int8)
    (axis,) = figure_of({"signed": spikes}).axes
    drawn = {line.get_label(): line for line in axis.lines}
    assert list(drawn) == ["spikes of +1", "spikes of -1"]
    for sign, line in zip((1, -1), drawn.values(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.argwhere(spikes == sign))
    assert len({line.get_color() for line in drawn.values()}) == 2
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [*drawn]
    assert axis.get_title() == f"signed: {(spikes > 0).sum()} spikes of +1, {(spikes < 0).sum()} of -1"


def test_spikes_without_a_sign_have_one_colour_and_no_legend(figure_of):
    spikes = np.eye(6, dtype=np.int8)
    axes = figure_of({"a": spikes, "silent": 0 * spikes}).axes
    for axis, title in zip(axes, ("a: 6 spikes", "silent: 0 spikes"), strict=True):
        assert axis.get_title() == title and axis.get_legend() is None and len(axis.lines) == 1
