"""Trained Keras networks as spiking networks on GeNN: a readable document, and code generated from it.

network = tgenn_gen.convert("model.keras", "calibration.npz")
tgenn_gen.save(network, "my_network")
tgenn_gen.generate(network, "my_network")
result = tgenn_gen.simulate(network, x_test[:100])

One folder per stage. A folder imports only folders above it in this list (CONTRIBUTING.md has more):

    runtime       what generated scripts run on
    files         files and folders
    network       a network as a value
    document      network.yaml to a network, and back
    keras_reader  a Keras model file to a plain graph
    engine        NumPy runs a network
    codegen       a network to the text of its scripts
    diff          what differs between networks
    editing       documents changed in place
    project       a project's folder on disk
    conversion    a Keras graph to a spiking network
    analysis      agreement with the ANN layer by layer, and cost
    reporting     all of it as an HTML page
    cli           the command line
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tgenn_gen.runtime import __version__

if TYPE_CHECKING:
    from tgenn_gen.analysis.cost import Cost, cost
    from tgenn_gen.analysis.verification import LayerAgreement, Verification, verify
    from tgenn_gen.conversion.convert import convert
    from tgenn_gen.conversion.methods import PRESETS, Method
    from tgenn_gen.document.plugins import load_plugin
    from tgenn_gen.document.reading import load
    from tgenn_gen.engine.evaluation import Evaluation, evaluate
    from tgenn_gen.errors import Diagnostic, MissingEngineError, TgennError
    from tgenn_gen.network.model import Network
    from tgenn_gen.project.event_frames import frames_of_events
    from tgenn_gen.project.simulation_engines import simulate
    from tgenn_gen.project.writing import generate, save
    from tgenn_gen.reporting.page import report
    from tgenn_gen.runtime.results import Result

__all__ = [
    "PRESETS",
    "Cost",
    "Diagnostic",
    "Evaluation",
    "LayerAgreement",
    "Method",
    "MissingEngineError",
    "Network",
    "Result",
    "TgennError",
    "Verification",
    "__version__",
    "convert",
    "cost",
    "evaluate",
    "frames_of_events",
    "generate",
    "load",
    "load_plugin",
    "report",
    "save",
    "simulate",
    "verify",
]

_HOMES = {
    "Cost": "analysis.cost",
    "Diagnostic": "errors",
    "Evaluation": "engine.evaluation",
    "LayerAgreement": "analysis.verification",
    "MissingEngineError": "errors",
    "Method": "conversion.methods",
    "Network": "network.model",
    "PRESETS": "conversion.methods",
    "Result": "runtime.results",
    "TgennError": "errors",
    "Verification": "analysis.verification",
    "convert": "conversion.convert",
    "cost": "analysis.cost",
    "evaluate": "engine.evaluation",
    "frames_of_events": "project.event_frames",
    "generate": "project.writing",
    "load": "document.reading",
    "load_plugin": "document.plugins",
    "report": "reporting.page",
    "save": "project.writing",
    "simulate": "project.simulation_engines",
    "verify": "analysis.verification",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:  # imported when used, so that the commands start fast
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tgenn_gen.{_HOMES[name]}"), name)
