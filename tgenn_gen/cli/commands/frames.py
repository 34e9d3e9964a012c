"""tgenn frames: events of event cameras and audio as frames."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from tgenn_gen.cli.argument_types import positive_number, sensor_shape, whole_number
from tgenn_gen.cli.arguments import add_command
from tgenn_gen.cli.console import FINE, inform


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "frames",
        run,
        "make frames of events",
        "Count the events of each pixel and polarity in F bins of each recording, and write these frames as "
        "x, uint8 (n, F, height, width, polarities), with the targets y.\n\n"
        "EVENTS.npz has two arrays: events, one structured array of all recordings with the fields x, y, t "
        "(microseconds) and p (polarity), as Tonic's data sets have them, and offsets: recording i has "
        "events[offsets[i]:offsets[i + 1]]. y may be missing for a sensor of one row, p for one polarity.",
        "tgenn frames events.npz --sensor 34x34 --frames 8 -o frames.npz",
    )
    command.add_argument("events", metavar="EVENTS.npz", type=Path, help="events, offsets, and targets y")
    command.add_argument(
        "-o", "--output", metavar="FRAMES.npz", type=Path, required=True, help="the file to write"
    )
    command.add_argument(
        "--sensor",
        metavar="WIDTHxHEIGHT[xPOLARITIES]",
        type=sensor_shape,
        required=True,
        help="the size of the sensor, such as 128x128 with its 2 polarities, or 700x1x1; with 1, events of "
        "all polarities are counted together",
    )
    command.add_argument(
        "--frames", metavar="F", type=whole_number, required=True, help="frames of each recording"
    )
    command.add_argument(
        "--bins",
        choices=("time", "count"),
        default="time",
        help="bins of equal time, or of equally many events (default: time)",
    )
    command.add_argument(
        "--window",
        metavar="MS",
        type=positive_number,
        help="the time of all F bins, from the first event; later events are left out (default: the whole "
        "recording)",
    )
    command.add_argument(
        "--clip",
        metavar="N",
        type=whole_number,
        help="the largest count: 1 gives binary frames (default: 255)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the frames."""
    from tgenn_gen.project.event_frames import Binning, write_frames
    from tgenn_gen.runtime.messages import RunError

    source, output = arguments.events, arguments.output
    if output.suffix != ".npz":
        raise RunError(f"{output}: expected a name that ends in .npz", option="output")
    if os.path.realpath(output) == os.path.realpath(source):
        raise RunError(f"{output}: is the file of the events, give another file", option="output")
    binning = Binning(arguments.sensor, arguments.frames, arguments.bins, arguments.window, arguments.clip)
    shape, targets, tally = write_frames(source, output, binning)
    y = f"no targets: {source} has no array y" if targets is None else f"y {targets.dtype} {targets.shape}"
    inform(f"{output}: x uint8 {shape}, {y}")
    inform(f"{tally.events:,} events")
    if tally.left_out:
        part = f"{tally.left_out:,} of them ({tally.left_out / tally.events:.2%})"
        where = "the window" if arguments.window else "the last whole bin"
        inform(f"{part} are left out: they are after {where}")
    if tally.clipped and arguments.clip:
        inform(f"{tally.clipped:,} counts above {arguments.clip} became {arguments.clip}")
    return FINE
