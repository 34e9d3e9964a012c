"""Measured figures: one JSON file a run, in results/, and what all of them say together.

A file: {"date", "command", "machine", "versions", "rows"}. A row is a dict; KEYS name what it is about, its
other values are figures. Where two files have rows of the same keys, the later run counts.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
KEYS = "part network training contestant method timesteps case seed batch backend".split()
Row = dict[str, Any]


def machine() -> dict[str, Any]:
    """The processor, its cores and the memory."""
    cpu = Path("/proc/cpuinfo").read_text()
    model = next((line.split(": ")[1] for line in cpu.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": model or platform.machine(), "cores": os.cpu_count(), "memory_gib": round(memory)}


def versions(peers: str | None = None) -> dict[str, str]:
    """{package: version} of this interpreter and, if given, of the peers'."""
    names = "tgenn-gen numpy numba tensorflow keras pygenn".split()
    found = {"python": platform.python_version(), **_versions(names)}
    if peers:
        code = (
            "import json, importlib.metadata as m\n"
            "names = [d.metadata['Name'].lower() for d in m.distributions()]\n"
            "wanted = [n for n in ('torch', 'spikingjelly', 'snntorch') if n in names]\n"
            "print(json.dumps({n: m.version(n) for n in wanted}))"
        )
        done = subprocess.run([peers, "-c", code], capture_output=True, text=True, check=True)
        found |= json.loads(done.stdout)
    return found


def commit() -> str:
    """The git commit of this checkout, with -dirty where files differ from it; empty outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.check_output(command, cwd=RESULTS.parent, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _versions(names: list[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class Run:
    """A run's file, written after each row, so that a run that is cut off keeps its figures."""

    def __init__(self, path: Path, command: list[str], peers: str | None = None) -> None:
        self.path = path
        now = datetime.now(timezone.utc)
        self.content = {
            "date": now.strftime("%Y-%m-%d %H:%M:%S"),
            "command": " ".join(command),
            "commit": commit(),
            "machine": machine(),
            "versions": versions(peers),
            "rows": [],
        }

    def add(self, **row: Any) -> None:
        """Add a row, print it, and write the file."""
        rounded = {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in row.items()}
        self.content["rows"].append(rounded)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(_text(self.content))
        print("  ".join(f"{k} {v}" for k, v in rounded.items()), flush=True)


def _text(content: dict[str, Any]) -> str:
    """JSON with a line for each row."""
    head = json.dumps({k: v for k, v in content.items() if k != "rows"}, indent=1)
    rows = ",\n".join("  " + json.dumps(row) for row in content["rows"])
    return f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def key(row: Row) -> tuple[Any, ...]:
    """What a row is about."""
    return tuple(row.get(name) for name in KEYS)


def merged(runs: list[dict[str, Any]]) -> list[Row]:
    """The rows of all runs, with their run's "date"; of equal keys the latest, in the place of the first."""
    rows: dict[tuple[Any, ...], Row] = {}
    for run in sorted(runs, key=lambda run: run["date"]):
        for row in run["rows"]:
            rows[key(row)] = {**row, "date": run["date"]}
    return [*rows.values()]


def read_all(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """All runs in a folder."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
