"""Frames that Tonic makes of random events: `python tests/support/tonic_frames.py` records them.

It needs tonic, in an environment of its own. tests/project/test_event_frames.py compares them with tgenn's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

RECORDED = Path(__file__).parent.parent / "project/tonic_frames.npz"
FRAMES, WINDOW = 8, 40  # ms
WIDTH, HEIGHT = 7, 5
EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])  # tonic.io's
AUDIO = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])  # of SHD and SSC, where p is 1
LENGTHS = {400: 100_000, 401: 99_999, 0: 1, 1: 1, 9: 5, 50: 17, 333: 123_457}  # {events: microseconds}


def random_recordings(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Events (m,) and offsets (8,) of seven recordings: long and short ones, one empty, one of one event."""
    rng = np.random.default_rng(seed)
    recordings = []
    for count, duration in LENGTHS.items():
        recording = np.zeros(count, EVENT)
        recording["x"], recording["y"] = rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count)
        recording["t"] = np.sort(rng.integers(0, duration, count)) + rng.integers(0, 1000)
        recording["p"] = rng.random(count) < 0.5
        recordings.append(recording)
    return np.concatenate(recordings), np.cumsum([0, *LENGTHS])


def as_audio(events: np.ndarray) -> np.ndarray:
    """The events as those of SHD: no y, and p is 1."""
    audio = np.ones(len(events), AUDIO)
    audio["t"], audio["x"] = events["t"], events["x"]
    return audio


def frames_by_tonic(events: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """{kind of bins: counts (7, FRAMES, HEIGHT, WIDTH, 2)}, and "audio": (7, FRAMES, 1, WIDTH, 1)."""
    from tonic.transforms import ToFrame

    window = 1000 * WINDOW

    def framed(recorded: np.ndarray, sensor: tuple[int, int, int], kind: str) -> np.ndarray:
        width, height, polarities = sensor
        parts = []
        for part in np.split(recorded, offsets[1:-1]):
            options = {
                "time": {"n_time_bins": FRAMES},
                "count": {"n_event_bins": FRAMES},
                "window": {"time_window": window / FRAMES, "end_time": part["t"][:1].sum() + window},
            }
            if len(part):
                frames = ToFrame(sensor, **options[kind])(part.copy())
            else:  # here Tonic swaps width and height
                frames = np.zeros((FRAMES, polarities, height, width))
            frames = frames.reshape(FRAMES, polarities, height, width)  # without y, Tonic leaves out height
            parts.append(frames.transpose(0, 2, 3, 1).astype(np.uint8))
        return np.stack(parts)

    found = {kind: framed(events, (WIDTH, HEIGHT, 2), kind) for kind in ("time", "count", "window")}
    return {**found, "audio": framed(as_audio(events), (WIDTH, 1, 1), "time")}


if __name__ == "__main__":
    events, offsets = random_recordings()
    frames = frames_by_tonic(events, offsets)
    np.savez_compressed(RECORDED, events=events, offsets=offsets, **frames)
