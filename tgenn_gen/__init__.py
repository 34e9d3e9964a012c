"""Trained Keras networks as spiking networks on GeNN: a readable document, and code generated from it.

network = tgenn_gen.convert("model.keras", "calibration.npz")
network.save("my_network")
tgenn_gen.generate(network, "my_network")
result = tgenn_gen.simulate(network, x_test[:100])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tgenn_gen.conversion import convert
    from tgenn_gen.errors import Diagnostic, MissingEngineError, TgennError
    from tgenn_gen.evaluation import Evaluation, evaluate
    from tgenn_gen.methods import PRESETS, Method
    from tgenn_gen.reference import Result, simulate
    from tgenn_gen.spec import Network
    from tgenn_gen.writer import generate

__version__ = "0.1.0"
__all__ = [
    "PRESETS",
    "Diagnostic",
    "Evaluation",
    "Method",
    "MissingEngineError",
    "Network",
    "Result",
    "TgennError",
    "convert",
    "evaluate",
    "generate",
    "simulate",
]

_HOMES = {
    "Diagnostic": "errors",
    "Evaluation": "evaluation",
    "MissingEngineError": "errors",
    "Method": "methods",
    "Network": "spec",
    "PRESETS": "methods",
    "Result": "reference",
    "TgennError": "errors",
    "convert": "conversion",
    "evaluate": "evaluation",
    "generate": "writer",
    "simulate": "reference",
}


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]


def __getattr__(name: str) -> Any:  # imported when used, so that the commands start fast
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tgenn_gen.{_HOMES[name]}"), name)
