"""Draws what was recorded of an example, and saves figures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .messages import RunError, shown
from .recording import RecordedExample
from .written_files import write_file

FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
POSITIVE, NEGATIVE = (
    "#0072b2",
    "#d55e00",
)  # blue and vermilion of Okabe and Ito, whom all readers can tell apart
COLORS = {"V": "0.15", "I": "#009e73"}  # of traces
TRACES = 10  # neurons at most whose V or I are lines; more are an image
ROWS = 300  # of an image at most, where there are not more channels; more neurons share rows
LINES = 64  # channels at most that lines stand between
SEPARATED = 32  # steps at most that lines stand between

Draw = Callable[[Any], None]  # of what is drawn into an axis


def require_plot(path: str | Path | None) -> None:
    """Raise RunError if a figure cannot be saved as `path`, or matplotlib is missing."""
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise RunError(f"{shown(path)}: expected a path", option="plot")
    if path is not None and Path(path).suffix.lower() not in FORMATS:
        raise RunError(f"{path}: expected a name that ends in .png, .svg or .pdf", option="plot")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise RunError("needs matplotlib: pip install matplotlib", 3, option="plot") from None


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches that no window shows. A notebook shows it as the value of a cell."""
    from matplotlib.figure import Figure

    if "IPython" in sys.modules:  # it can show figures once pyplot has made one
        from matplotlib import pyplot

        pyplot.close(pyplot.figure())
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: str | Path) -> None:
    """Save a figure as PNG, SVG or PDF, by the suffix of its path. Raises RunError."""
    path = Path(path)
    kind = FORMATS[path.suffix.lower()]
    write_file(path, lambda file: figure.savefig(file, format=kind, dpi=200))


def draw_recorded(recorded: RecordedExample, images: Mapping[str, np.ndarray], title: str = "") -> Any:
    """A figure of what was recorded of an example: rasters of spikes, then V and I of each population.

    In a raster a population is an image: steps from left to right, neurons from top to bottom, ordered by
    channel, the last axis of the shape, then in C order. Where there are more than ROWS neurons, several
    neurons of a channel share a row, and the shade is the share of them that spike.

    V and I of up to TRACES neurons are lines one above the other, with marks at the recorded spikes; those of
    more neurons are such an image.

    images: {input: an example}; those of shape (height, width, 1 or 3) are drawn beside all that.
    """
    from matplotlib.gridspec import GridSpec
    from matplotlib.patches import Patch

    shown = {name: image for name, image in images.items() if _is_image(image)}
    panels: list[tuple[float, Draw]] = []  # heights in inches, and what to draw
    for name, raster in recorded.spikes.items():
        panels.append((_height(raster), partial(_draw_raster, name=name, raster=raster)))
    for name in dict.fromkeys([*recorded.v, *recorded.i]):
        for symbol, arrays in (("V", recorded.v), ("I", recorded.i)):
            if name in arrays:
                panels.append(_panel(recorded, symbol, name, arrays[name]))
    rows = [height for height, _ in panels]
    figure = new_figure(9 if shown else 7.2, 0.9 + sum(rows) + 0.35 * len(rows))
    columns = (1.6, 7.2) if shown else (7.2,)
    grid = GridSpec(len(rows), len(columns), figure, height_ratios=rows, width_ratios=columns)
    if title:
        figure.suptitle(title, fontsize=11)
    below = None
    for number, (_, draw) in enumerate(panels):
        axis = figure.add_subplot(grid[number, -1], sharex=below)
        below = below or axis
        draw(axis)
        axis.tick_params(labelsize=9, labelbottom=number == len(rows) - 1)
    axis.set_xlabel("time step of the population")
    if shown:
        for number, (name, image) in enumerate(shown.items()):
            place = grid[:, 0].subgridspec(len(shown), 1)[number]
            _draw_image(figure.add_subplot(place), name, image)
    if any((raster < 0).any() for raster in recorded.spikes.values()):
        kinds = [Patch(color=POSITIVE, label="spikes of +1"), Patch(color=NEGATIVE, label="spikes of -1")]
        figure.legend(handles=kinds, loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return figure


def _height(values: np.ndarray) -> float:
    """The height in inches of an image of all neurons."""
    return min(2.4, 0.75 + 0.012 * min(values[0].size, ROWS))


def _panel(recorded: RecordedExample, symbol: str, name: str, values: np.ndarray) -> tuple[float, Draw]:
    """The height of the traces or the image of V or I of a population, and what draws them."""
    numbers = recorded.numbers(name)
    if len(numbers) > TRACES:
        return _height(values), partial(
            _draw_values, symbol=symbol, name=name, values=values, numbers=recorded.neurons
        )
    spikes = recorded.spikes.get(name) if symbol == "V" or name not in recorded.v else None
    return 0.5 + 0.27 * len(numbers), partial(
        _draw_traces,
        symbol=symbol,
        name=name,
        values=_finite(values).reshape(len(values), -1),
        numbers=numbers,
        spikes=None if spikes is None else spikes.reshape(len(spikes), -1)[:, numbers],
        threshold=recorded.thresholds.get(name) if symbol == "V" else None,
    )


def _finite(values: np.ndarray) -> np.ndarray:
    """The values with numbers that can be drawn in place of NaN and infinity."""
    return np.clip(np.nan_to_num(values.astype(np.float64)), -1e30, 1e30)


def _draw_traces(
    axis: Any,
    symbol: str,
    name: str,
    values: np.ndarray,
    numbers: np.ndarray,
    spikes: np.ndarray | None,
    threshold: float | None,
) -> None:
    """A line for each neuron, (steps, neurons), all with one scale; a thin line at 0, where it has values."""
    steps = len(values)
    levels = [float(values.min()), float(values.max()), *([] if threshold is None else [threshold])]
    levels += [0.0] if symbol == "I" else []
    low, high = min(levels), max(levels)
    span = (high - low) or abs(high) or 1.0
    places = -1.35 * span * np.arange(len(numbers)) - low  # where the lines have their zeros
    edges = np.repeat(np.arange(steps + 1) - 0.5, 2)[1:-1]
    for place, number, course in zip(places, numbers, values.T):
        if low <= 0 <= high:
            axis.axhline(place, color="0.85", linewidth=0.6)
        if threshold is not None:
            axis.axhline(place + threshold, color="0.45", linewidth=0.7, linestyle=(0, (4, 3)))
        axis.plot(
            edges, place + np.repeat(course, 2), color=COLORS[symbol], linewidth=1.1, label=f"neuron {number}"
        )
    for sign, marker, color in ((1, "^", POSITIVE), (-1, "v", NEGATIVE)):
        if spikes is not None and (spikes == sign).any():
            at, neuron = np.nonzero(spikes == sign)
            tops = places[neuron] + high + 0.08 * span
            axis.plot(
                at, tops, marker, color=color, markersize=4, markeredgewidth=0, label=f"spikes of {sign:+d}"
            )
    axis.set_xlim(-0.5, steps - 0.5)
    axis.set_ylim(places[-1] + low - 0.1 * span, places[0] + high + 0.25 * span)
    _whole_steps(axis)
    axis.set_yticks(places + (low + high) / 2, [str(number) for number in numbers])
    axis.tick_params(axis="y", length=0)
    axis.set_ylabel("neuron")
    _draw_scale(axis, float(places[-1] + low), span)
    words = [f"{symbol} of {name}"]
    words += [] if threshold is None else [f"dashed: threshold {threshold:g}"]
    words += [] if spikes is None else ["triangles: spikes"]
    axis.set_title("; ".join(words), fontsize=10, loc="left")


def _draw_scale(axis: Any, bottom: float, span: float) -> None:
    """A bar at the right that shows how high a round number is: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(span))
    length = max(factor for factor in (1, 2, 5) if factor * power <= span) * power
    beside = axis.get_yaxis_transform()
    axis.plot(
        [1.012] * 2, [bottom, bottom + length], color="0.15", linewidth=1.5, transform=beside, clip_on=False
    )
    axis.text(1.024, bottom + length / 2, f"{length:g}", va="center", fontsize=9, transform=beside)


def _draw_values(axis: Any, symbol: str, name: str, values: np.ndarray, numbers: np.ndarray | None) -> None:
    """An image of V or I of many neurons, (steps, *shape); numbers: of the neurons, if not all are there."""
    from matplotlib.ticker import FuncFormatter

    rows = _Rows(_finite(values))
    image = rows.means(rows.ordered)
    shown = _draw_rows(axis, rows, image, cmap="viridis")
    bar = axis.figure.colorbar(shown, ax=axis, pad=0.01, fraction=0.05)
    bar.ax.tick_params(labelsize=9)
    if numbers is not None:
        axis.yaxis.set_major_formatter(
            FuncFormatter(lambda y, _: str(numbers[int(y)]) if 0 <= y < len(numbers) else "")
        )
    title = f"{symbol} of {name} ({rows.shape} neurons)"
    axis.set_title(f"{title}{rows.shared('mean')}", fontsize=10, loc="left")


class _Rows:
    """The rows of an image of values (steps, *shape): neurons by channel, several a row if need be."""

    def __init__(self, values: np.ndarray) -> None:
        self.steps, self.channels, self.neurons = len(values), values.shape[-1], values[0].size
        self.shape = " x ".join(map(str, values.shape[1:]))
        self.each = self.neurons // self.channels  # neurons of a channel
        by_channel = np.moveaxis(values.reshape(self.steps, self.each, self.channels), 2, 1)
        self.ordered = by_channel.reshape(self.steps, self.neurons).T
        each = self.each
        rows_each = each if self.neurons <= ROWS else max(1, min(each, ROWS // self.channels))
        firsts = np.arange(rows_each) * each // rows_each  # the first neuron of each row of a channel
        self.starts = (np.arange(self.channels)[:, None] * each + firsts).ravel()
        self.sizes = np.diff(self.starts, append=self.neurons)

    def means(self, ordered: np.ndarray) -> np.ndarray:
        """The mean of each row's neurons. ordered: their values (neurons, steps)."""
        sums = np.add.reduceat(ordered, self.starts, axis=0, dtype=np.float64)
        means: np.ndarray = sums / self.sizes[:, None]
        return means

    def shared(self, shown: str) -> str:
        """A line that says how many neurons share a row, and what is shown of them; "" if none do."""
        return "" if len(self.starts) == self.neurons else f"\na row: {_range(self.sizes)} neurons; {shown}"


def _draw_raster(axis: Any, name: str, raster: np.ndarray) -> None:
    rows = _Rows(raster)
    positive, negative = (rows.means(rows.ordered == sign) for sign in (1, -1))
    darkest = max(float((positive + negative).max()), 1e-9)
    _draw_rows(axis, rows, _blend(positive / darkest, negative / darkest))
    if rows.steps <= SEPARATED:
        for step in range(1, rows.steps):
            axis.axvline(step - 0.5, color="0.85", linewidth=0.5)
    counts = [int(np.count_nonzero(raster == sign)) for sign in (1, -1)]
    found = f"{sum(counts):,} spikes"
    if counts[1]:
        found = f"{counts[0]:,} spikes of +1, {counts[1]:,} of -1"
    shade = rows.shared(f"darkest: {100 * darkest:.3g} % of them spike")
    axis.set_title(f"{name} ({rows.shape} neurons): {found}{shade}", fontsize=10, loc="left")


def _draw_rows(axis: Any, rows: _Rows, image: np.ndarray, **how: Any) -> Any:
    """Draw an image with the rows of a population, (rows, steps, ...), and the ticks of its axes."""
    from matplotlib.ticker import MaxNLocator

    steps, each, channels = rows.steps, rows.each, rows.channels
    shown = axis.imshow(
        image,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, rows.neurons - 0.5, -0.5),
        **how,
    )
    _whole_steps(axis)
    if each > 1 and channels > 1:
        if channels <= LINES:
            for channel in range(1, channels):
                axis.axhline(channel * each - 0.5, color="0.35", linewidth=0.5)
        ticked = np.arange(0, channels, -(-channels // 8))
        axis.set_yticks(ticked * each + (each - 1) / 2, [str(channel) for channel in ticked])
        axis.set_ylabel("channel")
    else:
        axis.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axis.set_ylabel("neuron")
    return shown


def _whole_steps(axis: Any) -> None:
    """Put the ticks of time at whole steps."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def _range(sizes: np.ndarray) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return str(low) if low == high else f"{low} to {high}"


def _blend(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Shares of the two signs, 0 to 1, as colours (..., 3) on white."""
    from matplotlib.colors import to_rgb

    white = np.ones(3)
    return (
        white
        - positive[..., None] * (white - np.array(to_rgb(POSITIVE)))
        - negative[..., None] * (white - np.array(to_rgb(NEGATIVE)))
    ).clip(0, 1)


def _is_image(example: np.ndarray) -> bool:
    return example.ndim == 3 and example.shape[-1] in (1, 2, 3) and min(example.shape[:2]) > 1


def _draw_image(axis: Any, name: str, image: np.ndarray) -> None:
    """From its smallest value to its largest; of two channels, as polarities, the second less the first."""
    if image.shape[-1] == 2:
        image = image[..., 1:].astype(np.float64) - image[..., :1]
    low, high = float(image.min()), float(image.max())
    scaled = (image.astype(np.float64) - low) / ((high - low) or 1.0)
    axis.imshow(scaled.squeeze(-1) if image.shape[-1] == 1 else scaled, cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[], anchor="N")
    axis.set_title(name, fontsize=10)
