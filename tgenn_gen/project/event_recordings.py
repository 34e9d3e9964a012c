"""Recordings of event cameras and audio: their events are read and checked in blocks."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.files.archives import array_names, open_archive, open_array, read_bytes
from tgenn_gen.network.argument_checks import Wrong, require
from tgenn_gen.network.fields import Shape
from tgenn_gen.runtime.data import MAX_RATIO, UNREADABLE

BLOCK_EVENTS = 2**20  # that are in memory at a time, or those of one recording
KINDS = {"x": "iu", "y": "iu", "t": "iu", "p": "biu"}  # of the fields' dtypes
HINTS = {
    "x": "`sensor` needs the width of the sensor that made the recordings",
    "y": "`sensor` needs the height of the sensor that made the recordings",
    "p": "number the polarities from 0; with a `sensor` of one polarity, p is not read",
}
SAVE = "save it with np.savez(file, events=..., offsets=..., y=...)"


@dataclass(frozen=True, eq=False)
class Block:
    """The events of some recordings that follow one another.

    offsets: (k + 1,), recording i has the events offsets[i] to offsets[i + 1] - 1. site: (m,), the element of
    a frame (height, width, polarities) that each event belongs to. t: (m,), microseconds since the first
    event of its recording.
    """

    offsets: np.ndarray
    site: np.ndarray
    t: np.ndarray


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings that a sensor of the shape (height, width, polarities) made.

    place: the file or function, for messages. offsets: (n + 1,). read(start, stop): these events; must be
    called in their order. targets: (n, ...), where the file has an array y.
    """

    place: str
    sensor: Shape
    offsets: np.ndarray
    read: Callable[[int, int], np.ndarray]
    targets: np.ndarray | None = None

    @property
    def count(self) -> int:
        """How many recordings there are."""
        return len(self.offsets) - 1

    def blocks(self, most: int) -> Iterator[Block]:
        """All recordings, at most so many at a time. Raises TgennError (T509) for events that are wrong."""
        first = 0
        while first < self.count:
            fit = int(np.searchsorted(self.offsets, self.offsets[first] + BLOCK_EVENTS, side="right")) - 1
            last = max(first + 1, min(first + most, fit, self.count))
            offsets = self.offsets[first : last + 1]
            events = self.read(int(offsets[0]), int(offsets[-1]))
            yield self._checked(events, offsets - offsets[0], first)
            first = last

    def _checked(self, events: np.ndarray, offsets: np.ndarray, first: int) -> Block:
        """A block; first: the number of its first recording."""
        _, width, polarities = self.sensor
        used = fields_of(self.sensor, events.dtype)
        # from uint64, what is too large becomes negative
        values = {name: events[name].astype(np.int64) for name in "xytp" if name in used}
        lengths = np.diff(offsets)
        starts = offsets[:-1][lengths > 0]
        found = []
        for bad, message, hint in self._wrong(values, starts):
            if bad.any():
                event = int(np.argmax(bad))
                recording = int(np.searchsorted(offsets, event, side="right")) - 1
                where = f"recording {first + recording}, its event {event - offsets[recording]}"
                text = message.format(**{name: array[event] for name, array in values.items()})
                found.append(Diagnostic.at(Location(self.place), "T509", f"{where}: {text}", hint))
        if found:
            raise TgennError(found)
        site = values["x"]
        if "y" in used:
            site = site + values["y"] * width
        if "p" in used:
            site = site * polarities + values["p"]
        return Block(offsets, site, values["t"] - np.repeat(values["t"][starts], lengths[lengths > 0]))

    def _wrong(
        self, values: dict[str, np.ndarray], starts: np.ndarray
    ) -> Iterator[tuple[np.ndarray, str, str]]:
        """Which events are wrong, (m,), a message with their values, and a hint. starts: of recordings."""
        height, width, polarities = self.sensor
        for name, size in (("x", width), ("y", height), ("p", polarities)):
            if name in values:
                outside = (values[name] < 0) | (values[name] >= size)
                yield outside, f"{name} is {{{name}}}, expected 0 to {size - 1}", HINTS[name]
        t = values["t"]
        yield t < 0, "t is {t}, expected at least 0", "subtract the time of the recording's first event"
        falls = np.zeros(len(t), bool)
        falls[1:] = t[1:] < t[:-1]
        falls[starts] = False
        hint = "sort the events of each recording by t, or correct the offsets"
        yield falls, "t is {t}, less than that of the event before it", hint


def fields_of(sensor: Shape, dtype: np.dtype[Any]) -> set[str]:
    """The fields of events that are read: p where there are polarities, y where it is there or needed."""
    height, _, polarities = sensor
    needed = {"x", "t"} | ({"p"} if polarities > 1 else set())
    return needed | ({"y"} if height > 1 or "y" in (dtype.names or ()) else set())


def recordings_of(
    place: str,
    sensor: Shape,
    events: tuple[Shape, np.dtype[Any]],
    offsets: np.ndarray,
    read: Callable[[int, int], np.ndarray],
    targets: np.ndarray | None = None,
) -> Recordings:
    """Recordings whose arrays fit together. events: their shape and dtype. Raises TgennError (T509)."""
    shape, dtype = events
    require(
        place,
        "T509",
        _wrong_events(sensor, shape, dtype),
        _wrong_offsets(offsets, shape),
        _wrong_targets(targets, offsets),
    )
    return Recordings(place, sensor, offsets.astype(np.int64), read, targets)


def _wrong_events(sensor: Shape, shape: Shape, dtype: np.dtype[Any]) -> Iterator[Wrong]:
    expected = "one structured array with the fields x, y, t, p"
    if dtype.names is None or len(shape) != 1:
        hint = "join the structured arrays of all recordings with np.concatenate"
        yield f"events is {dtype} {shape}, expected {expected}", hint
        return
    names = fields_of(sensor, dtype)
    if missing := [name for name in "xytp" if name in names and name not in dtype.names]:
        hint = {
            "y": "for a sensor of one row, give a `sensor` of height 1",
            "p": "for a sensor of one polarity, give a `sensor` of one polarity",
        }.get(missing[0], f"save {expected}")
        found = f"events has the fields {', '.join(dtype.names)}, expected"
        yield f"{found} also {', '.join(missing)}", hint
    for name in "xytp":
        if name in names and name in dtype.names and dtype[name].kind not in KINDS[name]:
            hint = "save t in microseconds, as int64" if name == "t" else "save it as int16"
            yield f"the field {name} of events is {dtype[name]}, expected whole numbers", hint


def _wrong_offsets(offsets: np.ndarray, shape: Shape) -> Iterator[Wrong]:
    hint = "recording i has events[offsets[i]:offsets[i + 1]]: save np.cumsum([0, *lengths])"
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        yield f"offsets is {offsets.dtype} {offsets.shape}, expected n + 1 whole numbers", hint
    elif len(offsets) < 2:
        yield f"offsets has {len(offsets)} numbers, expected n + 1 for n recordings", hint
    else:
        if offsets[0] != 0:
            yield f"offsets begins with {offsets[0]}, expected 0", hint
        if (falls := np.flatnonzero(offsets[1:] < offsets[:-1])).size:
            i = int(falls[0])
            yield f"offsets falls from {offsets[i]} to {offsets[i + 1]} at recording {i}", hint
        if len(shape) == 1 and offsets[-1] != shape[0]:
            yield f"offsets ends with {offsets[-1]}, expected the number of events, {shape[0]}", hint


def _wrong_targets(targets: np.ndarray | None, offsets: np.ndarray) -> Iterator[Wrong]:
    if targets is not None and offsets.ndim == 1 and targets.shape[:1] != (len(offsets) - 1,):
        expected = f"expected one for each of the {len(offsets) - 1} recordings"
        yield f"y is {targets.dtype} {targets.shape}, {expected}", "save the targets of all recordings"


@contextlib.contextmanager
def open_recordings(path: Path, sensor: Shape) -> Iterator[Recordings]:
    """The recordings in an .npz with `events`, `offsets` and, if there are any, targets `y`.

    Raises TgennError: T501 the file cannot be read, T502 an array is missing, T509 an array is wrong.
    """
    with contextlib.ExitStack() as opened:
        with _readable(path):
            if path.exists() and not path.is_file():
                raise OSError(0, "not a regular file")
            archive = opened.enter_context(open_archive(path, MAX_RATIO))
            there = array_names(archive)
            if missing := [name for name in ("events", "offsets") if name not in there]:
                message = f"expected arrays events and offsets, missing {' and '.join(missing)}"
                found = f"found {', '.join(there) or 'none'}"
                raise TgennError.at(path, "T502", f"{message}, {found}", SAVE)
            offsets = _whole_array(archive, "offsets")
            targets = _whole_array(archive, "y") if "y" in there else None
            member, shape, _, dtype = opened.enter_context(open_array(archive, "events"))

        def read(start: int, stop: int) -> np.ndarray:
            with _readable(path):
                return np.frombuffer(read_bytes(member, (stop - start) * dtype.itemsize), dtype)

        yield recordings_of(str(path), sensor, (shape, dtype), offsets, read, targets)


def _whole_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with open_array(archive, name) as (member, shape, fortran, dtype):
        raw = read_bytes(member, dtype.itemsize * math.prod(shape))
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What reading an .npz raises becomes TgennError (T501)."""
    try:
        yield
    except zipfile.BadZipFile:
        raise TgennError.at(path, "T501", "is not an .npz file, or is damaged", SAVE) from None
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise TgennError.at(path, "T501", f"cannot be read: {reason}", SAVE) from None
