"""Checks that a Keras model can be converted, and that the folded network computes the same outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.conversion.folding import FoldedModel, as_network, walked
from tgenn_gen.conversion.folding_state import Walk
from tgenn_gen.conversion.methods import DEFAULT_PRESET, PRESETS
from tgenn_gen.conversion.normalization import require_comparable
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.keras_model import KerasModel
from tgenn_gen.keras_reader.loading import load_model, predict, read_model
from tgenn_gen.keras_reader.supported_layers import takes_integers
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import Examples

# Allowed difference, relative to the largest output: sums in another order differ by some thousand roundings.
TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "float16": 0.05, "bfloat16": 0.1}
SMALLEST_PROBABILITY = 1e-30


def convertible(path: Path) -> Walk:
    """What becomes of each layer of a model file; `problems` has the layers that cannot be converted.

    Raises TgennError for a file that cannot be read, and for a network whose outputs differ (T409).
    """
    keras_model = load_model(path)
    read = read_model(keras_model, str(path))
    method = PRESETS[DEFAULT_PRESET]
    walk = walked(read, method)
    if not walk.problems:
        folded = as_network(walk)
        require_valid(with_weight_names(folded.network))
        require_comparable(folded.network, method.per_channel)
        check_against_keras(folded, keras_model, random_examples(folded.network), read)
    return walk


def check_against_keras(folded: FoldedModel, keras_model: Any, examples: Examples, read: KerasModel) -> None:
    """Compare the outputs of the folded network, run as an ANN, with the model's. Raises TgennError (T409).

    This finds errors in the rules of layers, which would otherwise give a wrong network without a message.
    """
    network = folded.network
    examples = _as_keras_takes_them(examples, network, read)
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
                f"the converted network and the model differ at '{name}': outputs of up to {largest:.3g} "
                f"differ by {difference:.3g}"
            )
            hint = (
                "this is a bug of tgenn_gen, or of Keras on this machine: try another machine, and "
                "please report it with the model if the difference stays"
            )
            raise TgennError.at(read.file, "T409", message, hint)


def _as_keras_takes_them(examples: Examples, network: Network, read: KerasModel) -> Examples:
    """Whole numbers for inputs of an integer type, to which Keras casts its data; 255 times those up to 1."""
    whole = {layer.name for layer in read.layers if takes_integers(layer)}
    return {
        i.name: np.rint(x if x.max() > 1 else 255 * x).astype(np.float32) if name in whole else x
        for i, name in zip(network.inputs, read.inputs, strict=True)
        for x in [np.asarray(examples[i.name])]
    }


def _log_softmax(logits: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(softmax(logits)) and log(probabilities), both 0 where a probability is nearly 0.

    Logarithms show differences that probabilities near 0 hide.
    """
    found = logits - logits.max(axis=-1, keepdims=True)
    found = found - np.log(np.exp(found).sum(axis=-1, keepdims=True))
    visible = probabilities > SMALLEST_PROBABILITY
    return np.where(visible, found, 0), np.where(visible, np.log(np.where(visible, probabilities, 1)), 0)


def random_examples(network: Network) -> Examples:
    """16 examples of random numbers from 0 to 1, for a check without data."""
    rng = np.random.default_rng(0)
    return {i.name: rng.random((16, *i.shape), np.float32) for i in network.inputs}
