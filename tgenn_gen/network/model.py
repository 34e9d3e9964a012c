"""A network as a value: what the document says, with the weights in it.

Populations stand in topological order. Each has inputs, and an input is a chain of linear maps from
an earlier population or from a network input. Frozen dataclasses; nothing here changes once made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.linear_maps import added


@dataclass(frozen=True)
class Simulation:
    """dt: the time step in ms. timesteps: the steps each example is shown, its presentation time."""

    dt: float = 1.0
    timesteps: int = 16


@dataclass(frozen=True)
class Input:
    """A network input: the shape of one example, and its encoding.

    uint8 data (image intensities 0..255) is divided by `uint8_divisor`; other data is taken as it is.
    data_range: the smallest and the largest value of the calibration data, as the network takes them. It says
    what data is like, and has no meaning for the simulation.
    """

    name: str
    shape: Shape
    encoding: Encoding
    uint8_divisor: float = 255.0
    data_range: tuple[float, float] | None = rarely(None)


@dataclass(frozen=True)
class Connection:
    """A chain of linear maps from the population or input `source`."""

    source: str
    through: tuple[LinearMap, ...] = ()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The chain applied to x (..., *source shape)."""
        for linear_map in self.through:
            x = linear_map.apply(x)
        return x


@dataclass(frozen=True)
class Population:
    """One non-linearity: its neurons and what drives them.

    I[k] = bias + the sum over inputs of chain(spikes of the source at its local step k).
    ANN activation = scale x spikes per step (for integrators: scale x membrane potential / steps); scale is
    one number, or one a channel, shape (channels,).
    bias: one value a channel, shape (channels,), or one a neuron, shape `shape`.
    max_value: where the ANN's activation is clipped (6 for ReLU6); its scale is at most that.
    """

    name: str
    shape: Shape
    neuron: Neuron
    inputs: tuple[Connection, ...]
    scale: float | Tensor = 1.0
    bias: Tensor | None = None
    max_value: float | None = rarely(None)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def scales(self) -> np.ndarray:
        """The scale as an array, float32: shape (1,), or (channels,)."""
        return self.scale.values if isinstance(self.scale, Tensor) else np.array([self.scale], np.float32)

    @property
    def tensors(self) -> list[Tensor]:
        """All its tensors, those that share a file too."""
        own = [t for t in (self.scale, self.bias) if isinstance(t, Tensor)]
        maps = [t for c in self.inputs for m in c.through for t in m.tensors.values()]
        return [*self.neuron.tensors.values(), *own, *maps]

    def current(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """I: bias + chains({source: (..., *shape)}); what float64 sources give is rounded to float32 once."""
        currents = [connection.apply(values[connection.source]) for connection in self.inputs]
        current = currents[0] if len(currents) == 1 else added(*currents)
        current = current if self.bias is None else current + self.bias.values
        return current.astype(np.float32) if current.dtype == np.float64 else current

    def activation(self, current: np.ndarray) -> np.ndarray:
        """The ANN's activation / scale, for a current in units of the one that makes a neuron spike."""
        activation = self.neuron.activation(current)
        return activation if self.max_value is None else np.minimum(activation, self.max_value / self.scales)

    def logits(self, current: np.ndarray) -> np.ndarray:
        """What the ANN's output is read from: the current, which says more below 0 than a ReLU of it."""
        return self.neuron.activation(current) if self.neuron.relays else current


@dataclass(frozen=True)
class Output:
    """A population that is read out (:mod:`tgenn_gen.network.readouts`) from step `start` on."""

    population: str
    readout: str
    start: int = rarely(0)


@dataclass(frozen=True)
class Network:
    """A spiking network: what network.yaml says."""

    name: str
    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    outputs: tuple[Output, ...]
    simulation: Simulation = field(default_factory=Simulation)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spiking_inputs(self) -> list[str]:
        """The names of the inputs whose encoding spikes."""
        return [i.name for i in self.inputs if i.encoding.spikes]

    def population(self, name: str) -> Population:
        """The population of that name. Raises KeyError."""
        return {p.name: p for p in self.populations}[name]

    @property
    def shapes(self) -> dict[str, Shape]:
        """{input or population: its shape}."""
        return {i.name: i.shape for i in self.inputs} | {p.name: p.shape for p in self.populations}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All weights by file."""
        return {t.file: t for p in self.populations for t in p.tensors}

    @property
    def largest(self) -> int:
        """The most elements that an input, or the current of a population, has."""
        currents = [p.neuron.current_shape(p.shape) for p in self.populations]
        return max(int(np.prod(shape)) for shape in (*(i.shape for i in self.inputs), *currents))

    @property
    def last_read_by(self) -> dict[str, list[str]]:
        """{population: its sources that no later population reads}."""
        last = {c.source: p.name for p in self.populations for c in p.inputs}
        sources = {p.name: dict.fromkeys(c.source for c in p.inputs) for p in self.populations}
        return {name: [s for s in read if last[s] == name] for name, read in sources.items()}

    @property
    def spiking(self) -> list[str]:
        """The names of all that spikes: populations, and inputs whose encoding does."""
        return [*self.spiking_inputs, *(p.name for p in self.populations if p.neuron.spikes)]

    @property
    def signed(self) -> list[str]:
        """The names of all whose spikes have a sign: populations and inputs."""
        inputs = [i.name for i in self.inputs if i.encoding.signed]
        return [*inputs, *(p.name for p in self.populations if p.neuron.signed)]

    @property
    def few_spike(self) -> bool:
        """Whether its populations take and emit the few-spike code."""
        return any(p.neuron.few_spike for p in self.populations)

    @property
    def depths(self) -> dict[str, int]:
        """How many populations' latencies each population is behind the input; a spiking input's is 0.

        The latency is 1 step: a spike arrives one step after it is emitted. For few-spike neurons it is all
        the steps of an example: they wait for the last one before they emit the first spike.
        """
        depths = dict.fromkeys(self.spiking_inputs, 0)
        for population in self.populations:
            sources = [depths[c.source] for c in population.inputs if c.source in depths]
            depths[population.name] = 1 + max(sources) if sources else 0
        return depths
