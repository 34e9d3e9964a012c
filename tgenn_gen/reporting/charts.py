"""Charts as inline SVG, and arrays as PNG images in a data URI.

Colours are CSS variables of the page (--series-0 to --series-3), so that they fit light and dark pages.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, inf, log2, log10

import numpy as np

WIDTH, HEIGHT = 440, 260  # little larger than a phone, where text shrinks with the chart
LEFT, RIGHT, TOP, BOTTOM = 34, 18, 12, 44  # of the axes; at the left come the ticks' numbers
DIGIT = 7  # the width of a digit in a tick's number
MOST_DOTS = 40  # of a line
POSITIVE, NEGATIVE = (47, 129, 208), (226, 100, 32)  # blue and orange, which colour-blind people tell apart


@dataclass(frozen=True)
class Line:
    """A line of a chart: the places of its points, its colour by number, and whether it is dashed.

    A line of one point is a dot.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    series: int = 0
    dashed: bool = False


def line_chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    text: str,
    *,
    steps: bool = False,
    from_zero: bool = True,
    unit: str = "",
) -> str:
    """Lines in a coordinate system. text: what they show, for those who cannot see it.

    steps: whether x are time steps: the axis is logarithmic, with ticks at powers of two and the last step.
    from_zero: whether the x axis begins at 0. unit: printed after the numbers of the y axis.
    """
    x_values = [x for line in lines for x in line.x]
    low, high = min(x_values), max(x_values)
    x_ticks = _step_ticks(int(low), int(high)) if steps else _ticks(0 if from_zero else low, high)
    x_low, x_high = (log2(low), log2(high)) if steps else (x_ticks[0], max(high, x_ticks[-1]))
    y_ticks = _ticks(*_extent([y for line in lines for y in line.y], 100 if unit == " %" else inf))
    y_low, y_high = y_ticks[0], y_ticks[-1]
    numbers = [f"{_tick(tick, y_ticks)}{unit}" for tick in y_ticks]
    left = LEFT + DIGIT * max(map(len, numbers))

    def x_of(x: float) -> float:
        share = ((log2(x) if steps else x) - x_low) / ((x_high - x_low) or 1)
        return left + share * (WIDTH - left - RIGHT)

    def y_of(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_low) / ((y_high - y_low) or 1) * (HEIGHT - TOP - BOTTOM)

    parts = []
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick, number in zip(y_ticks, numbers, strict=True):
        y = y_of(tick)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number}</text>')
    for tick in x_ticks:
        x = x_of(tick)
        parts.append(f'<path class="tick" d="M{x:.1f} {bottom}v5"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{_tick(tick, x_ticks)}</text>'
        )
    parts.append(f'<path class="axis" d="M{left} {TOP}V{bottom}H{right}"/>')
    middle_x, middle_y = (left + right) / 2, (TOP + bottom) / 2
    parts.append(
        f'<text x="{middle_x}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(13 {middle_y}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    for line in lines:
        points = [(f"{x_of(x):.1f}", f"{y_of(y):.1f}") for x, y in zip(line.x, line.y, strict=True)]
        if len(points) > 1:
            parts.append(f'<polyline {_stroke(line)} points="{" ".join(map(",".join, points))}"/>')
        if not line.dashed and len(points) <= MOST_DOTS:
            parts += [_dot(line, x, y) for x, y in points]
    return _svg(WIDTH, HEIGHT, text, parts) + _legend(lines)


def histogram(values: np.ndarray, low: float, high: float, text: str) -> str:
    """A small histogram: counts of equal bins between low and high."""
    width, height, most = 150, 34, max(int(values.max()), 1)
    each = width / len(values)
    bars = "".join(
        f"M{i * each:.1f} {height}v{-max(height * count / most, 0.8):.1f}h{each - 0.4:.1f}V{height}z"
        for i, count in enumerate(values.tolist())
        if count
    )
    label = 'class="small"'
    parts = [
        f'<path style="fill:var(--series-0)" d="{bars}"/>',
        f'<path class="axis" d="M0 {height}H{width}"/>',
        f'<text {label} x="0" y="{height + 12}">{_number(low)}</text>',
        f'<text {label} x="{width}" y="{height + 12}" text-anchor="end">{_number(high)}</text>',
    ]
    return _svg(width, height + 14, text, parts)


def sparkline(values: np.ndarray, text: str) -> str:
    """A course of numbers as a line without axes."""
    width, height = 150, 60
    low, high = float(values.min()), float(values.max())
    y = height - 3 - (values - low) / ((high - low) or 1) * (height - 6)
    x = np.linspace(2, width - 2, len(values))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    line = f'<polyline class="line" style="stroke:var(--series-0)" points="{points}"/>'
    return _svg(width, height, text, [line])


def raster(spikes: np.ndarray) -> str:
    """Spikes (timesteps, neurons) of 0, 1 or -1 as the URI of an image: steps to the right, neurons down."""
    pixels = np.zeros((*spikes.T.shape, 4), np.uint8)
    pixels[spikes.T > 0] = (*POSITIVE, 255)
    pixels[spikes.T < 0] = (*NEGATIVE, 255)
    return png(pixels)


def picture(example: np.ndarray) -> str:
    """An example (height, width, 1 or 3) as the URI of an image, from its smallest to its largest value."""
    low, high = float(example.min()), float(example.max())
    grey = (255 * (example.astype(np.float64) - low) / ((high - low) or 1)).round().astype(np.uint8)
    colors = np.broadcast_to(grey, (*grey.shape[:2], 3))
    return png(np.concatenate([colors, np.full((*grey.shape[:2], 1), 255, np.uint8)], axis=-1))


def png(pixels: np.ndarray) -> str:
    """Pixels (height, width, 4), uint8 RGBA, as the data URI of a PNG image."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # no filters
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def _svg(width: int, height: int, text: str, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg role="img" aria-label="{escape(text)}" {size}>{"".join(parts)}</svg>'


def _stroke(line: Line) -> str:
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    return f'class="line" style="stroke:var(--series-{line.series})"{dashes}'


def _dot(line: Line, x: str, y: str) -> str:
    radius = 2.6 if len(line.x) > 1 else 5
    return f'<circle r="{radius}" style="fill:var(--series-{line.series})" cx="{x}" cy="{y}"/>'


def _legend(lines: Sequence[Line]) -> str:
    """The lines' names under a chart, if there are several."""
    items = []
    for line in lines:
        sample = _dot(line, "13", "6") if len(line.x) == 1 else f'<path {_stroke(line)} d="M0 6H26"/>'
        svg = f'<svg aria-hidden="true" width="26" height="12">{sample}</svg>'
        items.append(f"<li>{svg} {escape(line.name)}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>' if len(lines) > 1 else ""


def _extent(values: Sequence[float], most: float) -> tuple[float, float]:
    """The smallest and the largest value, or some room around one. most: that a value can be."""
    low, high = min(values), max(values)
    differ = high - low > 1e-9 * max(abs(low), abs(high))  # by more than rounding
    return (low, high) if differ else (low - 0.5, min(high + 0.5, most))


def _ticks(low: float, high: float) -> list[float]:
    """Some five round numbers that include low and high."""
    rough = ((high - low) or 1) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _step_ticks(low: int, high: int) -> list[float]:
    powers = [2**k for k in range(20) if low <= 2**k <= high]
    return [float(p) for p in powers if p * 1.4 < high] + [float(high)]


def _tick(value: float, ticks: Sequence[float]) -> str:
    """A number for a tick, with as many digits as tell it from the other ticks."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    digits = max(3, 2 + floor(log10(max(map(abs, ticks)) or 1)) - floor(log10(step)))
    return _number(value, digits)


def _number(value: float, digits: int = 3) -> str:
    """A number for a tick: 1.5M, 20k, 0.25."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.{digits}g}"
