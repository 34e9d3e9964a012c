"""Checks that a Keras model can be converted, and that the folded network computes the same outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.conversion.affine_layers import AFFINE, affine_of, input_statistics
from tgenn_gen.conversion.folding import FoldedModel, as_network, walked
from tgenn_gen.conversion.folding_state import Walk
from tgenn_gen.conversion.keras_scores import logits_of
from tgenn_gen.conversion.methods import PRESETS
from tgenn_gen.conversion.normalization import require_comparable
from tgenn_gen.conversion.shifts import shifted
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import load_model, predict, read_model
from tgenn_gen.keras_reader.supported_layers import takes_integers
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.data import Examples

# Allowed difference, relative to the largest output: sums in another order differ by some thousand roundings.
TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "float16": 0.05, "bfloat16": 0.1}
SMALLEST_PROBABILITY = 1e-30
# Nearer to their ends, float16 has too few digits to tell the logit.
UNSATURATED = {"sigmoid": (1e-4, 0.99), "tanh": (-0.99, 0.99)}


def convertible(path: Path) -> Walk:
    """What becomes of each layer of a model file; `problems` has the layers that cannot be converted.

    Raises TgennError for a file that cannot be read, and for a network whose outputs differ (T409).
    """
    keras_model = load_model(path)
    read = read_model(keras_model, str(path))
    method = PRESETS["low_latency"]
    walk = walked(read, method)
    if not walk.problems:
        folded = as_network(walk)
        require_valid(with_weight_names(folded.network))
        require_comparable(folded.network, method.per_channel)
        check_without_data(folded, keras_model, read)
    walk.notes += [f"{shift.layer}: {shift.needs}" for shift in walk.shifts]
    return walk


def check_without_data(folded: FoldedModel, keras_model: Any, read: KerasModel) -> None:
    """check_against_keras on random inputs: of 0 to 1, and as the first layers expect them."""
    for examples in random_examples(folded.network, read):
        check_against_keras(shifted(folded, [examples]), keras_model, examples, read)


def check_against_keras(folded: FoldedModel, keras_model: Any, examples: Examples, read: KerasModel) -> None:
    """Compare the outputs of the folded network, run as an ANN, with the model's. Raises TgennError (T409).

    This finds errors in the rules of layers, which would otherwise give a wrong network without a message.
    """
    network, tolerance = folded.network, TOLERANCE[read.compute_dtype]
    examples = _as_keras_takes_them(examples, network, read)
    expected = predict(keras_model, [examples[i.name] for i in network.inputs])
    outputs = _ann_outputs(folded, network, examples)
    distinct = list(dict.fromkeys(read.outputs))
    for output, name in zip(folded.outputs, distinct, strict=True):
        found, wanted = outputs[output.population], expected[read.outputs.index(name)]
        found, wanted, largest = _comparable(found, wanted, output.activation)
        difference = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
        if not difference <= tolerance * largest + 1e-6:
            message = (
                f"the converted network and the model differ at '{name}': outputs of up to {largest:.3g} "
                f"differ by {difference:.3g}"
            )
            hint = (
                "this is a bug of tgenn_gen, or of Keras on this machine: try another machine, and "
                "please report it with the model if the difference stays"
            )
            if layer := _cancelling_layer(network, read, tolerance):
                message += f", because {layer}: most of float32's 7 digits cancel there"
                hint = (
                    "make that mean smaller, and train again: at an input, use a Normalization layer, which "
                    "subtracts the mean first; inside the model, normalize earlier layers too"
                )
            elif _rounding(folded, examples, output.population) > difference / 10:
                message += ", because large values cancel, and the rest has few of float32's 7 digits"
                hint = "train with weights and inputs of more similar sizes"
            raise TgennError.at(read.file, "T409", message, hint)


def _comparable(
    logits: np.ndarray, outputs: np.ndarray, activation: str | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Logits and the model's outputs in comparable form, and the largest number that counts as one of them.

    Logits show differences that saturated functions hide. Those that saturate sigmoid or tanh are cut off.
    """
    if activation is None or logits.shape != outputs.shape:
        return logits, outputs, float(np.abs(outputs).max())
    if activation == "softmax":
        found, wanted = _log_softmax(logits, outputs)
        return found, wanted, float(np.abs(wanted).max())
    low, high = UNSATURATED[activation]
    wanted = logits_of(np.clip(outputs.astype(np.float64), low, high), activation)
    found = np.clip(logits, *logits_of(np.array([low, high]), activation))
    return found, wanted, float(np.abs(logits).max())


def _ann_outputs(folded: FoldedModel, network: Network, examples: Examples) -> dict[str, np.ndarray]:
    """{output: values of the ANN, (batch, *shape)}. network: that of `folded`, with any weights."""
    rectified = {o.population: o.rectified for o in folded.outputs}
    return {
        population.name: population.activation(current) if rectified[population.name] else current
        for population, current in ann_currents(network, examples)
        if population.name in rectified
    }


def _cancelling_layer(network: Network, read: KerasModel, tolerance: float) -> str:
    """The layer whose mean is the largest multiple of its standard deviation, in words; "" if all are small.

    Rounding the mean changes results by `tolerance` of the standard deviation, or by nearly as much.
    """
    exact = {name for name, i in zip(read.inputs, network.inputs, strict=True) if i.offset}
    found = {
        layer.layer: affine_of(layer)
        for layer in read.layers
        if layer.class_name in AFFINE
        and not (layer.class_name == "Normalization" and layer.inputs[0] in exact)
    }
    name = max(found, key=lambda layer: found[layer].ratio, default="")
    if not name or found[name].ratio < 0.1 * tolerance / np.finfo(np.float32).eps:
        return ""
    mean, deviation = found[name].worst
    return f"'{name}' subtracts a mean of {mean:.4g} from values with a standard deviation of {deviation:.2g}"


def _rounding(folded: FoldedModel, examples: Examples, output: str) -> float:
    """How much an output changes if all weights and biases change by float32's last digit."""
    rng = np.random.default_rng(0)
    eps = np.finfo(np.float32).eps

    def rounded(tensor: Tensor) -> Tensor:
        return Tensor.unnamed(tensor.values * (1 + eps * rng.choice([-1, 1], tensor.values.shape)))

    def changed(population: Population) -> Population:
        inputs = tuple(
            replace(
                c,
                through=tuple(replace(m, **{k: rounded(t) for k, t in m.tensors.items()}) for m in c.through),  # type: ignore[type-var]
            )
            for c in population.inputs
        )
        return replace(population, inputs=inputs, bias=population.bias and rounded(population.bias))

    network = replace(folded.network, populations=tuple(map(changed, folded.network.populations)))
    before, after = (_ann_outputs(folded, n, examples)[output] for n in (folded.network, network))
    return float(np.abs(before - after).max())


def _as_keras_takes_them(examples: Examples, network: Network, read: KerasModel) -> Examples:
    """For inputs of an integer type, to which Keras casts its data: whole numbers of 0 to 127."""
    whole = {layer.name for layer in read.layers if takes_integers(layer)}

    def taken(x: np.ndarray) -> np.ndarray:
        return np.rint((x if x.max() > 1 else 127 * x).clip(0, 127)).astype(np.float32)

    return {
        i.name: taken(examples[i.name]) if name in whole else examples[i.name]
        for i, name in zip(network.inputs, read.inputs, strict=True)
    }


def _log_softmax(logits: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(softmax(logits)) and log(probabilities), both 0 where a probability is nearly 0.

    Logarithms show differences that probabilities near 0 hide.
    """
    found = logits - logits.max(axis=-1, keepdims=True)
    found = found - np.log(np.exp(found).sum(axis=-1, keepdims=True))
    visible = probabilities > SMALLEST_PROBABILITY
    return np.where(visible, found, 0), np.where(visible, np.log(np.where(visible, probabilities, 1)), 0)


def random_examples(network: Network, read: KerasModel) -> list[Examples]:
    """16 examples of random numbers from 0 to 1; and 16 with the mean and deviation that the model expects.

    The second are there where an input is normalized or rescaled.
    """
    rng = np.random.default_rng(0)
    from_0_to_1 = {i.name: rng.random((16, *i.shape), np.float32) for i in network.inputs}
    statistics = input_statistics(read)
    alike = {
        i.name: (s.mean + s.deviation * rng.standard_normal((16, *i.shape))).astype(np.float32)
        for name, i in zip(read.inputs, network.inputs, strict=True)
        if (s := statistics.get(name)) is not None
    }
    return [from_0_to_1, {**from_0_to_1, **alike}] if alike else [from_0_to_1]
