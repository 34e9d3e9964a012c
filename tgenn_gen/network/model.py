"""A network as a value: the content of a document, with its weights.

Populations are in topological order. Each has inputs; an input is a chain of linear maps from an earlier
population or from a network input. All classes are frozen dataclasses.
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
    """dt: the time step in ms. timesteps: how many steps each example is shown; presentation time / dt."""

    dt: float = 1.0
    timesteps: int = 16


@dataclass(frozen=True)
class Input:
    """A network input: the shape of one example, and its encoding.

    shape           without the batch axis, channels last
    uint8_divisor   divides uint8 data (image intensities 0..255); other data is used as it is
    data_range      (smallest, largest) value of the calibration data, after that division; it documents the
                    data, and the simulation does not use it
    offset          subtracted from the data, after that division and before the encoding: one number, or one
                    for each channel, shape (channels,)
    """

    name: str
    shape: Shape
    encoding: Encoding
    uint8_divisor: float = 255.0
    data_range: tuple[float, float] | None = rarely(None)
    offset: float | Tensor = rarely(0.0)

    @property
    def offsets(self) -> np.ndarray:
        """The offset as an array of float32, shape (1,) or (channels,)."""
        return self.offset.values if isinstance(self.offset, Tensor) else np.array([self.offset], np.float32)

    @property
    def tensors(self) -> list[Tensor]:
        return [self.offset] if isinstance(self.offset, Tensor) else []

    def presented(self, x: np.ndarray) -> np.ndarray:
        """Examples x (..., *shape) as the ANN takes them, less the offset, in their type."""
        return x - self.offsets.astype(x.dtype) if self.offset else x


@dataclass(frozen=True)
class Connection:
    """A chain of linear maps from the population or input `source`."""

    source: str
    through: tuple[LinearMap, ...] = ()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Apply the chain to x (..., *source shape). Returns (..., *shape of the last map)."""
        for linear_map in self.through:
            x = linear_map.apply(x)
        return x

    def paths(self, x: np.ndarray, *, nonzero: bool = False) -> np.ndarray:
        """How many paths lead to each output if x (*source shape) paths lead to each input, as `LinearMap.paths`."""
        for linear_map in self.through:
            x = linear_map.paths(x, nonzero=nonzero)
        return x


@dataclass(frozen=True)
class Population:
    """One non-linearity of the ANN: neurons, and the inputs that drive them.

    At local step k the neurons get the current I[k] = bias + the sum over all inputs of chain(spikes that the
    source emits at its own local step k).
    ANN activation = scale x spikes per step (for integrators: scale x membrane potential / steps).

    shape       of the neurons, without the batch axis, channels last
    scale       one number, or one for each channel: shape (channels,)
    bias        one for each channel: shape (channels,), or for each neuron: shape `shape`; per time step
    max_value   where the ANN's activation is clipped (6 for ReLU6); no scale is larger
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
        """The scale as an array of float32, shape (1,) or (channels,)."""
        return self.scale.values if isinstance(self.scale, Tensor) else np.array([self.scale], np.float32)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors of the population; tensors that share a file occur several times."""
        own = [t for t in (self.scale, self.bias) if isinstance(t, Tensor)]
        maps = [t for c in self.inputs for m in c.through for t in m.tensors.values()]
        return [*self.neuron.tensors.values(), *own, *maps]

    def mapped(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The sum of all chains for values {source: (..., *shape)}: the current without the bias."""
        currents = [connection.apply(values[connection.source]) for connection in self.inputs]
        return currents[0] if len(currents) == 1 else added(*currents)

    def current(self, values: Mapping[str, np.ndarray], steps: float = 1.0) -> np.ndarray:
        """The current I for values {source: (..., *shape)}; float64 is rounded to float32 at the end.

        steps: over how many steps the values are summed, and so the current.
        """
        current = self.mapped(values)
        if self.bias is not None:
            current = current + (self.bias.values if steps == 1 else self.bias.values * np.float32(steps))
        return current.astype(np.float32) if current.dtype == np.float64 else current

    def activation(self, current: np.ndarray) -> np.ndarray:
        """The ANN's activation / scale, for a current in units of `Neuron.unit`."""
        activation = self.neuron.activation(current)
        return activation if self.max_value is None else np.minimum(activation, self.max_value / self.scales)

    def logits(self, current: np.ndarray) -> np.ndarray:
        """The values of the ANN's output: the current itself, since a ReLU loses negative values."""
        return self.neuron.activation(current) if self.neuron.relays else current


@dataclass(frozen=True)
class Output:
    """An output: a population, and how it is read out from local step `start` on (network.readouts).

    activation: the function of the ANN's output, "softmax", "sigmoid" or "tanh", which is applied to the
    logits that the readout gives; None: the output is the logits.
    """

    population: str
    readout: str
    start: int = rarely(0)
    activation: str | None = rarely(None)


@dataclass(frozen=True)
class Network:
    """A spiking network: the content of network.yaml and weights/.

    It cannot be changed; `dataclasses.replace` makes a network with other values.

    Attributes:
        name: Letters, digits and `_ . -`.
        inputs: What is presented: name, shape and encoding of each input.
        populations: Neurons with their connections, in topological order.
        outputs: The populations that are read out, and how.
        simulation: `dt`, the time step in ms, and `timesteps`, the steps for each example.
        provenance: Notes on where the network comes from. They do not affect the simulation.
    """

    name: str
    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    outputs: tuple[Output, ...]
    simulation: Simulation = field(default_factory=Simulation)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spiking_inputs(self) -> list[str]:
        """The names of the inputs whose encoding emits spikes."""
        return [i.name for i in self.inputs if i.encoding.spikes]

    def population(self, name: str) -> Population:
        """The population with this name. KeyError if it does not exist."""
        return {p.name: p for p in self.populations}[name]

    @property
    def shapes(self) -> dict[str, Shape]:
        """`{input or population: its shape}`, without the batch axis, channels last."""
        return {i.name: i.shape for i in self.inputs} | {p.name: p.shape for p in self.populations}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """`{file: tensor}` of all weights."""
        tensors = [t for i in self.inputs for t in i.tensors]
        return {t.file: t for t in (*tensors, *(t for p in self.populations for t in p.tensors))}

    def presented(self, examples: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{input: examples less its offset}, from examples as the ANN takes them."""
        return {i.name: i.presented(examples[i.name]) for i in self.inputs}

    @property
    def largest(self) -> int:
        """The largest number of elements of an input, or of the current of a population."""
        currents = [p.neuron.current_shape(p.shape) for p in self.populations]
        return max(int(np.prod(shape)) for shape in (*(i.shape for i in self.inputs), *currents))

    @property
    def last_read_by(self) -> dict[str, list[str]]:
        """{population: those of its sources that no later population reads}."""
        last = {c.source: p.name for p in self.populations for c in p.inputs}
        sources = {p.name: dict.fromkeys(c.source for c in p.inputs) for p in self.populations}
        return {name: [s for s in read if last[s] == name] for name, read in sources.items()}

    @property
    def spiking(self) -> list[str]:
        """The names of the inputs and populations that emit spikes."""
        return [*self.spiking_inputs, *(p.name for p in self.populations if p.neuron.spikes)]

    @property
    def signed(self) -> list[str]:
        """The names of the inputs and populations that emit signed spikes."""
        inputs = [i.name for i in self.inputs if i.encoding.signed]
        return [*inputs, *(p.name for p in self.populations if p.neuron.signed)]

    @property
    def few_spike(self) -> bool:
        """Whether the populations use the few-spike code."""
        return any(p.neuron.few_spike for p in self.populations)

    @property
    def depths(self) -> dict[str, int]:
        """`{input or population: its depth}`, the number of latencies between the input and it.

        A spiking input has depth 0. One latency is 1 step, because a spike arrives one step after it is
        emitted. For few-spike neurons it is all steps of an example: they emit the first spike after the last
        input.
        """
        depths = dict.fromkeys(self.spiking_inputs, 0)
        for population in self.populations:
            sources = [depths[c.source] for c in population.inputs if c.source in depths]
            depths[population.name] = 1 + max(sources) if sources else 0
        return depths
