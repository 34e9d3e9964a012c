"""tgenn frames and frames_of_events: the frames that Tonic makes, and what is refused."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pages import blocks
from tonic_frames import (
    AUDIO,
    EVENT,
    FRAMES,
    HEIGHT,
    RECORDED,
    WIDTH,
    WINDOW,
    as_audio,
    frames_by_tonic,
    random_recordings,
)

from tgenn_gen import TgennError, frames_of_events
from tgenn_gen.cli.main import main
from tgenn_gen.project import event_frames, event_recordings

PAGE = Path(__file__).parents[2] / "docs/how-to/events.md"
SENSOR = (HEIGHT, WIDTH, 2)
KINDS = {"time": {}, "count": {"bins": "count"}, "window": {"window": WINDOW}}
EVENTS, OFFSETS = random_recordings()
LABELS = np.arange(len(OFFSETS) - 1)
DTYPES = {  # of the events of Tonic's data sets, and others
    "tonic.io": EVENT,
    "N-MNIST": np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]),
    "DVS Gesture": np.dtype([("x", np.int16), ("y", np.int16), ("p", bool), ("t", np.int64)]),
    "unsigned": np.dtype([("t", "<u4"), ("x", "u1"), ("y", "<u2"), ("p", "u1")], align=True),
    "big-endian": np.dtype([("t", ">u8"), ("x", ">i4"), ("y", ">i2"), ("p", "i1")]),
}


def by_a_loop(events, offsets, sensor, frames, bins="time", window=None):
    """The same counts, one event after the other, with Python's integers."""
    counts = np.zeros((len(offsets) - 1, frames, *sensor), int)
    for recording, (start, stop) in enumerate(pairwise(offsets)):
        if start == stop:
            continue
        first, last = int(events["t"][start]), int(events["t"][stop - 1])
        for number in range(start, stop):
            event = events[number]
            t = int(event["t"]) - first
            if window is not None:
                frame = t * frames // (1000 * window)
            elif bins == "time":
                size = (last - first) // frames
                frame = t // size if size else frames
            else:
                size = (stop - start) // frames
                frame = (number - start) // size if size else frames
            if frame < frames:
                counts[recording, frame, event["y"], event["x"], int(event["p"])] += 1
    return counts


def test_the_recorded_frames_of_tonic_are_those_of_these_events():
    with np.load(RECORDED) as recorded:
        np.testing.assert_array_equal(recorded["events"], EVENTS)
        np.testing.assert_array_equal(recorded["offsets"], OFFSETS)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_of_tonic(kind):
    with np.load(RECORDED) as recorded:
        expected = recorded[kind]
    found = frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES, **KINDS[kind])
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_frames_of_audio_are_those_of_tonic():
    with np.load(RECORDED) as recorded:
        expected = recorded["audio"]
    found = frames_of_events(as_audio(EVENTS), OFFSETS, (1, WIDTH, 1), FRAMES)
    np.testing.assert_array_equal(found, expected)


def test_the_installed_tonic_makes_the_recorded_frames():
    pytest.importorskip("tonic")
    with np.load(RECORDED) as recorded:
        for kind, frames in frames_by_tonic(EVENTS, OFFSETS).items():
            np.testing.assert_array_equal(frames, recorded[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 3, 16])
def test_frames_are_those_of_a_loop_over_the_events(kind, frames):
    found = frames_of_events(EVENTS, OFFSETS, SENSOR, frames, **KINDS[kind])
    np.testing.assert_array_equal(found, by_a_loop(EVENTS, OFFSETS, SENSOR, frames, **KINDS[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_any_size_give_the_same_frames(kind, monkeypatch):
    whole = frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES, **KINDS[kind])
    monkeypatch.setattr(event_recordings, "BLOCK_EVENTS", 420)
    np.testing.assert_array_equal(frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES, **KINDS[kind]), whole)
    monkeypatch.setattr(event_frames, "BLOCK_COUNTS", 1)  # one recording at a time
    np.testing.assert_array_equal(frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES, **KINDS[kind]), whole)


@pytest.mark.parametrize("name", DTYPES)
def test_fields_have_any_order_and_integers_of_any_width(name):
    events = np.zeros(len(EVENTS), DTYPES[name])
    for field in "xytp":
        events[field] = EVENTS[field]
    found = frames_of_events(events, OFFSETS.astype(np.uint32), list(SENSOR), FRAMES)
    np.testing.assert_array_equal(found, frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES))


def test_a_sensor_of_one_polarity_counts_both_together():
    both = frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES)
    one = frames_of_events(EVENTS, OFFSETS, (*SENSOR[:2], 1), FRAMES)
    np.testing.assert_array_equal(one[..., 0], both.sum(axis=-1))
    without_p = EVENTS[["x", "y", "t"]]
    np.testing.assert_array_equal(frames_of_events(without_p, OFFSETS, (*SENSOR[:2], 1), FRAMES), one)


def test_clipped_counts_are_at_most_that(caplog):
    counts = by_a_loop(EVENTS, OFFSETS, SENSOR, 2)
    assert counts.max() > 4
    for clip in (1, 4):
        found = frames_of_events(EVENTS, OFFSETS, SENSOR, 2, clip=clip)
        np.testing.assert_array_equal(found, np.minimum(counts, clip))
    assert not caplog.records


def test_counts_beyond_uint8_become_255_with_a_warning(caplog):
    events = np.zeros(601, EVENT)
    events["t"] = np.arange(601)
    events["x"][:40] = 1
    found = frames_of_events(events, [0, 601], SENSOR, 2)
    assert found[0, :, 0, :2, 0].tolist() == [[255, 40], [255, 0]]
    assert caplog.messages == ["2 counts above 255 became 255: more frames have smaller counts"]


def test_empty_recordings_have_empty_frames():
    found = frames_of_events(EVENTS[:0], np.zeros(4, int), SENSOR, FRAMES)
    assert found.shape == (3, FRAMES, *SENSOR) and not found.any()


ARGUMENTS = {
    "sensor is (5, 7), expected (height, width, polarities)": {"sensor": (5, 7)},
    "the sensor's width is 0, expected at least 1": {"sensor": (5, 0, 2)},
    "the sensor's polarities is 2.0, expected a whole number": {"sensor": (5, 7, 2.0)},
    "frames is 0, expected at least 1": {"frames": 0},
    "bins is 'events', expected 'time' or 'count'": {"bins": "events"},
    "window is for bins of time": {"bins": "count", "window": 5},
    "window is -5, expected a number above 0": {"window": -5},
    "window is 0.007 ms, expected 0.008 (1 microsecond for each frame) to 1e+09": {"window": 0.007},
    "clip is 256, expected at most 255": {"clip": 256},
}


@pytest.mark.parametrize("message", ARGUMENTS)
def test_arguments_that_are_wrong_are_named(message):
    arguments = {"sensor": SENSOR, "frames": FRAMES, **ARGUMENTS[message]}
    with pytest.raises(TgennError, match=re.escape(f"frames_of_events: error[T503]: {message}")):
        frames_of_events(EVENTS, OFFSETS, **arguments)


def changed(field, number, value):
    events = EVENTS.copy()
    events[field][number] = value
    return events


def with_field(name, dtype):
    """EVENTS, whose field `name` has another dtype."""
    return EVENTS.astype([(n, dtype if n == name else EVENT[n]) for n in EVENT.names])


TERNARY = with_field("p", np.int8)
TERNARY["p"][9] = 2
SECOND = int(OFFSETS[1])  # the first event of the second recording
REFUSED = {  # {message: what differs from the arrays that are right}
    "recording 1, its event 3: x is 7, expected 0 to 6": {"events": changed("x", SECOND + 3, 7)},
    "recording 1, its event 0: y is -1, expected 0 to 4": {"events": changed("y", SECOND, -1)},
    "recording 0, its event 9: p is 2, expected 0 to 1": {"events": TERNARY},
    "recording 0, its event 0: t is -1, expected at least 0": {"events": changed("t", 0, -1)},
    "recording 1, its event 2: t is 0, less than that of the event before it": {
        "events": changed("t", SECOND + 2, 0)
    },
    "events is int64 (9,), expected one structured array": {"events": np.arange(9), "offsets": [0, 9]},
    "expected also y, p": {"events": EVENTS[["x", "t"]]},
    "the field t of events is float64, expected whole numbers": {"events": with_field("t", np.float64)},
    "the field x of events is <U3, expected whole numbers": {"events": with_field("x", "U3")},
    "offsets is float64 (8,), expected n + 1 whole numbers": {"offsets": OFFSETS.astype(float)},
    "offsets has 1 numbers, expected n + 1 for n recordings": {"offsets": OFFSETS[:1]},
    "offsets begins with 400, expected 0": {"offsets": OFFSETS[1:], "y": LABELS[1:]},
    "offsets falls from 801 to 800 at recording 2": {
        "offsets": np.where(OFFSETS == 801, [0, 0, 801, 800, 0, 0, 0, 0], OFFSETS)
    },
    "offsets ends with 861, expected the number of events, 1194": {
        "offsets": OFFSETS[:-1],
        "y": LABELS[1:],
    },
    "y is int64 (6,), expected one for each of the 7 recordings": {"y": LABELS[1:]},
}


@pytest.mark.parametrize("message", REFUSED)
def test_events_that_are_wrong_are_refused_with_a_hint_and_nothing_is_written(message, tmp_path, capsys):
    arrays = {"events": EVENTS, "offsets": OFFSETS, "y": LABELS} | REFUSED[message]
    np.savez(tmp_path / "events.npz", **arrays)
    status, said = written(tmp_path, capsys)
    assert status == 2
    assert f"{tmp_path / 'events.npz'}: error[T509]: " in said and message in said
    assert "\n  hint: " in said
    assert [path.name for path in tmp_path.iterdir()] == ["events.npz"]
    if "y" not in message.split()[0]:
        with pytest.raises(TgennError, match=re.escape(message)):
            frames_of_events(arrays["events"], arrays["offsets"], SENSOR, FRAMES)


def test_all_that_is_wrong_in_a_block_is_said_at_once(tmp_path, capsys):
    events = EVENTS.copy()
    events["x"][5], events["y"][6], events["t"][7] = 9, 9, -9
    np.savez(tmp_path / "events.npz", events=events, offsets=OFFSETS)
    _, said = written(tmp_path, capsys)
    assert said.count("error[T509]") == 4  # t is below 0, and falls


def written(folder, capsys, *options, sensor="7x5"):
    """Exit status of tgenn frames, and what it said."""
    words = [
        "--sensor",
        sensor,
        "--frames",
        str(FRAMES),
        "-o",
        str(folder / "frames.npz"),
        *map(str, options),
    ]
    capsys.readouterr()
    try:
        status = main(["frames", str(folder / "events.npz"), *words])
    except SystemExit as end:
        status = end.code
    return status, "".join(capsys.readouterr())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_command_writes_the_frames_and_targets(save, tmp_path, capsys):
    save(tmp_path / "events.npz", events=EVENTS, offsets=OFFSETS, y=LABELS)
    for options, arguments in (
        ([], {}),
        (["--bins", "count"], {"bins": "count"}),
        (["--window", WINDOW, "--clip", 1], {"window": WINDOW, "clip": 1}),
    ):
        status, _ = written(tmp_path, capsys, *options)
        assert status == 0
        with np.load(tmp_path / "frames.npz", allow_pickle=False) as found:
            assert sorted(found.files) == ["x", "y"]
            np.testing.assert_array_equal(
                found["x"], frames_of_events(EVENTS, OFFSETS, SENSOR, FRAMES, **arguments)
            )
            np.testing.assert_array_equal(found["y"], LABELS)


def test_the_command_says_what_it_left_out_and_clipped(tmp_path, capsys):
    np.savez(tmp_path / "events.npz", events=EVENTS, offsets=OFFSETS)
    counts = by_a_loop(EVENTS, OFFSETS, SENSOR, FRAMES, window=WINDOW)
    _, said = written(tmp_path, capsys, "--window", WINDOW, "--clip", 2)
    left = len(EVENTS) - counts.sum()
    assert said.splitlines() == [
        f"{tmp_path / 'frames.npz'}: x uint8 (7, 8, 5, 7, 2), "
        f"no targets: {tmp_path / 'events.npz'} has no array y",
        "1,194 events",
        f"{left} of them ({left / len(EVENTS):.2%}) are left out: they are after the window",
        f"{np.count_nonzero(counts > 2)} counts above 2 became 2",
    ]


def test_audio_needs_neither_y_nor_polarities(tmp_path, capsys):
    np.savez(tmp_path / "events.npz", events=as_audio(EVENTS)[["t", "x"]], offsets=OFFSETS, y=LABELS)
    assert written(tmp_path, capsys, sensor="7x1x1")[0] == 0
    with np.load(tmp_path / "frames.npz") as found, np.load(RECORDED) as recorded:
        np.testing.assert_array_equal(found["x"], recorded["audio"])
    assert "expected also y" in written(tmp_path, capsys, sensor="7x5x1")[1]
    assert "p is 2" not in written(tmp_path, capsys, sensor="7x1x1")[1]
    assert AUDIO.names == ("t", "x", "p")


def test_the_page_on_events_writes_data_sets_as_tonic_has_them(tmp_path):
    """The function of docs/how-to/events.md, on data sets with the dtypes of Tonic's."""
    code = next(block.code for block in blocks(PAGE.read_text("utf-8")) if block.title == "with_tonic.py")
    page = {}
    exec(code, page)
    for name, sensor in (("N-MNIST", SENSOR), ("DVS Gesture", SENSOR), ("SHD", (1, WIDTH, 1))):
        events = as_audio(EVENTS)
        if name != "SHD":
            events = np.empty(len(EVENTS), DTYPES[name])
            for field in "xytp":
                events[field] = EVENTS[field]
        data_set = list(zip(np.split(events, OFFSETS[1:-1]), LABELS, strict=True))
        page["save_events"](tmp_path / "e.npz", data_set, page["AUDIO" if name == "SHD" else "CAMERA"])
        with np.load(tmp_path / "e.npz") as saved, np.load(RECORDED) as recorded:
            found = frames_of_events(saved["events"], saved["offsets"], sensor, FRAMES)
            np.testing.assert_array_equal(found, recorded["audio" if name == "SHD" else "time"])
            np.testing.assert_array_equal(saved["y"], LABELS)


def test_arrays_of_python_objects_are_refused(tmp_path, capsys):
    ragged = np.empty(2, object)
    ragged[:] = [EVENTS[:3], EVENTS[3:]]
    np.savez(tmp_path / "events.npz", events=ragged, offsets=[0, 2])
    status, said = written(tmp_path, capsys)
    assert status == 2
    assert "error[T501]: cannot be read: it contains pickled Python objects, which tgenn never loads" in said


def test_missing_arrays_are_named(tmp_path, capsys):
    np.savez(tmp_path / "events.npz", x=LABELS)
    status, said = written(tmp_path, capsys)
    assert status == 2
    assert "error[T502]: expected arrays events and offsets, missing events and offsets, found x" in said


@pytest.mark.parametrize("damage", ["truncated", "bytes", "missing", "folder", "a changed byte", "shorter"])
def test_damaged_files_are_refused_and_old_frames_stay(damage, tmp_path, capsys):
    path, old = tmp_path / "events.npz", tmp_path / "frames.npz"
    np.savez(path, offsets=OFFSETS, events=EVENTS)
    old.write_bytes(b"old")
    content = path.read_bytes()
    path.unlink()
    middle = len(content) // 2
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        bad = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        shorter = content.replace(b"(1194,)", b"(1193,)")
        path.write_bytes({"truncated": content[:300], "bytes": b"abc", "shorter": shorter}.get(damage, bad))
    status, said = written(tmp_path, capsys)
    assert status == 2 and said.count("error[") == 1
    assert f"{path}: error[T501]: " in said or damage == "a changed byte"
    assert old.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir() if p != path) == ["frames.npz"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "frames.npy"], "--output frames.npy: expected a name that ends in .npz"),
        (["--sensor", "34"], "--sensor: expected WIDTHxHEIGHT or WIDTHxHEIGHTxPOLARITIES, such as 34x34x2"),
        (["--sensor", "0x5"], "--sensor: expected WIDTHxHEIGHT"),
        (["--frames", "0"], "--frames: expected a whole number above 0"),
        (["--window", "0"], "--window: expected a number above 0"),
        (["--bins", "count", "--window", "5"], "window is for bins of time\n  hint: leave out --window"),
    ],
)
def test_options_that_are_wrong_are_named(options, message, tmp_path, capsys):
    np.savez(tmp_path / "events.npz", events=EVENTS, offsets=OFFSETS)
    status, said = written(tmp_path, capsys, *options)
    assert status == 2
    assert message in said
    assert [path.name for path in tmp_path.iterdir()] == ["events.npz"]


def test_the_events_are_not_overwritten(tmp_path, capsys):
    np.savez(tmp_path / "events.npz", events=EVENTS, offsets=OFFSETS)
    before = (tmp_path / "events.npz").read_bytes()
    status, said = written(tmp_path, capsys, "-o", tmp_path / "events.npz")
    assert (status, "is the file of the events, give another file" in said) == (2, True)
    assert (tmp_path / "events.npz").read_bytes() == before


def test_memory_is_that_of_a_block(tmp_path, capsys, monkeypatch):
    """100 recordings, whose frames are read and written one recording at a time."""
    import tracemalloc

    events, offsets = np.tile(EVENTS, 100), np.concatenate([[0], np.cumsum(np.full(100, len(EVENTS)))])
    events["t"] = np.tile(np.arange(len(EVENTS)), 100)
    np.savez(tmp_path / "events.npz", events=events, offsets=offsets)
    monkeypatch.setattr(event_recordings, "BLOCK_EVENTS", 1)
    frames = 1000
    tracemalloc.start()
    assert written(tmp_path, capsys, "--frames", frames)[0] == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one = frames * np.prod(SENSOR)
    assert (tmp_path / "frames.npz").stat().st_size > 100 * one
    assert peak < 40 * one + 5e5  # int64 counts of one recording, and a few arrays of its events


def test_frames_without_any_event_are_an_error(tmp_path):
    """With as many frames a bin is shorter than a microsecond."""
    events = np.zeros(3000, [("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
    events["t"] = np.repeat(np.arange(1000), 3)
    offsets = np.array([0, 1500, 3000])
    with pytest.raises(TgennError, match=r"none of the first \d+ events is in one of 5000 frames"):
        frames_of_events(events, offsets, sensor=(2, 2, 2), frames=5000)
    with pytest.raises(TgennError, match="numbers, expected at most"):
        frames_of_events(events, offsets, sensor=(65536, 65536, 2), frames=8)
