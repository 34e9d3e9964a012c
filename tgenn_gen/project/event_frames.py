"""Frames of events: how many events each pixel had in each of F bins, as a network's input takes them."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Literal

import numpy as np

from tgenn_gen.errors import TgennError
from tgenn_gen.network.argument_checks import (
    Wrong,
    as_array,
    positive_number,
    require,
    shown,
    whole_number,
)
from tgenn_gen.network.fields import Shape
from tgenn_gen.project.event_recordings import Block, Recordings, open_recordings, recordings_of
from tgenn_gen.runtime.written_files import write_file

log = logging.getLogger(__name__)

Bins = Literal["time", "count"]

LARGEST_COUNT = 255  # of uint8
BLOCK_COUNTS = 2**22  # counts that are in memory at a time, or those of one recording
MOST_FRAMES = 100_000
WIDEST = 2**16  # pixels
LONGEST = 10**12  # microseconds
SOME = 1000  # events, which are not all left out by chance
LARGEST_RECORDING = 2**31  # numbers in the frames of a recording


@dataclass
class Tally:
    """How many events there were, how many of them are in no frame, and how many counts were clipped."""

    events: int = 0
    left_out: int = 0
    clipped: int = 0


@dataclass(frozen=True)
class Binning:
    """How events become frames; see frames_of_events."""

    sensor: Shape
    frames: int
    bins: Bins = "time"
    window: float | None = None
    clip: int | None = None

    def problems(self) -> Iterator[Wrong]:
        """What is wrong with these values, and hints."""
        parts = ("height", "width", "polarities")
        is_shape = isinstance(self.sensor, tuple | list) and len(self.sensor) == len(parts)
        if not is_shape:
            yield f"sensor is {shown(self.sensor)}, expected (height, width, polarities)", ""
        for part, length in zip(parts, self.sensor if is_shape else (), strict=False):
            yield from whole_number(f"the sensor's {part}", length, 1, WIDEST)
        yield from (wrong_frames := [*whole_number("frames", self.frames, 1, MOST_FRAMES)])
        if is_shape and not wrong_frames and self.frames * prod(self.sensor) > LARGEST_RECORDING:
            size = f"{self.frames * prod(self.sensor):,} numbers"
            yield f"the frames of a recording have {size}, expected at most {LARGEST_RECORDING:,}", ""
        yield from (wrong_window := [*positive_number("window", self.window, optional=True)])
        if self.window is not None and not wrong_window and not self.frames <= 1000 * self.window <= LONGEST:
            limits = f"{self.frames / 1000:g} (1 microsecond for each frame) to {LONGEST / 1000:g}"
            yield f"window is {self.window} ms, expected {limits}", ""
        yield from whole_number("clip", self.clip, 1, LARGEST_COUNT, optional=True)
        if self.bins not in ("time", "count"):
            yield f"bins is {shown(self.bins)}, expected 'time' or 'count'", ""
        elif self.window is not None and self.bins == "count":
            yield "window is for bins of time", "leave out `window`, or bins of counts"

    def frames_in(self, block: Block, tally: Tally) -> np.ndarray:
        """The frames of a block, uint8 (recordings, frames, *sensor)."""
        lengths = np.diff(block.offsets)
        recording = np.repeat(np.arange(len(lengths)), lengths)
        bins, kept = self._bins(block, lengths, recording)
        shape = (len(lengths), self.frames, *self.sensor)
        places = (recording * self.frames + bins) * prod(self.sensor) + block.site
        counts = np.bincount(places[kept], minlength=prod(shape))
        most = LARGEST_COUNT if self.clip is None else self.clip
        tally.events += len(kept)
        tally.left_out += len(kept) - int(np.count_nonzero(kept))
        tally.clipped += int(np.count_nonzero(counts > most))
        return np.minimum(counts, most).astype(np.uint8).reshape(shape)

    def _bins(
        self, block: Block, lengths: np.ndarray, recording: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The frame of each event, (m,), and whether it is in one, (m,)."""
        if self.window is not None:
            window = round(1000 * self.window)
            return np.minimum(block.t, window) * self.frames // window, block.t < window
        if self.bins == "count":
            at, whole = np.arange(len(recording)) - block.offsets[recording], lengths
        else:
            at, whole = block.t, np.zeros_like(lengths)
            whole[lengths > 0] = block.t[block.offsets[1:][lengths > 0] - 1]
        size = (whole // self.frames)[recording]  # of a bin, rounded down
        return at // np.maximum(size, 1), at < size * self.frames


def frames_of_events(
    events: np.ndarray,
    offsets: np.ndarray,
    sensor: tuple[int, int, int],
    frames: int,
    bins: Bins = "time",
    window: float | None = None,
    clip: int | None = None,
) -> np.ndarray:
    """Count the events of each pixel and polarity in each of F bins of a recording.

    Bins are those of Tonic's `ToFrame` with `n_time_bins` or `n_event_bins`: a bin has a whole number of
    microseconds or events, rounded down, and what remains at the end is left out, with bins of time at least
    the last event.

    Args:
        events: The events of all recordings, one after the other: a structured array (m,) with the fields x
            and y (pixels), t (microseconds, which never falls within a recording) and p (polarity, from 0),
            in any order, of integers or booleans. y may be missing for a sensor of height 1. p is not
            read, and may be missing, for a sensor of one polarity.
        offsets: Whole numbers (n + 1,), from 0 to m: recording i has events[offsets[i]:offsets[i + 1]]. It
            may be empty; then its frames are 0.
        sensor: (height, width, polarities), the shape of a frame. Tonic's `sensor_size` is (width, height,
            polarities).
        frames: F, the number of frames of each recording.
        bins: "time": F bins of equal time, from the first event to the last. "count": F bins of equally many
            events, in their order.
        window: F bins of equal time from the first event until `window` ms later, instead of until the last
            event. Events after that are left out.
        clip: The largest count: 1 gives binary frames. Default: 255; then a warning says how many counts were
            larger.

    Returns:
        Counts, uint8 (n, F, height, width, polarities).

    Raises:
        TgennError: T503 an argument is wrong, T509 the events or offsets are.
    """
    binning = Binning(sensor, frames, bins, window, clip)
    require("frames_of_events", "T503", binning.problems())
    place = "frames_of_events"
    array = as_array("events", events, place)
    shape = (int(sensor[0]), int(sensor[1]), int(sensor[2]))
    found = recordings_of(
        place,
        shape,
        (array.shape, array.dtype),
        as_array("offsets", offsets, place),
        lambda start, stop: array[start:stop],
    )
    x = np.empty((found.count, frames, *shape), np.uint8)
    done, tally = 0, Tally()
    for part in _blocks_of_frames(found, binning, tally):
        x[done : done + len(part)] = part
        done += len(part)
    _warn(tally, binning)
    return x


def write_frames(source: Path, target: Path, binning: Binning) -> tuple[Shape, np.ndarray | None, Tally]:
    """Write the frames of the recordings in an .npz as x, with their targets y, into the .npz `target`.

    Returns the shape of x, the targets if there are any, and what became of the events. Memory is that of a
    block of recordings. Raises TgennError (T501, T502, T503, T509) and RunError; then nothing is written.
    """
    require("tgenn frames", "T503", binning.problems())
    tally = Tally()
    with open_recordings(source, binning.sensor) as found:
        shape = (found.count, binning.frames, *binning.sensor)

        def write(file: IO[bytes]) -> None:
            with zipfile.ZipFile(file, "w") as archive:  # as np.savez does
                with archive.open("x.npy", "w", force_zip64=True) as member:
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(member, header)
                    for part in _blocks_of_frames(found, binning, tally):
                        member.write(part.data)
                if found.targets is not None:
                    with archive.open("y.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, found.targets, allow_pickle=False)

        write_file(target, write)
        _warn(tally, binning)
        return shape, found.targets, tally


def _blocks_of_frames(recordings: Recordings, binning: Binning, tally: Tally) -> Iterator[np.ndarray]:
    most = max(1, BLOCK_COUNTS // (binning.frames * prod(binning.sensor)))
    for block in recordings.blocks(most):
        yield binning.frames_in(block, tally)
        if tally.left_out == tally.events > SOME:  # before more is written of frames without any
            message = f"none of the first {tally.events} events is in one of {binning.frames} frames"
            hint = "use fewer `frames`: a frame has at least 1 microsecond, or 1 event"
            raise TgennError.at(recordings.place, "T509", message, hint)


def _warn(tally: Tally, binning: Binning) -> None:
    if tally.clipped and binning.clip is None:
        became = f"{tally.clipped} counts above {LARGEST_COUNT} became {LARGEST_COUNT}"
        log.warning("%s: more frames have smaller counts", became)
