"""Keras 3's names of classes, activations, attributes and weights, for models of Keras 2 as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.libraries import Library

# Attributes of Keras 2 that have another name in Keras 3, or do not exist there.
RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
HOW_COMPUTED = frozenset({"fused"})  # by which kernel, not what


def class_name(operation: Any, library: Library) -> str:
    """The class; one that is not Keras' own gets a name that matches no supported layer."""
    name = type(operation).__name__
    return name if library.own(type(operation)) else f"{name} (not Keras' own)"


def activation_name(activation: Any, library: Library) -> str:
    """The name of one of Keras' activation functions; anything else gets a name that is not supported."""
    name = getattr(activation, "__name__", type(activation).__name__)
    own = getattr(library.package.activations, name, None) is activation
    return name if own else f"{name} (not Keras' own)"


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
