"""A Keras model as plain values: what loading reads and folding takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Attributes that say how a layer was made or trained, and nothing about what it computes.
INERT = frozenset(
    "name trainable dtype activity_regularizer kernel_initializer bias_initializer kernel_regularizer "
    "bias_regularizer kernel_constraint bias_constraint beta_initializer gamma_initializer "
    "moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer "
    "beta_constraint gamma_constraint momentum synchronized rate seed noise_shape optional sparse ragged "
    "depthwise_initializer depthwise_regularizer depthwise_constraint pointwise_initializer "
    "pointwise_regularizer pointwise_constraint stddev l1 l2 renorm_clipping renorm_momentum "
    "batch_shape batch_input_shape".split()
)


class UnsupportedError(ValueError):
    """A Keras layer that cannot be converted: pairs of what is wrong and what to do."""

    def __init__(self, *reasons: tuple[str, str]) -> None:
        super().__init__("; ".join(message for message, _ in reasons))
        self.reasons = reasons


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """One call of a layer. Shapes are without the batch axis; None stands for an axis that is not fixed.

    name           unique in the model: the layer's; a later call of a shared layer has a number (conv_2)
    layer          the layer as its user knows it, for messages: encoder/conv in a nested model
    class_name     Keras' name; one that is not Keras' own has a name that no rule has
    config         Keras 3 attributes; "dtype" is the policy's name ("mixed_float16"), for an InputLayer the
                   data's; "call_arguments" {name: value}, only where a call has more than input tensors
    weights        {name: values}, float32 or float64, one dict for all calls of a shared layer
    inputs         the names of the calls that are read, in the order of the call's arguments
    input_shapes   of what each of inputs gives
    output_shape   of this call
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    output_shape: tuple[int, ...] = ()
    input_shapes: tuple[tuple[int, ...], ...] = ()
    layer: str = ""


@dataclass(frozen=True, eq=False)
class KerasModel:
    """A model as a graph of calls.

    layers         all calls that the outputs need and all inputs, each after those that it reads
    inputs         names of InputLayers, in the order of the model's arguments
    outputs        names of calls, in the order of the model's outputs; one may be there more than once
    compute_dtype  the least precise that a layer computes in: float64, float32, bfloat16 or float16
    """

    file: str
    name: str
    layers: tuple[KerasLayer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keras_version: str = ""
    compute_dtype: str = "float32"
