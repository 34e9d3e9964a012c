"""The NumPy engine: what a network means, a layer at a time, many steps at once.

Populations see the spikes that their sources emitted at the same local step, so that no step of a layer
depends on a later layer: a layer's time course is one array, its linear maps are large matrix products,
and only the neurons' own updates run step by step. Long examples are simulated in parts (time_blocks).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.errors import TgennError
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Input, Network
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.network.runtime_calls import Call, Keys, Uniform
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import (
    Examples,
    Table,
    examples_problem,
    lengths_problem,
    with_last_axis,
)
from tgenn_gen.runtime.input_encodings import values_problem
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.neuron_updates import (
    MAX_FEW_SPIKE_STEPS,
    MAX_STEPS,
    few_spike_weights,
    rate_weights,
)
from tgenn_gen.runtime.numpy_network import NumpyNetwork
from tgenn_gen.runtime.random_numbers import uniform_between
from tgenn_gen.runtime.results import Result, joined


def simulate_in_numpy(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    *,
    timesteps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    record: Sequence[str] | None = (),
    record_v: Sequence[str] = (),
) -> Result:
    """Simulate examples in NumPy, as :func:`tgenn_gen.simulate` describes it."""
    examples, timesteps = checked(network, x, timesteps, seed, batch_size)
    return joined(simulated_batches(network, examples, timesteps, seed, batch_size, record, record_v))


def input_table(network: Network) -> Table:
    """The inputs by name, as :mod:`tgenn_gen.runtime.data` takes them: INPUTS in the scripts."""
    return {
        i.name: {
            "shape": i.shape,
            "uint8_divisor": i.uint8_divisor,
            "values": (i.encoding.low, i.encoding.high, i.encoding.binary),
            "data_range": i.data_range,
        }
        for i in network.inputs
    }


def output_table(network: Network) -> Table:
    """The outputs by population, as :mod:`tgenn_gen.runtime.data` takes them: OUTPUTS in the scripts."""
    return {
        o.population: {"shape": network.population(o.population).shape, "start": o.start}
        for o in network.outputs
    }


def examples_of(x: Any, inputs: tuple[Input, ...], place: str) -> Examples:
    """An array, or a mapping, as {input: examples with their channel axis}.

    Raises TgennError (T503) at `place` where it has not what the inputs are.
    """
    names = [i.name for i in inputs]
    given = dict(x) if isinstance(x, Mapping) else {names[0]: x} if len(names) == 1 else None
    if given is None or sorted(given) != sorted(names):
        there = "one array" if given is None else ", ".join(map(str, given)) or "none"
        message = f"expected a dict with an array for each input ({', '.join(names)}), got {there}"
        raise TgennError.at(place, "T503", message)
    return {i.name: with_last_axis(given[i.name], i.shape) for i in inputs}


def checked(
    network: Network, x: Any, timesteps: int | None, seed: int, batch_size: int | None = None
) -> tuple[Examples, int]:
    """The examples {input: (n, *shape)} that x, an array or a mapping, gives, and the number of time steps.

    Raises TgennError (T2xx, T503).
    """
    require_valid(network)
    start = max(o.start for o in network.outputs)
    examples = examples_of(x, network.inputs, "simulate")
    inputs = input_table(network)
    problem = examples_problem(examples, inputs) or lengths_problem(examples)
    problem = problem or values_problem(examples, inputs)
    for name, value in (("timesteps", timesteps), ("batch_size", batch_size)):
        if value is not None and not value >= 1:
            problem = problem or f"{name} is {value}, expected at least 1"
    timesteps = timesteps or network.simulation.timesteps
    most = MAX_FEW_SPIKE_STEPS if network.few_spike else MAX_STEPS
    if timesteps > most:
        problem = problem or f"timesteps is {timesteps}, the network takes at most {most}"
    if timesteps <= start:
        problem = problem or f"timesteps is {timesteps}, the readout starts only after {start}"
    if not 0 <= seed < 2**32:
        problem = problem or f"seed is {seed}, expected 0 to 2^32 - 1"
    if problem:
        raise TgennError.at("simulate", "T503", problem)
    return examples, timesteps


def simulated_batches(
    network: Network,
    examples: Examples,
    timesteps: int,
    seed: int = 0,
    batch_size: int | None = None,
    record: Sequence[str] | None = (),
    record_v: Sequence[str] = (),
) -> Iterator[Result]:
    """The results of one batch of examples, which were checked, after the other.

    Raises TgennError (T503) where a population cannot be recorded.
    """
    net = _in_numpy(network, timesteps, seed, batch_size)
    try:
        yield from net.batches(examples, timesteps, record, record_v, details=True)
    except RunError as error:
        raise TgennError.at("simulate", "T503", str(error)) from None


def _in_numpy(network: Network, timesteps: int, seed: int, batch_size: int | None) -> NumpyNetwork:
    """The network as one that runs in NumPy."""
    dt, last_read_by = network.simulation.dt, network.last_read_by

    def populations(net: NumpyNetwork) -> None:
        def emitted(name: str, call: Call, current: np.ndarray, stream: int, shape: Shape) -> np.ndarray:
            arguments = _arguments(call, timesteps, net.keys(stream), shape)
            return net.population(name, call.function, current, **arguments)

        courses: dict[str, np.ndarray] = {}
        for stream, i in enumerate(network.inputs):
            x = net.example(i.name)
            if i.encoding.spikes:
                courses[i.name] = emitted(i.name, i.encoding.call(dt), x, stream, i.shape)
            else:
                courses[i.name] = x.astype(np.float64)
        for stream, p in enumerate(network.populations, len(network.inputs)):
            courses[p.name] = emitted(p.name, p.neuron.call(dt), p.current(courses), stream, p.shape)
            for source in last_read_by[p.name]:
                del courses[source]  # nothing reads it any more

    net = NumpyNetwork(
        network.name,
        None,
        populations,
        default_timesteps=timesteps,
        largest=network.largest,
        few_spike=network.few_spike,
        batch_size=batch_size,
        seed=seed,
    )
    net.inputs.update(input_table(network))
    for output in network.outputs:
        population, readout = network.population(output.population), READOUTS[output.readout]
        made_of = partial(_output, readout.output, population.scales)
        net.output(population.name, population.shape, readout.read, made_of, output.start)
    return net


def _output(
    output: Callable[..., np.ndarray], scales: np.ndarray, read: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    return output(read, scales, steps)


def step_weights(network: Network, timesteps: int) -> np.ndarray:
    """What a spike of each step stands for in the network's code, float32 (timesteps,)."""
    return few_spike_weights(timesteps) if network.few_spike else rate_weights(timesteps)


def made(call: Call, timesteps: int, keys: np.ndarray, shape: Shape) -> Any:
    """The object of :mod:`tgenn_gen.runtime` that a call makes, for examples with these random keys."""
    return call.function(**_arguments(call, timesteps, keys, shape))


def _arguments(call: Call, timesteps: int, keys: np.ndarray, shape: Shape) -> dict[str, Any]:
    """The values of a call's arguments."""

    def value(argument: object) -> object:
        if isinstance(argument, Tensor):
            return argument.values
        if isinstance(argument, Uniform):
            return uniform_between(keys, argument.low, argument.high, shape)
        if isinstance(argument, Keys):
            return keys
        return argument(timesteps) if callable(argument) else argument

    return {name: value(argument) for name, argument in call.arguments.items()}
