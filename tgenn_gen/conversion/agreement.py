"""Measures how far a converted network agrees with the Keras model, on calibration examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tgenn_gen.conversion.calibration import Calibration
from tgenn_gen.conversion.folding_state import FoldedOutput
from tgenn_gen.engine.simulation import checked, input_table, simulated_batches
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import predict
from tgenn_gen.network.model import Network
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.runtime.data import Examples, count_of, currents_of, takes_classes
from tgenn_gen.runtime.neuron_updates import MAX_FEW_SPIKE_STEPS

ENOUGH = 0.98  # a network with less gets a warning
EXAMPLES, FEWEST = 256, 16
OTHERS = 5  # so many examples are needed for each one that is held out
SECONDS = 30  # for the simulation, at this speed:
PRODUCTS, UPDATES = 2e9, 2e7  # of weights with spikes, and of neurons, a second
BATCH = 16  # examples that Keras runs at a time

Figures = dict[str, float]  # each from 0 to 1
SAME_CLASS, EXPLAINED = "same_class", "explained_variance"
WORDS = {SAME_CLASS: "of the classes are the same", EXPLAINED: "of the variance is explained"}


@dataclass(frozen=True)
class Test:
    """Examples that a network is tested on. held_out: whether scales are chosen on others."""

    examples: Calibration
    held_out: bool


@dataclass(frozen=True)
class Answers:
    """What the Keras model gives for the examples of a test.

    examples: {input: float32 (n, *shape), or (n, frames, *shape)}. outputs: {output population: (n, *shape)}.
    classes: the names of those that are read as classes or 0/1 labels.
    """

    examples: Examples
    outputs: Mapping[str, np.ndarray]
    classes: Sequence[str]


def split(data: Calibration) -> tuple[Calibration, Test]:
    """Examples to choose scales on, and examples to test on.

    One example in five is held out for the test, at most 256. From fewer than 80 examples none is: the test
    has 16 of those that scales are chosen on.
    """
    held_out = min(EXAMPLES, data.count // OTHERS)
    if held_out >= FEWEST:
        others, examples = data.split(held_out)
        return others, Test(examples, True)
    return data, Test(data.split(min(FEWEST, data.count))[1], False)


def affordable(network: Network) -> int:
    """How many examples are simulated in some 30 s, at least 16: the same number on every machine."""
    shapes, products = network.shapes, 0.0
    for population in network.populations:
        for connection in population.inputs:
            products += float(connection.paths(np.ones(shapes[connection.source])).sum())
    updates = sum(population.size for population in network.populations)
    seconds = network.simulation.timesteps * (products / PRODUCTS + updates / UPDATES)
    return max(FEWEST, int(SECONDS / seconds))


def keras_answers(
    keras_model: Any,
    read: KerasModel,
    outputs: Sequence[FoldedOutput],
    network: Network,
    test: Test,
    shifted: Sequence[str],
) -> Answers:
    """Run the Keras model on as many examples of a test as the network can be simulated on.

    outputs: of the network, in its order. With class numbers in the data the first output has classes.
    shifted: outputs to which the correction "offset" added a number: only their classes are the model's.
    Raises TgennError (T506).
    """
    examples = test.examples.shown(min(test.examples.count, affordable(network)))
    inputs = input_table(network)
    parts = [
        predict(keras_model, [*currents_of(examples, start, start + BATCH, inputs).values()])
        for start in range(0, count_of(examples), BATCH)
    ]
    arrays = [np.concatenate(part) for part in zip(*parts, strict=True)]
    names = dict(zip((o.population for o in outputs), dict.fromkeys(read.outputs), strict=True))
    found = {population: arrays[read.outputs.index(name)] for population, name in names.items()}
    classes = [o.population for o in outputs if o.activation == "softmax" or o.population in shifted]
    shape = found[outputs[0].population].shape[1:]
    decides = takes_classes(shape) if outputs[0].activation is None else outputs[0].activation == "sigmoid"
    if test.examples.labels is not None and decides and len(shape) == 1:
        classes.append(outputs[0].population)
    return Answers(examples, found, classes)


def agreement(network: Network, answers: Answers) -> Figures:
    """How far a network agrees with the Keras model, of each output. Several outputs: "output.measure".

    same_class          the fraction of examples (of maps: of their elements, of several 0/1 labels: of the
                        labels) with the same class
    explained_variance  of values: 1 - mean squared error / variance of the Keras model's values over examples
    """
    examples, timesteps = checked("convert", network, answers.examples, None, 0)
    batches = [*simulated_batches(network, examples, timesteps, details=False)]
    figures = {}
    for output in network.outputs:
        name, wanted = output.population, answers.outputs[output.population]
        if name in answers.classes:
            logits = np.concatenate([batch.logits[name] for batch in batches])
            measure, figure = SAME_CLASS, _same_class(logits, wanted, output.activation)
        else:
            found = np.concatenate([batch.outputs[name] for batch in batches])
            measure, figure = EXPLAINED, _explained(found, wanted)
        figures[measure if len(network.outputs) == 1 else f"{name}.{measure}"] = round(figure, 4)
    return figures


def _same_class(logits: np.ndarray, wanted: np.ndarray, activation: str | None) -> float:
    """Of several classes with the largest probability, in float32, each one is right."""
    if activation == "sigmoid":
        return float(((logits > 0) == (wanted > 0.5)).mean())
    chosen = np.take_along_axis(wanted, logits.argmax(axis=-1)[..., None], axis=-1)
    return float((chosen == wanted.max(axis=-1, keepdims=True)).mean())


def _explained(found: np.ndarray, wanted: np.ndarray) -> float:
    wanted = wanted.astype(np.float64)
    error, variance = np.square(found - wanted).mean(), np.square(wanted - wanted.mean(axis=0)).mean()
    variance = variance or np.square(wanted).mean() or 1.0  # of one example, or of equal ones
    return float(max(0.0, 1 - error / variance))


def least(figures: Figures) -> float:
    """The agreement of the output that agrees least."""
    return min(figures.values())


def with_agreement(tried: Sequence[tuple[Network, Figures]], examples: int, held_out: bool) -> Network:
    """The network that agrees best, of equals the first, with what was found in its provenance."""
    network, figures = max(tried, key=lambda one: least(one[1]))
    found: dict[str, Any] = {"check": {"examples": examples, "held_out": held_out, **figures}}
    if others := [_line(n, f) for n, f in tried if n is not network]:
        found["also_tried"] = others
    return replace(network, provenance={**network.provenance, **found})


def agreement_line(network: Network) -> str:
    """What a check found, in one line; "" for a network that was not checked."""
    if (check := network.provenance.get("check")) is None:
        return ""
    other = "other examples than those for scales" if check["held_out"] else "examples"
    lines = [_line(network, _figures(check)), *network.provenance.get("also_tried", ())]
    return f"compared with the model on {check['examples']} {other}: {'; '.join(lines)}"


def low_agreement(network: Network, tried: Sequence[Network]) -> str:
    """A warning, with what to do, where a check found less than 98 %; "" elsewhere. tried: all networks."""
    agreement = least(_figures(network.provenance["check"]))
    if agreement >= ENOUGH:
        return ""
    readouts = {output.readout for output in network.outputs} - {"membrane"}
    frames = any(i.frames > 1 for i in network.inputs)
    bits = [n.simulation.timesteps for n in tried if _kind(n) == "few_spike"]
    if network.provenance.get("max_pool") == "average":
        advice = "use `max_pool='spiking'`, which does not change the model's function"
    elif readouts:
        advice = f"readout {readouts.pop()} loses something, use `readout='membrane'`"
    elif frames and "weights" not in network.provenance.get("corrections", ()):
        advice = "correct the weights, which sees the frames: `corrections=('weights',)`"
    elif _kind(network) == LeakyIntegrateAndFireNeuron.kind:
        advice = "use a longer `tau`, or neurons without a leak"
    elif not bits:
        steps = 4 * network.simulation.timesteps
        advice = f"use more time steps, such as `timesteps={steps}`, or "
        advice += "fewer frames" if frames else "`method='few_spike'`"
    elif len(bits) == 1 and bits[0] < MAX_FEW_SPIKE_STEPS - 2:
        advice = f"use more bits: `method='few_spike'` with `timesteps={bits[0] + 2}`"
    else:
        advice = "give more calibration data, or choose scales in another way, such as `normalize='data'`"
    return f"the network agrees with the model only to {100 * agreement:.2f} %: {advice}"


def _figures(check: Mapping[str, float]) -> Figures:
    return {name: figure for name, figure in check.items() if name.rpartition(".")[2] in WORDS}


def _line(network: Network, figures: Figures) -> str:
    found = []
    for name, figure in figures.items():
        output, _, measure = name.rpartition(".")
        found.append(f"{output}{': ' if output else ''}{100 * figure:.2f} % {WORDS[measure]}")
    return f"{_kind(network)}, {network.simulation.timesteps} time steps, {', '.join(found)}"


def _kind(network: Network) -> str:
    """The kind of the neurons of the hidden layers."""
    kinds = [p.neuron.kind for p in network.populations if p.neuron.spikes and not p.neuron.relays]
    return next(iter(kinds), "no spikes")
