"""The NumPy engine: what a network means (DESIGN section 3), a layer at a time, all its steps at once.

Populations see the spikes that their sources emitted at the same local step, so that no step of a layer
depends on a later layer: a layer's whole time course is one array, its linear maps are large matrix
products, and only the neurons' own updates run step by step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tgenn_gen.document import require_valid
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.runtime.command_line import as_current, examples_problem
from tgenn_gen.runtime.neurons import batch_size_that_fits, readout
from tgenn_gen.spec import Network


@dataclass(frozen=True, eq=False)
class Result:
    """What a simulation gives for n examples.

    output            (n, classes): the readout after the last step, in the units of the ANN's activations
    output_per_step   (timesteps, n, classes): the readout after each step
    spike_counts      {population: (n, *shape)}: spikes of each neuron of the spiking populations
    """

    output: np.ndarray
    output_per_step: np.ndarray
    spike_counts: dict[str, np.ndarray]

    @property
    def predictions(self) -> np.ndarray:
        """(n,): the class of the largest output."""
        return self.output.argmax(axis=1)


def simulate(
    network: Network, x: np.ndarray, *, timesteps: int | None = None, batch_size: int | None = None
) -> Result:
    """Simulate the network on examples x (n, *input shape); a missing channel axis of length 1 is added.

    timesteps    steps an example; by default the document's
    batch_size   examples at a time; by default what fits some 100 MB. It bounds memory
    Raises TgennError for a network without meaning (T2xx), and for what cannot be simulated (T503).
    """
    require_valid(network)
    shape = network.inputs[0].shape
    if isinstance(x, np.ndarray) and shape[-1] == 1 and x.shape[1:] == shape[:-1]:
        x = x[..., None]
    problem = examples_problem(x, shape)
    for name, value in (("timesteps", timesteps), ("batch_size", batch_size)):
        if value is not None and not value >= 1:
            problem = problem or f"{name} is {value}, expected at least 1"
    if problem:
        raise TgennError(Diagnostic(Location("simulate"), "T503", problem))
    timesteps = timesteps or network.simulation.timesteps
    batch_size = batch_size or batch_size_that_fits(timesteps, max(p.size for p in network.populations))
    outputs, counts = [], []
    output = network.outputs[0].population
    for start in range(0, len(x), batch_size):
        batch = as_current(x[start : start + batch_size], network.inputs[0].uint8_divisor)
        spike_counts = {}
        for name, course in time_courses(network, batch, timesteps):
            if course.dtype == bool:
                spike_counts[name] = course.sum(axis=0, dtype=np.uint32)
            if name == output:
                outputs.append(readout(course, network.population(name).scale))
        counts.append(spike_counts)
    per_step = np.concatenate(outputs, axis=1)
    return Result(per_step[-1], per_step, {k: np.concatenate([c[k] for c in counts]) for k in counts[0]})


def time_courses(network: Network, x: np.ndarray, timesteps: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each population's spikes (bool), or membrane potentials (float32), (timesteps, batch, *shape)."""
    last_reader = {c.source: p.name for p in network.populations for c in p.inputs}
    courses = {network.inputs[0].name: network.inputs[0].encoding.encode(x, timesteps)}
    for population in network.populations:
        courses[population.name] = population.neuron.run(population.current(courses), timesteps)
        yield population.name, courses[population.name]
        for source in {c.source for c in population.inputs}:
            if last_reader[source] == population.name:
                del courses[source]  # nothing reads it any more
