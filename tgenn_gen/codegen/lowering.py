"""Lowering: computes the plan of a network, with all values that the templates print.

Every string in a plan is safe in code: names match the document's pattern, identifiers are made here, numbers
are printed by repr, and code comes from ops, neurons and readouts.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import replace
from math import isfinite, prod

from tgenn_gen.codegen.code_names import BLOCK, CodeNames
from tgenn_gen.codegen.identifiers import identifiers_of
from tgenn_gen.codegen.matrix_types import connectivity
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
from tgenn_gen.codegen.python_lines import WIDTH
from tgenn_gen.codegen.python_text import (
    PythonText,
    assigned_name,
    genn_imports,
    numpy_imports,
    params_lines,
    variables_lines,
)
from tgenn_gen.document.canonical_text import Document
from tgenn_gen.network import genn_code
from tgenn_gen.network.delays import lateness, longest_part
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.model import Connection, Input, Network, Output, Population
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.network.tensors import Tensor


def lower(document: Document) -> Plan:
    """Compute the plan of a network."""
    network = document.network
    return _Lowering(network).plan(document.sha256)


class _Lowering:
    """A network with its names in code."""

    def __init__(self, network: Network) -> None:
        self.network, self.dt = network, network.simulation.dt
        self.names = CodeNames(network)
        self.python = PythonText(network, self.names)
        self.models = _Models(network)
        self.read: set[str] = set()  # weight files that a block has read

    def plan(self, sha256: str) -> Plan:
        network = self.network
        populations = tuple(_with_made_here([*self._populations()]))
        spiking_inputs = [
            self._input_population(i, stream) for stream, i in enumerate(network.inputs) if i.encoding.spikes
        ]
        genn_populations = (*spiking_inputs, *populations)
        synapses = tuple(c for p in populations for c in p.connections if not c.from_input)
        by_name = {p.name: p for p in populations}
        inputs = tuple(self._input(i, stream) for stream, i in enumerate(network.inputs))
        return Plan(
            plan_version=PLAN_VERSION,
            name=network.name,
            identifier=identifiers_of([network.name], set())[network.name],
            document_sha256=sha256,
            dt=repr(self.dt),
            timesteps=network.simulation.timesteps,
            few_spike=network.few_spike,
            reset=network.simulation.reset,
            latency="timesteps" if network.few_spike else "1",
            delayed=any(c.delay for p in populations for c in p.connections),
            signed=any(c.signed and not c.late for c in synapses),
            late=tuple(sorted({c.signed for c in synapses if c.late})),
            longest_part=longest_part(network),
            inputs=inputs,
            neuron_models=tuple(self.models.plans),
            populations=populations,
            genn_populations=genn_populations,
            outputs=tuple(by_name[o.population] for o in network.outputs),
            random=any(p.stream >= 0 for p in genn_populations),
            synapses=synapses,
            sparse_bytes=sum(c.sparse_bytes for c in synapses if c.matrix == "EITHER"),
            largest_population=network.largest,
            genn_imports=tuple(genn_imports(inputs, genn_populations, synapses)),
            numpy_imports=tuple(numpy_imports(network, inputs, populations)),
            genn_lines=self.python.genn_lines(),
            numpy_lines=self.python.numpy_lines(),
        )

    def _input(self, network_input: Input, stream: int) -> InputPlan:
        encoding = network_input.encoding
        return InputPlan(
            name=network_input.name,
            identifier=self.names.identifiers[network_input.name],
            shape=network_input.shape,
            frames=network_input.frames,
            spikes=encoding.spikes,
            uint8_divisor=repr(network_input.uint8_divisor),
            values_cpp=f"{_cpp(encoding.low)}, {_cpp(encoding.high)}, {str(encoding.binary).lower()}",
            data_range=tuple(map(repr, network_input.data_range or ())),
            offset_cpp=self._offset_cpp(network_input),
            lines=self.python.input_lines(network_input),
            numpy_lines=self.python.emitted_input_lines(network_input, stream),
        )

    def _offset_cpp(self, network_input: Input) -> str:
        offset = network_input.offset
        if isinstance(offset, Tensor):
            shape = ", ".join(map(str, offset.values.shape))
            return f'net.weights("{offset.file}", {{{shape}}})'
        return f"{{{float(offset)!r}f}}" if offset else ""

    def _input_population(self, network_input: Input, stream: int) -> PopulationPlan:
        """The population of an input whose encoding spikes. stream: its index among the inputs."""
        encoding = network_input.encoding
        updates = encoding.genn(self.dt)
        model = self.models.of(encoding, network_input.name, f"{encoding.kind}_input")
        params = self._params(encoding, updates)
        variables = tuple((name, start) for name, _, _, start in model.variables)
        neurons = f"{' x '.join(map(str, network_input.shape))} input neurons, {encoding.kind}"
        description = f"{neurons}; the input = {encoding.scale(self.dt):g} x spikes per step"
        return PopulationPlan(
            name=network_input.name,
            identifier=self.names.identifiers[network_input.name],
            shape=network_input.shape,
            size=prod(network_input.shape),
            description=description,
            activation="",
            comments=_comments(f"{network_input.name}: {description}"),
            depth=0,
            stream=stream if updates.random else -1,
            weights=(),
            bias="",
            neuron_model=model.identifier,
            neuron_params=params,
            variables=variables,
            tensors=(),
            spikes=True,
            counts=_counts(variables),
            driven=True,
            driving=f'"{network_input.name}"',
            driving_parameters="",
            current_lines=(),
            params_lines=params_lines(0, params),
            variables_lines=variables_lines(dict(variables)),
            neurons_lines=(),
            last_read="",
            connections=(),
            made_here=(),
            output=None,
        )

    def _populations(self) -> Iterable[PopulationPlan]:
        network, depths = self.network, self.network.depths
        for stream, population in enumerate(network.populations, len(network.inputs)):
            maps = [m for c in population.inputs for m in c.through]
            tensors = [t for m in maps for t in m.tensors.values()]
            tensors += [population.bias] if population.bias is not None else []
            tensors += [*population.neuron.tensors.values()]
            weights = tuple(self._weights(tensors))
            connections = tuple(self._connection(c, population) for c in population.inputs)
            updates = population.neuron.genn(self.dt)
            kind = "_".join(filter(None, (population.neuron.kind, getattr(population.neuron, "reset", ""))))
            model = self.models.of(population.neuron, population.name, kind)
            params = self._params(population.neuron, updates)
            variables = tuple((name, start) for name, _, _, start in model.variables if start)
            bias = "" if population.bias is None else self.names.tensor(population.bias)
            driving = list(dict.fromkeys(c.source for c in population.inputs if c.source not in depths))
            neurons = f"{' x '.join(map(str, population.shape))} neurons"
            description = f"{neurons}, {population.neuron.describe()}"
            scale = population.scale.file if isinstance(population.scale, Tensor) else population.scale
            activation = f"{scale} x {_measure(population.neuron)}"
            yield PopulationPlan(
                name=population.name,
                identifier=self.names.identifiers[population.name],
                shape=population.shape,
                size=population.size,
                description=description,
                activation=activation,
                comments=_comments(f"{population.name}: {neurons}. ANN activation = {activation}"),
                depth=depths[population.name],
                stream=stream if updates.random else -1,
                weights=weights,
                bias=bias,
                neuron_model=model.identifier,
                neuron_params=params,
                variables=variables,
                tensors=tuple((n, self.names.tensor(t)) for n, t in population.neuron.tensors.items()),
                spikes=population.neuron.spikes,
                counts=_counts(variables),
                driven=bool(driving),
                driving=", ".join(f'"{source}"' for source in driving),
                driving_parameters=", ".join(f"{self.names.identifiers[s]}: np.ndarray" for s in driving),
                current_lines=tuple(self.python.current_lines(population, connections, bias))
                if driving
                else (),
                params_lines=params_lines(depths[population.name], params),
                variables_lines=self.python.variables_lines(
                    population, variables, None if driving else population.bias
                ),
                neurons_lines=self.python.neurons_lines(population, connections, bias, stream),
                last_read=", ".join(
                    [
                        *(
                            self.names.identifiers[s]
                            for s in network.last_read_by[population.name]
                            if self.python.is_read(s)
                        ),
                        *(assigned_name(c) for c in connections if c.lines and len(connections) > 1),
                    ]
                ),
                connections=connections,
                made_here=(),
                output=next(
                    (self._output(o) for o in network.outputs if o.population == population.name), None
                ),
            )

    def _params(self, source: Neuron | Encoding, updates: Updates) -> tuple[tuple[str, str], ...]:
        """The parameters of a GeNN model and their values, as literals."""
        fresh = [("fresh", "1.0")] if _keeps_v(source, self.network) else []
        return (*fresh, *((name, repr(value)) for name, value in updates.params))

    def _weights(self, tensors: Iterable[Tensor]) -> Iterable[WeightPlan]:
        """The files of these tensors, without those that an earlier block has read."""
        for tensor in tensors:
            if tensor.file not in self.read:
                self.read.add(tensor.file)
                yield self.names.weight(tensor)

    def _output(self, output: Output) -> OutputPlan:
        population = self.network.population(output.population)
        scaled = output.readout != "first_spike"
        weights: tuple[WeightPlan, ...] = ()
        if scaled and isinstance(population.scale, Tensor):
            weights = (self.names.weight(population.scale),)
        genn_lines, numpy_lines = self.python.output_lines(output)
        return OutputPlan(
            scale=self.names.scale(population),
            start=output.start,
            variable="V" if output.readout == "membrane" else "read",
            activation=output.activation or "",
            weights=weights,
            function="mean_per_step" if scaled else "earliest",
            read=READOUTS[output.readout].read.__name__,
            genn_lines=genn_lines,
            numpy_lines=numpy_lines,
        )

    def _connection(self, connection: Connection, population: Population) -> ConnectionPlan:
        network, depths, shape = self.network, self.network.depths, self.network.shapes[connection.source]
        identifier = self.names.connection(connection, population)
        from_input = connection.source not in depths
        frames = [i.name for i in network.inputs if i.frames > 1]
        weights = tuple("".join(map(self.names.tensor, m.tensors.values())) for m in connection.through)
        result = "current" if len(population.inputs) == 1 else identifier
        genn = connectivity(connection, shape, weights, population.neuron.fan_in(len(weights)))
        signed = connection.source in network.signed
        either = "net.signed_matrix" if signed else "net.matrix"
        kernel = genn_code.kernel_expression(genn.scatters)
        kernel_name = kernel if kernel.isidentifier() else f"{identifier}_kernel"
        delay = (
            0 if from_input else depths[population.name] - depths[connection.source] - 1 + connection.delay
        )
        return ConnectionPlan(
            identifier=identifier,
            source=connection.source,
            source_identifier=self.names.identifiers[connection.source],
            source_size=prod(shape),
            description=", ".join(m.describe() for m in connection.through) or "one to one",
            lines=self.python.map_lines(
                connection, self.python.emitted(connection, population), result, BLOCK
            ),
            from_input=from_input,
            computed_per="frame" if connection.source in frames else "example",
            matrix="" if from_input else genn.matrix,
            matrix_python=either if genn.matrix == "EITHER" else f'"{genn.matrix}"',
            assigned=f"{identifier} = " if genn.matrix != "DENSE" or delay else "",
            not_toeplitz=genn.toeplitz_obstacle,
            kernel=kernel,
            kernel_name=kernel_name,
            kernel_line=f"{kernel_name} = {kernel}"
            if kernel != kernel_name and genn.matrix != "DENSE"
            else "",
            signed=signed,
            row_build_code=genn_code.row_build_code(genn.scatters),
            diagonal_build_code=genn_code.diagonal_build_code(genn.scatters),
            sparse_bytes=genn.sparse_bytes,
            kernel_size=genn.kernel_size,
            fan_out=genn.fan_out,
            delay=delay,
            late=connection.delay,
            direction=self._direction(connection, population),
            target_identifier=self.names.identifiers[population.name],
            target_depth=depths[population.name],
        )

    def _direction(self, connection: Connection, population: Population) -> str:
        direction = f"from {connection.source}"
        if connection.source == population.name:
            direction = "back to itself"
        elif connection.delay and connection.source in self.network.recurrent[population.name]:
            direction = f"back to {population.name}"
        return f"{direction}{lateness(connection)}"


def _with_made_here(populations: list[PopulationPlan]) -> Iterable[PopulationPlan]:
    """The populations with the connections that their blocks make: those whose other end exists by then."""
    made: dict[str, list[ConnectionPlan]] = {p.name: [] for p in populations}
    places = {p.name: place for place, p in enumerate(populations)}
    for place, population in enumerate(populations):
        for connection in population.connections:
            later = places.get(connection.source, -1) > place
            made[connection.source if later else population.name].append(connection)
    return (replace(p, made_here=tuple(made[p.name])) for p in populations)


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
            plan = neuron_model(
                identifier,
                updates,
                waits=self.network.few_spike,
                few_spike=late,
                keeps_v=_keeps_v(source, self.network),
                **options,  # type: ignore[arg-type]
            )
            if plan in self.plans:
                return plan
            if identifier not in {p.identifier for p in self.plans}:
                self.plans.append(plan)
                return plan
            number += 1


def _keeps_v(source: Neuron | Encoding, network: Network) -> bool:
    return source.keeps_v and network.simulation.reset == "never"


def _comments(text: str) -> tuple[str, ...]:
    """The comment above a population's block. It has no parameters, so that an edit changes one line."""
    return tuple(textwrap.wrap(text, WIDTH - BLOCK - len("# "), subsequent_indent="    "))


def _counts(variables: Iterable[tuple[str, str]]) -> str:
    """The GeNN variables that count spikes, as arguments in C++."""
    return ", ".join(f'"{name}"' for name, _ in variables if name in ("spike_count", "net_count"))


def _cpp(number: float) -> str:
    """A number, finite or not, as C++."""
    return repr(number) if isfinite(number) else str(number).replace("inf", "INFINITY")


def _measure(neuron: Neuron) -> str:
    if neuron.few_spike:
        return (
            "2^(timesteps - 1 - k) of its spikes' steps k / (2^timesteps - 1)"
            if neuron.spikes
            else "V / (2^timesteps - 1)"
        )
    return "spikes per step" if neuron.spikes else "V / steps"
