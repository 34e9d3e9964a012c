"""Checks a conversion method before the conversion starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tgenn_gen.conversion.methods import CORRECTIONS, WHOLE_LAYERS, Method, needs_data
from tgenn_gen.document.canonical_text import document_data
from tgenn_gen.document.schema_check import schema_problems
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.network.argument_checks import (
    Wrong,
    list_of_names,
    positive_number,
    require,
    shown,
    whole_number,
)
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.model import Connection, Input, Network, Population
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.problems import suggestion
from tgenn_gen.network.readouts import READOUTS


def check_method(method: Method, has_data: bool, frames: int = 1) -> None:
    """Raise TgennError (T408) with every problem of a method, for examples of so many frames."""
    place, found = Location("options"), []
    require("options", "T408", _type_problems(method))

    def refuse(message: str, hint: str = "") -> None:
        found.append(Diagnostic.at(place, "T408", message, hint))

    try:
        if needs_data(method.normalize) and not has_data:
            refuse(
                f"normalization '{method.normalize}' needs calibration data",
                "give `calibration='TRAINING.npz'`, or use `normalize='model'`, which needs many time steps",
            )
        if method.per_channel and method.normalize in WHOLE_LAYERS:
            refuse(f"normalization '{method.normalize}' has one scale per layer", "leave out `per_channel`")
    except ValueError as error:
        refuse(str(error))
    if method.readout not in READOUTS:
        refuse(f"unknown readout '{method.readout}'", f"use one of {', '.join(READOUTS)}")
    if not method.neuron.spikes or method.neuron.relays:
        hint = "use a kind with a threshold, such as integrate_and_fire"
        what = "only pass spikes on" if method.neuron.spikes else "never spike"
        refuse(f"neurons of kind {method.neuron.kind} {what}", hint)
    if method.pooling not in ("folded", "spiking"):
        refuse(f"unknown pooling '{method.pooling}'", "use folded or spiking")
    if method.max_pool not in ("spiking", "average"):
        refuse(f"unknown max-pooling '{method.max_pool}'", "use spiking or average")
    unknown = [c for c in method.corrections if c not in CORRECTIONS]
    if unknown:
        refuse(f"unknown correction '{', '.join(unknown)}'", f"use one of {', '.join(CORRECTIONS)}")
    elif "offset" in method.corrections and method.readout != "spike_count":
        refuse(
            "correction 'offset' needs the readout spike_count",
            "use `readout='spike_count'`, or leave it out",
        )
    elif method.corrections and not has_data and not found:
        refuse(
            "corrections need calibration data", "give `calibration='TRAINING.npz'`, or use `corrections=()`"
        )
    neurons = [method.neuron, *([method.dense_neuron] if method.dense_neuron else [])]
    if "potential" in method.corrections and any(getattr(n, "v_init", "") == "uniform" for n in neurons):
        refuse(
            "correction 'potential' needs initial potentials that are not random", "give `v_init` a number"
        )
    if method.normalize == "mse" and any(getattr(n, "reset", "subtract") != "subtract" for n in neurons):
        refuse(
            "normalization 'mse' needs reset by subtraction", "use `reset='subtract'`, or another `normalize`"
        )
    if method.neuron.few_spike and method.encoding.spikes:
        hint = "use `encoding` constant_current"
        refuse(f"few-spike neurons cannot take the rate code of encoding {method.encoding.kind}", hint)
    if method.neuron.few_spike and frames > 1:
        hint = "use a rate code, such as `method='low_latency'`"
        refuse(f"few-spike neurons cannot take {frames} frames: their first steps count most", hint)
    elif method.timesteps % frames:
        multiple = -(-method.timesteps // frames) * frames
        message = f"{method.timesteps} time steps are not a multiple of {frames} frames"
        refuse(message, f"use `timesteps={multiple}`")
    for message, hint in _parameter_problems(neurons, method):
        refuse(message, hint)
    if found:
        raise TgennError(found)


def _type_problems(method: Method) -> Iterator[Wrong]:
    """What is wrong for each field of another type."""
    for name in ("normalize", "pooling", "max_pool", "readout"):
        if not isinstance(value := getattr(method, name), str):
            yield f"{name} is {shown(value)}, expected a name", ""
    yield from _kind_problems("neuron", method.neuron, Neuron, NEURONS)
    if method.dense_neuron is not None:
        yield from _kind_problems("dense_neuron", method.dense_neuron, Neuron, NEURONS)
    yield from _kind_problems("encoding", method.encoding, Encoding, ENCODINGS)
    per_channel: object = method.per_channel
    if not isinstance(per_channel, bool):
        yield f"per_channel is {shown(per_channel)}, expected True or False", ""
    yield from list_of_names("corrections", method.corrections)
    yield from whole_number("readout_start", method.readout_start, 0)
    yield from whole_number("timesteps", method.timesteps, 1)
    yield from positive_number("dt", method.dt)


def _kind_problems(name: str, value: object, base: type, kinds: Mapping[str, type]) -> Iterator[Wrong]:
    what = f"a kind of {base.__name__.lower()}"
    known = sorted(kind for kind, cls in kinds.items() if not getattr(cls, "relays", False))
    if isinstance(value, type) and issubclass(value, base):
        yield f"{name} is {shown(value)}, expected an object of it", f"write {value.__name__}()"
    elif isinstance(value, str):
        yield f"{name} is {shown(value)}, expected {what}", suggestion(value, known)
    elif not isinstance(value, base):
        yield f"{name} is {shown(value)}, expected {what}", f"known here: {', '.join(known)}"


def _parameter_problems(neurons: Sequence[Neuron], method: Method) -> Iterator[Wrong]:
    """(message, hint) for each parameter that the schema, or the kind itself, refuses."""
    encoding, dt = method.encoding, method.dt
    for neuron in neurons:
        probe = Population("probe", (1,), neuron, (Connection("input"),))
        network = Network("probe", (Input("input", (1,), encoding),), (probe,), ())
        problems = schema_problems(document_data(network))
        yield from ((p.message, p.hint) for p in problems if p.path[:1] != ("outputs",))
        if not problems or all(p.path[:1] == ("outputs",) for p in problems):
            for found in (*neuron.problems(dt), *encoding.problems(dt)):
                yield found.message, found.hint
