"""Generated Python is what people would keep in their own repositories: linted, formatted, typed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from golden import GENERATED

ROOT = Path(__file__).parents[2]
needs_ruff = pytest.mark.skipif(find_spec("ruff") is None, reason="needs ruff")


def check(*command: object, folder: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_ruff
def test_generated_python_has_no_lint_and_is_formatted():
    check("ruff", "check", "--select", "E,F,W,I", GENERATED)
    check("ruff", "format", "--check", GENERATED)


@needs_ruff
def test_a_project_alone_has_no_lint_with_ruff_s_own_settings():
    options = ["--no-cache", "--isolated", "--line-length", 110, "--select", "E,F,W,I"]
    check("ruff", "check", *options, ".", folder=GENERATED / "small_cnn")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy")
@pytest.mark.parametrize("name", ["every_op", "signed_maximum"])
def test_generated_python_is_typed(name, tmp_path):
    options = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={tmp_path}"]
    scripts = ["simulate.py", "reference.py", "connectivity.py"]
    check("mypy", *options, *scripts, folder=GENERATED / name)
