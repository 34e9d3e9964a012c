"""The code in docs/generated_project.md runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from golden import GENERATED

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "generated_project.md").read_text()


@pytest.fixture
def project(tmp_path):
    """Copies of golden projects; the path of small_cnn."""
    for name in ("small_cnn", "branched"):
        shutil.copytree(GENERATED / name, tmp_path / name)
    return tmp_path / "small_cnn"


@pytest.mark.genn
@pytest.mark.parametrize("code", re.findall(r"<!-- run: .+? -->\n```python\n(.+?)```\n", PAGE, re.S))
def test_code_in_the_page_on_generated_projects_runs_and_prints_what_it_says(code, project):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"# (\([\d, ]+\))", code)
    assert done.stdout.split("\n")[:-1] == said
