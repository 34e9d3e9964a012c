"""The Python statements of simulate.py and reference.py."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf, isfinite
from typing import Any

from tgenn_gen.codegen.code_names import BLOCK, CodeNames
from tgenn_gen.codegen.plan import ConnectionPlan, InputPlan, PopulationPlan
from tgenn_gen.codegen.python_lines import call_lines, dict_lines
from tgenn_gen.codegen.runtime_files import RUNTIME
from tgenn_gen.document.plugins import PLUGINS
from tgenn_gen.network.delays import is_recurrent, longest_delays, longest_part
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Connection, Input, Network, Output, Population
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.network.runtime_calls import Call, Keys, Uniform
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import kernels

FUNCTION, ARGUMENT = 8, 8  # columns of indentation of a function, an argument of a call


class PythonText:
    """Statements of a network's scripts."""

    def __init__(self, network: Network, names: CodeNames) -> None:
        self.network, self.names, self.dt = network, names, network.simulation.dt

    def genn_lines(self) -> tuple[str, ...]:
        """The statement that makes the network in simulate.py."""
        network = self.network
        options = [f"dt={self.dt!r}", f"default_timesteps={network.simulation.timesteps}"]
        options += ["few_spike=True"] if network.few_spike else []
        options += ['reset="never"'] if network.simulation.reset == "never" else []
        if len(network.outputs) > 1:
            names = ", ".join(f'"{o.population}"' for o in network.outputs)
            options.append(f"outputs=({names})")
        made = f'GeNNNetwork("{network.name}", __file__, {", ".join(options)}, **options)'
        return call_lines("net = ", made, indent=BLOCK)

    def numpy_lines(self) -> tuple[str, ...]:
        """The statement that makes the network in reference.py."""
        network = self.network
        options = [f"default_timesteps={network.simulation.timesteps}", f"largest={network.largest}"]
        options += ["few_spike=True"] if network.few_spike else []
        options += ['reset="never"'] if network.simulation.reset == "never" else []
        options += [f"longest_part={longest_part(network)}"] if is_recurrent(network) else []
        made = f'NumpyNetwork("{network.name}", __file__, populations, {", ".join(options)}, **options)'
        kept = [
            line
            for name, delay in longest_delays(network).items()
            for line in call_lines("", self._keep(name, delay), indent=BLOCK)
        ]
        return (*call_lines("net = ", made, indent=BLOCK), *kept)

    def _keep(self, name: str, delay: int) -> str:
        signed = ", signed=True" if name in self.network.signed else ""
        return f'net.keep("{name}", {self.network.shapes[name]}, {delay}{signed})'

    def input_lines(self, network_input: Input) -> tuple[str, ...]:
        """The statement that declares an input."""
        encoding, frames = network_input.encoding, network_input.frames
        options = [f"frames={frames}"] if frames > 1 else []
        options.append(f"uint8_divisor={network_input.uint8_divisor!r}")
        if (encoding.low, encoding.high) != (-inf, inf):
            options.append(f"values=({_number(encoding.low)}, {_number(encoding.high)})")
        options += ["binary=True"] if encoding.binary else []
        if network_input.data_range is not None:
            options.append(f"data_range={network_input.data_range}")
        weight = None
        if isinstance(network_input.offset, Tensor):
            weight = self.names.weight(network_input.offset)
            options.append(f"offset={weight.identifier}")
        elif network_input.offset:
            options.append(f"offset={network_input.offset!r}")
        declared = f'net.input("{network_input.name}", {network_input.shape}, {", ".join(options)})'
        return (*(weight.lines if weight else ()), *call_lines("", declared, indent=BLOCK))

    def emitted_input_lines(self, network_input: Input, stream: int) -> tuple[str, ...]:
        """The statement that computes what an input emits, in reference.py."""
        name, encoding = network_input.name, network_input.encoding
        identifier = self.names.identifiers[name]
        if not encoding.spikes:
            return (f'{identifier} = net.current("{name}")',)
        example = f'net.example("{name}")'
        call = self._neurons(encoding.call(self.dt), name, example, "", stream, network_input.shape)
        assigned = f"{identifier} = "
        if name in longest_delays(self.network) and not self.is_read(name):
            assigned = ""
        return call_lines(assigned, call, indent=BLOCK)

    def map_lines(self, connection: Connection, source: str, result: str, indent: int) -> tuple[str, ...]:
        """Statements that apply a chain to the expression `source`, and assign to the name `result`."""
        lines: list[str] = []
        x = source
        for linear_map in connection.through:
            weight = "".join(map(self.names.tensor, linear_map.tensors.values()))
            lines += call_lines(f"{result} = ", f"maps.{linear_map.python(x, weight)}", indent=indent)
            x = result
        return tuple(lines)

    def current_lines(
        self, population: Population, connections: Iterable[ConnectionPlan], bias: str
    ) -> Iterable[str]:
        """The body of the function that computes a population's input current from examples."""
        driving = [
            (c, plan) for c, plan in zip(population.inputs, connections, strict=True) if plan.from_input
        ]
        results = []
        for connection, plan in driving:
            result = "current" if len(driving) == 1 else plan.identifier
            yield from self.map_lines(connection, plan.source_identifier, result, FUNCTION)
            results.append(result if connection.through else plan.source_identifier)
        yield f"return {' + '.join([*results, *([bias] if bias else [])])}"

    def emitted(self, connection: Connection, population: Population) -> str:
        """The expression of what a population's maps take of a source, in reference.py."""
        source = self.names.identifiers[connection.source]
        if connection.delay:
            source = f'net.past("{connection.source}", delay={connection.delay})'
        return source if population.neuron.spikes else f"net.course({source})"

    def is_read(self, name: str) -> bool:
        """Whether a connection without a delay reads a population: then reference.py has a variable."""
        return any(c.source == name and not c.delay for p in self.network.populations for c in p.inputs)

    def neurons_lines(
        self, population: Population, connections: Iterable[ConnectionPlan], bias: str, stream: int
    ) -> tuple[str, ...]:
        """The statement that computes what a population emits, in reference.py."""
        parts = [
            assigned_name(plan) if plan.lines else self.emitted(connection, population)
            for connection, plan in zip(population.inputs, connections, strict=True)
        ]
        current = parts[0] if len(parts) == 1 else f"maps.added({', '.join(parts)})"
        call = self._neurons(
            population.neuron.call(self.dt), population.name, current, bias, stream, population.shape
        )
        assigned = f"{self.names.identifiers[population.name]} = " if self.is_read(population.name) else ""
        return call_lines(assigned, call, indent=BLOCK)

    def output_lines(self, output: Output) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The statements that declare an output population, in simulate.py and in reference.py."""
        population = self.network.population(output.population)
        value, variable = ("V", "V") if output.readout == "membrane" else ("spikes", "read")
        function = f"lambda {value}, steps: {self.names.scale(population)} * {value} / steps"
        if output.readout == "first_spike":
            function = "earliest"
        function += f", start={output.start}" if output.start else ""
        function += f', activation="{output.activation}"' if output.activation else ""
        shape, read = population.shape, READOUTS[output.readout].read.__name__
        identifier = self.names.identifiers[population.name]
        return (
            call_lines("", f'net.output({identifier}, "{variable}", {shape}, {function})', indent=BLOCK),
            call_lines("", f'net.output("{population.name}", {shape}, {read}, {function})', indent=BLOCK),
        )

    def variables_lines(
        self, population: Population, variables: Iterable[tuple[str, str]], bias: Tensor | None
    ) -> tuple[str, ...]:
        """The start values of a population's GeNN variables. bias: None if it is part of a current."""
        arrays = {**population.neuron.tensors, **({"I_const": bias} if bias is not None else {})}
        starts = dict(variables)
        for name, tensor in arrays.items():
            value = self.names.tensor(tensor)
            if tensor.values.shape != population.shape:
                value = f"np.broadcast_to({value}, {population.shape})"
            starts[name] = f"{value}.flatten()"
        return variables_lines(starts)

    def _neurons(self, call: Call, name: str, current: str, bias: str, stream: int, shape: Shape) -> str:
        """The Python expression that simulates a population's neurons with a current, in reference.py."""

        def text(value: Any) -> str:
            if isinstance(value, Tensor):
                return self.names.tensor(value)
            if isinstance(value, Uniform):
                return f"net.uniform({stream}, {value.low!r}, {value.high!r}, {shape})"
            if isinstance(value, Keys):
                return f"net.keys({stream})"
            return f'"{value}"' if isinstance(value, str) else repr(value)

        arguments = [f'"{name}"', call.function.__name__, current, *([f"bias={bias}"] if bias else [])]
        arguments += [f"{key}={text(value)}" for key, value in call.arguments.items()]
        return f"net.population({', '.join(arguments)})"


def variables_lines(starts: dict[str, str]) -> tuple[str, ...]:
    """The start values {GeNN variable: expression} of a population."""
    return dict_lines((f'"{name}": {value}' for name, value in starts.items()), ",", indent=ARGUMENT)


def params_lines(depth: int, params: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The parameters of a population."""
    items = [f"**net.clock(depth={depth})", *(f'"{name}": {value}' for name, value in params)]
    if len(items) == 1:
        return (f"net.clock(depth={depth}),",)
    return dict_lines(items, ",", indent=ARGUMENT)


def genn_imports(
    inputs: Iterable[InputPlan], populations: Iterable[PopulationPlan], synapses: Iterable[ConnectionPlan]
) -> Iterable[str]:
    """What simulate.py imports besides Any."""
    populations, synapses = [*populations], [*synapses]
    currents = [line for p in populations for line in p.current_lines]
    starts = [line for p in populations for line in p.variables_lines]
    declared = [line for i in inputs for line in i.lines]
    if currents or _uses("np.", [*starts, *declared]):
        yield from ("import numpy as np", "")
    if any(c.matrix in ("SPARSE", "EITHER") for c in synapses):
        yield "import connectivity"
    if _uses("maps.", currents):
        yield "from tgenn_runtime import linear_maps as maps"
    yield "from tgenn_runtime.genn_command_line import main"
    yield "from tgenn_runtime.genn_network import GeNNNetwork, pygenn"
    called = {name for c in synapses for name in re.findall(r"\w+(?=\()", c.kernel)}
    if used := sorted(name for name in called if hasattr(kernels, name)):
        yield f"from tgenn_runtime.kernels import {', '.join(used)}"
    if any(p.output and p.output.function == "earliest" for p in populations):
        yield "from tgenn_runtime.readout_functions import earliest"


def assigned_name(connection: ConnectionPlan) -> str:
    """The variable that the lines of a connection assign, in reference.py."""
    return connection.lines[0].partition(" = ")[0]


def numpy_imports(
    network: Network, inputs: Iterable[InputPlan], populations: Iterable[PopulationPlan]
) -> Iterable[str]:
    """What reference.py imports besides Any."""
    populations = [*populations]
    emitted = [line for p in populations for line in p.neurons_lines]
    maps = [line for p in populations for c in p.connections for line in c.lines]
    if _uses("np.", [*emitted, *(line for i in inputs for line in (*i.lines, *i.numpy_lines))]):
        yield from ("import numpy as np", "")
    dt = network.simulation.dt
    calls = [i.encoding.call(dt) for i in network.inputs if i.encoding.spikes]
    calls += [p.neuron.call(dt) for p in network.populations]
    modules: dict[str, set[str]] = {
        f"{RUNTIME}.numpy_batch": {"Batch"},
        f"{RUNTIME}.numpy_network": {"NumpyNetwork"},
    }
    for call in calls:
        package, _, module = call.function.__module__.rpartition(".")
        home = package if package == PLUGINS else RUNTIME
        modules.setdefault(f"{home}.{module}", set()).add(call.function.__name__)
    outputs = [p.output for p in populations if p.output]
    functions = [o.function for o in outputs if o.function == "earliest"]
    modules[f"{RUNTIME}.readout_functions"] = {*(o.read for o in outputs), *functions}
    modules[f"{RUNTIME}.command_line"] = {"main"}
    if _uses("maps.", [*emitted, *maps]):
        modules[RUNTIME] = {"linear_maps as maps"}
    for module, names in sorted(modules.items()):
        yield f"from {module} import {', '.join(sorted(names))}"


def _uses(prefix: str, lines: Iterable[str]) -> bool:
    return any(prefix in line for line in lines)


def _number(number: float) -> str:
    """A number, finite or not, as Python."""
    return repr(number) if isfinite(number) else f"{'-' if number < 0 else ''}np.inf"
