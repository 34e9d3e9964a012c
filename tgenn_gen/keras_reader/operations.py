"""Operations and functions that a Keras layer computes as well, such as x / 255, relu(x) and clip(x, 0, 6).

The names are those of Keras 3's operations, and of the functions of TensorFlow that a model of Keras 2 calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Layer = tuple[str, dict[str, Any]]  # the class and the configuration

# {operation of Keras 3 or function of TensorFlow: what it computes}
COMPUTES = {
    **dict.fromkeys(("Add", "__operators__.add", "math.add"), "add"),
    **dict.fromkeys(("Subtract", "math.subtract"), "subtract"),
    **dict.fromkeys(("Multiply", "math.multiply"), "multiply"),
    **dict.fromkeys(("Divide", "TrueDivide", "math.truediv"), "divide"),
    **dict.fromkeys(("Negative", "math.negative"), "negative"),
    **dict.fromkeys(("ReLU", "Relu", "nn.relu"), "relu"),
    **dict.fromkeys(("Relu6", "nn.relu6"), "relu6"),
    **dict.fromkeys(("LeakyRelu", "nn.leaky_relu"), "leaky_relu"),
    **dict.fromkeys(("Maximum", "math.maximum"), "maximum"),
    **dict.fromkeys(("Clip", "clip_by_value"), "clip"),
    **dict.fromkeys(("Softmax", "nn.softmax"), "softmax"),
    **dict.fromkeys(("Sigmoid", "math.sigmoid"), "sigmoid"),
    **dict.fromkeys(("Tanh", "math.tanh"), "tanh"),
    **dict.fromkeys(("Cast", "cast", "identity"), "identity"),
}
OF_TENSORS = {"add": "Add", "subtract": "Subtract"}  # layers of two tensors of the same shape


def layer_of(name: str, parameters: Mapping[str, Any]) -> Layer | None:
    """The layer that computes what an operation of one tensor does; None if there is none.

    parameters: {name: value} of the call in order, None for the tensor, and of the operation itself.
    """
    computes = COMPUTES.get(name, "")
    operands = list(parameters.values())
    match computes:
        case "add" | "subtract" | "multiply" | "divide" | "maximum" if len(operands) >= 2:
            return _of_a_number(computes, operands[0], operands[1])
        case "negative":
            return "Rescaling", {"scale": -1.0, "offset": 0.0}
        case "relu":
            names = ("max_value", "negative_slope", "threshold")
            return _relu(**{n: parameters[n] for n in names if n in parameters})
        case "relu6":
            return _relu(max_value=6.0)
        case "leaky_relu":
            return _relu(negative_slope=parameters.get("negative_slope", parameters.get("alpha", 0.2)))
        case "clip":
            low = _number(parameters.get("x_min", parameters.get("clip_value_min")))
            high = _number(parameters.get("x_max", parameters.get("clip_value_max")))
            plain = high is not None and np.ndim(high) == 0 and np.all(low == 0)
            return _relu(max_value=high) if plain else None
        case "softmax":
            axis = parameters.get("axis")
            return "Softmax", {"axis": -1 if axis is None else axis}
        case "sigmoid" | "tanh":
            return "Activation", {"activation": computes}
        case "identity":
            return "Identity", {}
    return None


def _relu(negative_slope: float = 0.0, max_value: Any = None, threshold: float = 0.0) -> Layer:
    return "ReLU", {"negative_slope": negative_slope, "max_value": max_value, "threshold": threshold}


def _of_a_number(computes: str, first: Any, second: Any) -> Layer | None:
    """What an operation of a tensor and a number, or a number for each channel, computes."""
    is_first = first is None
    number = _number(second if is_first else first)
    if number is None:
        return None
    match computes:
        case "add":
            return "Rescaling", {"scale": 1.0, "offset": number}
        case "subtract":
            scale, offset = (1.0, -number) if is_first else (-1.0, number)
            return "Rescaling", {"scale": scale, "offset": offset}
        case "multiply":
            return "Rescaling", {"scale": number, "offset": 0.0}
        case "divide" if is_first and np.all(number != 0):
            return "Rescaling", {"scale": 1 / number, "offset": 0.0}
        case "maximum" if np.ndim(number) == 0 and number == 0:
            return _relu()
    return None


def _number(value: Any) -> np.ndarray | np.float64 | None:
    """A number, an array or a tensor of a constant, float64; None for anything else."""
    value = value.numpy() if hasattr(value, "numpy") else value
    try:
        found = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    return found if value is not None and np.isfinite(found).all() else None
