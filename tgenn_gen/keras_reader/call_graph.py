"""Reads the graph of calls of a loaded Keras model, of Keras 3 or of tf_keras (Keras 2).

Nothing is computed, and keras is not imported: the package is given as a Library.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.keras_model import KerasLayer
from tgenn_gen.keras_reader.keras_names import activation_config, class_name, keras_3_config, weight_name
from tgenn_gen.keras_reader.libraries import Library
from tgenn_gen.keras_reader.operations import COMPUTES, OF_TENSORS, layer_of

PRECISION = ("float64", "float32", "float16", "bfloat16")  # from the most to the least precise


@dataclass(frozen=True)
class Graph:
    """All inputs and the calls that the outputs need, in topological order; names of inputs and outputs."""

    layers: tuple[KerasLayer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    compute_dtype: str


@dataclass(frozen=True)
class _Value:
    """The output of a call: the index of the call, and a tensor of the shape that it has there."""

    call: int
    tensor: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)[1:]


@dataclass
class _Call:
    """A call before it has a name. config: of the layer that does the same; None: the operation's own."""

    path: tuple[str, ...]
    operation: Any
    class_name: str
    config: Mapping[str, Any] | None
    arguments: Mapping[str, Any]
    inputs: tuple[_Value, ...]
    output: Any
    node: Any = None
    operands: tuple[int, ...] = ()  # the ids of the tensors of the node that stand for `inputs`


@dataclass(frozen=True)
class Calls:
    """The calls that a model's outputs need, {name: call}, each after those that it reads.

    names: {index of a call: its name}. inputs, outputs: names, in the model's order.
    """

    calls: Mapping[str, _Call]
    names: Mapping[int, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class _Walk:
    library: Library
    calls: list[_Call] = field(default_factory=list)

    def call(self, call: _Call) -> _Value:
        self.calls.append(call)
        return _Value(len(self.calls) - 1, call.output)


def graph_of(model: Any, library: Library) -> Any:
    """The object that has a model's nodes: of a functional model itself; None for other objects.

    None also for a class with a call method of its own: its graph does not show what that computes.
    """
    if not isinstance(model, library.package.Model) or not library.own(type(model).call):
        return None
    graph = getattr(model, "_functional", None) if not library.is_keras_2 else model
    graph = model if graph is None else graph
    return graph if getattr(graph, "_nodes_by_depth", None) and graph.inputs else None


def read_graph(model: Any, library: Library) -> Graph:
    """A model's graph; nested models are replaced by their calls."""
    found = calls_of(model, library)
    weights: dict[int, dict[str, np.ndarray]] = {}
    dtypes = [_compute_dtype(call) for call in found.calls.values()]
    least = max((d for d in dtypes if d in PRECISION), key=PRECISION.index, default="float32")
    return Graph(
        tuple(_layer(call, name, found.names, weights, library) for name, call in found.calls.items()),
        found.inputs,
        found.outputs,
        least,
    )


def calls_of(model: Any, library: Library) -> Calls:
    """The calls of a model; nested models are replaced by theirs."""
    walk = _Walk(library)
    graph = graph_of(model, library)
    values = {}
    for tensor in graph.inputs:
        operation = tensor._keras_history[0]
        call = _Call((operation.name,), operation, "InputLayer", None, {}, (), tensor)
        values[id(tensor)] = walk.call(call)
    inputs = [values[id(tensor)] for tensor in graph.inputs]
    outputs = _run(graph, values, (), {}, walk)
    calls = _needed(walk.calls, [*inputs, *outputs])
    names = dict(zip(calls, _names([call.path for call in calls.values()]), strict=True))
    return Calls(
        {names[number]: call for number, call in calls.items()},
        names,
        tuple(names[value.call] for value in inputs),
        tuple(names[value.call] for value in outputs),
    )


def _needed(calls: list[_Call], results: list[_Value]) -> dict[int, _Call]:
    """{index: call} of the calls that results need: a nested model may have outputs that nothing reads."""
    needed = {value.call for value in results}
    for number in reversed(range(len(calls))):
        if number in needed:
            needed.update(value.call for value in calls[number].inputs)
    return {number: calls[number] for number in sorted(needed)}


def _run(
    graph: Any, values: dict[int, _Value], path: tuple[str, ...], extra: Mapping[str, Any], walk: _Walk
) -> list[_Value]:
    """Walk through a model's nodes as Keras does: from the values of its inputs to those of its outputs."""
    inputs = set(values)
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            tensors = walk.library.flatten(node.outputs)
            if all(id(tensor) in inputs for tensor in tensors):
                continue
            found = _apply(node, values, path, extra, walk)
            values.update({id(tensor): value for tensor, value in zip(tensors, found, strict=True)})
    return [values[id(tensor)] for tensor in graph.outputs]


def _apply(
    node: Any, values: dict[int, _Value], path: tuple[str, ...], extra: Mapping[str, Any], walk: _Walk
) -> list[_Value]:
    """The output values of one node."""
    operation = node.layer if walk.library.is_keras_2 else node.operation
    arguments = _arguments(node, operation, walk.library)
    operands, further = _operands(operation, arguments, walk.library)
    further = {**extra, **further}
    inputs = tuple(values[id(tensor)] for tensor in operands)
    nested = graph_of(operation, walk.library)
    if not walk.library.is_keras_2 and "image_preprocessing" in type(operation).__module__:
        further.pop("training", None)  # True by default, and replaced when the model runs
    if nested is None:
        tensors = _outputs(node, operation, inputs, values, walk.library)
        name, config = _layer_called(operation, arguments, inputs, further, walk.library)
        further = further if config is None else dict(extra)
        made, ids = (*path, operation.name), tuple(map(id, operands))
        return [
            walk.call(_Call(made, operation, name, config, further, inputs, tensor, node, ids))
            for tensor in tensors
        ]
    inputs = tuple(values[id(tensor)] for tensor in _in_order(nested, next(iter(arguments.values())), walk))
    for value, tensor in zip(inputs, nested.inputs, strict=True):
        if len(value.shape) != len(tensor.shape) - 1:
            further["inputs"] = f"{value.shape}, expected shape {tuple(tensor.shape)[1:]}"
    inner = {id(tensor): value for tensor, value in zip(nested.inputs, inputs, strict=True)}
    return _run(nested, inner, (*path, operation.name), further, walk)


def _in_order(nested: Any, argument: Any, walk: _Walk) -> list[Any]:
    """The tensors that a nested model is called with, in the order of its inputs."""
    if isinstance(argument, dict) and not isinstance(nested.input, dict):
        return [argument[tensor._keras_history[0].name] for tensor in nested.inputs]
    return walk.library.flatten(argument)


def _arguments(node: Any, operation: Any, library: Library) -> dict[str, Any]:
    """A call's arguments, {parameter: value}, in the order of the parameters."""
    if library.is_keras_2:
        args, kwargs = node.call_args, node.call_kwargs
    else:
        args, kwargs = node.arguments.args, node.arguments.kwargs
    bound = inspect.signature(operation.call).bind(*args, **kwargs)
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            named.update({f"{name}_{n}": item for n, item in enumerate(value)})
        else:
            named[name] = value
    return named


def _operands(
    operation: Any, arguments: Mapping[str, Any], library: Library
) -> tuple[list[Any], dict[str, Any]]:
    """The tensors that a call reads, and its other arguments, without those that are None or False.

    A layer reads its first argument only; an operation like x + y may read all of them.
    """
    first = next(iter(arguments), "")
    tensors: list[Any] = []
    further: dict[str, Any] = {}
    for name, value in arguments.items():
        parts = library.flatten(value)
        found = [part for part in parts if hasattr(part, "_keras_history")]
        tensors += found
        if found and len(found) == len(parts) and (name == first or _is_operation(operation, library)):
            continue
        if value is not False and any(part is not None for part in parts):
            further[name] = value
    return tensors, {name: _described(value, library) for name, value in further.items()}


def _described(value: Any, library: Library) -> Any:
    """An argument for a message: a plain value as it is, anything else as a short text."""
    if isinstance(value, bool | int | float | str):
        return value
    tensors = [part for part in library.flatten(value) if hasattr(part, "_keras_history")]
    if tensors:
        return "the output of " + ", ".join(f"'{t._keras_history[0].name}'" for t in tensors)
    return f"{type(value).__name__} {value}"[:60]


def _outputs(
    node: Any, operation: Any, inputs: tuple[_Value, ...], values: dict[int, _Value], library: Library
) -> list[Any]:
    """The output tensors of a call, with the shape that they have in this model.

    A nested model may have been defined for another shape, such as images of any size.
    """
    tensors = library.flatten(node.outputs)
    defined = node.keras_inputs if library.is_keras_2 else node.input_tensors
    if all(value.shape == tuple(t.shape)[1:] for value, t in zip(inputs, defined, strict=True)):
        return tensors
    if library.is_keras_2:
        shapes = [(None, *value.shape) for value in inputs]
        shape = operation.compute_output_shape(shapes[0] if len(shapes) == 1 else shapes)
        return [library.package.Input(tuple(shape)[1:], dtype=tensors[0].dtype)]
    args, kwargs = node.arguments.fill_in({id(t): v.tensor for t, v in zip(defined, inputs, strict=True)})
    return library.flatten(operation.compute_output_spec(*args, **kwargs))


def _is_operation(operation: Any, library: Library) -> bool:
    """Whether it is an operation or a function of TensorFlow, and not a layer."""
    return _is_tf_function(operation) or not isinstance(operation, library.package.layers.Layer)


def _is_tf_function(operation: Any) -> bool:
    """Whether it is a function of TensorFlow, such as x + y, as Keras 2 writes it."""
    return type(operation).__name__ == "TFOpLambda"


def _layer_called(
    operation: Any,
    arguments: Mapping[str, Any],
    inputs: tuple[_Value, ...],
    further: Mapping[str, Any],
    library: Library,
) -> tuple[str, Mapping[str, Any] | None]:
    """The class that is called, and the configuration of the layer that does what an operation does.

    An operation is one of Keras 3, such as x + y, or a function of TensorFlow, as Keras 2 writes it.
    """
    name = class_name(operation, library)
    if not _is_operation(operation, library):
        return name, None
    own = operation.get_config()
    function = own["function"] if _is_tf_function(operation) else name
    if len(inputs) == 1:
        given = {name: _constant(value, library) for name, value in arguments.items() if value is not None}
        if found := layer_of(function, {**given, **own}):
            return found
    alike = len(inputs) == 2 and inputs[0].shape == inputs[1].shape and not further
    if alike and COMPUTES.get(function) in OF_TENSORS:
        return OF_TENSORS[COMPUTES[function]], {}
    return f"keras.ops.{name}" if function == name else f"tf.{function}", {}


def _constant(value: Any, library: Library) -> Any:
    """An argument as it is; None for a tensor of the model."""
    return None if any(hasattr(part, "_keras_history") for part in library.flatten(value)) else value


def _names(paths: list[tuple[str, ...]]) -> list[str]:
    """A name for each call: the layer's name if it is unique, else with the names of its models before it."""
    distinct = list(dict.fromkeys(paths))
    shared = Counter(path[-1] for path in distinct)
    taken: set[str] = set()

    def free(name: str, number: int) -> str:
        found = name if number == 1 else f"{name}_{number}"
        while found in taken:
            number += 1
            found = f"{name}_{number}"
        taken.add(found)
        return found

    outer_first = sorted(distinct, key=len)
    first = {
        path: free(path[-1] if len(path) == 1 or shared[path[-1]] == 1 else "_".join(path), 1)
        for path in outer_first
    }
    names = []
    calls: Counter[tuple[str, ...]] = Counter()
    for path in paths:
        calls[path] += 1
        names.append(first[path] if calls[path] == 1 else free(first[path], calls[path]))
    return names


def _layer(
    call: _Call,
    name: str,
    names: Mapping[int, str],
    weights: dict[int, dict[str, np.ndarray]],
    library: Library,
) -> KerasLayer:
    operation = call.operation
    if id(operation) not in weights:
        weights[id(operation)] = dict(_weights(operation))
    return KerasLayer(
        name=name,
        class_name=call.class_name,
        config=_config(call, library),
        weights=weights[id(operation)],
        inputs=tuple(names[value.call] for value in call.inputs),
        output_shape=tuple(call.output.shape)[1:],
        input_shapes=tuple(value.shape for value in call.inputs),
        layer="/".join(call.path),
    )


def _config(call: _Call, library: Library) -> dict[str, Any]:
    operation = call.operation
    if call.config is None:
        config = {name: _plain(value) for name, value in operation.get_config().items()}
        if library.is_keras_2:
            config = keras_3_config(call.class_name, config)
        if hasattr(operation, "output_padding"):
            config.setdefault("output_padding", operation.output_padding)  # Keras 3 before 3.15 leaves it out
        if callable(getattr(operation, "activation", None)):
            config.update(activation_config(operation.activation, library))
    else:
        config = dict(call.config)
    config["dtype"] = _policy(call)
    return {**config, "call_arguments": dict(call.arguments)} if call.arguments else config


def _plain(value: Any) -> Any:
    """A value of a configuration. Keras 3 writes an array as {"class_name": "__numpy__", ...}: lists."""
    is_array = isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__")
    return value["config"]["value"] if is_array else value


def _policy(call: _Call) -> str:
    """The name of the dtype policy; for an input or an operation, the dtype of its output.

    For a layer of several inputs, the dtype of the first: a sum of integers is computed in that.
    """
    name = getattr(getattr(call.operation, "dtype_policy", None), "name", None)
    tensor = call.inputs[0].tensor if len(call.inputs) > 1 else call.output
    of_tensor = call.config is not None or len(call.inputs) != 1 or not name
    return str(getattr(tensor.dtype, "name", tensor.dtype) if of_tensor else name)


def _compute_dtype(call: _Call) -> str:
    output = getattr(call.output.dtype, "name", call.output.dtype)
    return str(getattr(call.operation, "compute_dtype", None) or output) if call.inputs else str(output)


def _weights(operation: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Names and values, float32 or float64. float16 and bfloat16 become float32, which is exact."""
    for weight in getattr(operation, "weights", []):
        values = np.asarray(weight.numpy())
        short = values.dtype.name in ("float16", "bfloat16")
        yield (
            weight_name(type(operation).__name__, weight.name),
            values.astype(np.float32) if short else values,
        )
