"""Runs a Keras model call by call, as Keras does, for the outputs of layers also inside nested models."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.call_graph import calls_of
from tgenn_gen.keras_reader.libraries import Library, library_of


class LayerOutputs:
    """The outputs of some calls of a model, by the names that :class:`KerasModel` has for them.

    model: a Sequential or functional model that `loading.read_model` can read.
    """

    def __init__(self, model: Any, names: Collection[str]) -> None:
        self._library = library_of(model)
        self._graph = calls_of(model, self._library)
        self._wanted = set(names)
        calls, numbered = self._graph.calls, self._graph.names
        self._reads = {name: [numbered[v.call] for v in call.inputs] for name, call in calls.items()}
        self._last_reader = {source: name for name, read in self._reads.items() for source in read}

    def of(self, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """{name: float32 (n, ...)}. inputs: arrays (n, ...), in the model's order."""
        calls = self._graph.calls
        values = {
            name: self._library.cast(x, calls[name].output.dtype)
            for name, x in zip(self._graph.inputs, inputs, strict=True)
        }
        found, waiting = {}, set(self._wanted)
        for name, call in calls.items():
            read = self._reads[name]
            if call.node is not None:
                values[name] = _run(call, [values[source] for source in read], self._library)
            if name in waiting:
                found[name] = np.asarray(values[name]).astype(np.float32)
                waiting.remove(name)
            if not waiting:
                break
            for source in {source for source in read if self._last_reader[source] == name}:
                del values[source]
        return found


def _run(call: Any, operands: list[Any], library: Library) -> Any:
    """The output of a call for the values of the tensors that it reads."""
    node, given = call.node, dict(zip(call.operands, operands, strict=True))
    if library.is_keras_2:
        reads = len(node.keras_inputs)  # Keras 2 takes a value from the list for each time that it is read
        args, kwargs = node.map_arguments({str(key): [value] * reads for key, value in given.items()})
    else:
        args, kwargs = node.arguments.fill_in(given)
    if "training" in inspect.signature(call.operation.call).parameters:
        kwargs = {**kwargs, "training": False}
    outputs = library.flatten(call.operation(*args, **kwargs))
    tensors = library.flatten(node.outputs)
    return outputs[next((k for k, tensor in enumerate(tensors) if tensor is call.output), 0)]
