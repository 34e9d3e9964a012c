"""Runs the notebooks of examples/. As a script, it writes their outputs into them."""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pages import DOWNLOAD, OFFLINE

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "ignore",
    "NO_COLOR": "1",
}


def needs_mnist(path: Path) -> bool:
    """Whether a notebook downloads MNIST."""
    return DOWNLOAD in path.read_text(encoding="utf-8")


def executed(path: Path, folder: Path) -> Any:
    """The notebook after a run of all its cells in a folder. An error of a cell is raised."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, 4)
    sources = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:  # nothing is downloaded: the same data is read from a file
        cell.source = cell.source.replace(DOWNLOAD, OFFLINE)
    with environment():
        client = NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True)
        client.execute(cwd=str(folder))
    for cell, source in zip(notebook.cells, sources, strict=True):
        cell.source = source
        if cell.cell_type == "code":  # messages of TensorFlow
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


@contextmanager
def environment():
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def with_few_colours(png: str) -> str:
    """A figure in base64 with at most 64 colours, which takes a third of the bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(64).save(
        buffer, "png", optimize=True
    )
    return base64.b64encode(buffer.getvalue()).decode()


def main(names: list[str]) -> None:
    import nbformat

    for path in NOTEBOOKS:
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, Path(folder))
        for output in (o for cell in notebook.cells for o in cell.get("outputs", ())):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = with_few_colours(output.data["image/png"])
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
