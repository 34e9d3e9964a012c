"""The options of tgenn export that choose the conversion method."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import fields, replace
from typing import Any

from tgenn_gen.cli.argument_types import finite_number, positive_number, whole_number
from tgenn_gen.conversion.methods import (
    AUTO,
    CORRECTIONS,
    PRESETS,
    WHOLE_LAYERS,
    WITHOUT_DATA,
    Method,
    automatic,
    neuron_of_kind,
)
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.readouts import READOUTS

NEURON_FIELDS = ("threshold", "negative_threshold", "tau", "reset", "v_init", "v_rest", "capacitance")


def _steps(text: str) -> int:
    return 0 if text == "0" else whole_number(text)


def _start(text: str) -> float | str:
    return text if text == "uniform" else finite_number(text)


def _corrections(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name and name != "none")


def add_method_options(parser: argparse.ArgumentParser) -> None:
    """The options; each one that is not given is as the preset has it."""
    method = parser.add_argument_group(
        "conversion", "an option that is not given has the value of the preset"
    )

    def option(name: str, help_text: str, **keywords: Any) -> None:
        method.add_argument(name, default=None, help=help_text, **keywords)

    method.add_argument(
        "--preset",
        choices=[AUTO, *PRESETS],
        default=AUTO,
        help="a combination of the options below; auto is low_latency, or few_spike where low_latency agrees "
        "with the model to less than 98 %% and few_spike agrees better (default: %(default)s)",
    )
    option("--timesteps", "time steps for which each example is shown", metavar="T", type=whole_number)
    option("--dt", "time step in ms", metavar="MS", type=positive_number)
    option(
        "--normalize",
        "how scales are chosen: none, model, data, percentile:P, mse, ltb, spike_norm, tensor_genn or "
        "as_trained; all but none, model and as_trained need --calibration",
        metavar="METHOD",
    )
    option(
        "--per-channel",
        "one scale for each channel, instead of one for each population",
        action=argparse.BooleanOptionalAction,
    )
    option(
        "--correct",
        f"corrections after conversion: {', '.join(CORRECTIONS)}, separated by commas; or none",
        metavar="NAMES",
        type=_corrections,
    )
    spiking = [kind for kind, cls in NEURONS.items() if cls.spikes and not cls.relays]
    option("--neuron", "neurons of hidden layers", choices=spiking)
    option("--threshold", "V at which a neuron spikes", metavar="V", type=finite_number)
    option(
        "--negative-threshold",
        "V below which a signed neuron takes a spike back",
        metavar="V",
        type=finite_number,
    )
    option(
        "--tau",
        "time constant of the membrane in ms, with --neuron leaky_integrate_and_fire",
        metavar="MS",
        type=positive_number,
    )
    option("--reset", "what happens to V after a spike", choices=["subtract", "zero", "to_rest"])
    option("--v-init", "V at the start of an example: a number, or uniform", metavar="V", type=_start)
    option("--v-rest", "resting potential", metavar="V", type=finite_number)
    option(
        "--capacitance",
        "membrane capacitance in nF; V, threshold and the like are then in mV",
        metavar="NF",
        type=positive_number,
    )
    option(
        "--dense-capacitance",
        "membrane capacitance of dense layers in nF, where it differs",
        metavar="NF",
        type=positive_number,
    )
    option("--encoding", "how inputs are presented", choices=list(ENCODINGS))
    option("--signed", "accept negative values as Poisson input", action=argparse.BooleanOptionalAction)
    option(
        "--input-gain",
        "current that an input of 1 gives, with --encoding integrate_and_fire",
        metavar="G",
        type=positive_number,
    )
    option(
        "--pooling", "average pooling: folded into the next layer, or neurons", choices=["folded", "spiking"]
    )
    option(
        "--max-pool",
        "max-pooling: maximum neurons (exact), or average pooling (another function than the model's)",
        choices=["spiking", "average"],
    )
    option("--readout", "how the output is read", choices=list(READOUTS))
    option("--readout-start", "first time steps that the readout leaves out", metavar="N", type=_steps)


def methods_of_options(arguments: argparse.Namespace) -> tuple[Method, ...]:
    """The method that the options say; with --preset auto several, if no option is about neurons.

    Raises TgennError (T408) for options that do not go together.
    """
    is_auto = arguments.preset == AUTO
    method = _method(PRESETS["low_latency" if is_auto else arguments.preset], arguments)
    about_neurons = any(getattr(arguments, name) is not None for name in ("neuron", *NEURON_FIELDS))
    if not is_auto or about_neurons:
        return (method,)
    methods = automatic(method)
    if arguments.correct is not None:
        methods = tuple(replace(m, corrections=arguments.correct) for m in methods)
    return methods


def _method(method: Method, arguments: argparse.Namespace) -> Method:
    """A preset with the options that are given."""
    given = {k: v for k, v in vars(arguments).items() if v is not None}
    found: list[Diagnostic] = []
    neuron = _neuron(method.neuron, given, found)
    dense = method.dense_neuron
    if dense is not None:
        dense = _neuron(dense, {k: v for k, v in given.items() if k != "capacitance"}, [])
        dense = dense if type(dense) is type(neuron) else None
    if "dense_capacitance" in given:
        changes = {"capacitance": given["dense_capacitance"]}
        dense = _replaced(dense or neuron, changes, found, "--dense-capacitance")
    encoding = _encoding(method.encoding, neuron, given, found)
    if found:
        raise TgennError(found)
    names = {
        "normalize": "normalize",
        "per_channel": "per_channel",
        "correct": "corrections",
        "pooling": "pooling",
        "max_pool": "max_pool",
        "readout": "readout",
        "readout_start": "readout_start",
        "timesteps": "timesteps",
        "dt": "dt",
    }
    changes = {field: given[option] for option, field in names.items() if option in given}
    if changes.get("normalize") in WHOLE_LAYERS:
        changes.setdefault("per_channel", False)
    if changes.get("normalize") in WITHOUT_DATA or neuron.kind != method.neuron.kind:
        changes.setdefault("corrections", ())  # the preset's are for its neurons, with data
    return replace(method, neuron=neuron, dense_neuron=dense, encoding=encoding, **changes)


def _neuron(neuron: Neuron, given: dict[str, Any], found: list[Diagnostic]) -> Neuron:
    """The preset's neurons, or those of the kind that is given, with the fields that are given."""
    if given.get("neuron", neuron.kind) != neuron.kind:
        neuron = neuron_of_kind(given["neuron"])
    changes = {name: given[name] for name in NEURON_FIELDS if name in given}
    changed = _replaced(neuron, changes, found)
    start = getattr(changed, "v_init", None)
    if changes.keys() & {"threshold", "v_rest"} and "v_init" not in changes and isinstance(start, float):
        half_way = (getattr(changed, "v_rest", 0.0) + getattr(changed, "threshold", 1.0)) / 2
        return replace(changed, v_init=half_way)
    return changed


def _replaced(value: Any, changes: dict[str, Any], found: list[Diagnostic], option: str = "") -> Any:
    known = {field.name for field in fields(value)}
    for name in changes:
        if name not in known:
            message = f"{option or _option(name)} is not for {value.kind}"
            kinds = [kind for kind, cls in NEURONS.items() if name in inspect.signature(cls).parameters]
            hint = f"leave it out, or use --neuron {' or '.join(kinds)}"
            found.append(Diagnostic.at("options", "T408", message, hint))
    return replace(value, **{k: v for k, v in changes.items() if k in known})


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _encoding(encoding: Encoding, neuron: Neuron, given: dict[str, Any], found: list[Diagnostic]) -> Encoding:
    """The preset's encoding, or the kind that is given; input neurons are like those of hidden layers."""
    if given.get("encoding", encoding.kind) != encoding.kind:
        encoding = ENCODINGS[given["encoding"]]()
    if isinstance(encoding, IntegrateAndFireInput):
        shared = {field.name for field in fields(encoding)} & set(NEURON_FIELDS)
        encoding = replace(encoding, **{n: getattr(neuron, n) for n in shared if hasattr(neuron, n)})
    changes = {"signed": "signed", "input_gain": "gain"}
    for option, field in changes.items():
        if option in given and field not in {f.name for f in fields(encoding)}:  # type: ignore[arg-type]
            message = f"{_option(option)} is not for encoding {encoding.kind}"
            found.append(Diagnostic.at("options", "T408", message, "leave it out, or use another --encoding"))
        elif option in given:
            encoding = replace(encoding, **{field: given[option]})  # type: ignore[type-var]
    return encoding
