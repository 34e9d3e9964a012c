"""Keras model to spiking network: fold, find scales, normalize, and check the result against the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen import chains
from tgenn_gen.calibration import file_sha256, open_calibration
from tgenn_gen.document import require_valid
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.fold import FoldedModel, fold
from tgenn_gen.keras_import import load_model, predict, read_model
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
from tgenn_gen.normalize import (
    DEFAULT,
    Progress,
    ann_currents,
    find_scales,
    measure,
    needs_data,
)
from tgenn_gen.spec import Input, Network, Neuron, Population, Simulation
from tgenn_gen.tensors import Tensor

TOLERANCE = 1e-3  # of float32 sums in another order, relative to the largest output
SMALLEST_PROBABILITY = 1e-30


def convert(
    model: Any,
    calibration: str | Path | np.ndarray | None = None,
    *,
    normalize: str = DEFAULT,
    neuron: Neuron | None = None,
    readout: str = "membrane",
    simulation: Simulation | None = None,
    uint8_divisor: float = 255.0,
    name: str | None = None,
    progress: Progress | None = None,
) -> Network:
    """Convert a trained Keras model (Diehl et al. 2015) to a spiking network.

    model          a Keras 3 model, or the path of a .keras or .h5 file
    calibration    training examples, (n, *input shape), or the path of an .npz with x or x_train
    normalize      none, model, data or percentile:P (:mod:`tgenn_gen.normalize`); the last two need
                   calibration data
    neuron         the neurons of hidden layers; by default integrate-and-fire, threshold 1, reset by
                   subtraction, v_init 0.5
    readout        of the output population: "membrane" or "spike_count"
    uint8_divisor  what uint8 data is divided by before it reaches the network
    progress       called with (examples done, all) while calibration data is read

    What the conversion changes about the model is listed in provenance["changes"]. Raises TgennError
    for a model, data or option that cannot be used, with everything that is wrong, before any work.
    """
    neuron = neuron or IntegrateAndFire()
    _check_options(normalize, calibration, readout, neuron)
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = load_model(path) if path is not None else model
    read = read_model(keras_model, str(path) if path is not None else "")
    folded = fold(read, neuron, readout, uint8_divisor)
    network = folded.network
    network = replace(network, name=name or network.name, simulation=simulation or Simulation())
    require_valid(network)  # names, options, shapes: before the calibration data is read through
    data = open_calibration(calibration, network.inputs[0]) if calibration is not None else None
    largest = max(p.size for p in network.populations)
    x = next(data.batches(largest))[0][:16] if data is not None else _random_examples(network.inputs[0])
    _check_against_keras(folded, keras_model, x, read.file)

    measured = measure(network, data, progress) if data is not None and needs_data(normalize) else None
    scales, notes = find_scales(network, normalize, measured)
    provenance: dict[str, Any] = {
        "model": Path(read.file).name if path is not None else read.name,
        **({"model_sha256": file_sha256(path)} if path is not None else {}),
        "keras_version": read.keras_version,
        "normalization": normalize,
    }
    if data is not None and measured is not None:
        provenance["calibration"] = {
            "file": Path(data.file).name,
            "sha256": data.sha256(),
            "examples": data.count,
            "smallest": measured.smallest,
            "largest": measured.largest,
            **({} if measured.accuracy is None else {"ann_accuracy": round(measured.accuracy, 4)}),
        }
    if changes := [*folded.notes, *notes]:
        provenance["changes"] = changes
    return replace(rescale(network, scales), provenance=provenance)


def convertible(path: Path) -> FoldedModel:
    """What a model file folds to. Raises TgennError with everything that cannot be converted."""
    keras_model = load_model(path)
    folded = fold(read_model(keras_model, str(path)), IntegrateAndFire(), "membrane", uint8_divisor=255.0)
    require_valid(folded.network)
    _check_against_keras(folded, keras_model, _random_examples(folded.network.inputs[0]), str(path))
    return folded


def rescale(network: Network, scales: dict[str, float]) -> Network:
    """Normalize a folded network: W' = W scale_in / scale_out, b' = b / scale_out.

    A population keeps its threshold's part: with threshold v, W' and b' are multiplied by v too, so that
    activation = scale x spikes per step whatever the threshold.
    """
    populations = []
    for population in network.populations:
        unit = getattr(population.neuron, "threshold", 1.0) / scales[population.name]
        inputs = tuple(
            replace(
                c,
                through=chains.named(
                    chains.multiply(c.through, scales.get(c.source, 1.0) * unit), population.name
                ),
            )
            for c in population.inputs
        )
        bias = population.bias and Tensor(
            population.bias.file, population.bias.values.astype(np.float64) * unit
        )
        populations.append(
            Population(
                population.name, population.shape, population.neuron, inputs, scales[population.name], bias
            )
        )
    return replace(network, populations=tuple(populations))


def _check_options(method: str, calibration: object, readout: str, neuron: Neuron) -> None:
    place, found = Location("options"), []
    try:
        if needs_data(method) and calibration is None:
            hint = (
                "give --calibration TRAINING.npz; --normalize model needs none, but often thousands of steps"
            )
            found.append(Diagnostic(place, "T408", f"normalization '{method}' needs calibration data", hint))
    except ValueError as error:
        found.append(Diagnostic(place, "T408", str(error)))
    if readout not in ("membrane", "spike_count"):
        message = f"'{readout}' is no readout: use membrane or spike_count"
        found.append(Diagnostic(place, "T408", message))
    if not neuron.spikes:
        hint = "use one that spikes, such as IntegrateAndFire()"
        found.append(Diagnostic(place, "T408", f"neurons of kind {neuron.kind} never spike", hint))
    if found:
        raise TgennError(found)


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
