"""A Keras model as plain values: what loading reads and folding takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Attributes of how a layer was made or trained: they do not change what it computes.
INERT = frozenset(
    "name trainable dtype activity_regularizer kernel_initializer bias_initializer kernel_regularizer "
    "bias_regularizer kernel_constraint bias_constraint beta_initializer gamma_initializer "
    "moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer "
    "beta_constraint gamma_constraint momentum synchronized rate seed noise_shape optional sparse ragged "
    "depthwise_initializer depthwise_regularizer depthwise_constraint pointwise_initializer "
    "pointwise_regularizer pointwise_constraint stddev l1 l2 renorm_clipping renorm_momentum "
    "alpha_initializer alpha_regularizer alpha_constraint batch_shape batch_input_shape".split()
)


class UnsupportedError(ValueError):
    """A Keras layer that cannot be converted. reasons: pairs of the problem and what to do."""

    def __init__(self, *reasons: tuple[str, str]) -> None:
        super().__init__("; ".join(message for message, _ in reasons))
        self.reasons = reasons


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """One call of a layer. Shapes are without the batch axis; None stands for an axis that is not fixed.

    name           unique in the model: the layer's; a later call of a shared layer has a number (conv_2)
    layer          the layer's path for messages, such as encoder/conv in a nested model
    class_name     Keras' name; the name of a class that is not Keras' own matches no supported layer
    config         Keras 3 attributes; "dtype" is the policy's name ("mixed_float16"), for an InputLayer the
                   data's; "call_arguments" {name: value}, only where a call has more than input tensors
    weights        {name: values}, float32 or float64, one dict for all calls of a shared layer
    inputs         the names of the calls that are read, in the order of the call's arguments
    input_shapes   the shapes of these inputs
    output_shape   the shape of this call's output
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
    outputs        names of calls, in the order of the model's outputs; a name may occur more than once
    compute_dtype  the least precise type that a layer computes in: float64, float32, float16 or bfloat16
    """

    file: str
    name: str
    layers: tuple[KerasLayer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keras_version: str = ""
    compute_dtype: str = "float32"
