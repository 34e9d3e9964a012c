"""Keras 3's names of classes, activations, attributes and weights, for models of Keras 2 as well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.known_classes import ACTIVATION_FUNCTIONS
from tgenn_gen.keras_reader.libraries import Library

# Attributes of Keras 2 that have another name in Keras 3, or do not exist there.
RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
RELU_ATTRIBUTES = ("max_value", "negative_slope", "threshold")
HOW_COMPUTED = frozenset({"fused"})  # by which kernel, not what


def class_name(operation: Any, library: Library) -> str:
    """The class; one that is not Keras' own gets a name that matches no supported layer."""
    name = type(operation).__name__
    return name if library.own(type(operation)) else f"{name} (not Keras' own)"


def activation_config(activation: Any, library: Library) -> dict[str, Any]:
    """An activation as attributes of the layer that has it; where it is a ReLU, that layer's own as well.

    {"activation": name}: a function's of Keras, or "prelu". Anything else gets a name that is not supported.
    """
    name = class_name(activation, library)
    if isinstance(activation, library.package.layers.Layer):
        config = keras_3_config(name, activation.get_config())
        match name:
            case "Activation":
                return activation_config(activation.activation, library)
            case "ReLU" | "LeakyReLU":
                own = {key: config[key] for key in RELU_ATTRIBUTES if key in config}
                return {"activation": "relu", **own}
            case "PReLU":
                return {"activation": "prelu"}
            case "Softmax" if config["axis"] == -1:
                return {"activation": "softmax"}
        return {"activation": name}
    of_keras = library.package.activations, getattr(library.package, "ops", None)
    for functions in (*of_keras, getattr(sys.modules.get("tensorflow"), "nn", None)):
        for name in sorted(ACTIVATION_FUNCTIONS):  # silu before swish
            if getattr(functions, name, None) is activation:
                return {"activation": name}
    name = getattr(activation, "__name__", type(activation).__name__)
    return {"activation": f"{name} (not Keras' own)"}


def keras_3_config(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of Keras 2 with the names and types of Keras 3."""
    renamed = RENAMED.get(class_name, {})
    found = {renamed.get(name, name): _plain(value) for name, value in config.items()}
    found = {name: value for name, value in found.items() if name not in HOW_COMPUTED}
    if class_name.startswith("Depthwise") or class_name.endswith("Transpose"):
        found.pop("groups", None)  # written, and never used
    axis = found.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        found["axis"] = axis[0]
    return found


def _plain(value: Any) -> Any:
    """Keras' tracked lists as plain lists, and arrays of one number as that number."""
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0:
        return value.item()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def weight_name(class_name: str, name: str) -> str:
    """The Keras 3 name of a weight: kernel for conv/kernel:0, as Keras 2 writes it."""
    short = name.split("/")[-1].split(":")[0]
    return "kernel" if class_name.startswith("Depthwise") and short == "depthwise_kernel" else short
