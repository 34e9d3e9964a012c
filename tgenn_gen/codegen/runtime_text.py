"""The source text of run-time code, which generated scripts carry word for word."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from types import CodeType, ModuleType
from typing import Any

from tgenn_gen.runtime import (
    input_encodings,
    kernels,
    linear_maps,
    neuron_updates,
    random_numbers,
    readout_functions,
)

MODULES = (
    linear_maps,
    kernels,
    random_numbers,
    input_encodings,
    neuron_updates,
    readout_functions,
)  # names are unique across them


def definitions(wanted: Iterable[Any]) -> str:
    """The source of these functions and classes, and of those of MODULES that they use, in that order."""
    there = {
        name: value
        for module in MODULES
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    }
    names: set[str] = set()
    pending = [value.__name__ for value in wanted]
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            pending += [used for used in _names(there[name]) if used in there]
    return "\n\n\n".join(inspect.getsource(v).rstrip() for n, v in there.items() if n in names)


def _names(value: Any) -> set[str]:
    """The names that a function's, or a class's, code uses."""
    functions = (
        [f for f in vars(value).values() if inspect.isfunction(f)] if inspect.isclass(value) else [value]
    )
    codes: list[CodeType] = [f.__code__ for f in functions]
    found: set[str] = set()
    while codes:
        code = codes.pop()
        found |= set(code.co_names)
        codes += [c for c in code.co_consts if inspect.iscode(c)]
    return found


def body(module: ModuleType) -> str:
    """A module's source without its docstring and imports."""
    source = inspect.getsource(module)
    nodes = ast.parse(source).body
    last_import = max(n.end_lineno or 0 for n in nodes if isinstance(n, ast.Import | ast.ImportFrom))
    return "\n".join(source.splitlines()[last_import:]).strip()
