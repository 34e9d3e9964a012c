"""Accuracy after every time step, against the ANN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.reference import checked, simulated_batches
from tgenn_gen.runtime.command_line import as_current, classes_problem, labels_problem
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
    x, timesteps = checked(network, x, timesteps, seed)
    classes = network.population(network.outputs[0].population).size
    if problem := labels_problem(y, len(x)) or classes_problem(y, classes):
        raise TgennError(Diagnostic(Location("evaluate"), "T503", problem))
    correct, relu_correct, spikes, done = np.zeros(timesteps, int), 0, 0, 0
    for output, counts in simulated_batches(network, x, timesteps, seed):
        part = slice(done, done + output.shape[1])
        correct += (output.argmax(axis=2) == y[part]).sum(axis=1)
        currents = as_current(x[part], network.inputs[0].uint8_divisor)
        relu_correct += int((relu_outputs(network, currents).argmax(axis=1) == y[part]).sum())
        spikes += sum(int(c.sum(dtype=np.int64)) for c in counts.values())
        done = part.stop
        if progress is not None:
            progress(done, len(x))
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
    rates: dict[str, np.ndarray] = {}
    for population in network.populations:
        name = population.name
        rates[name] = population.current(values) / np.float32(population.neuron.unit(dt))
        values[name] = np.maximum(rates[name], 0)
    output = network.population(network.outputs[0].population)
    return rates[output.name] * output.scales
