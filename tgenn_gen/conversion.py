"""Keras model to spiking network: fold, find scales, normalize, and check the result against the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen import chains
from tgenn_gen.calibration import Calibration, file_sha256, open_calibration
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.fold import FoldedModel, fold
from tgenn_gen.keras_import import load_model, predict, read_model
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
from tgenn_gen.normalize import (
    DEFAULT,
    Progress,
    activations,
    find_scales,
    measure,
    needs_data,
)
from tgenn_gen.spec import Input, Network, Neuron, Population, Simulation
from tgenn_gen.tensors import Tensor

TOLERANCE = 1e-3  # of float32 sums in another order, relative to the largest output


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
    _check_options(normalize, calibration, readout)
    path = Path(model) if isinstance(model, str | Path) else None
    keras_model = load_model(path) if path is not None else model
    read = read_model(keras_model, str(path) if path is not None else "")
    folded = fold(read, neuron or IntegrateAndFire(), readout, uint8_divisor)
    network = folded.network
    data = open_calibration(calibration, network.inputs[0]) if calibration is not None else None
    _check_against_keras(folded, keras_model, data, read.file)

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
            **({} if measured.accuracy is None else {"ann_accuracy": round(measured.accuracy, 4)}),
        }
    if changes := [*folded.notes, *notes]:
        provenance["changes"] = changes
    network = rescale(network, scales)
    return replace(
        network,
        name=name or network.name,
        simulation=simulation or Simulation(),
        provenance=provenance,
    )


def convertible(path: Path) -> FoldedModel:
    """What a model file folds to. Raises TgennError with everything that cannot be converted."""
    model = read_model(load_model(path), str(path))
    return fold(model, IntegrateAndFire(), "membrane", uint8_divisor=255.0)


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


def _check_options(method: str, calibration: object, readout: str) -> None:
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
    if found:
        raise TgennError(found)


def _check_against_keras(folded: FoldedModel, keras_model: Any, data: Calibration | None, file: str) -> None:
    """Run the folded network as an ANN beside the model on a few examples. Raises TgennError (T409).

    A guard against converting silently wrong, whatever a layer's rule has missed.
    """
    network = folded.network
    x = (
        next(data.batches(max(p.size for p in network.populations)))[0][:16]
        if data is not None
        else _random_examples(network.inputs[0])
    )
    expected = predict(keras_model, x)
    *_, (_, found) = activations(network, x)
    if folded.last_activation == "softmax":
        found = np.exp(found - found.max(axis=-1, keepdims=True))
        found /= found.sum(axis=-1, keepdims=True)
    elif folded.last_activation == "relu":
        found = np.maximum(found, 0)
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        message = (
            f"the converted network does not compute what the model does: outputs differ by {difference:.3g}"
        )
        hint = "this is a fault of tgenn_gen: please report it with the model"
        raise TgennError(Diagnostic(Location(file), "T409", message, hint))


def _random_examples(network_input: Input) -> np.ndarray:
    return np.random.default_rng(0).random((16, *network_input.shape), np.float32)
