"""The plan: everything that the templates print, worked out and formatted. Made by :mod:`tgenn_gen.lower`."""

from __future__ import annotations

from dataclasses import dataclass

from tgenn_gen.neuron_models import NeuronModelPlan
from tgenn_gen.spec import Shape


@dataclass(frozen=True)
class WeightPlan:
    """A weight file, and its key in the scripts' `weights`."""

    key: str
    file: str
    shape: Shape
    sha256: str


@dataclass(frozen=True)
class ConnectionPlan:
    """One input of a population.

    variable         of the current it makes, in Python: "current" where the population has no other input
    numpy            expressions that make it of the source, one for each map
    genn_matrix      GeNN's matrix type: DENSE, SPARSE, or EITHER of SPARSE and TOEPLITZ, as the user
                     chooses; "" where the source is a network input, whose current the host makes
    not_toeplitz     why it is never TOEPLITZ; "" where it can be
    genn_weights     the synapses' weights, as a Python expression
    signed           whether the source's spikes have a sign
    row_build_code       GeNN code of a SPARSE matrix's connectivity, whose kernel has kernel_size weights
    diagonal_build_code  of a TOEPLITZ one's
    sparse_bytes     the memory of a SPARSE matrix
    fan_out          the most synapses a presynaptic neuron has
    delay            axonal delay in latencies, which matches sources of unequal depth
    """

    identifier: str
    source: str
    source_identifier: str
    description: str
    variable: str
    numpy: tuple[str, ...]
    from_input: bool
    genn_matrix: str
    not_toeplitz: str
    genn_weights: str
    signed: bool
    row_build_code: str
    diagonal_build_code: str
    sparse_bytes: int
    kernel_size: int
    fan_out: int
    delay: int


@dataclass(frozen=True)
class PopulationPlan:
    """A population, or an input that spikes.

    activation   what the ANN's activation is in terms of its spikes or V
    depth        the latencies that it is behind the input
    stream       its stream of random numbers, -1 where it draws none
    neurons      the expression that makes its neurons, in reference.py
    variables    the start values of its GeNN variables
    driven       whether the host makes its current of the examples
    last_read    the courses that no later population reads, in reference.py
    """

    name: str
    identifier: str
    shape: Shape
    size: int
    description: str
    activation: str
    depth: int
    stream: int
    bias: str
    neurons: str
    neuron_model: str
    neuron_params: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    spikes: bool
    driven: bool
    last_read: str
    connections: tuple[ConnectionPlan, ...]


@dataclass(frozen=True)
class InputPlan:
    """A network input: the values that its encoding takes, and what makes it in reference.py."""

    name: str
    identifier: str
    shape: Shape
    encoding: str
    uint8_divisor: str
    low: str
    high: str
    binary: bool
    spikes: bool


@dataclass(frozen=True)
class OutputPlan:
    """A population that is read, and its readout (:mod:`tgenn_gen.readouts`)."""

    name: str
    shape: Shape
    scale: str
    start: int
    read: str
    output: str
    spikes: bool


@dataclass(frozen=True)
class Plan:
    """What the templates print.

    populations        the network's, in reference.py
    genn_populations   the same in simulate.py, and before them the inputs that spike
    latency            of a population in steps, as an expression
    step_weights       the function of what a spike of each step stands for
    random             whether anything draws random numbers
    synapses           the connections that are synapses in simulate.py
    max_sparse_bytes   the memory of SPARSE matrices above which a CPU gets TOEPLITZ ones
    data, command_line the source of these modules of :mod:`tgenn_gen.runtime`
    """

    name: str
    identifier: str
    version: str
    document_sha256: str
    dt: str
    timesteps: int
    max_timesteps: int
    latency: str
    delayed: bool
    signed: bool
    inputs: tuple[InputPlan, ...]
    weights: tuple[WeightPlan, ...]
    neuron_models: tuple[NeuronModelPlan, ...]
    populations: tuple[PopulationPlan, ...]
    genn_populations: tuple[PopulationPlan, ...]
    outputs: tuple[OutputPlan, ...]
    step_weights: str
    random: bool
    synapses: tuple[ConnectionPlan, ...]
    max_sparse_bytes: int
    largest_population: int
    spiking: str
    driven: str
    streams: str
    reference_functions: str
    simulate_functions: str
    building: str
    data: str
    command_line: str
