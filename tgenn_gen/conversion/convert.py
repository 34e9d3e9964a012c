"""Converts a Keras model: fold it, compare the result with it, find scales, normalize, correct."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.conversion.activation_statistics import Measurement, Progress, measure
from tgenn_gen.conversion.agreement import (
    ENOUGH,
    Test,
    agreement,
    keras_answers,
    least,
    low_agreement,
    split,
    with_agreement,
)
from tgenn_gen.conversion.calibration import Calibration, file_sha256, open_calibration
from tgenn_gen.conversion.corrections import corrected, with_offset
from tgenn_gen.conversion.folding import FoldedModel, fold
from tgenn_gen.conversion.frame_scales import scales_for_frames
from tgenn_gen.conversion.input_scaling import scaled_inputs
from tgenn_gen.conversion.keras_check import check_against_keras, check_without_data
from tgenn_gen.conversion.layerwise import sample_size
from tgenn_gen.conversion.method_check import check_method
from tgenn_gen.conversion.methods import AUTO, PRESETS, Method, methods_of, needs_data
from tgenn_gen.conversion.normalization import find_scales, require_comparable, rescale
from tgenn_gen.conversion.shifts import shifted
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.evaluation import are_class_scores
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import load_model, read_model
from tgenn_gen.network.argument_checks import positive_number, require, whole_number
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import Examples, count_of
from tgenn_gen.runtime.mpi_ranks import Ranks
from tgenn_gen.runtime.neuron_updates import MAX_STEPS

log = logging.getLogger(__name__)

FEW = 64  # a sample of fewer examples gets a note


def convert(
    model: Any,
    calibration: str | Path | np.ndarray | Mapping[str, np.ndarray] | None = None,
    method: Method | Sequence[Method] | str = AUTO,
    *,
    check: bool = True,
    uint8_divisor: float | None = None,
    frames: int = 1,
    name: str | None = None,
    progress: Progress | None = None,
    communicator: Any = None,
) -> Network:
    """Convert a trained Keras model to a spiking network.

    With calibration data the network is run beside the model, on up to 256 examples; from 80 examples on,
    scales are chosen on others. `provenance["check"]` has the agreement; a warning is logged where it is
    below 98 %. `provenance["changes"]` lists what the conversion changes about the model.

    Args:
        model: A Keras 3 or tf_keras model, or the path of a .keras or .h5 file or a SavedModel.
        calibration: Training examples `(n, *input shape)`, or `{input: examples}`, or the path of an .npz
            file with `x` or `x_train`, or with arrays named after the inputs. The methods "none", "model"
            and "as_trained" need none, unless there is max-pooling of values that may be negative.
        method: Neurons, normalization, readout and so on: a `Method`, or the name of one in `PRESETS`.
            Several: the first one that agrees with the model on 98 % of the examples, or else the best one.
            "auto": "low_latency", then "few_spike" with 8 bits, then with 10.
        check: Whether to measure the agreement. False: scales are chosen on all examples, and of several
            methods the first one is used.
        uint8_divisor: Divides uint8 data before it reaches the network; other data is used as it is.
            None: 255 or 1, as the model's accuracy on labelled calibration data, or its first layer, shows;
            255 where nothing does.
        frames: How many frames an example has; then calibration data is `(n, frames, *input shape)`. The
            model takes the mean over the frames, the network one after the other.
        name: The network's name. None: the model's.
        progress: Called with (examples done, all examples) while calibration data is read.
        communicator: An mpi4py communicator, such as `MPI.COMM_WORLD`, whose processes share the pass over
            the calibration data. Each calls this function with the same arguments, and gets the same network.
            After an error in one, the others wait: end them with `communicator.Abort()`.

    Returns:
        The network, with weights that are scaled to the neurons' thresholds.

    Raises:
        TgennError: T4xx the model or the method, T5xx the data; all errors that are found.
        MissingEngineError: TensorFlow is not installed.
    """
    methods = methods_of(method)
    require(
        "convert",
        "T408",
        positive_number("uint8_divisor", uint8_divisor, optional=True),
        whole_number("frames", frames, 1, MAX_STEPS),
    )
    if frames > 1:  # of several methods, those that cannot take frames are left out
        methods = tuple(m for m in methods if not m.neuron.few_spike) or methods
    for one in methods:
        check_method(one, calibration is not None, frames)
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = load_model(path) if path is not None else model
    ranks = Ranks(communicator)
    task = _Task(keras_model, path, calibration, check, uint8_divisor, frames, name, progress, ranks)
    first = _measured(task, methods[0])
    network = _converted(task, first)
    if first.test is None:
        return network
    answers = keras_answers(
        keras_model, first.read, first.folded.outputs, network, first.test, tuple(first.offsets)
    )
    log.info("comparing the spikes with the Keras model on %d examples", count_of(answers.examples))
    tried = [(network, agreement(network, answers))]
    for other in methods[1:]:
        if least(tried[-1][1]) < ENOUGH:
            network = _converted(task, _with_neurons_of(other, first, task) or _measured(task, other))
            tried.append((network, agreement(network, answers)))
    best = with_agreement(tried, count_of(answers.examples), first.test.held_out)
    if problem := low_agreement(best, [network for network, _ in tried]):
        log.warning(problem)
    return best


@dataclass(frozen=True)
class _Task:
    """What `convert` is given, with the model that is loaded."""

    keras_model: Any
    path: Path | None
    calibration: str | Path | np.ndarray | Mapping[str, np.ndarray] | None
    check: bool
    uint8_divisor: float | None
    frames: int
    name: str | None
    progress: Progress | None
    ranks: Ranks


@dataclass(frozen=True)
class _Measured:
    """A folded model that agrees with the Keras model, and what calibration data shows about it.

    method: the one it is folded for. folded: with the inputs' scaling and the outputs' offsets.
    scaling: notes on the inputs. used: the calibration data, None where it is not needed. test: examples to
    test the network on. offsets: {output: the number that the correction "offset" added}.
    """

    method: Method
    read: KerasModel
    folded: FoldedModel
    scaling: Sequence[str]
    used: Calibration | None
    test: Test | None
    measured: Measurement | None
    offsets: Mapping[str, float]


def _measured(task: _Task, method: Method) -> _Measured:
    """Fold the model, compare the result with it, and measure activations."""
    keras_model, calibration = task.keras_model, task.calibration
    read, folded = _folded(task, method)
    inputs = tuple(replace(i, frames=task.frames) for i in folded.network.inputs)
    folded = replace(folded, network=replace(folded.network, inputs=inputs))
    log.info("%d layers became %d populations", len(read.layers), len(folded.network.populations))
    require_valid(with_weight_names(folded.network))  # before the calibration data is read through
    require_comparable(folded.network, method.per_channel)
    data = open_calibration(calibration, inputs) if calibration is not None else None
    inputs, scaling = scaled_inputs(folded, read, keras_model, data, task.uint8_divisor)
    network = replace(folded.network, name=task.name or folded.network.name, inputs=inputs)
    folded, data = replace(folded, network=network), data and replace(data, inputs=inputs)
    test: Test | None = None
    if data is not None and task.check:
        data, test = split(data)
    if data is not None and folded.shifts:
        log.info("measuring values before max-pooling on %d examples of %s", data.count, data.file)
        folded = shifted(folded, _examples(data, network, task.progress))
    network = folded.network
    # The first batch is read twice, so that a wrong conversion is refused before the long pass below.
    shown = next(data.batches(network.largest))[0] if data is not None else {}
    if (same := _same_function(folded, read, method, shown)) is not None:
        log.info("comparing the network with the Keras model")
        if data is None:
            check_without_data(same, keras_model, read)
        else:
            check_against_keras(same, keras_model, {name: x[:16] for name, x in shown.items()}, read)
    read = replace(read, layers=())  # their weights are in the network now: not in memory twice

    used = data if needs_data(method.normalize) or method.corrections or folded.shifts else None
    offsets: dict[str, float] = {}
    if used is not None and "offset" in method.corrections:
        # The pass below measures the network with the offset, so the offset is found first.
        examples = used.sample(sample_size(network, used, 1))
        network, offsets = with_offset(network, examples, _logits(folded))
        folded = replace(folded, network=network)
    measured = None
    if used is not None:
        log.info("measuring activations on %d examples of %s", used.count, used.file)
        size = _sample_size(network, used, method)
        measured = measure(network, used, method.per_channel, size, task.progress, task.ranks)
    return _Measured(method, read, folded, scaling, used, test, measured, offsets)


def _folded(task: _Task, method: Method) -> tuple[KerasModel, FoldedModel]:
    read = read_model(task.keras_model, str(task.path) if task.path is not None else "")
    return read, fold(read, method, task.calibration is not None)


def _sample_size(network: Network, used: Calibration, method: Method) -> int:
    """How many examples corrections, spike_norm and scales for frames see; 0 without any of these."""
    sampled = method.corrections or method.normalize == "spike_norm" or _scales_for_frames(network, method)
    return sample_size(network, used, method.timesteps) if sampled else 0


def _scales_for_frames(network: Network, method: Method) -> bool:
    """Whether scales are for the mean over several frames; spike_norm has simulated the frames."""
    several = any(i.frames > 1 for i in network.inputs)
    return several and needs_data(method.normalize) and method.normalize != "spike_norm"


def _with_neurons_of(method: Method, first: _Measured, task: _Task) -> _Measured | None:
    """What is measured for one method, for another one with other neurons, time steps or corrections.

    The ANN is the same then, and so are its activations. None where the methods differ in more.
    """
    both, changed = first.method, ("neuron", "dense_neuron", "timesteps", "corrections")
    same = replace(method, **{name: getattr(both, name) for name in changed}) == both
    if not same or "offset" in (*both.corrections, *method.corrections):
        return None
    if first.used is None or first.measured is None:
        return None
    kinds = _folded(task, method)[1].network
    network = replace(
        first.folded.network,
        populations=tuple(
            replace(p, neuron=kinds.population(p.name).neuron) for p in first.folded.network.populations
        ),
        simulation=kinds.simulation,
    )
    size = _sample_size(network, first.used, method)
    sample = first.used.shown(size) if size else {}
    return replace(
        first,
        method=method,
        folded=replace(first.folded, network=network),
        measured=replace(first.measured, sample=sample),
    )


def _converted(task: _Task, found: _Measured) -> Network:
    """Choose scales, normalize and correct."""
    method, network, path = found.method, found.folded.network, task.path
    used, measured, offsets = found.used, found.measured, found.offsets
    size = _sample_size(network, used, method) if used is not None else 0
    log.info("choosing scales: normalization %s", method.normalize)
    scales, notes = find_scales(network, method, measured, used, task.progress)
    if measured is not None and _scales_for_frames(network, method):
        log.info("choosing scales for %d frames on %d examples", task.frames, size)
        scales, more = scales_for_frames(network, scales, measured.sample)
        notes += more
    normalized = rescale(network, scales)
    if measured is not None and method.corrections:
        log.info("correcting %s on %d examples", ", ".join(method.corrections), size)
        corrections = tuple(c for c in method.corrections if c != "weights" or size >= FEW)
        before, normalized = normalized, corrected(normalized, network, measured.sample, corrections)
        notes += _correction_notes(corrections, method.timesteps, before, normalized)
        if corrections != method.corrections:
            notes.append(f"weights are not corrected, which needs {FEW} examples")
    provenance: dict[str, Any] = {
        "model": Path(found.read.file).name if path is not None else found.read.name,
        **({"model_sha256": file_sha256(path)} if path is not None else {}),
        "keras_version": found.read.keras_version,
        **_choices(method),
    }
    if used is not None and measured is not None:
        inputs = tuple(replace(i, data_range=measured.ranges[i.name]) for i in normalized.inputs)
        normalized = replace(normalized, inputs=inputs)
        provenance["calibration"] = {
            "file": Path(used.file).name,
            "sha256": used.sha256(),
            "examples": used.count,
            **({"sample": size} if size else {}),
            **({} if measured.accuracy is None else {"ann_accuracy": round(measured.accuracy, 4)}),
        }
        if 0 < size < FEW:
            few = "more do not fit into memory, use fewer time steps"
            if size == used.count:
                few = "give more"
            notes.append(f"only {size} calibration examples are used, the result is uncertain: {few}")
    notes += _leak_notes(normalized)
    notes += [
        f"{name}: {offset:g} added to all outputs, because a spike count cannot be negative"
        for name, offset in offsets.items()
    ]
    if changes := [*found.folded.notes, *found.scaling, *notes]:
        provenance["changes"] = changes
    return with_weight_names(replace(normalized, provenance=provenance))


def _examples(data: Calibration, network: Network, progress: Progress | None) -> Iterator[Examples]:
    """The calibration examples in batches."""
    done = 0
    for examples, _ in data.batches(network.largest):
        yield examples
        done += count_of(examples)
        if progress is not None:
            progress(done, data.count)


def _same_function(
    folded: FoldedModel, read: KerasModel, method: Method, shown: Examples
) -> FoldedModel | None:
    """The network to compare with the model: its max-pooling is kept. None where that cannot be converted."""
    if method.max_pool == "spiking":
        return folded
    try:
        same = fold(read, replace(method, max_pool="spiking"))
    except TgennError:
        return None
    return shifted(same, [shown]) if shown else same


def _logits(folded: FoldedModel) -> list[str]:
    """The outputs that are class scores: adding one number to all of them keeps the largest one."""
    return [
        o.population
        for o in folded.outputs
        if not o.rectified and are_class_scores(folded.network.population(o.population).shape, o.activation)
    ]


def _choices(method: Method) -> dict[str, Any]:
    """The choices of a method that the rest of the document does not show."""
    steps_free = {replace(m, timesteps=method.timesteps): name for name, m in PRESETS.items()}
    for_steps = method.corrections or method.normalize in ("mse", "spike_norm")
    return {
        **({"preset": steps_free[method]} if method in steps_free else {}),
        "normalization": method.normalize,
        **({"per_channel": True} if method.per_channel else {}),
        **({"pooling": method.pooling} if method.pooling != "folded" else {}),
        **({"max_pool": method.max_pool} if method.max_pool != "spiking" else {}),
        **({"corrections": list(method.corrections)} if method.corrections else {}),
        **({"for_timesteps": method.timesteps} if for_steps else {}),
    }


def _leak_notes(network: Network) -> list[str]:
    """A note for each kind of neurons with a leak."""
    dt = network.simulation.dt
    shares = {p.neuron.describe(): p.neuron.leak(dt) / p.neuron.unit(dt) for p in network.populations}
    return [
        f"{neurons}: biases are larger by the current of {share:.3g} spikes per step, which makes up for "
        "what leaks out on average; the shorter tau is, the less is the rate that of a ReLU"
        for neurons, share in shares.items()
        if share
    ]


def _correction_notes(
    corrections: Sequence[str], timesteps: int, before: Network, after: Network
) -> list[str]:
    pairs = zip(before.populations, after.populations, strict=True)
    fitted = sum(p.inputs != q.inputs for p, q in pairs)
    words = {
        "weights": f"weights of {fitted} of {len(after.populations)} populations, and biases,",
        "bias": "biases of all populations",
        "potential": "initial potentials of all neurons",
    }
    return [
        f"{words[correction]} corrected against the ANN for {timesteps} steps"
        for correction in corrections
        if correction in words
    ]
