"""Scripts of several projects in one process."""

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
    """The module of a generated script, with the runtime and connectivity of its own folder.

    Projects can be of different versions: no module of one is used by another, and none stays in sys.modules.
    """
    path = Path(path).resolve()
    with own_modules(path.parent):
        return importlib.import_module(path.stem)


@contextmanager
def own_modules(folder: Path) -> Iterator[None]:
    """While this lasts, a project's modules are imported from its folder, whatever else was imported."""
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
    """The projects' modules, taken out of sys.modules."""
    return {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] in _NAMES}
