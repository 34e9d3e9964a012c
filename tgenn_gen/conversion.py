"""Keras model to spiking network: fold, find scales, normalize, and check the result against the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.activations import Progress, ann_currents, measure
from tgenn_gen.calibration import file_sha256, open_calibration
from tgenn_gen.corrections import corrected, with_offset
from tgenn_gen.document import require_valid
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.fold import FoldedModel, fold
from tgenn_gen.keras_import import load_model, predict, read_model
from tgenn_gen.layerwise import sample_size
from tgenn_gen.method_check import check_method
from tgenn_gen.methods import PRESETS, Method, needs_data
from tgenn_gen.normalize import find_scales, rescale
from tgenn_gen.runtime.command_line import as_current
from tgenn_gen.spec import Input, Network

TOLERANCE = 1e-3  # of float32 sums in another order, relative to the largest output
SMALLEST_PROBABILITY = 1e-30
FEW = 64  # examples of a sample; fewer than these are worth a note


def convert(
    model: Any,
    calibration: str | Path | np.ndarray | None = None,
    method: Method = PRESETS["low_latency"],
    *,
    uint8_divisor: float = 255.0,
    name: str | None = None,
    progress: Progress | None = None,
) -> Network:
    """Convert a trained Keras model to a spiking network.

    model          a Keras 3 model, or the path of a .keras or .h5 file
    calibration    training examples, (n, *input shape), or the path of an .npz with x or x_train
    method         neurons, normalization and so on: one of PRESETS, or a Method of your own
    uint8_divisor  what uint8 data is divided by before it reaches the network
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
    require_valid(network)  # names, options, shapes: before the calibration data is read through
    data = open_calibration(calibration, network.inputs[0]) if calibration is not None else None
    x = (
        next(data.batches(network.largest))[0][:16]
        if data is not None
        else _random_examples(network.inputs[0])
    )
    _check_against_keras(folded, keras_model, x, read.file)

    used = data if needs_data(method.normalize) or method.corrections else None
    offset = 0.0
    if used is not None and "offset" in method.corrections:
        network, offset = with_offset(network, used)
    measured = measure(network, used, method.per_channel, progress) if used is not None else None
    scales, notes = find_scales(network, method, measured, used, progress)
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
            notes.append(
                f"only {sample['sample']} calibration examples fit into memory at {method.timesteps} steps, "
                "and so little data is uncertain: fewer --timesteps allow for more"
            )
    notes += [f"{offset:g} added to all outputs, so that spikes lose none of them"] if offset else []
    if changes := [*folded.notes, *notes, *_correction_notes(method)]:
        provenance["changes"] = changes
    return replace(normalized, provenance=provenance)


def _choices(method: Method) -> dict[str, Any]:
    """The choices of a method that the document does not show in another place."""
    steps_free = {replace(m, timesteps=method.timesteps): name for name, m in PRESETS.items()}
    for_steps = method.corrections or method.normalize in ("mse", "spike_norm")
    return {
        **({"preset": steps_free[method]} if method in steps_free else {}),
        "normalization": method.normalize,
        **({"per_channel": True} if method.per_channel else {}),
        **({"pooling": method.pooling} if method.pooling != "folded" else {}),
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


def ann_accuracy(path: Path, x: np.ndarray, y: np.ndarray, uint8_divisor: float) -> float:
    """The Keras model's accuracy on examples x with labels y, 0 to 1."""
    model = load_model(path)
    shape = read_model(model, str(path)).layers[0].output_shape
    if shape != x.shape[1:]:
        message = f"takes examples of shape {list(shape)}, the data has {list(x.shape[1:])}"
        raise TgennError(
            Diagnostic(Location(str(path)), "T507", message, "give the model of these documents")
        )
    correct = 0
    for start in range(0, len(x), 500):
        output = predict(model, as_current(x[start : start + 500], uint8_divisor))
        correct += int((output.argmax(axis=1) == y[start : start + 500]).sum())
    return correct / len(x)


def convertible(path: Path) -> FoldedModel:
    """What a model file folds to. Raises TgennError with everything that cannot be converted."""
    keras_model = load_model(path)
    folded = fold(read_model(keras_model, str(path)), Method(), uint8_divisor=255.0)
    require_valid(folded.network)
    _check_against_keras(folded, keras_model, _random_examples(folded.network.inputs[0]), str(path))
    return folded


def _check_against_keras(folded: FoldedModel, keras_model: Any, x: np.ndarray, file: str) -> None:
    """Run the folded network as an ANN beside the model on examples x. Raises TgennError (T409).

    A guard against converting silently wrong, whatever a layer's rule has missed. A softmax is compared by
    its logarithm: a thousand small probabilities say as little as none.
    """
    expected = predict(keras_model, x)
    *_, (_, found) = ann_currents(folded.network, x)
    if folded.last_activation == "softmax":
        found = found - found.max(axis=-1, keepdims=True)
        found = found - np.log(np.exp(found).sum(axis=-1, keepdims=True))
        visible = expected > SMALLEST_PROBABILITY
        expected = np.where(visible, np.log(np.where(visible, expected, 1)), 0)
        found = np.where(visible, found, 0)
    elif folded.last_activation == "relu":
        found = np.maximum(found, 0)
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
    largest = float(np.abs(expected).max())
    if not difference <= TOLERANCE * largest + 1e-6:
        message = (
            f"the converted network does not compute what the model does: outputs of up to {largest:.3g} "
        )
        hint = (
            "either this is a fault of tgenn_gen (please report it with the model), or Keras' own result is: "
            "compare it on another machine"
        )
        message += f"differ by {difference:.3g}"
        raise TgennError(Diagnostic(Location(file), "T409", message, hint))


def _random_examples(network_input: Input) -> np.ndarray:
    return np.random.default_rng(0).random((16, *network_input.shape), np.float32)
