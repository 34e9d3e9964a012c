"""Running generated scripts as a person does, and reading what they wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def run_script(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a generated script; its output, whatever its status."""
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    """What a script's --json and --save-outputs hold, and its stdout."""
    report, outputs = script.with_suffix(".result.json"), script.with_suffix(".outputs.npz")
    done = run_script(script, "--data", data, "--json", report, "--save-outputs", outputs, *arguments)
    assert done.returncode == 0, done.stderr
    with np.load(outputs) as arrays:
        return json.loads(report.read_text()), dict(arrays), done.stdout
