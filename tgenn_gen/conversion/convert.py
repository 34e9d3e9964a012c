"""Keras model to spiking network: fold, find scales, normalize, and check the result against the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.conversion.activations import Progress, measure
from tgenn_gen.conversion.calibration import file_sha256, open_calibration
from tgenn_gen.conversion.corrections import corrected, with_offset
from tgenn_gen.conversion.folding import FoldedModel, as_network, fold, walked
from tgenn_gen.conversion.folding_state import Walk
from tgenn_gen.conversion.layerwise import sample_size
from tgenn_gen.conversion.method_check import check_method
from tgenn_gen.conversion.methods import DEFAULT_PRESET, PRESETS, Method, needs_data
from tgenn_gen.conversion.normalization import find_scales, require_comparable, rescale
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.document.weight_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import load_model, predict, read_model
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import (
    Accuracy,
    Errors,
    Examples,
    Table,
    Targets,
    count_of,
    currents_of,
    scores_of,
    takes_classes,
)

# Of sums in another order, relative to the largest output: some thousand roundings of the dtype.
TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "float16": 0.05, "bfloat16": 0.1}
SMALLEST_PROBABILITY = 1e-30
FEW = 64  # examples of a sample; fewer than these are worth a note


def convert(
    model: Any,
    calibration: str | Path | np.ndarray | Mapping[str, np.ndarray] | None = None,
    method: Method = PRESETS["low_latency"],
    *,
    uint8_divisor: float | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Network:
    """Convert a trained Keras model to a spiking network.

    model          a Keras 3 or tf_keras model, or the path of a .keras or .h5 file or a SavedModel
    calibration    training examples, (n, *input shape), or {input: examples}, or the path of an .npz with x
                   or x_train, or with arrays named after the inputs
    method         neurons, normalization and so on: one of PRESETS, or a Method of your own
    uint8_divisor  what uint8 data is divided by before it reaches the network; None: 255, or 1 for an input
                   that the model itself rescales
    progress       called with (examples done, all) while calibration data is read

    What the conversion changes about the model is listed in provenance["changes"]. Raises TgennError
    for a model, data or method that cannot be used, with everything that is wrong, before any work.
    """
    check_method(method, calibration is not None)
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = load_model(path) if path is not None else model
    read = read_model(keras_model, str(path) if path is not None else "")
    folded = fold(read, method, uint8_divisor)
    network = replace(folded.network, name=name or folded.network.name)
    require_valid(with_weight_names(network))  # before the calibration data is read through
    require_comparable(network, method.per_channel)
    data = open_calibration(calibration, network.inputs) if calibration is not None else None
    shown = next(data.batches(network.largest))[0] if data is not None else _random_examples(network)
    shown = {name: x[:16] for name, x in shown.items()}
    if (same := _same_function(folded, read, method)) is not None:
        _check_against_keras(same, keras_model, shown, read)
    read = replace(read, layers=())  # their weights are in the network now: not in memory twice

    used = data if needs_data(method.normalize) or method.corrections else None
    offsets: dict[str, float] = {}
    if used is not None and "offset" in method.corrections:
        network, offsets = with_offset(network, used, _logits(folded))
    measured = measure(network, used, method.per_channel, progress) if used is not None else None
    scales, notes = find_scales(network, method, measured, used, progress)
    if measured is not None:
        measured = replace(measured, histograms={})  # large, and not needed any more
    normalized = rescale(network, scales)
    if used is not None and method.corrections:
        normalized = corrected(normalized, network, used, method.corrections)
    provenance: dict[str, Any] = {
        "model": Path(read.file).name if path is not None else read.name,
        **({"model_sha256": file_sha256(path)} if path is not None else {}),
        "keras_version": read.keras_version,
        **_choices(method),
    }
    if used is not None and measured is not None:
        sampled = method.corrections or method.normalize == "spike_norm"
        sample = {"sample": sample_size(network, used, method.timesteps)} if sampled else {}
        provenance["calibration"] = {
            "file": Path(used.file).name,
            "sha256": used.sha256(),
            "examples": used.count,
            **sample,
            "smallest": measured.smallest,
            "largest": measured.largest,
            **({} if measured.accuracy is None else {"ann_accuracy": round(measured.accuracy, 4)}),
        }
        if sample and sample["sample"] < FEW:
            few = "fit into memory: fewer --timesteps allow for more"
            if sample["sample"] == used.count:
                few = "are there: give more"
            notes.append(f"so little data is uncertain: only {sample['sample']} calibration examples {few}")
    notes += [
        f"{name}: {offset:g} added to all outputs, so that spikes lose none of them"
        for name, offset in offsets.items()
    ]
    if changes := [*folded.notes, *notes, *_correction_notes(method)]:
        provenance["changes"] = changes
    return with_weight_names(replace(normalized, provenance=provenance))


def _same_function(folded: FoldedModel, read: KerasModel, method: Method) -> FoldedModel | None:
    """What computes what the model does, to be checked; None where average pooling is the only way."""
    if method.max_pool == "spiking":
        return folded
    try:
        return fold(read, replace(method, max_pool="spiking"))
    except TgennError:
        return None


def _logits(folded: FoldedModel) -> list[str]:
    """The outputs of which the largest element counts alone, so that a number may be added to all."""
    return [
        o.population
        for o in folded.outputs
        if not o.rectified and takes_classes(folded.network.population(o.population).shape)
    ]


def _choices(method: Method) -> dict[str, Any]:
    """The choices of a method that the document does not show in another place."""
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


def _correction_notes(method: Method) -> list[str]:
    words = {"bias": "biases of all populations", "potential": "initial potentials of all neurons"}
    return [
        f"{words[correction]} corrected against the ANN for {method.timesteps} steps"
        for correction in method.corrections
        if correction in words
    ]


def ann_scores(
    path: Path, examples: Examples, targets: Targets, inputs: Table, outputs: Table
) -> dict[str, Accuracy | Errors]:
    """The Keras model's scores against targets; inputs and outputs are in the model's order.

    Raises TgennError (T507) where the model is not one of these inputs and outputs.
    """
    model = load_model(path)
    shapes, given = [tuple(i.shape[1:]) for i in model.inputs], [i["shape"] for i in inputs.values()]
    made = [tuple(o.shape[1:]) for o in model.outputs]
    expected = [row["shape"] for row in outputs.values()]
    if shapes != given or made != expected:
        message = f"takes examples of shape {_listed(shapes)}, the data has {_listed(given)}"
        if shapes == given:
            message = f"gives outputs of shape {_listed(made)}, the documents {_listed(expected)}"
        raise TgennError.at(path, "T507", message, "give the model of these documents")
    scores = scores_of(targets, inputs)
    for start in range(0, count_of(examples), 500):
        currents = currents_of(examples, start, start + 500, inputs)
        for name, output in zip(outputs, predict(model, [*currents.values()]), strict=True):
            if name in scores:
                scores[name].add(output[None])
    return scores


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)


def convertible(path: Path) -> Walk:
    """What becomes of each layer of a model file, and what cannot be converted (its `problems`).

    Raises TgennError for a file that cannot be read, and where the whole does not compute the same.
    """
    keras_model = load_model(path)
    read = read_model(keras_model, str(path))
    method = PRESETS[DEFAULT_PRESET]
    walk = walked(read, method)
    if not walk.problems:
        folded = as_network(walk)
        require_valid(with_weight_names(folded.network))
        require_comparable(folded.network, method.per_channel)
        _check_against_keras(folded, keras_model, _random_examples(folded.network), read)
    return walk


def _check_against_keras(folded: FoldedModel, keras_model: Any, examples: Examples, read: KerasModel) -> None:
    """Run the folded network as an ANN beside the model on examples. Raises TgennError (T409).

    A guard against converting silently wrong, whatever a layer's rule has missed.
    """
    network = folded.network
    expected = predict(keras_model, [examples[i.name] for i in network.inputs])
    currents = {
        population.name: (population, current) for population, current in ann_currents(network, examples)
    }
    distinct = list(dict.fromkeys(read.outputs))
    for output, name in zip(folded.outputs, distinct, strict=True):
        population, found = currents[output.population]
        wanted = expected[read.outputs.index(name)]
        if output.rectified:
            found = population.activation(found)
        if output.softmax:
            found, wanted = _log_softmax(found, wanted)
        difference = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
        largest = float(np.abs(wanted).max())
        if not difference <= TOLERANCE[read.compute_dtype] * largest + 1e-6:
            message = (
                f"the converted network does not compute what the model does at '{name}': outputs of up to "
                f"{largest:.3g} differ by {difference:.3g}"
            )
            hint = (
                "either this is a fault of tgenn_gen (please report it with the model), or Keras' own result "
                "is: compare it on another machine"
            )
            raise TgennError.at(read.file, "T409", message, hint)


def _log_softmax(logits: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of the softmax of logits and of probabilities, 0 where the latter are as good as 0.

    A thousand small probabilities say as little as none: their logarithms do not.
    """
    found = logits - logits.max(axis=-1, keepdims=True)
    found = found - np.log(np.exp(found).sum(axis=-1, keepdims=True))
    visible = probabilities > SMALLEST_PROBABILITY
    return np.where(visible, found, 0), np.where(visible, np.log(np.where(visible, probabilities, 1)), 0)


def _random_examples(network: Network) -> Examples:
    rng = np.random.default_rng(0)
    return {i.name: rng.random((16, *i.shape), np.float32) for i in network.inputs}
