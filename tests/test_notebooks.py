"""The notebooks of examples/ run, and hold small outputs of a run without errors."""

from __future__ import annotations

import json
import re

import notebooks
import pytest
from anns import data_file

MOST_BYTES = 100_000
PATHS = notebooks.NOTEBOOKS


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def text_of(cell) -> str:
    """What a cell printed or showed as text."""
    shown = [o.get("text", o.get("data", {}).get("text/plain", [])) for o in cell["outputs"]]
    return "".join(line for lines in shown for line in lines)


def test_there_are_three_notebooks_and_two_need_no_download():
    assert [path.stem for path in PATHS] == ["accuracy_and_energy", "change_a_network", "mnist"]
    assert [path.stem for path in PATHS if notebooks.needs_mnist(path)] == ["mnist"]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_holds_small_outputs_of_a_run_from_top_to_bottom(path):
    assert path.stat().st_size < MOST_BYTES
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert any("image/png" in output.get("data", {}) for output in outputs)
    for private in ("/home/", "/tmp/", "/work/", "/root/", "Traceback"):
        assert private not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_explains_its_cells_and_links_to_files_that_are_there(path):
    words = ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown"]
    assert words[0].startswith("# ") and "pip install 'tgenn-gen[demo]'" in words[0]
    assert sum(map(len, words)) > 1000
    for link in re.findall(r"\]\(([^)#]+)\)", "\n".join(words)):
        assert (path.parent / link).is_file(), link


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    pytest.importorskip("keras", reason="TensorFlow is not installed")
    if notebooks.needs_mnist(path) and data_file("mnist.npz") is None:
        pytest.skip("needs MNIST in $TGENN_DATA or ~/.cache/tgenn-data")
    before = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    after = [cell for cell in notebooks.executed(path, tmp_path).cells if cell["cell_type"] == "code"]
    # the same outputs, but for numbers, and markup of tables
    for old, new in zip(before, after, strict=True):
        assert [o["output_type"] for o in old["outputs"]] == [o["output_type"] for o in new["outputs"]]
        shown = [re.sub(r"-?\d[\d.,]*(e[+-]?\d+)?", " ", text_of(cell)).split() for cell in (old, new)]
        assert shown[0] == shown[1]
