"""Running generated scripts as a person does, and reading what they wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def run_script(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a generated script; its output, whatever its status."""
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def results(
    script: Path, data: Path, *arguments: object
) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
    """What a script's --json and --save-outputs hold, and its stdout."""
    report, outputs = script.with_suffix(".result.json"), script.with_suffix(".outputs.npz")
    done = run_script(script, "--data", data, "--json", report, "--save-outputs", outputs, *arguments)
    assert done.returncode == 0, done.stderr
    with np.load(outputs) as arrays:
        return json.loads(report.read_text()), dict(arrays), done.stdout
