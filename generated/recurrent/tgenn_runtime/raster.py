"""Draws spike rasters, and saves figures."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .messages import RunError, shown
from .written_files import write_file

FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
POSITIVE, NEGATIVE = (
    "#0072b2",
    "#d55e00",
)  # blue and vermilion of Okabe and Ito, whom all readers can tell apart
ROWS = 300  # of an image at most, where there are not more channels; more neurons share rows
LINES = 64  # channels at most that lines stand between
SEPARATED = 32  # steps at most that lines stand between


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


def draw_raster(spikes: Mapping[str, np.ndarray], images: Mapping[str, np.ndarray], title: str = "") -> Any:
    """A figure of the spikes of one example, {population: (timesteps, *shape), 0, 1 or -1}.

    A population is an image: steps from left to right, neurons from top to bottom, ordered by channel, the
    last axis of the shape, then in C order. Where there are more than ROWS neurons, several neurons of a
    channel share a row, and the shade is the share of them that spike.

    images: {input: an example}; those of shape (height, width, 1 or 3) are drawn beside the spikes.
    """
    from matplotlib.gridspec import GridSpec
    from matplotlib.patches import Patch

    shown = {name: image for name, image in images.items() if _is_image(image)}
    rows = [min(2.4, 0.75 + 0.012 * min(raster[0].size, ROWS)) for raster in spikes.values()]
    figure = new_figure(9 if shown else 7.2, 0.9 + sum(rows) + 0.35 * len(rows))
    columns = (1.6, 7.2) if shown else (7.2,)
    grid = GridSpec(len(rows), len(columns), figure, height_ratios=rows, width_ratios=columns)
    if title:
        figure.suptitle(title, fontsize=11)
    below = None
    for number, (name, raster) in enumerate(spikes.items()):
        axis = figure.add_subplot(grid[number, -1], sharex=below)
        below = below or axis
        _draw_population(axis, name, raster)
        axis.tick_params(labelbottom=number == len(rows) - 1)
    axis.set_xlabel("time step of the population")
    if shown:
        for number, (name, image) in enumerate(shown.items()):
            place = grid[:, 0].subgridspec(len(shown), 1)[number]
            _draw_image(figure.add_subplot(place), name, image)
    if any((raster < 0).any() for raster in spikes.values()):
        kinds = [Patch(color=POSITIVE, label="spikes of +1"), Patch(color=NEGATIVE, label="spikes of -1")]
        figure.legend(handles=kinds, loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return figure


def _draw_population(axis: Any, name: str, raster: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    steps, channels = len(raster), raster.shape[-1]
    neurons = raster[0].size
    each = neurons // channels  # neurons of a channel
    ordered = np.moveaxis(raster.reshape(steps, each, channels), 2, 1).reshape(steps, neurons).T
    rows_each = each if neurons <= ROWS else max(1, min(each, ROWS // channels))
    firsts = np.arange(rows_each) * each // rows_each  # the first neuron of each row of a channel
    starts = (np.arange(channels)[:, None] * each + firsts).ravel()
    sizes = np.diff(starts, append=neurons)
    shares = [np.add.reduceat(ordered == sign, starts, axis=0, dtype=np.float64) for sign in (1, -1)]
    positive, negative = (share / sizes[:, None] for share in shares)
    darkest = max(float((positive + negative).max()), 1e-9)
    image = _blend(positive / darkest, negative / darkest)
    axis.imshow(
        image,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, neurons - 0.5, -0.5),
    )
    if steps <= SEPARATED:
        for step in range(1, steps):
            axis.axvline(step - 0.5, color="0.85", linewidth=0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
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
    axis.tick_params(labelsize=9)
    counts = [int(np.count_nonzero(raster == sign)) for sign in (1, -1)]
    found = f"{sum(counts):,} spikes"
    if counts[1]:
        found = f"{counts[0]:,} spikes of +1, {counts[1]:,} of -1"
    shape = " x ".join(map(str, raster.shape[1:]))
    title = f"{name} ({shape} neurons): {found}"
    if len(starts) < neurons:
        title += f"\na row: {_range(sizes)} neurons; darkest: {100 * darkest:.3g} % of them spike"
    axis.set_title(title, fontsize=10, loc="left")


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
    return example.ndim == 3 and example.shape[-1] in (1, 3) and min(example.shape[:2]) > 1


def _draw_image(axis: Any, name: str, image: np.ndarray) -> None:
    """From its smallest value to its largest."""
    low, high = float(image.min()), float(image.max())
    scaled = (image.astype(np.float64) - low) / ((high - low) or 1.0)
    axis.imshow(scaled.squeeze(-1) if image.shape[-1] == 1 else scaled, cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[], anchor="N")
    axis.set_title(name, fontsize=10)
