"""Kinds of neurons that plugins declare (docs/how-to/plugins.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.neurons.neuron import FieldProblem, Neuron
from tgenn_gen.network.runtime_calls import Call

TYPES = {"number": "float", "integer": "int", "string": "str"}  # {type in JSON Schema: type in Python}


class PluginNeuron(Neuron):
    """The base class of plugin neurons: frozen dataclasses whose fields are the plugin's parameters.

    plugin   the module that declares the kind
    source   its file, which is copied into projects
    """

    readouts: ClassVar[tuple[str, ...]] = ("spike_count", "first_spike")
    plugin: ClassVar[ModuleType]
    source: ClassVar[Path]

    @property
    def parameters(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def call(self, dt: float) -> Call:
        return Call(self.plugin.NEURONS, self._of_plugin("numpy_parameters", dt, self.parameters))

    def genn(self, dt: float) -> Updates:
        code: Mapping[str, Any] = self.plugin.genn_code(self.parameters, dt)
        named = {key: tuple(code.get(key, {}).items()) for key in ("params", "variables")}
        return Updates(**{**code, **named})

    def unit(self, dt: float) -> float:
        return float(self._of_plugin("unit", dt, self.parameters.get("threshold", 1.0)))

    def problems(self, dt: float) -> Iterator[FieldProblem]:
        if problem := str(self._of_plugin("problem", dt, "")):
            yield FieldProblem("threshold", problem)

    def describe(self) -> str:
        values = [
            f"{name} {value:g}" for name, value in self.parameters.items() if not isinstance(value, str)
        ]
        return ", ".join([self.kind, *values])

    def _of_plugin(self, name: str, dt: float, otherwise: Any) -> Any:
        """The result of an optional function of the plugin; `otherwise` if it does not define it."""
        function: Callable[..., Any] | None = getattr(self.plugin, name, None)
        return otherwise if function is None else function(self.parameters, dt)


def plugin_neuron(plugin: ModuleType, source: Path) -> type[PluginNeuron]:
    """The neuron class for the kind that a plugin declares."""
    parameters = [
        (name, TYPES[schema["type"]], field(default=schema["default"]))
        for name, schema in plugin.PARAMETERS.items()
    ]
    return make_dataclass(
        f"PluginNeuron_{plugin.KIND}",
        parameters,
        bases=(PluginNeuron,),
        frozen=True,
        namespace={"kind": plugin.KIND, "plugin": plugin, "source": source},
    )
