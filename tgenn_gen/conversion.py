"""Keras model to spiking network: fold, find scales, normalize, and check the result against the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.activations import Progress, ann_currents, measure
from tgenn_gen.calibration import Calibration, file_sha256, open_calibration
from tgenn_gen.corrections import corrected
from tgenn_gen.document import require_valid
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.fold import FoldedModel, fold
from tgenn_gen.keras_import import load_model, predict, read_model
from tgenn_gen.methods import CORRECTIONS, PRESETS, WHOLE_LAYERS, Method, needs_data, parse_normalization
from tgenn_gen.normalize import find_scales, rescale
from tgenn_gen.readouts import READOUTS
from tgenn_gen.runtime.command_line import as_current
from tgenn_gen.spec import Input, Network

TOLERANCE = 1e-3  # of float32 sums in another order, relative to the largest output
SMALLEST_PROBABILITY = 1e-30


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
    _check_method(method, calibration)
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = load_model(path) if path is not None else model
    read = read_model(keras_model, str(path) if path is not None else "")
    folded = fold(read, method, uint8_divisor)
    network = replace(folded.network, name=name or folded.network.name)
    require_valid(network)  # names, options, shapes: before the calibration data is read through
    data = open_calibration(calibration, network.inputs[0]) if calibration is not None else None
    largest = max(p.size for p in network.populations)
    x = next(data.batches(largest))[0][:16] if data is not None else _random_examples(network.inputs[0])
    _check_against_keras(folded, keras_model, x, read.file)

    used = data if needs_data(method.normalize) or method.corrections else None
    measured = measure(network, used, method.per_channel, progress) if used is not None else None
    if used is not None and measured is not None:
        _check_values(used, measured.smallest, measured.largest)
    scales, notes = find_scales(network, method, measured, used, progress)
    normalized = rescale(network, scales)
    if used is not None and method.corrections:
        normalized = corrected(normalized, network, used, method.corrections)
    provenance: dict[str, Any] = {
        "model": Path(read.file).name if path is not None else read.name,
        **({"model_sha256": file_sha256(path)} if path is not None else {}),
        "keras_version": read.keras_version,
        "normalization": method.normalize,
        **({"per_channel": True} if method.per_channel else {}),
        **({"corrections": list(method.corrections)} if method.corrections else {}),
    }
    if used is not None and measured is not None:
        provenance["calibration"] = {
            "file": Path(used.file).name,
            "sha256": used.sha256(),
            "examples": used.count,
            "smallest": measured.smallest,
            "largest": measured.largest,
            **({} if measured.accuracy is None else {"ann_accuracy": round(measured.accuracy, 4)}),
            **(
                {"for_timesteps": method.timesteps}
                if method.corrections or method.normalize in ("mse", "spike_norm")
                else {}
            ),
        }
    if changes := [*folded.notes, *notes, *_correction_notes(method)]:
        provenance["changes"] = changes
    return replace(normalized, provenance=provenance)


def _correction_notes(method: Method) -> list[str]:
    words = {"bias": "biases of all populations", "potential": "initial potentials of all neurons"}
    return [
        f"{words[correction]} corrected against the ANN for {method.timesteps} steps"
        for correction in method.corrections
    ]


def ann_accuracy(path: Path, x: np.ndarray, y: np.ndarray, uint8_divisor: float) -> float:
    """The Keras model's accuracy on examples x with labels y, 0 to 1."""
    model = load_model(path)
    correct = sum(
        int(
            (predict(model, as_current(x[i : i + 500], uint8_divisor)).argmax(axis=1) == y[i : i + 500]).sum()
        )
        for i in range(0, len(x), 500)
    )
    return correct / len(x)


def convertible(path: Path) -> FoldedModel:
    """What a model file folds to. Raises TgennError with everything that cannot be converted."""
    keras_model = load_model(path)
    folded = fold(read_model(keras_model, str(path)), Method(), uint8_divisor=255.0)
    require_valid(folded.network)
    _check_against_keras(folded, keras_model, _random_examples(folded.network.inputs[0]), str(path))
    return folded


def _check_method(method: Method, calibration: object) -> None:
    place, found = Location("options"), []

    def refuse(message: str, hint: str = "") -> None:
        found.append(Diagnostic(place, "T408", message, hint))

    try:
        parse_normalization(method.normalize)
        if needs_data(method.normalize) and calibration is None:
            refuse(
                f"normalization '{method.normalize}' needs calibration data",
                "give --calibration TRAINING.npz; --normalize model needs none, but often thousands of steps",
            )
        if method.per_channel and method.normalize in WHOLE_LAYERS:
            refuse(f"normalization '{method.normalize}' has no scales a channel", "leave --per-channel out")
    except ValueError as error:
        refuse(str(error))
    if method.readout not in READOUTS:
        refuse(f"'{method.readout}' is no readout: use {', '.join(READOUTS)}")
    if not method.neuron.spikes:
        hint = "use one that spikes, such as IntegrateAndFire()"
        refuse(f"neurons of kind {method.neuron.kind} never spike", hint)
    if method.pooling not in ("folded", "spiking"):
        refuse(f"'{method.pooling}' is no pooling: use folded or spiking")
    unknown = [c for c in method.corrections if c not in CORRECTIONS]
    if unknown:
        refuse(f"there is no correction '{', '.join(unknown)}'", f"there are {', '.join(CORRECTIONS)}")
    elif method.corrections and calibration is None:
        refuse("corrections need calibration data", "give --calibration TRAINING.npz")
    neurons = [method.neuron, *([method.dense_neuron] if method.dense_neuron else [])]
    if "potential" in method.corrections and any(getattr(n, "v_init", "") == "uniform" for n in neurons):
        refuse("potentials drawn at random cannot be corrected", "give --v-init a number")
    for neuron in neurons:
        if problem := neuron.problem():
            refuse(problem)
    if problem := method.encoding.problem():
        refuse(f"input: {problem}")
    if method.neuron.few_spike and method.encoding.spikes:
        hint = "use --encoding constant_current"
        refuse(f"few-spike neurons cannot take the rate code of encoding {method.encoding.kind}", hint)
    if found:
        raise TgennError(found)


def _check_values(data: Calibration, smallest: float, largest: float) -> None:
    """Raise TgennError (T506) where the input's encoding cannot take the calibration data's values."""
    encoding = data.network_input.encoding
    low, high = (0.0, 1.0) if encoding.binary else (encoding.low, encoding.high)
    if smallest < low or largest > high:
        message = f"runs from {smallest:g} to {largest:g}, encoding {encoding.kind} takes {low:g} to {high:g}"
        hint = "use another --encoding, or data in its range"
        if encoding.kind == "poisson" and smallest < 0:
            hint = "use --signed, or another --encoding"
        raise TgennError(Diagnostic(Location(data.file), "T506", message, hint))


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
