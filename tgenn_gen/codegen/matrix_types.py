"""How GeNN stores the synapses of a chain of linear maps, and the memory that they take.

A full matrix is DENSE. Everything else is SPARSE: each synapse with its weight and its postsynaptic neuron.
Where synapses share weights, they can also be TOEPLITZ: GeNN stores only the kernel, and computes a neuron's
synapses whenever it spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tgenn_gen.network import genn_code
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.genn_code import Scatter
from tgenn_gen.network.model import Connection
from tgenn_gen.network.ops.shared.mixing import Mixing

WEIGHT_BYTES = 4
SPARSE_SYNAPSE_BYTES = 8  # a weight and the postsynaptic neuron's index


@dataclass(frozen=True)
class Connectivity:
    """How GeNN can store the synapses of a connection.

    neurons    the number of presynaptic neurons
    scatters   of the chain
    dense      whether the synapses are a full matrix
    """

    neurons: int
    scatters: tuple[Scatter, ...]
    dense: bool

    @property
    def fan_out(self) -> int:
        """The largest number of synapses of a presynaptic neuron."""
        return genn_code.fan_out(self.scatters)

    @property
    def matrix(self) -> str:
        """GeNN's matrix type: DENSE, SPARSE, or EITHER of SPARSE and TOEPLITZ."""
        if self.dense:
            return "DENSE"
        return "SPARSE" if self.toeplitz_obstacle else "EITHER"

    @property
    def toeplitz_obstacle(self) -> str:
        """Why the synapses cannot be TOEPLITZ; "" if they can."""
        if self.dense:
            return "a full matrix"
        if self.fan_out == 1:
            return "one synapse a neuron"
        if self.kernel_size >= self.neurons * self.fan_out:
            return "no two synapses share a weight"
        return ""

    @property
    def kernel_size(self) -> int:
        """The number of different weights."""
        return genn_code.kernel_size(self.scatters)

    @property
    def sparse_bytes(self) -> int:
        """The memory of SPARSE synapses: GeNN makes all rows as long as the longest one."""
        return self.neurons * self.fan_out * (WEIGHT_BYTES if self.dense else SPARSE_SYNAPSE_BYTES)

    @property
    def toeplitz_bytes(self) -> int:
        """The memory of the synapses if they are TOEPLITZ where that is possible."""
        return self.sparse_bytes if self.toeplitz_obstacle else self.kernel_size * WEIGHT_BYTES


def connectivity(
    connection: Connection, shape: Shape, weights: tuple[str, ...], fan_in: tuple[Scatter, ...]
) -> Connectivity:
    """The connectivity of a connection from a population of this shape to neurons with this fan_in.

    weights: the tensors of its maps, as expressions in code.
    """
    neurons, scatters = prod(shape), []
    for level, (linear_map, weight) in enumerate(zip(connection.through, weights, strict=True)):
        scatters.append(linear_map.scatter(shape, level, weight))
        shape = linear_map.output_shape(shape)
    dense = not fan_in and _is_full_matrix(connection, neurons * prod(shape))
    return Connectivity(neurons, (*scatters, *fan_in), dense)


def _is_full_matrix(connection: Connection, elements: int) -> bool:
    """Whether a chain is one kernel with a weight for each of `elements` pairs of neurons."""
    rest = [m for m in connection.through if not m.in_order]
    if len(rest) != 1 or not isinstance(rest[0], Mixing):
        return False
    return rest[0].pointwise and rest[0].kernel.values.size == elements


def synapses(connection: Connection, shape: Shape) -> int:
    """The number of synapses of a connection from a population of this shape: one per path."""
    return int(connection.paths(np.ones(shape)).sum(dtype=np.float64))
