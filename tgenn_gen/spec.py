"""A network as a value: what the document says, with the weights in it.

Populations stand in topological order. Each has inputs, and an input is a chain of linear maps from
an earlier population or from a network input. Frozen dataclasses; nothing here changes once made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tgenn_gen.genn_code import Scatter, Updates
from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.tensors import Tensor

Shape = tuple[int, ...]

FORMAT = "tgenn/1"


class ShapeError(ValueError):
    """A map does not fit the shape it is given; the message says how."""


class UnsupportedError(ValueError):
    """A Keras layer that cannot be converted: pairs of what is wrong and what to do."""

    def __init__(self, *reasons: tuple[str, str]) -> None:
        super().__init__("; ".join(message for message, _ in reasons))
        self.reasons = reasons


class LinearMap(ABC):
    """One linear map of a chain (module :mod:`tgenn_gen.ops`): a frozen dataclass of its parameters."""

    op: ClassVar[str]
    keras_layer: ClassVar[str] = ""  # the Keras class that it is made of, if there is one
    keras_reads: ClassVar[frozenset[str]] = frozenset()  # the attributes of it that from_keras reads

    @classmethod
    def from_keras(cls, layer: KerasLayer, shape: Shape) -> LinearMap:
        """The map that a Keras layer on an input of `shape` is; without its bias and activation.

        Raises UnsupportedError with what is wrong and what to do.
        """
        raise NotImplementedError

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape it makes of `shape`. Raises ShapeError where it does not fit."""

    @abstractmethod
    def apply(self, x: np.ndarray) -> np.ndarray:
        """Map x (..., *shape) to (..., *output_shape(shape))."""

    @abstractmethod
    def python(self, x: str, weight: str) -> str:
        """The Python expression that applies it to the expression `x`, in a generated script.

        `weight` is the expression of the map's own tensor, "" where it has none.
        """

    @abstractmethod
    def scatter(self, shape: Shape, level: int, weight: str) -> Scatter:
        """GeNN code that runs over the outputs of one input element (:mod:`tgenn_gen.genn_code`)."""

    @abstractmethod
    def describe(self) -> str:
        """A few words for comments and tables, such as "conv2d 5x5 same"."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Its tensors by field name."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}


class Neuron(ABC):
    """What a population's neurons do (module :mod:`tgenn_gen.neurons`)."""

    kind: ClassVar[str]
    spikes: ClassVar[bool]
    readout: ClassVar[str]  # the one readout it offers

    @abstractmethod
    def run(self, current: np.ndarray, timesteps: int) -> np.ndarray:
        """Run on current (timesteps or 1, batch, ...): spikes (bool), or membrane potentials (float32)."""

    @abstractmethod
    def python(self, current: str) -> str:
        """The Python expression that runs it, in reference.py."""

    @abstractmethod
    def genn(self) -> Updates:
        """The same in GeNN code (:mod:`tgenn_gen.genn_code`)."""

    @abstractmethod
    def describe(self) -> str:
        """A few words for comments and tables."""


class Encoding(ABC):
    """How a network input becomes current or spikes (module :mod:`tgenn_gen.encodings`)."""

    kind: ClassVar[str]

    @abstractmethod
    def encode(self, x: np.ndarray, timesteps: int) -> np.ndarray:
        """Examples x (batch, *shape) as (timesteps or 1, batch, *shape)."""

    @abstractmethod
    def python(self, x: str) -> str:
        """The same as a Python expression, in reference.py."""


@dataclass(frozen=True)
class Simulation:
    """dt: the time step in ms. timesteps: the steps each example is shown, its presentation time."""

    dt: float = 1.0
    timesteps: int = 16


@dataclass(frozen=True)
class Input:
    """A network input: the shape of one example, and its encoding.

    uint8 data (image intensities 0..255) is divided by `uint8_divisor`; other data is taken as it is.
    """

    name: str
    shape: Shape
    encoding: Encoding
    uint8_divisor: float = 255.0


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
    ANN activation = scale x spikes per step (for integrators: scale x membrane potential / steps).
    bias: one value a channel, shape (channels,), or one a neuron, shape `shape`.
    """

    name: str
    shape: Shape
    neuron: Neuron
    inputs: tuple[Connection, ...]
    scale: float = 1.0
    bias: Tensor | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def current(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """I: the bias and the chains applied to the sources' values, {source: (..., *shape)}."""
        first, *rest = self.inputs
        current = first.apply(values[first.source])
        for connection in rest:
            current = current + connection.apply(values[connection.source])
        return current if self.bias is None else current + self.bias.values


@dataclass(frozen=True)
class Output:
    """A population that is read out: "membrane" (integrators) or "spike_count" (spiking neurons)."""

    population: str
    readout: str


@dataclass(frozen=True)
class Network:
    """A spiking network: what network.yaml says."""

    name: str
    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    outputs: tuple[Output, ...]
    simulation: Simulation = field(default_factory=Simulation)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def population(self, name: str) -> Population:
        """The population of that name. Raises KeyError."""
        return {p.name: p for p in self.populations}[name]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All weights by file."""
        found: dict[str, Tensor] = {}
        for population in self.populations:
            for connection in population.inputs:
                for linear_map in connection.through:
                    found.update({t.file: t for t in linear_map.tensors.values()})
            if population.bias is not None:
                found[population.bias.file] = population.bias
        return found

    @property
    def depths(self) -> dict[str, int]:
        """Each population's depth: the global step at which its local step 0 is.

        A spike arrives one step after it is emitted, so a population is one deeper than its deepest source.
        """
        depths: dict[str, int] = {}
        for population in self.populations:
            sources = [depths[c.source] for c in population.inputs if c.source in depths]
            depths[population.name] = 1 + max(sources) if sources else 0
        return depths

    @staticmethod
    def load(path: str | Path) -> Network:
        """Read a network.yaml (or the folder it is in) and its weights. Raises TgennError."""
        from tgenn_gen.document import load

        return load(Path(path))

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write network.yaml and weights/ into `folder`, new or empty unless `force`. Raises TgennError."""
        from tgenn_gen.document import document_files
        from tgenn_gen.writer import write_folder

        write_folder(Path(folder), document_files(self), force=force)
