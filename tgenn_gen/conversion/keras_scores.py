"""The scores of a Keras model itself, for tgenn evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.engine.simulation import input_table, output_table
from tgenn_gen.errors import TgennError
from tgenn_gen.keras_reader.loading import load_model, predict
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.data import Examples, Targets, count_of, currents_of
from tgenn_gen.runtime.scores import Accuracy, Errors, scores_of


def ann_scores(
    model: Any, examples: Examples, targets: Targets, network: Network
) -> dict[str, Accuracy | Errors]:
    """{output: the Keras model's score against its targets}. model: it, or the path of its file.

    The network has its inputs and outputs in the model's order. Raises TgennError (T507) where the model's
    inputs or outputs have other shapes.
    """
    path = model if isinstance(model, str | Path) else f"model '{getattr(model, 'name', model)}'"
    model = load_model(Path(model)) if isinstance(model, str | Path) else model
    shapes, given = [tuple(i.shape[1:]) for i in model.inputs], [i.shape for i in network.inputs]
    made = [tuple(o.shape[1:]) for o in model.outputs]
    expected = [network.population(o.population).shape for o in network.outputs]
    if shapes != given or made != expected:
        message = f"has inputs of shape {_listed(shapes)}, expected {_listed(given)}, as in network.yaml"
        if shapes == given:
            message = (
                f"has outputs of shape {_listed(made)}, expected {_listed(expected)}, as in network.yaml"
            )
        raise TgennError.at(path, "T507", message, "give the model that the networks were converted from")
    inputs = input_table(network)
    scores = scores_of(targets, inputs, output_table(network))
    for start in range(0, count_of(examples), 500):
        currents = currents_of(examples, start, start + 500, inputs)
        for read, output in zip(network.outputs, predict(model, [*currents.values()]), strict=True):
            if read.population in scores:
                scores[read.population].add(logits_of(output, read.activation)[None])
    return scores


def logits_of(outputs: np.ndarray, activation: str | None) -> np.ndarray:
    """Logits whose function is `outputs` (..., *shape), float64; infinite where a function is saturated."""
    outputs = outputs.astype(np.float64)
    with np.errstate(divide="ignore"):
        if activation == "softmax":
            return np.log(outputs)
        if activation == "sigmoid":
            return np.log(outputs) - np.log1p(-outputs)
        return np.arctanh(outputs) if activation == "tanh" else outputs


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)
