"""sweep.yaml: what is run, with which settings. All errors in it are reported at once, with their lines."""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgenn_gen.document.yaml_source import Source, read_source
from tgenn_gen.errors import TgennError
from tgenn_gen.network.problems import PathInDocument, Problem, suggestion
from tgenn_gen.runtime.data import checksums

KEYS = ("data", "limit", "save_every", "script", "documents", "exports", "settings")
SCRIPTS = ("reference.py", "simulate.py")
OPTION = "[a-z][a-z0-9_-]*"  # of tgenn export, without the dashes
PATHS = ("model", "calibration", "templates")  # options of tgenn export whose values are paths
OWN_OPTIONS = ("output", "force")  # of tgenn export, which the sweep gives itself
MOST_TASKS = 100_000

Scalar = str | int | float | bool
Number = int | float


@dataclass(frozen=True)
class Sweep:
    """A sweep.yaml without errors of its own; whether settings fit the documents is not checked.

    data        the .npz with the examples
    limit       how many of them are used; None: all
    save_every  after how many examples a task saves what is done; None: at its end
    script      the script of each project that is run
    documents   {name as it is written: folder of a project}
    exports     options of tgenn export, of which each has one value or several
    settings    {timesteps, seed or POPULATION.NAME: its values}
    """

    source: Source
    data: Path
    limit: int | None
    save_every: int | None
    script: str
    documents: dict[str, Path]
    exports: tuple[dict[str, list[Scalar]], ...]
    settings: dict[str, list[Number]]

    @property
    def folder(self) -> Path:
        """The folder that paths in the file start at."""
        return Path(self.source.file).parent


def read_sweep(path: Path) -> Sweep:
    """Read a sweep.yaml. Raises TgennError: T1xx all errors in its text, T501 its data cannot be read."""
    source = read_source(path, hint="give the path of a sweep.yaml")
    if problems := [*_problems(source.data, path.parent)]:
        raise TgennError(source.diagnostics(problems))
    data = source.data
    return Sweep(
        source=source,
        data=path.parent / data["data"],
        limit=data.get("limit"),
        save_every=data.get("save_every"),
        script=data.get("script", SCRIPTS[0]),
        documents={name: path.parent / name for name in data.get("documents", ())},
        exports=tuple({k: _listed(v) for k, v in export.items()} for export in data.get("exports", ())),
        settings={name: _listed(values) for name, values in data.get("settings", {}).items()},
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _problems(data: Any, folder: Path) -> Iterator[Problem]:
    if not isinstance(data, dict):
        hint = "write keys, such as data: and documents:"
        yield Problem((), "T112", f"expected a mapping, got {_shown(data)}", hint)
        return
    for key in data:
        if key not in KEYS:
            hint = suggestion(key, [*KEYS], but=data)
            yield Problem((key,), "T110", f"unknown key '{key}'", hint, at_key=True)
    if "data" not in data:
        yield Problem((), "T111", "there is no 'data'", "add data: the .npz with the examples")
    elif not isinstance(data["data"], str):
        yield _other_type(("data",), data["data"], "the path of an .npz file")
    elif reason := _data_problem(folder / data["data"]):
        hint = "paths start at the folder of this file"
        yield Problem(("data",), "T501", f"{data['data']}: {reason}", hint)
    for key in ("limit", "save_every"):
        if key in data:
            yield from _whole_number((key,), data[key], 1)
    script = data.get("script", SCRIPTS[0])
    if script not in SCRIPTS:
        message = f"script is {_shown(script)}, expected {' or '.join(SCRIPTS)}"
        yield Problem(("script",), "T113", message)
        script = SCRIPTS[0]
    if "documents" not in data and "exports" not in data:
        hint = "add documents: a list of folders that tgenn export wrote, such as [mnist]"
        yield Problem((), "T111", "there are neither 'documents' nor 'exports'", hint)
    yield from _each(data, "documents", lambda path, name: _document(path, name, folder, script))
    yield from _each(data, "exports", lambda path, export: _export(path, export, folder))
    yield from _settings(data.get("settings", {}))


def _data_problem(path: Path) -> str:
    try:
        checksums(path)
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', error)}"
    except zipfile.BadZipFile:
        return "is not an .npz file, or is damaged"
    return ""


def _each(
    data: dict[str, Any], key: str, problems: Callable[[PathInDocument, Any], Iterator[Problem]]
) -> Iterator[Problem]:
    """The problems of a list, if it is there, and those of its items."""
    items = data.get(key, ["there is none"])
    if not isinstance(items, list):
        yield _other_type((key,), items, "a list")
    elif not items:
        yield Problem((key,), "T115", f"{key} has no items, expected at least 1")
    elif key in data:
        for index, item in enumerate(items):
            if item in items[:index]:
                yield Problem((key, index), "T107", f"{_shown(item)} is given twice", "remove one of the two")
            else:
                yield from problems((key, index), item)


def _document(path: PathInDocument, name: Any, folder: Path, script: str) -> Iterator[Problem]:
    if not isinstance(name, str):
        yield _other_type(path, name, "the folder of a project")
    elif not _is_readable(folder / name / "network.yaml"):
        hint = "give a folder that tgenn export wrote; paths start at the folder of this file"
        yield Problem(path, "T101", f"{name}: has no network.yaml", hint)
    elif not _is_readable(folder / name / script):
        yield Problem(path, "T101", f"{name}: has no {script}", f"run tgenn generate {folder / name}")


def _export(path: PathInDocument, export: Any, folder: Path) -> Iterator[Problem]:
    if not isinstance(export, dict):
        hint = "write {model: mnist.keras, preset: few_spike}"
        yield Problem(path, "T112", f"expected options of tgenn export, got {_shown(export)}", hint)
        return
    if "model" not in export:
        yield Problem(path, "T111", "there is no 'model'", "add model: the Keras model to export")
    for option, values in export.items():
        where = (*path, option)
        if not re.fullmatch(OPTION, option) or option in OWN_OPTIONS:
            hint = "write options of tgenn export without dashes, such as preset; not output or force"
            yield Problem(where, "T110", f"unknown option '{option}'", hint, at_key=True)
        elif not _listed(values):
            yield Problem(where, "T115", f"{option} has no values, expected at least 1")
        elif bad := [v for v in _listed(values) if not isinstance(v, Scalar)]:
            yield _other_type(where, bad[0], "a value or a list of values")
        elif option in PATHS:
            for value in _listed(values):
                if not _is_readable(folder / str(value)):
                    yield Problem(where, "T101", f"{value}: there is no such file, or it cannot be read")


def _is_readable(path: Path) -> bool:
    try:
        return os.access(path, os.R_OK)
    except ValueError:  # there is a NUL in it
        return False


def _settings(settings: Any) -> Iterator[Problem]:
    if not isinstance(settings, dict):
        hint = "write {timesteps: [4, 8, 16], dense.threshold: [0.8, 1.0]}"
        yield Problem(("settings",), "T112", f"expected a mapping, got {_shown(settings)}", hint)
        return
    for name, values in settings.items():
        path = ("settings", name)
        population, _, parameter = name.rpartition(".")
        if name not in ("timesteps", "seed") and not (population and parameter):
            hint = "write timesteps, seed or POPULATION.NAME, such as dense.threshold"
            yield Problem(path, "T110", f"unknown setting '{name}'", hint, at_key=True)
        elif not _listed(values):
            yield Problem(path, "T115", f"{name} has no values, expected at least 1")
        for index, value in enumerate(_listed(values)):
            where = (*path, index) if isinstance(values, list) else path
            if name == "timesteps":
                yield from _whole_number(where, value, 1)
            elif name == "seed":
                yield from _whole_number(where, value, 0, 2**32 - 1)
            elif isinstance(value, bool) or not isinstance(value, Number) or not math.isfinite(value):
                yield _other_type(where, value, "a number")
            if value in _listed(values)[:index]:
                yield Problem(where, "T107", f"{_shown(value)} is given twice", "remove one of the two")


def _whole_number(path: PathInDocument, value: Any, low: int, high: int = 10**9 - 1) -> Iterator[Problem]:
    if isinstance(value, bool) or not isinstance(value, int):
        yield _other_type(path, value, "a whole number")
    elif not low <= value <= high:
        yield Problem(path, "T114", f"expected a whole number of {low} to {high}, got {value}")


def _other_type(path: PathInDocument, value: Any, expected: str) -> Problem:
    return Problem(path, "T112", f"expected {expected}, got {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else repr(value)[:60]
