"""What a report shows of a simulation beyond scores and cost: rates, events step by step, and examples."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import Targets
from tgenn_gen.runtime.results import Result

MOST_POINTS = 32  # of a curve over time steps
RECORDED = 2**26  # spikes that a batch records


def recorded_batch_size(network: Network, timesteps: int) -> int:
    """The number of examples at a time of which all spikes are recorded."""
    if network.simulation.reset == "never":
        return 1
    neurons = sum(prod(network.shapes[name]) for name in network.spiking)
    return max(1, min(256, RECORDED // (timesteps * max(neurons, 1))))


@dataclass(frozen=True)
class Decisions:
    """How an output decides between classes. n examples, T time steps.

    found     the class after the last step, (n,)
    wanted    the classes of the targets, (n,); None without targets
    settled   from which step on, 1 to T, the class stays what it is after the last step, (n,)
    margins   the logit of the class found, less that of the class wanted: (n,); without targets, less the
              largest other logit
    """

    found: np.ndarray
    wanted: np.ndarray | None
    settled: np.ndarray
    margins: np.ndarray

    def slowest(self, count: int) -> list[int]:
        """The examples that settle last, the latest first."""
        return [int(i) for i in np.argsort(-self.settled, kind="stable")[:count] if self.settled[i] > 1]

    def worst(self, count: int) -> list[int]:
        """The examples with a wrong class, that with the largest margin first."""
        if self.wanted is None:
            return []
        order = np.argsort(-np.where(self.found == self.wanted, -np.inf, self.margins), kind="stable")
        return [int(i) for i in order[:count] if self.found[i] != self.wanted[i]]


class Observer:
    """Collects them from the results of a simulation that records all spikes, one batch after the other."""

    def __init__(self, network: Network, targets: Targets, timesteps: int) -> None:
        self.network, self.done = network, 0
        points = min(timesteps, MOST_POINTS)
        self.points = np.unique(np.linspace(1, timesteps, points).round().astype(int))  # steps of curves
        self.counts: dict[str, np.ndarray] = {}  # {population: spikes of each neuron, over all examples}
        # {population: events of each neuron up to each of `points`, over all examples}
        self._events: dict[str, np.ndarray] = {}
        self.first_spikes: dict[str, np.ndarray] = {}  # of the first example, (timesteps, neurons)
        self.first_logits = np.empty(0)  # of the first output for the first example, (timesteps, *shape)
        self._output = network.outputs[0].population
        shape = network.shapes[self._output]
        wanted = targets.get(self._output)
        self._classes = len(shape) == 1 and shape[0] > 1 and (wanted is None or self._are_classes(wanted))
        self._wanted = wanted
        self._found: list[np.ndarray] = []  # (steps, batch)
        self._logits: list[np.ndarray] = []

    @staticmethod
    def _are_classes(targets: np.ndarray) -> bool:
        return targets.ndim == 1 and targets.dtype.kind in "iu"

    def add(self, batch: Result) -> None:
        """Add the result of the next examples."""
        for name, counts in batch.spike_counts.items():
            self.counts[name] = self.counts.get(name, 0) + counts.sum(axis=0, dtype=np.int64)
        starts = np.concatenate([[0], self.points[:-1]])
        for name, spikes in batch.spikes.items():
            events = np.count_nonzero(spikes, axis=0)
            up_to = np.add.reduceat(events, starts, axis=0).cumsum(axis=0).astype(np.float64)
            self._events[name] = self._events.get(name, 0) + up_to
        logits = batch.logits_per_step[self._output]
        if not self.done:
            self.first_spikes = {name: spikes[0] for name, spikes in batch.spikes.items()}
            self.first_logits = logits[:, 0]
        if self._classes:
            self._found.append(logits.argmax(axis=-1))
            self._logits.append(logits[-1])
        self.done += logits.shape[1]

    def synaptic_events(self) -> np.ndarray:
        """Synaptic events per example up to each of `points`: a spike causes one at each of its synapses.

        A synapse is a path through a connection whose weights are not 0, as in `analysis.cost`. Few-spike
        neurons emit only when they have read all spikes, so those are behind each of their own.
        """
        total = np.zeros(len(self.points))
        for population in self.network.populations:
            reads_all = self.network.few_spike and population.neuron.spikes
            for connection in population.inputs:
                if connection.source in self._events and any(not m.routing for m in connection.through):
                    shape, up_to = self.network.shapes[connection.source], self._events[connection.source]
                    points = up_to[-1:] if reads_all else up_to
                    total += [
                        float(connection.paths(events.reshape(shape), nonzero=True).sum())
                        for events in points
                    ]
        return total / self.done

    def decisions(self) -> Decisions | None:
        """The decisions of the first output, if it is a vector of class scores."""
        if not self._classes:
            return None
        found, logits = np.concatenate(self._found, axis=1), np.concatenate(self._logits)
        last = found[-1]
        changed = found[::-1] != last
        settled = np.where(changed.any(axis=0), len(found) - changed.argmax(axis=0) + 1, 1)
        every = np.arange(len(last))
        best = logits[every, last]
        wanted = self._wanted
        if wanted is None:
            others = logits.copy()
            others[every, last] = -np.inf
            return Decisions(last, None, settled, best - others.max(axis=-1))
        return Decisions(last, wanted, settled, best - logits[every, wanted])
