"""A Keras model as plain values: what keras_import reads and what fold takes."""

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
    "renorm_clipping renorm_momentum batch_shape batch_input_shape".split()
)


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """One layer: class, configuration, weights, the layers it reads, and its output's shape without batch."""

    name: str
    class_name: str
    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    output_shape: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class KerasModel:
    """A model's layers in topological order, and the names of its outputs."""

    file: str
    name: str
    layers: tuple[KerasLayer, ...]
    outputs: tuple[str, ...]
    keras_version: str = ""
