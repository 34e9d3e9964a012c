"""Loads scripts of several projects into one process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

_NAMES = (
    "simulate",
    "reference",
    "connectivity",
    "tgenn_runtime",
    "tgenn_plugins",
)  # the same in all projects


def load_script(path: str | Path) -> ModuleType:
    """Import a generated script, with the runtime and the connectivity of its own folder.

    Projects may come from different versions, so they share no module, and none stays in sys.modules.
    """
    path = Path(path).resolve()
    with own_modules(path.parent):
        return importlib.import_module(path.stem)


@contextmanager
def own_modules(folder: Path) -> Iterator[None]:
    """In this context, a project's modules are imported from its folder, whatever was imported before."""
    others = _taken()
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _taken()
        sys.modules.update(others)


def _taken() -> dict[str, ModuleType]:
    """Remove the modules of projects from sys.modules, and return them."""
    return {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] in _NAMES}
