"""Changes values of a network in memory by the same paths (Network.with_values)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tgenn_gen.document.canonical_text import document_data
from tgenn_gen.document.name_check import name_problems
from tgenn_gen.document.reading import network_of
from tgenn_gen.document.schema_check import schema_problems
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.editing.set_values import put
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.argument_checks import shown
from tgenn_gen.network.checks import file_problems, meaning_problems
from tgenn_gen.network.model import Network
from tgenn_gen.network.problems import PathInDocument, Problem
from tgenn_gen.network.tensors import Tensor

PLACE = "with_values"
EXAMPLE = 'write {"dense.neuron.threshold": 0.8}'
NO_ARRAY = "is an array, which the document cannot have here: expected one value"
NEW = "weights/new_{}.npy"  # stands for an array that was given, until it gets a name


def changed_network(network: Network, values: Mapping[str, Any]) -> Network:
    """The network with other values: {path: value}, as Network.with_values describes it."""
    if not isinstance(values, Mapping):
        raise TgennError.at(PLACE, "T503", f"values is {shown(values)}, expected a dict", EXAMPLE)
    named = with_weight_names(network)
    data, tensors = document_data(named), dict(named.tensors)
    before = {path: reference["shape"] for path, reference in _references(data)}
    arrays: dict[str, Tensor] = {}
    paths: dict[PathInDocument, str] = {}
    found: list[Diagnostic] = []
    for key, value in values.items():
        try:
            if not isinstance(key, str):
                raise TgennError.at(PLACE, "T503", f"values has the key {shown(key)}, expected text", EXAMPLE)
            plain = _plain(key, value)
            if isinstance(plain, np.ndarray):
                tensor = Tensor(_free(tensors), plain)
                arrays[tensor.file] = tensors[tensor.file] = tensor
                plain = tensor.reference()
            path, _ = put(data, key, plain)
            paths[path] = key
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    if problems := schema_problems(data):
        problems = [_in_python(p, values.get(paths.get(p.path, "")), p.path in before) for p in problems]
    else:
        problems = [*name_problems(data), *_reference_problems(data, tensors)]
    if problems:
        raise TgennError(_diagnostics(network, problems, paths))
    kept = {path: _unnamed(tensors[reference["file"]], arrays) for path, reference in _references(data)}
    changed = with_weight_names(network_of(data, kept))
    if problems := [*meaning_problems(changed), *file_problems(changed)]:
        now = {path: reference["shape"] for path, reference in _references(data)}
        reshaped = [path for path in paths if path in now and now[path] != before.get(path)]
        problems = [_of_an_array(p, reshaped, before) for p in problems]
        raise TgennError(_diagnostics(network, problems, paths))
    return changed


def _plain(key: str, value: Any) -> Any:
    """A value as a document has it, or an array. Raises TgennError (T503)."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
        raise TgennError.at(key, "T503", f"is an array of {value.dtype}, expected numbers")
    if isinstance(value, Tensor):
        return value.values
    if isinstance(value, Mapping):
        return {str(k): _plain(key, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, v) for v in value]
    if value is not None and not isinstance(value, bool | int | float | str | np.ndarray):
        raise TgennError.at(
            key, "T503", f"is {shown(value)}, expected a number, text, an array, a list or a dict"
        )
    return value


def _free(tensors: Mapping[str, Tensor]) -> str:
    return next(file for n in range(len(tensors) + 1) if (file := NEW.format(n)) not in tensors)


def _unnamed(tensor: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
    return Tensor.unnamed(tensor.values) if tensor.file in arrays else tensor


def _references(data: Any, path: PathInDocument = ()) -> Iterator[tuple[PathInDocument, dict[str, Any]]]:
    """The references to weights in a valid document, with their paths."""
    if isinstance(data, dict) and "file" in data:
        yield path, data
    elif isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            if path or key in ("inputs", "populations"):
                yield from _references(value, (*path, key))


def _reference_problems(data: Any, tensors: Mapping[str, Tensor]) -> Iterator[Problem]:
    """Errors of references that are not those of the network's weights."""
    for path, reference in _references(data):
        tensor = tensors.get(reference["file"])
        if tensor is None or tensor.reference() != {k: reference[k] for k in ("file", "shape")}:
            message = f"the network has no weights {reference['file']} of shape {reference['shape']}"
            yield Problem(path, "T503", message, "give an array instead")


def _in_python(problem: Problem, value: Any, was_array: bool) -> Problem:
    """A violation of the schema by a value, where a document's words would not fit.

    was_array: whether the network has an array there.
    """
    if isinstance(value, np.ndarray | Tensor):
        return replace(problem, message=NO_ARRAY, hint="")
    if was_array and problem.code == "T112":  # a mapping is expected, a reference
        found = problem.message.partition(", expected")[0]
        return replace(problem, message=f"{found}, expected an array", hint="give it as a NumPy array")
    is_list = isinstance(value, list | tuple)
    return replace(problem, hint="give it as a NumPy array") if is_list and problem.hint else problem


def _of_an_array(
    problem: Problem, reshaped: list[PathInDocument], before: Mapping[PathInDocument, list[int]]
) -> Problem:
    """A problem of shapes, at the array that was given there, with the shape to give.

    reshaped: the paths of arrays that were given in other shapes. before: the shapes of the network's arrays.
    """
    path = next((path for path in reshaped if path[: len(problem.path)] == problem.path), None)
    if path is None or problem.code not in ("T205", "T206"):
        return problem
    message, hint = problem.message, ""
    if problem.code == "T206":
        message = message[message.index("has shape") :]  # without the name of a file
        hint = f"give an array of shape {message.partition('expected ')[2]}"
    elif path in before:
        hint = f"it had shape {before[path]}: give an array of that shape, or change other shapes with it"
    return Problem(path, problem.code, message, hint)


def _diagnostics(
    network: Network, problems: list[Problem], paths: Mapping[PathInDocument, str]
) -> Iterator[Diagnostic]:
    """The problems, each at the key of `values` that it is about, if there is one."""
    for p in problems:
        about = [key for path, key in paths.items() if p.path[: len(path)] == path]
        where = "" if about else f"{'.'.join(map(str, p.path))}: "
        place = about[-1] if about else f"network '{network.name}'"
        yield Diagnostic.at(place, p.code, where + p.message, p.hint)
