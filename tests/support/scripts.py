"""Running generated scripts and reading what they wrote."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any
from unittest import mock

import numpy as np
import pytest

from tgenn_gen import Network, generate, save
from tgenn_gen.runtime.projects import own_modules


def written(network: Network, folder: Path, **data: np.ndarray) -> Path:
    """The network's project as a new folder, with these arrays in data.npz."""
    save(network, folder)
    generate(network, folder)
    np.savez(folder / "data.npz", **data)
    return folder


def run_script(script: Path, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a generated script in a process of its own, as a person does; its output, whatever its status."""
    command = [sys.executable, str(script), *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, text=True, check=False, **options)


def run_here(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which need not start Python and import NumPy."""
    argv = [str(script), *map(str, arguments)]
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with (
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        mock.patch.object(sys, "argv", argv),
        own_modules(script.resolve().parent),
    ):
        try:
            exec(
                _compiled(script.read_text(), str(script)), {"__name__": "__main__", "__file__": str(script)}
            )
        except SystemExit as end:
            status = end.code or 0
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return subprocess.CompletedProcess(argv, status, stdout.getvalue(), stderr.getvalue())


@lru_cache(maxsize=16)
def _compiled(text: str, script: str) -> CodeType:
    return compile(text, script, "exec")


def assert_equal_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Two --save-outputs hold the same."""
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def assert_equal_scores(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Two --json results have the same scores: errors but for the order in which they were summed up."""
    for one, other in zip(_scores(found), _scores(expected), strict=True):
        assert list(one) == list(other)
        for name, score in one.items():
            assert score == other[name] or score == pytest.approx(other[name], rel=1e-9)


def _scores(result: dict[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in result if name.startswith(("accuracy", "mean_"))]
    return [{name: result[name] for name in names}, *result.get("outputs", {}).values()]


def results(
    script: Path, data: Path, *arguments: object
) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
    """What a script's --json and --save-outputs hold, and its stdout; it runs in this process.

    Without `run`, the hash of the options and the engine, so that engines can be compared.
    """
    report, outputs = script.with_suffix(".result.json"), script.with_suffix(".outputs.npz")
    done = run_here(script, "--data", data, "--json", report, "--save-outputs", outputs, *arguments)
    assert done.returncode == 0, done.stderr
    with np.load(outputs) as arrays:
        kept = {name: array for name, array in arrays.items() if name != "run"}
    return json.loads(report.read_text()), kept, done.stdout
