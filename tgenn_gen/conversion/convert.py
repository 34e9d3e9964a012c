"""Converts a Keras model: fold it, compare the result with it, find scales, normalize, correct."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.conversion.activation_statistics import Progress, measure
from tgenn_gen.conversion.calibration import file_sha256, open_calibration
from tgenn_gen.conversion.corrections import corrected, with_offset
from tgenn_gen.conversion.folding import FoldedModel, fold
from tgenn_gen.conversion.keras_check import check_against_keras, random_examples
from tgenn_gen.conversion.layerwise import sample_size
from tgenn_gen.conversion.method_check import check_method
from tgenn_gen.conversion.methods import DEFAULT_PRESET, PRESETS, Method, method_named, needs_data
from tgenn_gen.conversion.normalization import find_scales, require_comparable, rescale
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import load_model, read_model
from tgenn_gen.network.argument_checks import positive_number, require
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import takes_classes

log = logging.getLogger(__name__)

FEW = 64  # a sample of fewer examples gets a note


def convert(
    model: Any,
    calibration: str | Path | np.ndarray | Mapping[str, np.ndarray] | None = None,
    method: Method | str = DEFAULT_PRESET,
    *,
    uint8_divisor: float | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Network:
    """Convert a trained Keras model to a spiking network.

    The network's `provenance["changes"]` lists what the conversion changes about the model.

    Args:
        model: A Keras 3 or tf_keras model, or the path of a .keras or .h5 file or a SavedModel.
        calibration: Training examples `(n, *input shape)`, or `{input: examples}`, or the path of an .npz
            file with `x` or `x_train`, or with arrays named after the inputs. The methods "none", "model"
            and "as_trained" need none.
        method: Neurons, normalization, readout and so on: the name of one of `PRESETS`, or a `Method`.
        uint8_divisor: Divides uint8 data before it reaches the network; other data is used as it is.
            None: 255, or 1 for an input that the model itself rescales.
        name: The network's name. None: the model's.
        progress: Called with (examples done, all examples) while calibration data is read.

    Returns:
        The network, with weights that are scaled to the neurons' thresholds.

    Raises:
        TgennError: T4xx the model or the method, T5xx the data; all errors that are found.
        MissingEngineError: TensorFlow is not installed.
    """
    method = method_named(method)
    require("convert", "T408", positive_number("uint8_divisor", uint8_divisor, optional=True))
    check_method(method, calibration is not None)
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = load_model(path) if path is not None else model
    read = read_model(keras_model, str(path) if path is not None else "")
    folded = fold(read, method, uint8_divisor)
    log.info("%d layers became %d populations", len(read.layers), len(folded.network.populations))
    network = replace(folded.network, name=name or folded.network.name)
    require_valid(with_weight_names(network))  # before the calibration data is read through
    require_comparable(network, method.per_channel)
    data = open_calibration(calibration, network.inputs) if calibration is not None else None
    # The first batch is read twice, so that a wrong conversion is refused before the long pass below.
    shown = next(data.batches(network.largest))[0] if data is not None else random_examples(network)
    shown = {name: x[:16] for name, x in shown.items()}
    if (same := _same_function(folded, read, method)) is not None:
        log.info("comparing the network with the Keras model on %d examples", len(next(iter(shown.values()))))
        check_against_keras(same, keras_model, shown, read)
    read = replace(read, layers=())  # their weights are in the network now: not in memory twice

    used = data if needs_data(method.normalize) or method.corrections else None
    offsets: dict[str, float] = {}
    if used is not None and "offset" in method.corrections:
        # The pass below measures the network with the offset, so the offset is found first.
        examples = used.sample(sample_size(network, used, 1))
        network, offsets = with_offset(network, examples, _logits(folded))
    sampled = method.corrections or method.normalize == "spike_norm"
    size = sample_size(network, used, method.timesteps) if used is not None and sampled else 0
    if used is not None:
        log.info("measuring activations on %d examples of %s", used.count, used.file)
    measured = measure(network, used, method.per_channel, size, progress) if used is not None else None
    log.info("choosing scales: normalization %s", method.normalize)
    scales, notes = find_scales(network, method, measured, used, progress)
    if measured is not None:
        measured = replace(measured, histograms={})  # large, and not needed any more
    normalized = rescale(network, scales)
    if measured is not None and method.corrections:
        log.info("correcting %s on %d examples", ", ".join(method.corrections), size)
        normalized = corrected(normalized, network, measured.sample, method.corrections)
    provenance: dict[str, Any] = {
        "model": Path(read.file).name if path is not None else read.name,
        **({"model_sha256": file_sha256(path)} if path is not None else {}),
        "keras_version": read.keras_version,
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
    notes += [
        f"{name}: {offset:g} added to all outputs, because a spike count cannot be negative"
        for name, offset in offsets.items()
    ]
    if changes := [*folded.notes, *notes, *_correction_notes(method)]:
        provenance["changes"] = changes
    return with_weight_names(replace(normalized, provenance=provenance))


def _same_function(folded: FoldedModel, read: KerasModel, method: Method) -> FoldedModel | None:
    """The network to compare with the model: its max-pooling is kept. None where that cannot be converted."""
    if method.max_pool == "spiking":
        return folded
    try:
        return fold(read, replace(method, max_pool="spiking"))
    except TgennError:
        return None


def _logits(folded: FoldedModel) -> list[str]:
    """The outputs that are class scores: adding one number to all of them keeps the largest one."""
    return [
        o.population
        for o in folded.outputs
        if not o.rectified and takes_classes(folded.network.population(o.population).shape)
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


def _correction_notes(method: Method) -> list[str]:
    words = {"bias": "biases of all populations", "potential": "initial potentials of all neurons"}
    return [
        f"{words[correction]} corrected against the ANN for {method.timesteps} steps"
        for correction in method.corrections
        if correction in words
    ]
