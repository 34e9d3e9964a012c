"""Sweeps of golden networks, whose scripts note each of their runs."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import yaml
from runs import project

NOTE_OF_RUN = """
import os, sys, time
with open({file!r}, "a") as runs:
    runs.write(sys.argv[sys.argv.index("--json") + 1] + "\\n")
time.sleep({seconds})
"""


class Swept:
    """A sweep.yaml beside a golden network's project. seconds: that its script waits when it starts."""

    def __init__(self, folder: Path, name: str = "signed_poisson", seconds: float = 0, **content: object):
        self.folder, self.file, self.project = folder, folder / "sweep.yaml", folder / name
        if not self.project.exists():
            project(folder, name)
        script = self.project / "reference.py"
        noting = NOTE_OF_RUN.format(file=str(folder / "runs.txt"), seconds=seconds)
        script.write_text(
            script.read_text().replace("\nfrom typing import Any\n", f"\n{noting}\nfrom typing import Any\n")
        )
        self.content = {"data": f"{name}/data.npz", "documents": [name], **content}
        self.write()

    def write(self, **changes: object) -> None:
        """Write sweep.yaml, with other values."""
        self.content |= changes
        self.file.write_text(yaml.safe_dump(self.content, sort_keys=False))

    def runs(self) -> list[str]:
        """The --json of each run, in their order; then forgotten."""
        file = self.folder / "runs.txt"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def rows(self, output: str = "sweep_results") -> list[dict[str, str]]:
        """The table."""
        text = (self.folder / output / "sweep.csv").read_text()
        return [*csv.DictReader(io.StringIO(text))]
