"""What a network costs: operations, sparsity and memory by the rules of NeuroBench 2.3, and energy.

NeuroBench (github.com/NeuroBench/neurobench) counts in the layers of a network in PyTorch. The network that
these figures are of has a layer with weights, Linear or Conv, for each connection, and a spiking layer for
each population:

- An operation is a weight that is not 0, met by an input that is not 0. So a spike costs as many as its
  neuron has synapses of such weights: fewer at the borders of an image. Biases are not counted. `dense`
  counts all weights and all inputs.
- It is an AC where all inputs of the connection are -1, 0 or 1: spikes are, also signed ones, and those of
  the few-spike code, which is K binary spikes. Else it is a MAC. So are the operations of the connections
  from a constant current, which are applied once an example, not at each step.
- A chain of maps is one connection, as on GeNN. Average pooling before a kernel is part of its weights, so
  that spikes reach it, not means. Each path of a spike through the chain is a synapse, as `tgenn show`
  counts them.
- The spikes of an example's last steps count for a connection with a delay too, though they come too late.
- Spikes that are passed on without weights cost nothing: those of windows to maximum neurons, as in max
  pooling, and those of one-to-one connections.
- A membrane update is a change of V at a step; at the first step each neuron has one. V of a few-spike
  neuron changes in the `timesteps` steps in which it reads, and then at each spike.

A number of operations is linear in the spikes. So a connection is applied only once, with 1 for each weight,
to the sum of the spikes of all examples and steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import numpy as np

from tgenn_gen.analysis.devices import DEVICES, Device
from tgenn_gen.engine.ann import ann_rates
from tgenn_gen.engine.simulation import checked, input_table, note_on_range, simulated_batches
from tgenn_gen.network.delays import is_recurrent
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import Examples, count_of, currents_of, presented
from tgenn_gen.runtime.mpi_ranks import Ranks
from tgenn_gen.runtime.results import Result


@dataclass(frozen=True)
class PopulationCost:
    """What a population costs per example: its neurons, and the connections to them.

    Attributes:
        name: Of the population, or of an input whose encoding emits spikes.
        neurons: The number of its neurons.
        spikes: The spikes that they emit, of +1 and of -1 together.
        activation_sparsity: 1 - spikes / (neurons x steps). None for integrators, which emit no spikes, and
            for inputs without neurons.
        effective_acs: Operations of its connections with inputs of -1, 0 and 1 only.
        effective_macs: Operations of its other connections.
        dense: Operations if no weight and no input were 0.
        membrane_updates: Changes of V. None where they are not counted.
        neuron_updates: Neurons x steps. Few-spike neurons read for `timesteps` steps, then emit for as many.
        ann_macs: The ANN's MACs for the population's layers with a kernel. None for a network with recurrent
            connections, which has no ANN.
        ann_effective_macs: Those of weights and inputs that are not 0.
    """

    name: str
    neurons: int
    spikes: float
    activation_sparsity: float | None
    effective_acs: float
    effective_macs: float
    dense: float
    membrane_updates: float | None
    neuron_updates: int
    ann_macs: int | None
    ann_effective_macs: float | None


@dataclass(frozen=True)
class Energy:
    """The energy of one example on a device, in joules: an estimate of arithmetic only.

    Attributes:
        device: The device, with what an operation takes on it.
        joules: Of the network: ACs, MACs and neuron updates.
        ann_joules: Of the ANN: all its MACs. None where the device has no MACs, or the network no ANN.
    """

    device: Device
    joules: float
    ann_joules: float | None


@dataclass(frozen=True)
class Cost:
    """What a network costs per example, the mean over n examples.

    Attributes:
        name: The network's name.
        n: The number of examples.
        timesteps: Time steps for each example.
        footprint: Bytes of all weights, biases and other arrays of the network.
        connection_sparsity: Zeros in all kernels / their elements.
        populations: A row for each input that spikes, then for each population.
    """

    name: str
    n: int
    timesteps: int
    footprint: int
    connection_sparsity: float
    populations: tuple[PopulationCost, ...]

    def __repr__(self) -> str:
        total = self.total
        counted = (
            f"{total.spikes:,.0f} spikes, {total.effective_acs:,.0f} ACs, {total.effective_macs:,.0f} MACs"
        )
        return f"<Cost {self.name}: {self.n} examples, {self.timesteps} time steps; {counted} per example>"

    @property
    def total(self) -> PopulationCost:
        """The sum of all rows; the activation sparsity is that of all neurons together."""

        def of_all(name: str) -> Any:
            values = [getattr(row, name) for row in self.populations]
            return None if None in values else sum(values)

        summed = {
            f.name: of_all(f.name) for f in fields(PopulationCost)[1:] if f.name != "activation_sparsity"
        }
        emitting = [row for row in self.populations if row.activation_sparsity is not None]
        places = sum(row.neurons for row in emitting) * self.timesteps
        sparsity = 1 - sum(row.spikes for row in emitting) / places if places else None
        return PopulationCost("total", activation_sparsity=sparsity, **summed)

    @property
    def neurobench(self) -> dict[str, Any]:
        """The figures under the names, and in the form, of NeuroBench's results."""
        total = self.total
        return {
            "Footprint": self.footprint,
            "ConnectionSparsity": self.connection_sparsity,
            "ActivationSparsity": total.activation_sparsity,
            "ActivationSparsityByLayer": {
                row.name: row.activation_sparsity
                for row in self.populations
                if row.activation_sparsity is not None
            },
            "SynapticOperations": {
                "Effective_MACs": total.effective_macs,
                "Effective_ACs": total.effective_acs,
                "Dense": total.dense,
            },
            "MembraneUpdates": total.membrane_updates,
        }

    def energy(self, devices: Iterable[Device] = DEVICES) -> tuple[Energy, ...]:
        """The energy of one example on each device: an estimate of arithmetic only.

        It is that of ACs, MACs and neuron updates. Memory, communication and idle circuits are left out, and
        they often take more.
        """
        total = self.total

        def of(device: Device) -> Energy:
            mac = device.synop if device.mac is None else device.mac
            joules = (
                total.effective_acs * device.synop
                + total.effective_macs * mac
                + total.neuron_updates * device.neuron
            )
            if device.mac is None or total.ann_macs is None:
                return Energy(device, joules, None)
            return Energy(device, joules, total.ann_macs * device.mac)

        return tuple(of(device) for device in devices)


def cost(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    *,
    timesteps: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Cost:
    """Simulate examples in NumPy, and count operations, spikes and updates of neurons.

    Args:
        network: The network. It need not be saved.
        x: Examples `(n, *input shape)`, or `{input: examples}`, as for `simulate`.
        timesteps: Time steps for each example. None: those of the network.
        seed: Of random numbers (Poisson spikes, random initial V), 0 to 2^32 - 1.
        progress: Called with (examples done, all examples).

    Returns:
        The cost per example, with a row for each population and with the ANN's MACs.

    Raises:
        TgennError: T2xx the network is invalid, T503 an argument does not fit it.
    """
    examples, timesteps = checked("cost", network, x, timesteps, seed)
    note_on_range(network, examples)
    counter = CostCounter(network, examples, timesteps)
    for batch in simulated_batches(network, examples, timesteps, seed, count_updates=True):
        counter.add(batch)
        if progress is not None:
            progress(counter.done, count_of(examples))
    return counter.result()


class CostCounter:
    """Counts what examples cost, from the results of their simulation, one batch after the other.

    examples: all examples, {input: (n, *shape)}, as they were simulated.
    """

    def __init__(self, network: Network, examples: Examples, timesteps: int) -> None:
        self.network, self.examples, self.timesteps, self.done = network, examples, timesteps, 0
        self._table, self._has_ann = input_table(network), not is_recurrent(network)
        # sums over examples and steps: {input or population: of inputs that are not 0, (*shape)}
        self._events: dict[str, np.ndarray] = {
            name: np.zeros(shape) for name, shape in network.shapes.items()
        }
        self._spikes_only = dict.fromkeys(network.shapes, True)
        self._updates: dict[str, int] = {}
        # {(population, connection, map): of the ANN's inputs of this map that are not 0}
        self._ann_inputs: dict[tuple[str, int, int], np.ndarray] = {}

    def add(self, batch: Result) -> None:
        """Add the result of the next examples, which has their spike counts."""
        for name, counts in batch.spike_counts.items():
            events = self._events[name]
            events += counts.sum(axis=0, dtype=np.float64).reshape(events.shape)
        for name, updates in batch.membrane_updates.items():
            self._updates[name] = self._updates.get(name, 0) + int(updates.sum())
        size = len(next(iter(batch.logits.values())))
        shown = presented(self.examples, self.done, self.done + size, self._table)
        for i in self.network.inputs:
            if not i.encoding.spikes:  # the current of each frame is computed once
                values = shown[i.name].reshape(-1, *i.shape)
                self._events[i.name] += np.count_nonzero(values, axis=0)
                self._spikes_only[i.name] &= bool(np.isin(values, (-1, 0, 1)).all())
        if self._has_ann:
            examples = currents_of(self.examples, self.done, self.done + size, self._table)
            self._add_ann(self.network.presented(examples))
        self.done += size

    def _add_ann(self, values: dict[str, np.ndarray]) -> None:
        """Add the inputs of the ANN's layers, for examples less the inputs' offsets."""
        dt, last_read_by = self.network.simulation.dt, self.network.last_read_by
        values = {i.name: values[i.name] / np.float32(i.encoding.scale(dt)) for i in self.network.inputs}
        for population, rates in ann_rates(self.network, values):
            for number, connection in enumerate(population.inputs):
                x, through = values[connection.source], connection.through
                last = max((level for level, m in enumerate(through) if m.has_kernel), default=-1)
                for level, linear_map in enumerate(through[: last + 1]):
                    if linear_map.has_kernel:
                        found, key = np.count_nonzero(x, axis=0), (population.name, number, level)
                        self._ann_inputs[key] = self._ann_inputs.get(key, 0) + found
                    x = linear_map.apply(x) if level < last else x
            values[population.name] = population.activation(rates)
            for source in last_read_by[population.name]:
                del values[source]  # nothing reads it any more

    def add_others(self, ranks: Ranks) -> None:
        """Add what the other ranks have counted."""
        own = (self.done, self._events, self._spikes_only, self._updates, self._ann_inputs)
        for done, events, spikes_only, updates, ann_inputs in ranks.from_others(own):
            self.done += done
            for name, counts in events.items():
                self._events[name] += counts
                self._spikes_only[name] &= spikes_only[name]
            for name, count in updates.items():
                self._updates[name] = self._updates.get(name, 0) + count
            for key, inputs in ann_inputs.items():
                self._ann_inputs[key] = self._ann_inputs.get(key, 0) + inputs

    def result(self) -> Cost:
        """The cost of the examples so far."""
        network = self.network
        maps = [m for p in network.populations for c in p.inputs for m in c.through]
        kernels = _different(m.tensors["kernel"] for m in maps if m.has_kernel)
        elements = sum(kernel.size for kernel in kernels)
        zeros = sum(kernel.size - np.count_nonzero(kernel) for kernel in kernels)
        arrays = [t for m in maps for t in m.tensors.values()]
        arrays += [t for p in network.populations for t in p.neuron.tensors.values()]
        arrays += [p.bias for p in network.populations if p.bias is not None]
        arrays += [t for i in network.inputs for t in i.tensors]
        return Cost(
            network.name,
            self.done,
            self.timesteps,
            sum(array.nbytes for array in _different(arrays)),
            float(zeros / elements) if elements else 0.0,
            (*self._input_rows(), *map(self._row, network.populations)),
        )

    def _input_rows(self) -> Iterator[PopulationCost]:
        for i in self.network.inputs:
            if i.encoding.spikes:
                neurons = prod(i.shape) if isinstance(i.encoding, IntegrateAndFireInput) else 0
                found = self._of_neurons(i.name, neurons, neurons > 0)
                found |= {f.name: 0 for f in fields(PopulationCost) if f.name not in found}
                yield PopulationCost(**found)

    def _row(self, population: Population) -> PopulationCost:
        row: dict[str, Any] = self._of_neurons(population.name, population.size, population.neuron.spikes)
        if population.neuron.few_spike and population.neuron.spikes:
            row["neuron_updates"] *= 2
        # how many times a connection is used in an example
        times = dict.fromkeys(self.network.spiking, self.timesteps)
        times |= {i.name: i.frames for i in self.network.inputs if not i.encoding.spikes}
        acs, macs, dense, ann_macs, ann_effective = 0.0, 0.0, 0.0, 0.0, 0.0
        for number, connection in enumerate(population.inputs):
            events = self._events[connection.source]
            if any(not m.routing for m in connection.through):
                operations = float(connection.paths(events, nonzero=True).sum())
                if self._spikes_only[connection.source]:
                    acs += operations
                else:
                    macs += operations
                dense += times[connection.source] * float(connection.paths(np.ones(events.shape)).sum())
            shape = events.shape
            for level, linear_map in enumerate(connection.through):
                if linear_map.has_kernel and self._has_ann:
                    ann_macs += float(linear_map.paths(np.ones(shape)).sum())
                    inputs = self._ann_inputs[population.name, number, level]
                    ann_effective += float(linear_map.paths(inputs, nonzero=True).sum())
                shape = linear_map.output_shape(shape)
        return PopulationCost(
            **row,
            effective_acs=acs / self.done,
            effective_macs=macs / self.done,
            dense=dense,
            ann_macs=int(ann_macs) if self._has_ann else None,
            ann_effective_macs=ann_effective / self.done if self._has_ann else None,
        )

    def _of_neurons(self, name: str, neurons: int, emit: bool) -> dict[str, Any]:
        """The figures of a population that do not depend on its connections."""
        spikes = float(self._events[name].sum()) if name in self.network.spiking else 0.0
        places = neurons * self.timesteps
        updates = self._updates.get(name) if neurons else 0
        return {
            "name": name,
            "neurons": neurons,
            "spikes": spikes / self.done,
            "activation_sparsity": 1 - spikes / (places * self.done) if emit else None,
            "membrane_updates": None if updates is None else updates / self.done,
            "neuron_updates": places,
        }


def _different(tensors: Iterable[Tensor]) -> list[np.ndarray]:
    """The arrays, each once that several share."""
    return [*{tensor.file or id(tensor): tensor.values for tensor in tensors}.values()]
