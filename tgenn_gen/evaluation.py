"""Accuracy after every time step, of one network or several on the same examples, against the ANN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.document import require_valid
from tgenn_gen.reference import simulate_batch
from tgenn_gen.runtime.command_line import as_current, write_file
from tgenn_gen.runtime.neurons import batch_size_that_fits
from tgenn_gen.spec import Network

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation on n examples gives.

    accuracy_per_step    0 to 1, one for each of the time steps
    relu_accuracy        that of the document with ReLUs for neurons: the ANN's, unless biases were corrected
    spikes_per_example   of all populations
    """

    name: str
    n: int
    timesteps: int
    accuracy_per_step: tuple[float, ...]
    relu_accuracy: float
    spikes_per_example: float


def evaluate(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    *,
    timesteps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Simulate examples x (n, *input shape) with labels y (n,) in NumPy.

    timesteps: steps an example, by default the document's. progress: called with (examples done, all).
    Raises TgennError as :func:`tgenn_gen.simulate` does.
    """
    require_valid(network)
    timesteps = timesteps or network.simulation.timesteps
    size = batch_size_that_fits(timesteps, max(p.size for p in network.populations))
    correct, relu_correct, spikes = np.zeros(timesteps, int), 0, 0
    for start in range(0, len(x), size):
        part, labels = x[start : start + size], y[start : start + size]
        output, counts = simulate_batch(network, part, timesteps, seed, start)
        correct += (output.argmax(axis=2) == labels).sum(axis=1)
        currents = as_current(part, network.inputs[0].uint8_divisor)
        relu_correct += int((relu_outputs(network, currents).argmax(axis=1) == labels).sum())
        spikes += sum(int(c.sum(dtype=np.int64)) for c in counts.values())
        if progress is not None:
            progress(start + len(part), len(x))
    return Evaluation(
        network.name,
        len(x),
        timesteps,
        tuple((correct / len(x)).tolist()),
        relu_correct / len(x),
        spikes / len(x),
    )


def relu_outputs(network: Network, x: np.ndarray) -> np.ndarray:
    """The output (batch, classes) for x (batch, *input shape) with a ReLU in the place of each neuron."""
    dt = network.simulation.dt
    values = {network.inputs[0].name: x / np.float32(network.inputs[0].encoding.scale(dt))}
    for population in network.populations:
        rates = population.current(values) / np.float32(population.neuron.unit(dt))
        values[population.name] = np.maximum(rates, 0)
    return rates * population.scales


def shown_steps(timesteps: int) -> list[int]:
    """The numbers of steps that tables show: powers of two, and the last one."""
    powers = [2**k for k in range(1, 20) if 2**k < timesteps]
    return [*powers[-6:], timesteps]


def evaluation_table(evaluations: Sequence[Evaluation], ann_accuracy: float | None) -> str:
    """The evaluations side by side, in Markdown; accuracies in %."""
    steps = shown_steps(max(e.timesteps for e in evaluations))
    header = ["network", "ANN", *(f"T = {t}" for t in steps), "spikes per example"]
    rows = []
    for e in evaluations:
        ann = e.relu_accuracy if ann_accuracy is None else ann_accuracy
        accuracies = [f"{100 * e.accuracy_per_step[t - 1]:.2f}" if t <= e.timesteps else "" for t in steps]
        rows.append([e.name, f"{100 * ann:.2f}", *accuracies, f"{e.spikes_per_example:,.0f}"])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def evaluation_data(evaluations: Sequence[Evaluation], ann_accuracy: float | None) -> dict[str, Any]:
    """The evaluations as JSON data."""
    return {"ann_accuracy": ann_accuracy, "networks": [asdict(e) for e in evaluations]}


def plot_evaluations(evaluations: Sequence[Evaluation], ann_accuracy: float | None, path: Path) -> None:
    """Accuracy against time steps as a PNG file, the ANN's as a dashed line. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for e in evaluations:
        (line,) = axis.plot(np.arange(1, e.timesteps + 1), 100 * np.array(e.accuracy_per_step), label=e.name)
        if ann_accuracy is None:
            axis.axhline(100 * e.relu_accuracy, linestyle="--", linewidth=1, color=line.get_color())
    if ann_accuracy is not None:
        axis.axhline(100 * ann_accuracy, linestyle="--", linewidth=1, color="black", label="ANN")
    axis.set(xlabel="time steps", ylabel="accuracy (%)", xscale="log")
    axis.legend()
    write_file(path, lambda file: figure.savefig(file, format="png", dpi=120))
