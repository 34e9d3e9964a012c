"""Draws spike rasters as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .messages import RunError
from .written_files import write_file


def require_plot(path: Path) -> None:
    """Raise RunError if `path` is not a .png file, or matplotlib is missing."""
    if path.suffix != ".png":
        raise RunError(f"--plot {path}: expected a name that ends in .png")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise RunError("--plot needs matplotlib: pip install matplotlib", 3) from None


def plot_raster(spikes: Mapping[str, np.ndarray], path: Path) -> None:
    """Draw the spikes of an example, {population: (timesteps, neurons), 0, 1 or -1}, one raster each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(spikes), sharex=True, squeeze=False, figsize=(8, 1.2 + 1.6 * len(spikes)), layout="constrained"
    )
    for axis, (name, raster) in zip(axes[:, 0], spikes.items()):
        positive, negative = np.argwhere(raster > 0), np.argwhere(raster < 0)
        axis.plot(*positive.T, "|", markersize=3, color="black", label="spikes of +1")
        title = f"{name}: {len(positive)} spikes"
        if len(negative):
            axis.plot(*negative.T, "|", markersize=3, color="tab:red", label="spikes of -1")
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=3, frameon=False)
            title = f"{name}: {len(positive)} spikes of +1, {len(negative)} of -1"
        axis.set(title=title, ylabel="neuron", ylim=(-0.5, raster.shape[1] - 0.5))
        axis.set_xlim(-0.5, len(raster) - 0.5)
    axes[-1, 0].set_xlabel("local time step of the first example")
    write_file(path, lambda file: figure.savefig(file, format="png", dpi=120))
