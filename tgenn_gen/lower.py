"""Network to plan: everything that the templates print, worked out and formatted.

Every string in a plan is safe in code: names have passed the document's pattern, identifiers are made
here, numbers are printed by repr, and code comes from ops, neurons and :mod:`tgenn_gen.runtime`.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from tgenn_gen import __version__, genn_code
from tgenn_gen.document import document_hash
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.reshape import Reshape
from tgenn_gen.runtime import command_line, linear_maps, neurons
from tgenn_gen.spec import Connection, LinearMap, Network, Neuron, Population, Shape


@dataclass(frozen=True)
class WeightPlan:
    """A weight file, and its key in the scripts' `weights`."""

    key: str
    file: str
    shape: Shape
    sha256: str


@dataclass(frozen=True)
class NeuronModelPlan:
    """A GeNN neuron model that one or more populations use."""

    identifier: str
    params: tuple[str, ...]
    update: str
    threshold: str
    reset: str
    initial_v: str
    spikes: bool


@dataclass(frozen=True)
class ConnectionPlan:
    """One input of a population.

    numpy            expressions that make `current` of the source, one for each map
    genn_matrix      GeNN's matrix type; "" where the source is a network input, whose current the host makes
    genn_weights     the synapses' weights, as a Python expression
    row_build_code   GeNN code of a SPARSE matrix's connectivity, whose kernel has kernel_size weights
    fan_out          the most synapses a presynaptic neuron has
    delay            axonal delay in steps, which matches sources of unequal depth
    """

    identifier: str
    source: str
    source_identifier: str
    description: str
    numpy: tuple[str, ...]
    from_input: bool
    genn_matrix: str
    genn_weights: str
    row_build_code: str
    kernel_size: int
    fan_out: int
    delay: int


@dataclass(frozen=True)
class PopulationPlan:
    """A population: `depth` is the global step at which its local step 0 is."""

    name: str
    identifier: str
    shape: Shape
    size: int
    description: str
    scale: str
    depth: int
    bias: str
    neuron_python: str
    neuron_model: str
    neuron_params: tuple[tuple[str, str], ...]
    spikes: bool
    driven: bool
    last_read: str
    connections: tuple[ConnectionPlan, ...]


@dataclass(frozen=True)
class OutputPlan:
    """The population that is read, and the GeNN variables that hold its readout and its latched readout."""

    name: str
    classes: int
    scale: str
    variable: str
    latched: str


@dataclass(frozen=True)
class Plan:
    """What the templates print."""

    name: str
    identifier: str
    version: str
    document_sha256: str
    dt: str
    timesteps: int
    input_identifier: str
    input_shape: Shape
    input_encoded: str
    uint8_divisor: str
    weights: tuple[WeightPlan, ...]
    neuron_models: tuple[NeuronModelPlan, ...]
    populations: tuple[PopulationPlan, ...]
    output: OutputPlan
    largest_population: int
    spiking: str
    driven: str
    linear_map_functions: str
    input_map_functions: str
    neuron_functions: str
    batch_size_function: str
    command_line: str


def lower(network: Network) -> Plan:
    """Work out the plan of a valid network."""
    names = [network.inputs[0].name, *(p.name for p in network.populations)]
    identifiers = _identifiers(names)
    models = {_model_name(p.neuron): p.neuron for p in network.populations}
    output = network.population(network.outputs[0].population)
    maps = [m for p in network.populations for c in p.inputs for m in c.through]
    input_maps = [
        m
        for p in network.populations
        for c in p.inputs
        if c.source == network.inputs[0].name
        for m in c.through
    ]
    return Plan(
        name=network.name,
        identifier=_identifiers([network.name])[network.name],
        version=__version__,
        document_sha256=document_hash(network),
        dt=repr(network.simulation.dt),
        timesteps=network.simulation.timesteps,
        input_identifier=identifiers[network.inputs[0].name],
        input_shape=network.inputs[0].shape,
        input_encoded=network.inputs[0].encoding.python("x"),
        uint8_divisor=repr(network.inputs[0].uint8_divisor),
        weights=tuple(
            WeightPlan(_weight_key(file), file, tensor.values.shape, tensor.sha256)
            for file, tensor in sorted(network.tensors.items())
        ),
        neuron_models=tuple(_neuron_model(name, neuron) for name, neuron in models.items()),
        populations=tuple(_populations(network, identifiers)),
        output=OutputPlan(
            name=output.name,
            classes=output.size,
            scale=repr(output.scale),
            variable="spike_count" if output.neuron.spikes else "V",
            latched="last_spike_count" if output.neuron.spikes else "last_V",
        ),
        largest_population=max(p.size for p in network.populations),
        spiking=_python_list(p.name for p in network.populations if p.neuron.spikes),
        driven=_python_list(
            p.name for p in network.populations if any(c.source == network.inputs[0].name for c in p.inputs)
        ),
        linear_map_functions=_functions(linear_maps, _called(maps)),
        input_map_functions=_functions(linear_maps, _called(input_maps)),
        neuron_functions=_functions(neurons, {*(n.kind for n in models.values()), "readout"}),
        batch_size_function=_functions(neurons, {"batch_size_that_fits"}),
        command_line=_body(command_line),
    )


def _populations(network: Network, identifiers: dict[str, str]) -> Iterable[PopulationPlan]:
    depths = network.depths
    shapes = {network.inputs[0].name: network.inputs[0].shape}
    taken: set[str] = set()
    last_reader = {c.source: p.name for p in network.populations for c in p.inputs}
    for population in network.populations:
        connections = []
        for c in population.inputs:
            identifier = _unique(f"{identifiers[c.source]}_to_{identifiers[population.name]}", taken)
            connections.append(_connection(c, identifier, shapes[c.source], identifiers, depths, population))
        shapes[population.name] = population.shape
        updates = population.neuron.genn()
        yield PopulationPlan(
            name=population.name,
            identifier=identifiers[population.name],
            shape=population.shape,
            size=population.size,
            description=f"{' x '.join(map(str, population.shape))} neurons, {population.neuron.describe()}",
            scale=repr(population.scale),
            depth=depths[population.name],
            bias=f'weights["{_weight_key(population.bias.file)}"]' if population.bias is not None else "",
            neuron_python=population.neuron.python("current"),
            neuron_model=_model_name(population.neuron),
            neuron_params=tuple((name, repr(value)) for name, value in updates.params),
            spikes=population.neuron.spikes,
            driven=any(c.from_input for c in connections),
            last_read=", ".join(
                f"{identifiers[source]}_{'course' if source in depths else 'input'}"
                for source in dict.fromkeys(c.source for c in population.inputs)
                if last_reader[source] == population.name
            ),
            connections=tuple(connections),
        )


def _connection(
    connection: Connection,
    identifier: str,
    shape: Shape,
    identifiers: dict[str, str],
    depths: dict[str, int],
    population: Population,
) -> ConnectionPlan:
    source = identifiers[connection.source]
    from_input = connection.source not in depths
    course = f"{source}_input" if from_input else f"{source}_course"
    expressions: list[str] = []
    scatters: list[genn_code.Scatter] = []
    for level, linear_map in enumerate(connection.through):
        weight = "".join(f'weights["{_weight_key(t.file)}"]' for t in linear_map.tensors.values())
        expressions.append(linear_map.python("current" if expressions else course, weight))
        scatters.append(linear_map.scatter(shape, level, weight))
        shape = linear_map.output_shape(shape)
    chain = tuple(scatters)
    matrix = "DENSE" if _is_dense(connection.through) else "SPARSE"
    fan_out = 1
    for scatter in chain:
        fan_out *= scatter.fan_out
    return ConnectionPlan(
        identifier=identifier,
        source=connection.source,
        source_identifier=source,
        description=", ".join(m.describe() for m in connection.through) or "one to one",
        numpy=tuple(expressions) or (course,),
        from_input=from_input,
        genn_matrix="" if from_input else matrix,
        genn_weights=genn_code.kernel_expression(chain),
        row_build_code=genn_code.connectivity_code(chain),
        kernel_size=genn_code.kernel_size(chain),
        fan_out=fan_out,
        delay=0 if from_input else depths[population.name] - depths[connection.source] - 1,
    )


def _is_dense(through: tuple[LinearMap, ...]) -> bool:
    """Whether the chain is one full matrix, which GeNN keeps without indices."""
    rest = [m for m in through if not isinstance(m, Flatten | Reshape)]
    return len(rest) == 1 and isinstance(rest[0], Dense)


def _neuron_model(name: str, neuron: Neuron) -> NeuronModelPlan:
    updates = neuron.genn()
    return NeuronModelPlan(
        identifier=name,
        params=tuple(param for param, _ in updates.params),
        update=updates.update,
        threshold=updates.threshold,
        reset=updates.reset,
        initial_v=updates.initial_v,
        spikes=neuron.spikes,
    )


def _model_name(neuron: Neuron) -> str:
    reset = getattr(neuron, "reset", "")
    return f"{neuron.kind}_{reset}" if reset else neuron.kind


def _weight_key(file: str) -> str:
    """weights/dense.kernel.npy to dense.kernel, other/dense.kernel.npy to ./other/dense.kernel."""
    name = file.removesuffix(".npy")
    return name.removeprefix("weights/") if name.startswith("weights/") else f"./{name}"


def _python_list(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _identifiers(names: list[str]) -> dict[str, str]:
    """{name: an identifier in Python, C++ and GeNN}, all distinct."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if base[0].isdigit() or keyword.iskeyword(base):
            base = f"_{base}"
        found[name] = _unique(base, taken)
    return found


def _unique(base: str, taken: set[str]) -> str:
    """`base`, numbered if it is taken."""
    identifier, number = base, 2
    while identifier in taken:
        identifier, number = f"{base}_{number}", number + 1
    taken.add(identifier)
    return identifier


# Run-time code, copied word for word.


def _called(maps: Iterable[LinearMap]) -> set[str]:
    """The functions of runtime.linear_maps that the maps' expressions call."""
    return {re.match(r"\w+", m.python("x", "w"))[0] for m in maps}  # type: ignore[index]


def _functions(module: ModuleType, names: set[str]) -> str:
    """The source of these functions and of those of the same module that they call, in its order."""
    found = {
        name: f
        for name, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__
    }
    wanted = set(names)
    while True:
        called = {n for w in wanted for n in found[w].__code__.co_names if n in found}
        nested = {
            n
            for w in wanted
            for constant in found[w].__code__.co_consts
            if inspect.iscode(constant)
            for n in constant.co_names
            if n in found
        }
        if called | nested <= wanted:
            break
        wanted |= called | nested
    return "\n\n\n".join(inspect.getsource(f).rstrip() for name, f in found.items() if name in wanted)


def _body(module: ModuleType) -> str:
    """A module's source without its docstring and imports."""
    source = inspect.getsource(module)
    nodes = ast.parse(source).body
    last_import = max(n.end_lineno or 0 for n in nodes if isinstance(n, ast.Import | ast.ImportFrom))
    return "\n".join(source.splitlines()[last_import:]).strip()
