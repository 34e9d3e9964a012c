"""The few figures at the top of a report, each with a sentence that gives it a meaning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tgenn_gen.analysis.devices import joules
from tgenn_gen.codegen.network_table import population_extents, total_extent
from tgenn_gen.engine.accuracy_interval import CONFIDENCE, accuracy_interval, are_examples
from tgenn_gen.network.model import Network
from tgenn_gen.reporting.accuracy import interval
from tgenn_gen.reporting.measures import Measures
from tgenn_gen.reporting.tables import Key, percent

NEAR = 0.01  # of an accuracy: the least that counts as a difference


def key_figures(network: Network, measures: Measures | None) -> list[Key]:
    """Size, accuracy, agreement, activity and cost of a network; the last four if it was simulated."""
    found = [*_size(network)]
    if measures is not None:
        found = [
            *_scores(measures, network),
            *_agreement(measures),
            *_activity(measures),
            *_cost(measures),
            *found,
        ]
    return found


def _scores(measures: Measures, network: Network) -> Iterator[Key]:
    evaluation = measures.evaluation
    if evaluation is None:
        return
    name, found = next(iter(evaluation.outputs.items()))
    ann = (measures.ann or evaluation.relu_outputs).get(name)
    reference = "with ReLUs in place of spiking neurons" if measures.ann is None else "the Keras model"
    steps, n = evaluation.timesteps, evaluation.n
    if "accuracy" not in found:
        error = found["mean_squared_error"]
        beside = f"; {reference}: {ann['mean_squared_error']:.4g}" if ann else ""
        meaning = f"of {name} on {n:,} examples after {steps} time steps{beside}."
        yield Key("mean squared error", f"{error:.4g}", meaning)
        return
    accuracy, beside = found["accuracy"], f"; {reference}: {percent(ann['accuracy'])}" if ann else ""
    whole, what = are_examples(found), f"{n:,} examples"
    certain = f" ({CONFIDENCE} interval: {interval(accuracy, n)})" if whole else ""
    if not whole:
        what = f"the {'labels' if 'exact_match' in found else 'positions'} of {what}"
    meaning = f"of {what} are right after {steps} time steps{certain}{beside}."
    yield Key("accuracy", percent(accuracy), meaning)
    latency = network.latency(steps)
    if network.few_spike:
        meaning = (
            f"Each population takes all of them before the next one starts: the answer comes after {latency} "
            "steps."
        )
        yield Key("steps that matter", str(steps), meaning)
        return
    low, high = map(float, accuracy_interval(accuracy, n)) if whole else (accuracy, accuracy)
    within = f"in the {CONFIDENCE} interval"  # fewer examples tell less
    if max(high - accuracy, accuracy - low) <= NEAR:
        low, high, within = accuracy - NEAR, accuracy + NEAR, "within 1 point"
    per_step = np.array(found["accuracy_per_step"])
    far = np.flatnonzero((per_step < low) | (per_step > high))
    enough = int(far[-1]) + 2 if len(far) else 1
    meaning = (
        f"From step {enough} of {steps} on, the accuracy stays {within} of the last one. Through all layers, "
        f"the answer of {steps} steps comes after {latency}."
    )
    yield Key("steps that matter", str(enough), meaning)


def _agreement(measures: Measures) -> Iterator[Key]:
    verification = measures.verification
    if verification is None:
        return
    layer = verification.first_departure
    if layer is None:
        worst = max(verification.layers, key=lambda found: found.relative_error)
        meaning = (
            f"Every population does what its layer of {verification.ann} does. The relative error is largest "
            f"in {worst.name}: {percent(worst.relative_error)}, mostly from few time steps."
        )
        yield Key("layer by layer", "agrees", meaning)
    else:
        why = verification[layer].departs
        meaning = f"{layer} is the first population that departs from {verification.ann}: {why}."
        yield Key("layer by layer", "departs", meaning)


def _activity(measures: Measures) -> Iterator[Key]:
    total = measures.cost.total
    if total.activation_sparsity is None:
        return
    emitting = [row for row in measures.cost.populations if row.activation_sparsity is not None]
    neurons = sum(row.neurons for row in emitting)
    meaning = (
        f"per example: {percent(1 - total.activation_sparsity)} of the {neurons * measures.timesteps:,} that "
        f"{neurons:,} neurons could emit in {measures.timesteps} steps."
    )
    yield Key("spikes", f"{round(total.spikes):,}", meaning)


def _cost(measures: Measures) -> Iterator[Key]:
    total = measures.cost.total
    meaning = f"additions (ACs) per example, and {round(total.effective_macs):,} MACs for the input."
    if total.ann_macs is not None:
        ratio = (total.effective_acs + total.effective_macs) / total.ann_macs if total.ann_macs else 0
        meaning += (
            f" The ANN needs {total.ann_macs:,} MACs: the network has {ratio:.2g} times as many operations."
        )
    yield Key("synaptic operations", f"{round(total.effective_acs):,}", meaning)
    energy = measures.cost.energy()[0]
    ann = "" if energy.ann_joules is None else f"; the ANN: {joules(energy.ann_joules)}"
    meaning = (
        f"per example in {energy.device.name}, 45 nm, for arithmetic alone{ann}. Memory often takes more."
    )
    yield Key("energy", joules(energy.joules), meaning)


def _size(network: Network) -> Iterator[Key]:
    total = total_extent(network, population_extents(network))
    simulation = network.simulation
    meaning = (
        f"in {len(network.populations)} populations, with {total.synapses:,} synapses and {total.weights:,} "
        f"parameters; {simulation.timesteps} steps of {simulation.dt:g} ms per example."
    )
    yield Key("neurons", f"{total.neurons:,}", meaning)
