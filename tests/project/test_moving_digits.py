"""The data set of moving digits: its events are those of what the pixels see, and a network learns them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from anns import MOVING_DIGITS, data_file, images, trained
from moving_digits import (
    BLOCK,
    DARK,
    EVENT,
    FRACTION,
    MOVES,
    SIDE,
    STEP,
    THRESHOLD,
    frames_of_digits,
    mean_frames,
    recordings,
)

from tgenn_gen import PRESETS, convert, evaluate

DATA = data_file("mnist.npz")
STEPS = len(MOVES)


def shapes(count: int) -> np.ndarray:
    """Images of grey rectangles and lines, uint8 (count, 28, 28), by integers alone."""
    drawn = np.zeros((count, 28, 28), np.uint8)
    for number, image in enumerate(drawn):
        row, column = (5 * number) % 17, (7 * number) % 13
        image[row : row + 9, column : column + 6] = 40 * (1 + number % 6)
        image[(11 * number) % 28, :] = 255
    return drawn


def seen(image: np.ndarray, step: int) -> np.ndarray:
    """The brightness of each pixel after a step, 0..1 (34, 34): bilinear, in floating point."""
    x, y = MOVES[:step].sum(axis=0) / FRACTION
    at = np.arange(SIDE)
    weights = [np.maximum(0, 1 - np.abs(at[:, None] - by - np.arange(28))) for by in (y, x)]  # (34, 28)
    return weights[0] @ (image / 255) @ weights[1].T


def test_the_same_images_and_seed_give_the_same_bytes():
    events, offsets = recordings(shapes(7), seed=5)
    assert events.dtype == EVENT
    digest = hashlib.sha256(events.tobytes() + offsets.astype("<i8").tobytes()).hexdigest()
    assert digest == "157397bb06e639c6d8b59e85925f7ec59aa2d058fa896a1861fdaebd7637a7bb"
    again, _ = recordings(shapes(7), seed=6)
    assert again.tobytes() != events.tobytes()


def test_events_are_as_those_of_a_camera():
    events, offsets = recordings(shapes(BLOCK + 3), seed=0)
    assert (len(offsets), offsets[0], offsets[-1]) == (BLOCK + 4, 0, len(events))
    assert events["x"].min() == events["y"].min() == 0
    assert events["x"].max() == events["y"].max() == SIDE - 1
    assert events["t"].min() >= 0 and events["t"].max() <= STEPS * STEP
    falls = np.flatnonzero(np.diff(events["t"]) < 0) + 1
    assert set(falls) <= set(offsets)
    for start, stop in pairwise(offsets):
        assert 0.3 < events["p"][start:stop].mean() < 0.7


@pytest.mark.parametrize("step", [1, 24, 37, STEPS])
def test_the_sum_of_the_events_is_the_change_of_the_logarithm(step):
    """To the threshold, at each pixel, after a part of the way and all of it."""
    drawn = shapes(4)
    events, offsets = recordings(drawn, seed=0, noise=0)
    before = events["t"] <= STEP * step
    for number, image in enumerate(drawn):
        own = np.zeros(len(events), bool)
        own[offsets[number] : offsets[number + 1]] = True
        of_image = events[own & before]
        total = np.zeros((SIDE, SIDE))
        np.add.at(total, (of_image["y"], of_image["x"]), np.where(of_image["p"], THRESHOLD, -THRESHOLD))
        change = np.log(DARK + seen(image, step)) - np.log(DARK + seen(image, 0))
        assert np.abs(total - change).max() < 1.001 * THRESHOLD
        assert step == STEPS or np.abs(change).max() > 3 * THRESHOLD


def test_an_event_stands_where_the_logarithm_crosses_the_threshold():
    """A pixel that the edge of a grey rectangle passes, in a straight line between two steps."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[:, 4:, 4:] = 255
    events, _ = recordings(image, seed=0, noise=0)
    own = events[(events["x"] == 4) & (events["y"] == 4) & (events["t"] <= 24 * STEP)]
    logarithm = [np.log(DARK + seen(image[0], step)[4, 4]) for step in range(25)]
    times = np.arange(25) * STEP
    assert len(own) > 3 and not own["p"].any()
    for number, event in enumerate(own, 1):
        assert np.interp(event["t"], times, logarithm) == pytest.approx(
            logarithm[0] - number * THRESHOLD, abs=2e-3
        )


def test_noise_is_there_without_an_image():
    events, offsets = recordings(np.zeros((200, 28, 28), np.uint8), seed=0)
    assert 15 < np.diff(offsets).mean() < 25
    assert 0.4 < events["p"].mean() < 0.6


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
@pytest.mark.skipif(DATA is None, reason="no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
@pytest.mark.parametrize("name", MOVING_DIGITS)
def test_a_network_learns_the_digits_from_their_mean_frames(name):
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    model = keras.saving.load_model(trained(name, DATA))
    x, y = images(DATA, "test")
    means = mean_frames(x[:1000, ..., 0], MOVING_DIGITS[name], seed=1)
    accuracy = (model.predict(means, verbose=0).argmax(axis=1) == y[:1000]).mean()
    print(f"{name}: {accuracy:.1%}")
    assert accuracy > 0.95


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
@pytest.mark.skipif(DATA is None, reason="no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
@pytest.mark.parametrize("name", MOVING_DIGITS)
def test_a_network_on_the_events_themselves_is_nearly_as_good_as_the_ann_on_mean_frames(name):
    pytest.importorskip("keras", reason="TensorFlow is not installed")
    frames = MOVING_DIGITS[name]
    digits, _ = images(DATA, "train")
    x, y = images(DATA, "test")
    calibration = frames_of_digits(digits[20_000:22_000, ..., 0], frames, seed=2)
    shown, model = frames_of_digits(x[:1000, ..., 0], frames, seed=1), str(trained(name, DATA))
    for steps in (frames, 2 * frames):
        method = replace(PRESETS["low_latency"], timesteps=steps)
        network = convert(model, calibration, method, frames=frames)
        found = evaluate(network, shown, y[:1000])
        accuracy = found.accuracy_per_step[-1]
        print(f"{name}, {steps} steps: {accuracy:.1%}")
        assert accuracy > 0.96
