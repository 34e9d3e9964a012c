"""A network as a value: the content of a document, with its weights.

Populations are in topological order. Each has inputs; an input is a chain of linear maps from an earlier
population or from a network input; with a delay also from a later one, or from the population itself. All
classes are frozen dataclasses.

Some methods of Network call functions that need a whole network. These stand above this module, and are
imported when they are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.fields import Shape, by, rarely
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.problems import suggestion
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import example_shape, frames_mean
from tgenn_gen.runtime.linear_maps import added
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.written_files import write_file


@dataclass(frozen=True)
class Simulation:
    """How time is divided into steps.

    Attributes:
        dt: The time step in ms.
        timesteps: How many steps each example is shown: presentation time / `dt`.
        reset: "example": neurons start anew with each example. "never": examples are a stream, and neurons
            keep V from one to the next. Counts and readouts are of each example in both cases.
    """

    dt: float = 1.0
    timesteps: int = 16
    reset: str = rarely("example")


@dataclass(frozen=True)
class Input:
    """A network input: the shape of one example, and its encoding.

    Attributes:
        name: Letters, digits and `_ . -`.
        shape: Of one example, or of one frame of it, channels last.
        frames: How many frames an example has: its data is (frames, *shape), and each frame is shown for
            timesteps / frames steps. 1: data is of that shape.
        encoding: How data become spikes or a current, a frozen dataclass of its parameters.
        uint8_divisor: Divides uint8 data (image intensities 0..255); other data is used as it is.
        data_range: (Smallest, largest) value of the calibration data, after that division. It documents the
            data, and the simulation does not use it.
        offset: Subtracted from the data, after that division and before the encoding: one number, or one for
            each channel, shape (channels,).
    """

    name: str
    shape: Shape
    frames: int = field(default=1, kw_only=True, metadata={"rarely": True})
    encoding: Encoding
    uint8_divisor: float = 255.0
    data_range: tuple[float, float] | None = rarely(None)
    offset: float | Tensor = rarely(0.0)

    @property
    def offsets(self) -> np.ndarray:
        """The offset as an array of float32, shape (1,) or (channels,)."""
        return self.offset.values if isinstance(self.offset, Tensor) else np.array([self.offset], np.float32)

    @property
    def example_shape(self) -> Shape:
        """The shape of an example: (frames, *shape) where it has several frames."""
        return example_shape(self.shape, self.frames)

    @property
    def form(self) -> str:
        """The shape of an example in words, such as 8 frames of 34x34x2."""
        return by(self.shape) if self.frames == 1 else f"{self.frames} frames of {by(self.shape)}"

    @property
    def tensors(self) -> list[Tensor]:
        return [self.offset] if isinstance(self.offset, Tensor) else []

    def presented(self, x: np.ndarray) -> np.ndarray:
        """Values x (..., *shape) less the offset, in their type."""
        return x - self.offsets.astype(x.dtype) if self.offset else x


@dataclass(frozen=True)
class Connection:
    """A chain of linear maps from a population or an input.

    Attributes:
        source: Its name.
        through: The maps, frozen dataclasses of their parameters and weights. A connection without maps is
            one to one.
        delay: In local time steps: at local step k it gives what the source emitted at local step k - delay,
            and nothing before an example or a stream. Recurrent connections need one.
    """

    source: str
    through: tuple[LinearMap, ...] = ()
    delay: int = rarely(0)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Apply the chain to x (..., *source shape). Returns (..., *shape of the last map)."""
        for linear_map in self.through:
            x = linear_map.apply(x)
        return x

    def paths(self, x: np.ndarray, *, nonzero: bool = False) -> np.ndarray:
        """How many paths lead to each output if x (*source shape) lead to each input (LinearMap.paths)."""
        for linear_map in self.through:
            x = linear_map.paths(x, nonzero=nonzero)
        return x

    def synapses(self, shape: Shape) -> int:
        """The number of synapses from a source of this shape: one per path."""
        return int(self.paths(np.ones(shape)).sum(dtype=np.float64))


@dataclass(frozen=True)
class Population:
    """One non-linearity of the ANN: neurons, and the inputs that drive them.

    At local step k the neurons get the current I[k] = bias + the sum over all inputs of chain(spikes that the
    source emits at its own local step k - delay).
    ANN activation = scale x spikes per step (for integrators: scale x membrane potential / steps).

    Attributes:
        name: Letters, digits and `_ . -`.
        shape: Of the neurons, without the batch axis, channels last.
        neuron: Their kind and parameters, a frozen dataclass.
        inputs: What drives them.
        scale: One number, or one for each channel: shape (channels,).
        bias: A current per time step: one for each channel, shape (channels,), or for each neuron, shape
            `shape`.
        max_value: Where the ANN's activation is clipped (6 for ReLU6); no scale is larger.
    """

    name: str
    shape: Shape
    neuron: Neuron
    inputs: tuple[Connection, ...]
    scale: float | Tensor = 1.0
    bias: Tensor | None = None
    max_value: float | None = rarely(None)

    def __repr__(self) -> str:
        sources = ", ".join(c.source for c in self.inputs)
        return f"<Population {self.name}: {by(self.shape)}, {self.neuron.describe()}; from {sources}>"

    @property
    def size(self) -> int:
        """The number of neurons."""
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
        return self.mapped_each([values[connection.source] for connection in self.inputs])

    def mapped_each(self, values: Iterable[np.ndarray]) -> np.ndarray:
        """The same for the values that each input reads, in the order of the inputs."""
        currents = [c.apply(x) for c, x in zip(self.inputs, values, strict=True)]
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
    """An output: a population that is read out.

    Attributes:
        population: Its name.
        readout: How its logits are read: "membrane", "spike_count" and so on.
        start: The local step from which on it is read, from 0.
        activation: The function of the ANN's output, "softmax", "sigmoid" or "tanh", which is applied to the
            logits. None: the output is the logits.
    """

    population: str
    readout: str
    start: int = rarely(0)
    activation: str | None = rarely(None)


@dataclass(frozen=True)
class Drawing:
    """A drawing that a notebook shows.

    Attributes:
        svg: The drawing as text: an SVG image.
    """

    svg: str

    def __repr__(self) -> str:
        return f"<Drawing: SVG of {len(self.svg):,} characters>"

    def _repr_html_(self) -> str:
        return self.svg


@dataclass(frozen=True)
class Network:
    """A spiking network: the content of network.yaml and weights/.

    It cannot be changed: `with_values` makes a network with other values. `network["dense"]` is the
    population or input of that name. In a notebook a network shows itself as a table and a graph.

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

    def __repr__(self) -> str:
        inputs = ", ".join(f"{i.name} {i.form}" for i in self.inputs)
        outputs = ", ".join(f"{o.population} {by(self.shapes.get(o.population, ()))}" for o in self.outputs)
        neurons = sum(p.size for p in self.populations)
        size = f"{len(self.populations)} populations, {neurons:,} neurons"
        steps = f"{self.simulation.timesteps} time steps"
        return f"<Network {self.name}: {inputs} -> {outputs}; {size}, {steps}>"

    def _repr_html_(self) -> str:
        from tgenn_gen.network.summary import summary_html

        return summary_html(self)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_") and name not in _FOR_ENGINES]

    def __getitem__(self, name: str) -> Input | Population:
        """The population or input with this name. KeyError, with a similar name, if it does not exist."""
        every: tuple[Input | Population, ...] = (*self.inputs, *self.populations)
        parts = {part.name: part for part in every}
        if name not in parts:
            raise _missing("input or population", name, parts)
        return parts[name]

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    __iter__ = None  # else Python would call network[0], network[1] and so on

    def _ipython_key_completions_(self) -> list[str]:
        return [*self.shapes]

    def summary(self) -> None:
        """Print a table of the populations, as Keras' `model.summary()` does.

        Each row has the kind and number of neurons, the shape, the sources, the number of synapses and of
        parameters (of kernels and biases), and the scale: the ANN's activation at one spike per time step.
        An input current, which is computed once per example, needs no synapses.
        """
        from tgenn_gen.network.summary import summary_text

        print(summary_text(self))

    def plot(self, *, path: str | Path | None = None) -> Drawing:
        """Draw the graph: inputs, populations, and the linear maps between them.

        Args:
            path: Where to save the drawing, too: a .svg.

        Returns:
            The drawing, which a notebook shows.

        Raises:
            ValueError: The file cannot be written.
        """
        from tgenn_gen.network.graph_drawing import graph_svg

        if path is not None and Path(path).suffix.lower() != ".svg":
            raise RunError(f"{path}: expected a name that ends in .svg", option="path")
        drawing = Drawing(graph_svg(self))
        if path is not None:
            write_file(Path(path), lambda file: file.write(drawing.svg.encode()))
        return drawing

    def with_values(self, values: Mapping[str, Any]) -> Network:
        """A network with other values, such as `{"dense.neuron.threshold": 0.8, "simulation.timesteps": 32}`.

        Args:
            values: `{path: value}`, with the paths of `tgenn set`: the name of an input, population or
                output, or a field of the document, followed by fields and list indices (from 0) between
                dots. A value can be an array where the document names a file: `dense.bias`, `dense.scale`,
                `dense.inputs.0.through.0.kernel`.

        Returns:
            A valid network. This one stays as it is.

        Raises:
            TgennError: T121 there is no such path, T1xx and T2xx the network would be invalid.
        """
        from tgenn_gen.editing.network_values import changed_network

        return changed_network(self, values)

    @property
    def spiking_inputs(self) -> list[str]:
        """The names of the inputs whose encoding emits spikes."""
        return [i.name for i in self.inputs if i.encoding.spikes]

    def population(self, name: str) -> Population:
        """The population with this name. KeyError, with a similar name, if it does not exist."""
        populations = {p.name: p for p in self.populations}
        if name not in populations:
            raise _missing("population", name, populations)
        return populations[name]

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

    def frames_mean(self, examples: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{input: the mean over the frames of its examples, (n, *shape)}, which the ANN takes."""
        return {i.name: frames_mean(examples[i.name], i.frames) for i in self.inputs}

    @property
    def largest(self) -> int:
        """The largest number of elements of an input, or of the current of a population."""
        currents = [p.neuron.current_shape(p.shape) for p in self.populations]
        return max(int(np.prod(shape)) for shape in (*(i.shape for i in self.inputs), *currents))

    @property
    def recurrent(self) -> dict[str, list[str]]:
        """{population: those of its sources that come later, or are the population itself}."""
        found, before = {}, {i.name for i in self.inputs}
        for p in self.populations:
            found[p.name] = [*dict.fromkeys(c.source for c in p.inputs if c.source not in before)]
            before.add(p.name)
        return found

    @property
    def last_read_by(self) -> dict[str, list[str]]:
        """{population: those of its sources before it that no later population reads}."""
        recurrent = self.recurrent
        sources = {
            p.name: dict.fromkeys(c.source for c in p.inputs if c.source not in recurrent[p.name])
            for p in self.populations
        }
        last = {source: name for name, read in sources.items() for source in read}
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

        A spiking input has depth 0. Recurrent connections do not count. One latency is 1 step, because a
        spike arrives one step after it is emitted. For few-spike neurons it is all steps of an example: they
        emit the first spike after the last input.
        """
        depths = dict.fromkeys(self.spiking_inputs, 0)
        for population in self.populations:
            sources = [depths[c.source] for c in population.inputs if c.source in depths]
            depths[population.name] = 1 + max(sources) if sources else 0
        return depths

    def latency(self, timesteps: int | None = None) -> int:
        """Time steps from the first one of an example to the answer of the last output.

        timesteps: for each example; None: those of the network. Examples follow one another every `timesteps`
        steps, whatever the latency is.
        """
        steps = self.simulation.timesteps if timesteps is None else timesteps
        deepest = max(self.depths[output.population] for output in self.outputs)
        return steps + deepest * (steps if self.few_spike else 1)


_FOR_ENGINES = "frames_mean largest last_read_by presented recurrent".split()  # no use to users


def _missing(what: str, name: object, known: Iterable[str]) -> KeyError:
    return KeyError(f"there is no {what} {name!r}; {suggestion(str(name), [*known])}")
