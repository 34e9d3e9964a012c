"""The plan: all values that the templates print. :mod:`tgenn_gen.codegen.lowering` computes it.

Templates print the fields without changing them: each string is a valid name, a description of one line, a
literal, or code. `tgenn plan SPEC` shows the plan of a network. Fields called lines are lines of Python,
without the indentation of the place where the built-in template prints them.

PLAN_VERSION goes up when a field is removed, renamed or gets another meaning; CHANGELOG.md says which. A new
field does not change it. Templates can check `plan.plan_version`.
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
    source_size      the number of elements, or neurons, of the source
    description      the maps, in a few words
    lines            Python that applies the maps to what the source emits, in reference.py
    from_input       whether the source is an input that does not spike: the host computes its current
    computed_per     example, or frame where the input has several: for each of them once
    matrix           GeNN's matrix type: DENSE, SPARSE, or EITHER of SPARSE and TOEPLITZ, as the user
                     chooses; "" for an input whose current the host computes
    matrix_python    the same as an expression in simulate.py
    assigned         "NAME = " where simulate.py needs a name for the synapse population; else ""
    not_toeplitz     why the synapses cannot be TOEPLITZ; "" if they can
    kernel           the synapses' weights, an expression in Python and C++ (:mod:`tgenn_gen.runtime.kernels`)
    kernel_name      its name in simulate.py
    kernel_line      the line that assigns that name; "" if the name exists already
    signed           whether the source's spikes have a sign
    row_build_code       GeNN code of the connectivity of a SPARSE matrix
    diagonal_build_code  the same of a TOEPLITZ matrix
    sparse_bytes     the memory of a SPARSE matrix in bytes
    kernel_size      the number of different weights, over which the GeNN code's kernel index runs
    fan_out          the largest number of synapses of a presynaptic neuron
    delay            axonal delay, in units of the latency, so that sources of unequal depth arrive together,
                     and `late` steps later
    late             the delay that the document gives it, in local steps
    direction        where it leads, in a few words: "from" its source, or "back to" its target
    target_identifier    the name in code of the population that it leads to
    target_depth     the depth of that population
    """

    identifier: str
    source: str
    source_identifier: str
    source_size: int
    description: str
    lines: tuple[str, ...]
    from_input: bool
    computed_per: str
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
    late: int
    direction: str
    target_identifier: str
    target_depth: int


@dataclass(frozen=True)
class OutputPlan:
    """How an output population is read (:mod:`tgenn_gen.network.readouts`).

    scale        ANN activation = scale x what is read per step: a literal, or an expression in Python and C++
    start        the first step of an example that the readout uses
    variable     the GeNN variable to read after each step; last_<variable> has its value at the end of an
                 example
    activation   the function of the ANN's output, softmax, sigmoid or tanh; "" for none
    weights      the file of the scale, if it has one
    function     the C++ function that computes the logits from it: mean_per_step or earliest
    read         the function of `tgenn_gen.runtime.readout_functions` that gives what is read, in NumPy
    genn_lines   Python that declares it in simulate.py
    numpy_lines  in reference.py
    """

    scale: str
    start: int
    variable: str
    activation: str
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
    size         the number of neurons
    description  its neurons, in a few words
    activation   the ANN's activation as a function of its spikes or V; "" for an input
    comments     name, description and activation, in lines
    depth        the number of synapses between the input and it: it starts so many latencies later
    stream       the index of its random numbers; -1 if it draws none
    weights      files that its block reads first
    bias         the identifier of its bias; "" without a bias
    neuron_model     the identifier of its GeNN neuron model
    neuron_params    (name, literal) of the parameters of that model, without timesteps and depth
    variables    (name, literal) of the start values of its GeNN variables
    tensors      (name, identifier of the weights) of the variables that have one start value per neuron
    spikes       whether it spikes; integrators do not
    counts       the names of its GeNN variables that count spikes, as arguments in C++
    driven       whether the host computes its input current from the examples
    driving      the names of the inputs of this current, as arguments in Python
    driving_parameters   the same as parameters of a function
    current_lines    Python that computes this current, in simulate.py
    params_lines     Python of its parameters
    variables_lines  Python of the start values of its variables
    neurons_lines    Python that simulates it, in reference.py
    last_read    the variables that no later population reads, in reference.py, separated by commas
    connections  its inputs
    made_here    the connections that its block makes in simulate.py and model.cc: its inputs but for those
                 from later populations, and what it sends back to earlier ones
    output       how it is read; None if it is not an output
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
    made_here: tuple[ConnectionPlan, ...]
    output: OutputPlan | None


@dataclass(frozen=True)
class InputPlan:
    """A network input.

    name         as the document has it
    identifier   the same in code
    shape        of one example, or of one frame of it
    frames       how many frames an example has
    spikes       whether its encoding spikes: then it is in `genn_populations` too
    uint8_divisor    what uint8 data is divided by, a literal
    values_cpp   the smallest and the largest allowed value, and whether only 0 and 1 are allowed, in C++
    data_range   the smallest and the largest value of the calibration data, literals; () if unknown
    offset_cpp   what is subtracted from the data, in C++; "" if nothing is
    lines        Python that declares it
    numpy_lines  Python that computes what it emits, in reference.py
    """

    name: str
    identifier: str
    shape: Shape
    frames: int
    spikes: bool
    uint8_divisor: str
    values_cpp: str
    data_range: tuple[str, ...]
    offset_cpp: str
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
    timesteps          the default number of time steps per example
    reset              when neurons start anew: example or never
    few_spike          whether its spikes are in the few-spike code
    latency            time steps from the input of a population to its spikes, an expression in C++
    delayed            whether any connection has a delay
    signed             whether any connection without `late` has a source whose spikes have a sign
    late               for each model of synapses with `late` that it needs: whether spikes have a sign
    longest_part       the most time steps that reference.py simulates at a time
    inputs             the network inputs
    neuron_models      the GeNN neuron models; populations with the same code share one
    populations        the populations of reference.py, each one after its sources
    genn_populations   the populations of simulate.py and model.cc: inputs that spike, then `populations`
    outputs            the populations that are read, in the document's order
    random             whether any population draws random numbers
    synapses           the connections that are synapses in simulate.py and model.cc
    sparse_bytes       memory of the synapses that can be TOEPLITZ, if they are SPARSE
    largest_population  the largest number of elements of an input or of the current of a population
    genn_imports, numpy_imports   the lines with the imports of simulate.py and reference.py
    genn_lines, numpy_lines       Python that makes the network in simulate.py and reference.py
    """

    plan_version: int
    name: str
    identifier: str
    document_sha256: str
    dt: str
    timesteps: int
    reset: str
    few_spike: bool
    latency: str
    delayed: bool
    signed: bool
    late: tuple[bool, ...]
    longest_part: int
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
