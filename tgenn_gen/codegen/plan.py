"""The plan: everything that the templates print, worked out and formatted.

:mod:`tgenn_gen.codegen.lowering` makes it.

A template prints its fields as they are: each string is a name that has passed the document's pattern, a
description in one line, a literal, or code. `tgenn plan SPEC` shows a network's plan. Lines of Python, here
called lines, stand without the indentation of the place where the built-in template prints them.

PLAN_VERSION goes up when a field goes, gets another name or another meaning, and CHANGELOG.md says which;
a field that is new leaves it as it is. A template of one's own can ask for `plan.plan_version`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tgenn_gen.codegen.neuron_models import NeuronModelPlan
from tgenn_gen.network.fields import Shape

PLAN_VERSION = 2


@dataclass(frozen=True)
class WeightPlan:
    """A weight file.

    identifier   of its values in code
    file         its path beside the document
    shape        of its values, which are float32
    lines        Python that reads it
    """

    identifier: str
    file: str
    shape: Shape
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ConnectionPlan:
    """One input of a population: a chain of linear maps of what its source emits.

    identifier       its name in code
    source           the name of the population or input that it reads
    source_identifier    the same in code
    source_size      how many elements, or neurons, that has
    description      the maps, in a few words
    lines            Python that applies them to what the source emits, in reference.py
    from_input       whether the source is an input that does not spike: the host computes its current
    matrix           GeNN's matrix type: DENSE, SPARSE, or EITHER of SPARSE and TOEPLITZ, as the user
                     chooses; "" where the source is a network input, whose current the host makes
    matrix_python    the same as an expression in simulate.py
    assigned         what simulate.py assigns the synapse population to, "" where it needs no name
    not_toeplitz     why it is never TOEPLITZ; "" where it can be
    kernel           the synapses' weights, an expression in Python and C++ (:mod:`tgenn_gen.runtime.kernels`)
    kernel_name      a name of it in simulate.py
    kernel_line      what assigns that name; "" where it has it already
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
    lines: tuple[str, ...]
    from_input: bool
    matrix: str
    matrix_python: str
    assigned: str
    not_toeplitz: str
    kernel: str
    kernel_name: str
    kernel_line: str
    signed: bool
    row_build_code: str
    diagonal_build_code: str
    sparse_bytes: int
    kernel_size: int
    fan_out: int
    delay: int


@dataclass(frozen=True)
class OutputPlan:
    """How an output population is read (:mod:`tgenn_gen.network.readouts`).

    scale        ANN activation = scale x what is read per step: a literal, or an expression in Python and C++
    start        the steps of an example that the readout leaves out
    variable     of GeNN, which is read after each step; last_<variable> has its last value of an example
    weights      files that the scale is in: none, or one
    function     what makes of it the output, in C++: mean_per_step or earliest
    read         the function of `tgenn_gen.runtime.readout_functions` that gives what is read, in NumPy
    genn_lines   Python that declares it in simulate.py
    numpy_lines  in reference.py
    """

    scale: str
    start: int
    variable: str
    weights: tuple[WeightPlan, ...]
    function: str
    read: str
    genn_lines: tuple[str, ...]
    numpy_lines: tuple[str, ...]


@dataclass(frozen=True)
class PopulationPlan:
    """A population, or an input that spikes.

    name         as the document has it
    identifier   the same in code
    shape        of its neurons
    size         how many they are
    description  its neurons, in a few words
    activation   what the ANN's activation is in terms of its spikes or V; "" for an input
    comments     name, description and activation, in lines
    depth        the latencies that it is behind the input
    stream       its stream of random numbers, -1 where it draws none
    weights      files that its block reads first
    bias         the identifier of its bias, "" where it has none
    neuron_model     the identifier of its GeNN neuron model
    neuron_params    (name, literal) of that model's parameters, but for timesteps and depth
    variables    (name, literal) of its GeNN variables' start values
    tensors      (name, identifier) of those that have one a neuron: the weights that give them
    spikes       whether it does; an integrator has V alone
    counts       the names of its GeNN variables that count spikes, as arguments in C++
    driven       whether the host makes its current of the examples
    driving      the names of the inputs that it makes it of, as arguments in Python
    driving_parameters   the same as parameters of a function
    current_lines    Python that makes this current, in simulate.py
    params_lines     Python of its parameters
    variables_lines  Python of its variables' start values
    neurons_lines    Python that runs it, in reference.py
    last_read    the identifiers that no later population reads, in reference.py, with commas between
    connections  its inputs
    output       how it is read, where it is an output
    """

    name: str
    identifier: str
    shape: Shape
    size: int
    description: str
    activation: str
    comments: tuple[str, ...]
    depth: int
    stream: int
    weights: tuple[WeightPlan, ...]
    bias: str
    neuron_model: str
    neuron_params: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    tensors: tuple[tuple[str, str], ...]
    spikes: bool
    counts: str
    driven: bool
    driving: str
    driving_parameters: str
    current_lines: tuple[str, ...]
    params_lines: tuple[str, ...]
    variables_lines: tuple[str, ...]
    neurons_lines: tuple[str, ...]
    last_read: str
    connections: tuple[ConnectionPlan, ...]
    output: OutputPlan | None


@dataclass(frozen=True)
class InputPlan:
    """A network input.

    name         as the document has it
    identifier   the same in code
    shape        of one example
    spikes       whether its encoding does: it is then in `genn_populations` too
    uint8_divisor    what uint8 data is divided by, a literal
    values_cpp   the smallest and the largest value, and whether 0 and 1 alone, in C++
    data_range   those of the calibration data, literals, () where they are not known
    lines        Python that declares it
    numpy_lines  Python that gives what it emits, in reference.py
    """

    name: str
    identifier: str
    shape: Shape
    spikes: bool
    uint8_divisor: str
    values_cpp: str
    data_range: tuple[str, ...]
    lines: tuple[str, ...]
    numpy_lines: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What the templates print, as `plan`.

    plan_version       PLAN_VERSION
    name               the network's
    identifier         the same in code
    document_sha256    of network.yaml
    dt                 the length of a time step in ms, a literal
    timesteps          the steps that each example is shown, unless the user says otherwise
    few_spike          whether its spikes are those of the few-spike code
    latency            of a population in steps, an expression in C++
    delayed            whether any connection has a delay
    signed             whether any connection's source has spikes with a sign
    inputs             the network's
    neuron_models      the GeNN neuron models; populations share those that are the same
    populations        the network's, in reference.py: each one after those that it reads
    genn_populations   the same in simulate.py and model.cc, and before them the inputs that spike
    outputs            of the populations, those that are read, in the document's order
    random             whether anything draws random numbers
    synapses           the connections that are synapses in simulate.py and model.cc
    sparse_bytes       the memory that synapses take as SPARSE matrices which can be TOEPLITZ
    largest_population  the most elements that an input, or the current of a population, has
    genn_imports, numpy_imports   lines that import NumPy, where it is used, and of the runtime what is
    genn_lines, numpy_lines       Python that makes the network in both
    """

    plan_version: int
    name: str
    identifier: str
    document_sha256: str
    dt: str
    timesteps: int
    few_spike: bool
    latency: str
    delayed: bool
    signed: bool
    inputs: tuple[InputPlan, ...]
    neuron_models: tuple[NeuronModelPlan, ...]
    populations: tuple[PopulationPlan, ...]
    genn_populations: tuple[PopulationPlan, ...]
    outputs: tuple[PopulationPlan, ...]
    random: bool
    synapses: tuple[ConnectionPlan, ...]
    sparse_bytes: int
    largest_population: int
    genn_imports: tuple[str, ...]
    numpy_imports: tuple[str, ...]
    genn_lines: tuple[str, ...]
    numpy_lines: tuple[str, ...]


CLASSES = (Plan, InputPlan, WeightPlan, NeuronModelPlan, PopulationPlan, ConnectionPlan, OutputPlan)
