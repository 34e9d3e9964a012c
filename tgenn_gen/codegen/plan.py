"""The plan: everything that the templates print, worked out and formatted.

:mod:`tgenn_gen.codegen.lowering` makes it.

A template prints its fields as they are: each string is a name that has passed the document's pattern, a
description in one line, a literal, or code of this package's. `tgenn plan SPEC` shows a network's plan.

PLAN_VERSION goes up when a field goes, gets another name or another meaning, and CHANGELOG.md says which;
a field that is new leaves it as it is. A template of one's own can ask for `plan.plan_version`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tgenn_gen.codegen.neuron_models import NeuronModelPlan
from tgenn_gen.network.fields import Shape

PLAN_VERSION = 1


@dataclass(frozen=True)
class WeightPlan:
    """A weight file.

    key      of its values in the scripts' `weights`: weights/dense.kernel.npy has dense.kernel
    file     its path beside the document
    shape    of its values, which are float32
    sha256   of the file
    """

    key: str
    file: str
    shape: Shape
    sha256: str


@dataclass(frozen=True)
class ConnectionPlan:
    """One input of a population: a chain of linear maps of what its source emits.

    identifier       its name in code
    source           the name of the population or input that it reads
    source_identifier    the same in code
    source_size      how many elements, or neurons, that has
    description      the maps, in a few words
    variable         of the current it makes, in Python: "current" where the population has no other input
    numpy            expressions that make it of the source, one for each map; the first one reads
                     <source_identifier>_course, and each other one `variable`
    from_input       whether the source is an input that does not spike: the host computes its current
    genn_matrix      GeNN's matrix type: DENSE, SPARSE, or EITHER of SPARSE and TOEPLITZ, as the user
                     chooses; "" where the source is a network input, whose current the host makes
    not_toeplitz     why it is never TOEPLITZ; "" where it can be
    kernel           the synapses' weights, an expression in Python and C++ (:mod:`tgenn_gen.runtime.kernels`)
    signed           whether the source's spikes have a sign
    row_build_code       GeNN code of a SPARSE matrix's connectivity
    diagonal_build_code  of a TOEPLITZ one's
    sparse_bytes     the memory of a SPARSE matrix
    kernel_size      the number of different weights, over which the GeNN code's kernel index runs
    fan_out          the most synapses a presynaptic neuron has
    delay            axonal delay in latencies, which matches sources of unequal depth
    """

    identifier: str
    source: str
    source_identifier: str
    source_size: int
    description: str
    variable: str
    numpy: tuple[str, ...]
    from_input: bool
    genn_matrix: str
    not_toeplitz: str
    kernel: str
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

    name         as the document has it
    identifier   the same in code
    shape        of its neurons
    size         how many they are
    description  its neurons, in a few words
    activation   what the ANN's activation is in terms of its spikes or V; "" for an input
    depth        the latencies that it is behind the input
    stream       its stream of random numbers, -1 where it draws none
    bias         an expression of its bias, in Python and C++; "" where it has none
    neurons      the expression that makes its neurons, in reference.py; "" for an input
    neuron_model     the identifier of its GeNN neuron model
    neuron_params    (name, literal) of that model's parameters, but for timesteps and phase
    variables    (name, literal) of its GeNN variables' start values
    tensors      (name, expression) of those that have one a neuron: the weights that give them
    spikes       whether it does; an integrator has V alone
    driven       whether the host makes its current of the examples
    last_read    the courses that no later population reads, in reference.py: their names, with commas between
    connections  its inputs
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
    tensors: tuple[tuple[str, str], ...]
    spikes: bool
    driven: bool
    last_read: str
    connections: tuple[ConnectionPlan, ...]


@dataclass(frozen=True)
class InputPlan:
    """A network input.

    name         as the document has it
    identifier   the same in code
    shape        of one example
    encoding     the expression that makes it current or spikes, in reference.py
    uint8_divisor    what uint8 data is divided by, a literal
    values, values_cpp   the smallest and the largest value, and whether 0 and 1 alone, in Python and in C++
    spikes       whether its encoding does: it is then in `genn_populations` too
    """

    name: str
    identifier: str
    shape: Shape
    encoding: str
    uint8_divisor: str
    values: str
    values_cpp: str
    spikes: bool


@dataclass(frozen=True)
class OutputPlan:
    """A population that is read, and its readout (:mod:`tgenn_gen.network.readouts`).

    name     the population's
    shape    the population's
    scale    ANN activation = scale x what is read per step: a literal, or an expression in Python and C++
    start    the steps of an example that the readout leaves out
    read     the function of `tgenn_gen.runtime.readout_functions` that gives what is read after each step
    output   the one that makes of it the output, in Python and C++
    spikes   whether the population does
    """

    name: str
    shape: Shape
    scale: str
    start: int
    read: str
    output: str
    spikes: bool


@dataclass(frozen=True)
class Plan:
    """What the templates print, as `plan`.

    plan_version       PLAN_VERSION
    name               the network's
    identifier         the same in code
    version            of tgenn_gen
    document_sha256    of the document in its canonical form, and with it of all weights
    dt                 the length of a time step in ms, a literal
    timesteps          the steps that each example is shown, unless the user says otherwise
    max_timesteps      the most that the user can choose
    latency            of a population in steps, as an expression of `timesteps`
    delayed            whether any connection has a delay
    signed             whether any connection's source has spikes with a sign
    inputs             the network's
    weights            all weight files, by path
    neuron_models      the GeNN neuron models; populations share those that are the same
    populations        the network's, in reference.py: each one after those that it reads
    genn_populations   the same in simulate.py and model.cc, and before them the inputs that spike
    outputs            the populations that are read
    step_weights       the function of what a spike of each step stands for, in Python and C++
    random             whether anything draws random numbers
    synapses           the connections that are synapses in simulate.py and model.cc
    max_sparse_bytes   the memory of SPARSE matrices above which a CPU gets TOEPLITZ ones
    largest_population  the most elements that an input, or the current of a population, has
    spiking            the names of all that spikes, a Python list
    driven             the names of the populations whose current the host makes of examples, a Python list
    streams            {name: stream} of the populations that draw random numbers, a Python dict
    reference_functions    the source of what reference.py uses of :mod:`tgenn_gen.runtime`
    simulate_functions     of what simulate.py uses
    building, data, command_line   the source of these modules of :mod:`tgenn_gen.runtime`
    """

    plan_version: int
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


CLASSES = (Plan, InputPlan, WeightPlan, NeuronModelPlan, PopulationPlan, ConnectionPlan, OutputPlan)
