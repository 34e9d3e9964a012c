"""Recordings of moving digits, as by an event camera: `python tests/support/moving_digits.py EVENTS.npz`.

An image of 28x28 pixels moves in front of a sensor of 34x34 along a triangle, as the camera of N-MNIST did
(Orchard et al. 2015), in 100.8 ms. A pixel emits an event each time when the logarithm of its brightness has
risen (ON, p = 1) or fallen (OFF, p = 0) by more than THRESHOLD since its last one. Some events are noise. The
arithmetic is that of integers, so that the same images and seed give the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from tgenn_gen import frames_of_events

SIDE, IMAGE = 34, 28  # pixels
SENSOR = (SIDE, SIDE, 2)
STEP = 1400  # microseconds
FRACTION = 16  # the image moves by multiples of 1/16 pixel
MOVES = np.repeat([[2, 4], [2, -4], [-4, 0]], 24, axis=0)  # (steps, x and y), in 1/16 pixel
PATH = np.concatenate([[[0, 0]], np.cumsum(MOVES, axis=0)])  # (steps + 1, x and y)
DARK = 0.1  # of the brightest pixel: log(DARK + brightness)
THRESHOLD = 0.4  # of the logarithm, for an event
UNIT = 2**16  # of THRESHOLD, as an integer
NOISE = 20  # events in a recording, on average
BLOCK = 250  # recordings at a time
EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
LEVELS = np.array(
    [
        round(UNIT / THRESHOLD * math.log(DARK + level / (255 * FRACTION**2)))
        for level in range(255 * FRACTION**2 + 1)
    ],
    np.int32,
)  # {brightness in 1/256 gray level: its logarithm in THRESHOLD / UNIT}


def logarithms(images: np.ndarray, step: int) -> np.ndarray:
    """What the pixels see after a step, int32 (n, 34, 34), in THRESHOLD / UNIT. images: uint8 (n, 28, 28)."""
    (column, x), (row, y) = (divmod(int(place), FRACTION) for place in PATH[step])
    seen = np.zeros((len(images), SIDE + 1, SIDE + 1), np.int32)
    seen[:, row : row + IMAGE, column : column + IMAGE] = images
    rows = (FRACTION - y) * seen
    rows[:, 1:] += y * seen[:, :-1]
    found = (FRACTION - x) * rows
    found[:, :, 1:] += x * rows[:, :, :-1]
    return LEVELS[found[:, :SIDE, :SIDE]]


def recordings(images: np.ndarray, seed: int, noise: int = NOISE) -> tuple[np.ndarray, np.ndarray]:
    """Events (m,) with the fields x, y, t, p and offsets (n + 1,). images: uint8 (n, 28, 28)."""
    rng = np.random.default_rng(seed)
    parts, lengths = [], []
    for start in range(0, len(images), BLOCK):
        events, counts = _block(images[start : start + BLOCK], rng, noise)
        parts.append(events)
        lengths.append(counts)
    return np.concatenate(parts), np.cumsum([0, *np.concatenate(lengths)])


def frames_of_digits(images: np.ndarray, frames: int, seed: int) -> np.ndarray:
    """The event frames of recordings: uint8 (n, frames, 34, 34, 2). images: uint8 (n, 28, 28)."""
    return frames_of_events(*recordings(images, seed), SENSOR, frames)


def mean_frames(images: np.ndarray, frames: int, seed: int) -> np.ndarray:
    """The mean over a recording's frames: float32 (n, 34, 34, 2). images: uint8 (n, 28, 28)."""
    means = np.empty((len(images), *SENSOR), np.float32)
    for start in range(0, len(images), 1000):
        part = frames_of_digits(images[start : start + 1000], frames, seed + start)
        means[start : start + 1000] = part.mean(axis=1, dtype=np.float32)
    return means


def _block(images: np.ndarray, rng: np.random.Generator, noise: int) -> tuple[np.ndarray, np.ndarray]:
    """The events of some images, (m,), and how many each has, (n,)."""
    last = logarithms(images, 0).ravel()
    reference = last.copy()  # at the last event of each pixel
    found = [_noise(len(images), rng, noise)]
    for step in range(1, len(PATH)):
        now = logarithms(images, step).ravel()
        changed = np.flatnonzero(np.abs(now - reference) > UNIT)
        by = now[changed] - reference[changed]
        sign, count = np.sign(by), (np.abs(by) - 1) // UNIT
        crossed = np.repeat(np.arange(len(changed)), count)  # an element for each event
        number = np.arange(len(crossed)) - np.repeat(np.cumsum(count) - count, count) + 1
        sites, signs = changed[crossed], sign[crossed]
        way = (reference[sites] + number * signs * UNIT - last[sites]) * signs
        whole = (now[sites] - last[sites]) * signs
        found.append((sites, STEP * (step - 1) + way.astype(np.int64) * STEP // whole, signs > 0))
        reference[changed] += sign * count * UNIT
        last = now
    sites, t, p = (np.concatenate(column) for column in zip(*found, strict=True))
    image, pixel = np.divmod(sites, SIDE * SIDE)
    order = np.argsort(image * (STEP * len(PATH)) + t, kind="stable")
    events = np.empty(len(order), EVENT)
    events["y"], events["x"] = np.divmod(pixel[order], SIDE)
    events["t"], events["p"] = t[order], p[order]
    return events, np.bincount(image, minlength=len(images))


def _noise(images: int, rng: np.random.Generator, mean: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, times and polarities of events that nothing has caused."""
    counts = rng.integers(0, 2 * mean + 1, images)
    places = np.repeat(np.arange(images), counts) * SIDE * SIDE + rng.integers(0, SIDE * SIDE, counts.sum())
    return places, rng.integers(0, STEP * len(MOVES), len(places)), rng.integers(0, 2, len(places)) > 0


def main() -> None:
    """Write the events of a part of MNIST."""
    from anns import data_file, images

    parser = argparse.ArgumentParser(description="Write recordings of moving digits of MNIST.")
    parser.add_argument("output", metavar="EVENTS.npz", type=Path)
    parser.add_argument("--part", choices=("train", "test"), default="train")
    parser.add_argument("-n", "--limit", metavar="N", type=int, default=10_000, help="the first N images")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = data_file("mnist.npz")
    if data is None:
        parser.error("there is no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    x, y = images(data, arguments.part)
    events, offsets = recordings(x[: arguments.limit, ..., 0], arguments.seed)
    np.savez(arguments.output, events=events, offsets=offsets, y=y[: arguments.limit])


if __name__ == "__main__":
    main()
