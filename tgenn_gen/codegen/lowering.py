"""Network to plan: everything that the templates print, worked out and formatted.

Every string in a plan is safe in code: names have passed the document's pattern, identifiers are made
here, numbers are printed by repr, and code comes from ops, neurons and :mod:`tgenn_gen.runtime`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite, prod
from types import ModuleType
from typing import Any

from tgenn_gen.codegen.identifiers import identifiers_of, unique
from tgenn_gen.codegen.matrix_types import MAX_SPARSE_BYTES, connectivity
from tgenn_gen.codegen.neuron_models import NeuronModelPlan, neuron_model
from tgenn_gen.codegen.plan import (
    PLAN_VERSION,
    ConnectionPlan,
    InputPlan,
    OutputPlan,
    Plan,
    PopulationPlan,
    WeightPlan,
)
from tgenn_gen.codegen.runtime_text import body, definitions
from tgenn_gen.document.canonical_text import Document
from tgenn_gen.network import genn_code
from tgenn_gen.network.checks import MAX_FEW_SPIKE_STEPS, MAX_STEPS
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Connection, Network, Output, Population
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.network.runtime_calls import Call, Keys, Uniform
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import (
    building,
    command_line,
    data,
    input_encodings,
    kernels,
    linear_maps,
    neuron_updates,
    random_numbers,
)
from tgenn_gen.version import __version__


def lower(document: Document) -> Plan:
    """Work out the plan of a network."""
    network = document.network
    names = [i.name for i in network.inputs] + [p.name for p in network.populations]
    identifiers = identifiers_of(names)
    models = _Models(network)
    populations = tuple(_populations(network, identifiers, models))
    spiking_inputs = [
        _input_population(network, stream, identifiers, models)
        for stream, network_input in enumerate(network.inputs)
        if network_input.encoding.spikes
    ]
    genn_populations = (*spiking_inputs, *populations)
    readouts = [READOUTS[o.readout] for o in network.outputs]
    reading = [r.read for r in readouts]
    weights = neuron_updates.few_spike_weights if network.few_spike else neuron_updates.rate_weights
    synapses = tuple(c for p in populations for c in p.connections if not c.from_input)
    products = [c.kernel for c in synapses]
    maps = [e for p in populations for c in p.connections for e in c.numpy]
    adding = [linear_maps.added] if any(len(p.inputs) > 1 for p in network.populations) else []
    input_maps = [e for p in populations for c in p.connections if c.from_input for e in c.numpy]
    dt = network.simulation.dt
    calls = [i.encoding.call(dt) for i in network.inputs] + [p.neuron.call(dt) for p in network.populations]
    shared = [*(r.output for r in readouts), weights, input_encodings.values_problem]
    random = any(p.stream >= 0 for p in genn_populations)
    draws = [random_numbers.random_keys] if random else []
    called = [call.function for call in calls] + [
        v for call in calls for v in call.arguments.values() if callable(v)
    ]
    if any(isinstance(v, Uniform) for call in calls for v in call.arguments.values()):
        called.append(random_numbers.uniform_between)
    return Plan(
        plan_version=PLAN_VERSION,
        name=network.name,
        identifier=identifiers_of([network.name])[network.name],
        version=__version__,
        document_sha256=document.sha256,
        dt=repr(dt),
        timesteps=network.simulation.timesteps,
        max_timesteps=MAX_FEW_SPIKE_STEPS if network.few_spike else MAX_STEPS,
        latency="timesteps" if network.few_spike else "1",
        delayed=any(c.delay for p in populations for c in p.connections),
        signed=any(c.signed for p in populations for c in p.connections),
        inputs=tuple(_input(network, stream, identifiers) for stream in range(len(network.inputs))),
        weights=tuple(
            WeightPlan(_weight_key(file), file, tensor.values.shape, tensor.sha256)
            for file, tensor in sorted(network.tensors.items())
        ),
        neuron_models=tuple(models.plans),
        populations=populations,
        genn_populations=genn_populations,
        outputs=tuple(_output(network, output) for output in network.outputs),
        step_weights=weights.__name__,
        random=random,
        synapses=synapses,
        max_sparse_bytes=MAX_SPARSE_BYTES,
        largest_population=network.largest,
        spiking=_names(network.spiking),
        driven=_names(p.name for p in genn_populations if p.driven),
        streams="{" + ", ".join(f'"{p.name}": {p.stream}' for p in genn_populations if p.stream >= 0) + "}",
        reference_functions=definitions(
            [
                *_called(linear_maps, maps),
                *adding,
                *called,
                *shared,
                *draws,
                *reading,
                neuron_updates.batch_size_that_fits,
            ]
        ),
        simulate_functions=definitions(
            [*_called(linear_maps, input_maps), *_called(kernels, products), *adding, *shared, *draws]
        ),
        building=body(building),
        data=body(data),
        command_line=body(command_line),
    )


def _names(names: Iterable[str]) -> str:
    """A list of names, as Python."""
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


class _Models:
    """The GeNN neuron models of a network: one for all populations whose code is the same."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.plans: list[NeuronModelPlan] = []

    def of(self, source: Neuron | Encoding, name: str, kind: str) -> NeuronModelPlan:
        """The model of the population, or input, `name`."""
        options = {}
        for output in (o for o in self.network.outputs if o.population == name):
            options = {"readout": output.readout, "start": output.start}
            kind += f"_{output.readout}"
        late = isinstance(source, Neuron) and source.spikes and source.few_spike
        updates = source.genn(self.network.simulation.dt)
        number = 1
        while True:
            identifier = kind if number == 1 else f"{kind}_{number}"
            plan = neuron_model(identifier, updates, few_spike=late, **options)  # type: ignore[arg-type]
            if plan in self.plans:
                return plan
            if identifier not in {p.identifier for p in self.plans}:
                self.plans.append(plan)
                return plan
            number += 1


def _output(network: Network, output: Output) -> OutputPlan:
    readout, read = READOUTS[output.readout], network.population(output.population)
    return OutputPlan(
        name=read.name,
        shape=read.shape,
        scale=_scale(read),
        start=output.start,
        read=readout.read.__name__,
        output=readout.output.__name__,
        spikes=read.neuron.spikes,
    )


def _input(network: Network, stream: int, identifiers: dict[str, str]) -> InputPlan:
    network_input = network.inputs[stream]
    encoding = network_input.encoding
    return InputPlan(
        name=network_input.name,
        identifier=identifiers[network_input.name],
        shape=network_input.shape,
        encoding=_call_text(encoding.call(network.simulation.dt), stream, network_input.shape),
        uint8_divisor=repr(network_input.uint8_divisor),
        values=f"({_python(encoding.low)}, {_python(encoding.high)}, {encoding.binary})",
        values_cpp=f"{_cpp(encoding.low)}, {_cpp(encoding.high)}, {str(encoding.binary).lower()}",
        spikes=encoding.spikes,
    )


def _python(number: float) -> str:
    """A number, finite or not, as Python."""
    return repr(number) if isfinite(number) else f'float("{number}")'


def _cpp(number: float) -> str:
    """A number, finite or not, as C++."""
    return repr(number) if isfinite(number) else str(number).replace("inf", "INFINITY")


def _input_population(
    network: Network, stream: int, identifiers: dict[str, str], models: _Models
) -> PopulationPlan:
    """The population that an input is whose encoding spikes; `stream` is its place among the inputs."""
    network_input = network.inputs[stream]
    encoding = network_input.encoding
    updates = encoding.genn(network.simulation.dt)
    model = models.of(encoding, network_input.name, f"{encoding.kind}_input")
    return PopulationPlan(
        name=network_input.name,
        identifier=identifiers[network_input.name],
        shape=network_input.shape,
        size=prod(network_input.shape),
        description=f"{' x '.join(map(str, network_input.shape))} input neurons, {encoding.describe()}; "
        f"the input = {encoding.scale(network.simulation.dt):g} x spikes per step",
        activation="",
        depth=0,
        stream=stream if updates.random else -1,
        bias="",
        neurons="",
        neuron_model=model.identifier,
        neuron_params=tuple((name, repr(value)) for name, value in updates.params),
        variables=tuple((name, start) for name, _, _, start in model.variables),
        tensors=(),
        spikes=True,
        driven=True,
        last_read="",
        connections=(),
    )


def _populations(network: Network, identifiers: dict[str, str], models: _Models) -> Iterable[PopulationPlan]:
    depths = network.depths
    shapes = network.shapes
    taken = {f"{i}{ending}" for i in identifiers.values() for ending in ("", "_neurons", "_course")}
    last_read_by = network.last_read_by
    for stream, population in enumerate(network.populations, len(network.inputs)):
        connections = []
        for c in population.inputs:
            identifier = unique(f"{identifiers[c.source]}_to_{identifiers[population.name]}", taken)
            connections.append(_connection(c, identifier, shapes[c.source], identifiers, network, population))
        updates = population.neuron.genn(network.simulation.dt)
        kind = "_".join(filter(None, (population.neuron.kind, getattr(population.neuron, "reset", ""))))
        model = models.of(population.neuron, population.name, kind)
        yield PopulationPlan(
            name=population.name,
            identifier=identifiers[population.name],
            shape=population.shape,
            size=population.size,
            description=f"{' x '.join(map(str, population.shape))} neurons, {population.neuron.describe()}",
            activation=f"{_scale(population)} x {_measure(population.neuron)}",
            depth=depths[population.name],
            stream=stream if updates.random else -1,
            bias=_weight(population.bias) if population.bias is not None else "",
            neurons=_call_text(population.neuron.call(network.simulation.dt), stream, population.shape),
            neuron_model=model.identifier,
            neuron_params=tuple((name, repr(value)) for name, value in updates.params),
            variables=tuple((name, start) for name, _, _, start in model.variables if start),
            tensors=tuple((name, _weight(tensor)) for name, tensor in population.neuron.tensors.items()),
            spikes=population.neuron.spikes,
            driven=any(c.from_input for c in connections),
            last_read=", ".join(f"{identifiers[source]}_course" for source in last_read_by[population.name]),
            connections=tuple(connections),
        )


def _scale(population: Population) -> str:
    return _weight(population.scale) if isinstance(population.scale, Tensor) else repr(population.scale)


def _measure(neuron: Neuron) -> str:
    if neuron.few_spike:
        return (
            "2^(timesteps - 1 - k) of its spikes' steps k / (2^timesteps - 1)"
            if neuron.spikes
            else "V / (2^timesteps - 1)"
        )
    return "spikes per step" if neuron.spikes else "V / steps"


def _call_text(call: Call, stream: int, shape: Shape) -> str:
    """A call as a Python expression, in reference.py."""
    keys = f"random_keys(seed, {stream}, numbers)"

    def text(value: Any) -> str:
        if isinstance(value, Tensor):
            return _weight(value)
        if isinstance(value, Uniform):
            return f"uniform_between({keys}, {value.low!r}, {value.high!r}, {shape})"
        if isinstance(value, Keys):
            return keys
        if callable(value):
            return f"{value.__name__}(timesteps)"
        return f'"{value}"' if isinstance(value, str) else repr(value)

    arguments = ", ".join(f"{name}={text(value)}" for name, value in call.arguments.items())
    return f"{call.function.__name__}({arguments})"


def _connection(
    connection: Connection,
    identifier: str,
    shape: Shape,
    identifiers: dict[str, str],
    network: Network,
    population: Population,
) -> ConnectionPlan:
    depths = network.depths
    source = identifiers[connection.source]
    from_input = connection.source not in depths
    course = f"{source}_course"
    variable = "current" if len(population.inputs) == 1 else identifier
    weights = tuple("".join(map(_weight, m.tensors.values())) for m in connection.through)
    expressions: list[str] = []
    for linear_map, weight in zip(connection.through, weights, strict=True):
        expressions.append(linear_map.python(variable if expressions else course, weight))
    genn = connectivity(connection, shape, weights, population.neuron.fan_in(len(weights)))
    return ConnectionPlan(
        identifier=identifier,
        source=connection.source,
        source_identifier=source,
        source_size=prod(shape),
        description=", ".join(m.describe() for m in connection.through) or "one to one",
        variable=variable,
        numpy=tuple(expressions) or (course,),
        from_input=from_input,
        genn_matrix="" if from_input else genn.matrix,
        not_toeplitz=genn.toeplitz_obstacle,
        kernel=genn_code.kernel_expression(genn.scatters),
        signed=connection.source in network.signed,
        row_build_code=genn_code.row_build_code(genn.scatters),
        diagonal_build_code=genn_code.diagonal_build_code(genn.scatters),
        sparse_bytes=genn.sparse_bytes,
        kernel_size=genn.kernel_size,
        fan_out=genn.fan_out,
        delay=0 if from_input else depths[population.name] - depths[connection.source] - 1,
    )


def _weight(tensor: Tensor) -> str:
    """A tensor's values, as an expression."""
    return f'weights["{_weight_key(tensor.file)}"]'


def _weight_key(file: str) -> str:
    """weights/dense.kernel.npy to dense.kernel, other/dense.kernel.npy to ./other/dense.kernel."""
    name = file.removesuffix(".npy")
    return name.removeprefix("weights/") if name.startswith("weights/") else f"./{name}"


def _called(module: ModuleType, expressions: Iterable[str]) -> list[object]:
    """The functions of a module that expressions call."""
    names = {name for expression in expressions for name in re.findall(r"\w+(?=\()", expression)}
    return [getattr(module, name) for name in sorted(names) if hasattr(module, name)]
