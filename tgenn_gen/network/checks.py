"""Checks of a network beyond its schema and its names: shapes, sizes, codes, readouts."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from math import prod

import numpy as np

from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Connection, Network, Population
from tgenn_gen.network.neurons.maximum import MAX_WINDOW
from tgenn_gen.network.ops.linear_map import ShapeError
from tgenn_gen.network.problems import PathInDocument, Problem
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.neuron_updates import MAX_FEW_SPIKE_STEPS

MAX_NEURONS = 2**26  # of one population: 64 channels of 1024x1024


def meaning_problems(network: Network) -> list[Problem]:
    """All errors in a network's meaning (T203 to T221).

    Sources and outputs that do not exist are skipped: name_problems reports them.
    """
    found: list[Problem] = []
    shapes: dict[str, Shape] = {}  # of the inputs and populations so far
    known = ChainMap(shapes, {p.name: p.shape for p in network.populations})  # also of later ones
    spiking = {p.name: p.neuron.spikes for p in network.populations}
    depths, there = network.depths, network.shapes
    whole = all(c.source in there for p in network.populations for c in p.inputs)  # so depths are right
    for index, network_input in enumerate(network.inputs):
        shapes[network_input.name], spiking[network_input.name] = network_input.shape, True
        if (elements := prod(network_input.shape)) > MAX_NEURONS:
            message = f"expected at most {MAX_NEURONS} elements, got {elements}"
            found.append(Problem(("inputs", index, "shape"), "T208", message))
        if network.simulation.timesteps % network_input.frames:
            message = (
                f"{network.simulation.timesteps} time steps are not a multiple of {network_input.frames}"
            )
            hint = "each frame is shown for as many steps: change frames or simulation.timesteps"
            found.append(Problem(("inputs", index, "frames"), "T210", message, hint))
        if network_input.frames > 1 and network.few_spike:
            message = f"expected frames 1 with the few-spike code, got {network_input.frames}"
            hint = (
                "use a rate code, in which all steps count equally: in this code the first steps count most"
            )
            found.append(Problem(("inputs", index, "frames"), "T213", message, hint))
        if network_input.data_range is not None and network_input.data_range[0] > network_input.data_range[1]:
            message = f"expected [smallest, largest], got {list(network_input.data_range)}"
            found.append(Problem(("inputs", index, "data_range"), "T220", message))
        offset, channels = network_input.offset, network_input.shape[-1:]
        if isinstance(offset, Tensor) and offset.values.shape != channels:
            shape = list(offset.values.shape)
            message = f"{offset.file} has shape {shape}, expected {list(channels)} (one a channel)"
            found.append(Problem(("inputs", index, "offset"), "T206", message))
        for field, message, hint in network_input.encoding.problems(network.simulation.dt):
            found.append(Problem(("inputs", index, "encoding", field), "T211", message, hint))
    for index, population in enumerate(network.populations):
        path: PathInDocument = ("populations", index)
        before = len(found)
        if population.size > MAX_NEURONS:
            message = f"expected at most {MAX_NEURONS} neurons, got {population.size}"
            found.append(Problem((*path, "shape"), "T208", message))
        for position, connection in enumerate(population.inputs):
            place = (*path, "inputs", position)
            if connection.source not in (known if connection.delay else shapes):
                continue
            if not spiking[connection.source]:
                found.append(
                    Problem(
                        (*place, "from"),
                        "T203",
                        f"'{connection.source}' never spikes, so it cannot be a source",
                        "give it a neuron that spikes, such as integrate_and_fire",
                    )
                )
            found += _chain_problems(connection, known[connection.source], population, place)
            if connection.delay:
                returns = whole and connection.source not in shapes  # itself, or a later population
                found += _delay_problems(network, depths, connection, population, place, returns)
        found += _neuron_problems(network, population, path)
        found += _bias_problems(population, path)
        if all(connection.source in known for connection in population.inputs):
            found += _relay_problems(network, population, path)
        if len(found) == before:
            found += _overlap_problems(population, known, path)
        shapes[population.name], spiking[population.name] = population.shape, population.neuron.spikes
    found += _output_problems(network)
    return found


def _chain_problems(
    connection: Connection, shape: Shape, population: Population, place: PathInDocument
) -> list[Problem]:
    kernels = [i for i, m in enumerate(connection.through) if m.has_kernel]
    if len(kernels) > 1:
        return [
            Problem(
                (*place, "through", kernels[1]),
                "T204",
                f"the chain from '{connection.source}' has a second kernel, expected one at most",
                "merge the two kernels, or put a population between them",
            )
        ]
    for position, linear_map in enumerate(connection.through):
        try:
            shape = linear_map.output_shape(shape)
        except ShapeError as error:
            tensors = [t for t in linear_map.tensors.values() if t.file]
            shapes = " and ".join(f"{t.file} has shape {list(t.values.shape)}" for t in tensors)
            hint = f"{shapes}: change it, or the shape of its input" if shapes else ""
            return [Problem((*place, "through", position), "T205", f"{linear_map.op}: {error}", hint)]
        if prod(shape) > MAX_NEURONS:
            message = f"{linear_map.op}: expected at most {MAX_NEURONS} output elements, got {prod(shape)}"
            return [Problem((*place, "through", position), "T208", message)]
    expected = population.neuron.current_shape(population.shape)
    if shape != expected:
        message = f"the chain from '{connection.source}' gives {list(shape)}, '{population.name}' "
        if expected == population.shape:
            hint = f"give '{population.name}' the shape {list(shape)}, or change the maps that lead to it"
            return [Problem(place, "T205", message + f"has shape {list(expected)}", hint)]
        message += f"({population.neuron.describe()}) needs {list(expected)}"
        hint = "end the chain with op: windows, whose pool has as many elements as the neuron's window"
        return [Problem(place, "T205", message, hint)]
    return []


def _delay_problems(
    network: Network,
    depths: Mapping[str, int],
    connection: Connection,
    population: Population,
    place: PathInDocument,
    returns: bool,
) -> list[Problem]:
    """Why a connection cannot have its delay (T221). returns: whether it is recurrent."""
    source, delay, path = connection.source, connection.delay, (*place, "delay")
    if network.few_spike:
        message = (
            "neurons with the few-spike code read a whole example before they emit: no delay is possible"
        )
        hint = "use neurons with a rate code, such as integrate_and_fire, or remove the delay"
        return [Problem(path, "T221", message, hint)]
    if source not in depths:
        message = (
            f"'{source}' gives a constant current, which is the same at each step and cannot have a delay"
        )
        hint = "remove the delay, or use an encoding that spikes, such as poisson"
        return [Problem(path, "T221", message, hint)]
    found, timesteps = [], network.simulation.timesteps
    if delay >= timesteps:
        message = f"expected a delay below timesteps ({timesteps}), got {delay}: no spike would arrive"
        found.append(Problem(path, "T221", message, "choose a smaller delay, or more timesteps"))
    # on GeNN a spike takes a step for each synapse forward, and one back
    smallest = depths[source] - depths[population.name] + 1
    if returns and delay < smallest:
        message = (
            f"expected a delay of at least {smallest}, got {delay}: a spike of '{population.name}' "
            f"needs {smallest} steps to come back through '{source}'"
        )
        found.append(Problem(path, "T221", message, f"set delay: {smallest} or more"))
    return found


def _neuron_problems(network: Network, population: Population, path: PathInDocument) -> list[Problem]:
    found = []
    neuron = population.neuron
    for field, message, hint in neuron.problems(network.simulation.dt):
        found.append(Problem((*path, "neuron", field), "T211", message, hint))
    tensors: list[tuple[PathInDocument, Tensor]] = [
        (("neuron", name), tensor) for name, tensor in neuron.tensors.items()
    ]
    if isinstance(population.scale, Tensor):
        tensors.append((("scale",), population.scale))
    for place, tensor in tensors:
        allowed = [population.shape[-1:]]
        if place[0] == "neuron" and len(population.shape) > 1:
            allowed.append(population.shape)
        if tensor.values.shape not in allowed:
            expected = " or ".join(str(list(shape)) for shape in allowed)
            message = f"has shape {list(tensor.values.shape)}, expected {expected}"
            found.append(Problem((*path, *place), "T206", message))
    if isinstance(population.scale, Tensor) and not (population.scales > 0).all():
        found.append(
            Problem((*path, "scale"), "T212", "contains values that are 0 or negative, expected more than 0")
        )
    if neuron.few_spike != network.few_spike or (neuron.few_spike and network.spiking_inputs):
        others = [p.name for p in network.populations if p.neuron.few_spike != neuron.few_spike]
        others += network.spiking_inputs
        code, other = ("the few-spike code", "a rate code")[:: 1 if neuron.few_spike else -1]
        message = f"'{population.name}' uses {code}, '{others[0]}' uses {other}"
        hint = "use one code in the whole network; integrate and maximum use few spikes with few_spike: true"
        if neuron.few_spike and network.spiking_inputs:
            hint = "change the encoding of the input to constant_current, which few-spike neurons need"
        found.append(Problem((*path, "neuron"), "T213", message, hint))
    return found


def _relay_problems(network: Network, population: Population, path: PathInDocument) -> list[Problem]:
    """Errors of a population that passes spikes on (maximum): in its inputs, and in fields it cannot have."""
    found, neuron, name = [], population.neuron, population.name
    if not (neuron.spikes and not neuron.relays) and population.max_value is not None:
        message = f"'{name}' ({neuron.kind}) does not use max_value"
        hint = "remove max_value: only neurons with a threshold use it"
        found.append(Problem((*path, "max_value"), "T219", message, hint))
    if not neuron.relays:
        return found
    if population.bias is not None:
        message = f"'{name}' ({neuron.kind}) cannot have a bias"
        hint = "remove the bias, or add it in a population before this one"
        found.append(Problem((*path, "bias"), "T219", message, hint))
    size = neuron.current_shape(())[-1]
    if size > MAX_WINDOW:
        message = f"expected a window of at most {MAX_WINDOW}, got {size}: float32 cannot tell more apart"
        hint = "use two populations one after the other, each with a smaller window, such as rows and columns"
        found.append(Problem((*path, "neuron", "window"), "T217", message, hint))
    signed = [c.source for c in population.inputs if c.source in network.signed]
    if neuron.signed != bool(signed):
        sources = ", ".join(f"'{c.source}'" for c in population.inputs)
        message = f"'{name}' has signed: true, but {sources} emits no signed spikes"
        hint = f"set signed: false in '{name}', or let {sources} emit signed spikes"
        if signed:
            message = f"'{name}' has signed: false, but '{signed[0]}' emits signed spikes"
            hint = f"set signed: true in '{name}', or let '{signed[0]}' emit spikes without a sign"
        found.append(Problem((*path, "neuron", "signed"), "T218", message, hint))
    currents = {i.name for i in network.inputs if not i.encoding.spikes}
    for position, connection in enumerate(population.inputs):
        place = (*path, "inputs", position)
        if connection.source in currents:
            message = f"'{name}' ({neuron.kind}) needs spikes, '{connection.source}' gives a current"
            hint = (
                "put a population that spikes between them, or use an encoding that spikes, such as poisson"
            )
            found.append(Problem((*place, "from"), "T217", message, hint))
        for index, linear_map in enumerate(connection.through):
            if linear_map.routing and not linear_map.tensors:
                continue
            message = f"{linear_map.op} has weights, '{name}' ({neuron.kind}) needs spikes without weights"
            hint = "put a population that spikes between them; maps without weights can stay"
            found.append(Problem((*place, "through", index), "T217", message, hint))
    return found


def _overlap_problems(
    population: Population, shapes: Mapping[str, Shape], path: PathInDocument
) -> list[Problem]:
    """Errors of a population that passes spikes on if one element gets spikes from several sources."""
    sources = [c.source for c in population.inputs]
    if not population.neuron.relays or len(sources) == 1:
        return []
    if any(source not in shapes or prod(shapes[source]) > MAX_NEURONS for source in sources):
        return []  # reported elsewhere
    paths = np.zeros(population.neuron.current_shape(population.shape), np.float32)
    for connection in population.inputs:
        paths += connection.apply(np.ones(shapes[connection.source], np.float32))
    if paths.max() <= 1:
        return []
    message = f"an element of a window of '{population.name}' gets spikes from more than one source"
    hint = "give each source its own channels, or add the sources in a population before this one"
    return [Problem((*path, "inputs"), "T217", message, hint)]


def _bias_problems(population: Population, path: PathInDocument) -> list[Problem]:
    if population.bias is None or population.bias.values.shape in (population.shape, population.shape[-1:]):
        return []
    file, shape = population.bias.file, list(population.bias.values.shape)
    message = f"{file or 'the bias'} has shape {shape}, expected {[population.shape[-1]]}"
    if len(population.shape) > 1:
        message += f" (one a channel) or {list(population.shape)} (one a neuron)"
    hint = f"save an array of that shape, or change the shape of '{population.name}'; then run tgenn lock"
    return [Problem((*path, "bias"), "T206", message, hint)]


def _output_problems(network: Network) -> list[Problem]:
    found = []
    if network.few_spike and network.simulation.reset == "never":
        message = "expected reset example with the few-spike code, got never"
        hint = "remove reset: few-spike neurons decode each example on its own"
        found.append(Problem(("simulation", "reset"), "T213", message, hint))
    names = [p.name for p in network.populations]
    timesteps = network.simulation.timesteps
    if network.few_spike and timesteps > MAX_FEW_SPIKE_STEPS:
        message = (
            f"expected at most {MAX_FEW_SPIKE_STEPS} time steps with the few-spike code, got {timesteps}"
        )
        found.append(Problem(("simulation", "timesteps"), "T210", message))
    for index, output in enumerate(network.outputs):
        path: PathInDocument = ("outputs", index)
        if output.start >= timesteps:
            message = f"expected a start below timesteps ({timesteps}), got {output.start}"
            found.append(
                Problem((*path, "start"), "T210", message, "choose a smaller start, or more timesteps")
            )
        if output.start and network.few_spike:
            message = f"expected start 0 with the few-spike code, got {output.start}"
            found.append(
                Problem((*path, "start"), "T210", message, "remove start: the first steps count most")
            )
        if output.population not in names:
            continue
        if output.population in [o.population for o in network.outputs[:index]]:
            message = f"'{output.population}' has a second readout"
            hint = "remove one of the two: each output population has one readout"
            found.append(Problem((*path, "population"), "T214", message, hint))
        population = network.population(output.population)
        if output.readout not in population.neuron.readouts:
            found.append(
                Problem(
                    (*path, "readout"),
                    "T207",
                    f"'{population.name}' ({population.neuron.kind}) has no readout {output.readout}",
                    f"use readout: {' or '.join(population.neuron.readouts)}, or another kind of neuron",
                )
            )
        if output.activation and output.readout == "first_spike":
            message = f"{output.activation} of first_spike, which gives an order and no logits"
            hint = "remove activation, or use another readout"
            found.append(Problem((*path, "activation"), "T207", message, hint))
    return found


def file_problems(network: Network) -> list[Problem]:
    """Errors in the weights of a network built in memory (T209, T308). Of files, the reader reports them."""
    found, seen = [], network.tensors
    parts = [(("inputs", i), part.tensors) for i, part in enumerate(network.inputs)]
    parts += [(("populations", i), part.tensors) for i, part in enumerate(network.populations)]
    for path, tensors in parts:
        for tensor in tensors:
            if seen[tensor.file] != tensor:
                message = f"two different arrays have the same file, {tensor.file}"
                found.append(Problem(path, "T209", message, "give each array a file of its own"))
            elif not np.isfinite(tensor.values).all():
                found.append(Problem(path, "T308", f"{tensor.file} contains NaN or infinity"))
    return found
