"""Kills processes while they write a folder, and reports what they left: `killed_writers.py FOLDER HOW`.

HOW is "moments" (kill -9 at 50 random times) or "steps" (kill -9 before each step that touches the disk),
with "-by-renames" at its end: as where the system cannot exchange names. FOLDER has an exported network in
it, which is replaced by another, or is not there. Run by itself, since it forks.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from sample_networks import small_cnn

from tgenn_gen.document.reading import load
from tgenn_gen.errors import TgennError
from tgenn_gen.files import folders
from tgenn_gen.files.folders import alone_in
from tgenn_gen.network.model import Network
from tgenn_gen.project.writing import export_files, write_folder

MOMENTS = 50
STEPS = {f"os.{what}" for what in ("rename", "link", "remove", "mkdir", "rmdir", "symlink", "chmod", "utime")}
STEPS |= {"open", "ctypes.dlsym"}  # renameat2 is looked up before it is called

Files = dict[str, bytes]


def networks() -> tuple[Network, Network]:
    """An old and a new one: files in common, changed files, and files of one alone."""
    old = small_cnn()
    first, *others = old.populations
    fewer = replace(first, bias=None)
    return old, replace(old, name="other", populations=(fewer, *others))


def files_in(folder: Path) -> Files:
    paths = [p for p in folder.rglob("*") if p.is_file() or p.is_symlink()]
    return {str(p.relative_to(folder)): b"link" if p.is_symlink() else p.read_bytes() for p in paths}


def killed(folder: Path, files: Files, seconds: float | None = None, steps: int | None = None) -> bool:
    """Write in another process; kill it after so long, or before that step. Whether it was killed."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(go, b"x")
        if steps is not None:
            _kill_before(steps)
        write_folder(folder, files, force=True)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready), os.close(go)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _kill_before(step: int) -> None:
    left = step

    def hook(event: str, _: Any) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def outcomes(folder: Path, how: str) -> Counter[str]:
    """What was found after each kill, counted."""
    old, new = networks()
    versions = {"old": export_files(old), "new": export_files(new)}
    foreign = {n: c for n, c in files_in(folder).items() if n not in versions["old"]}
    there = folder.exists()
    started = time.perf_counter()
    write_folder(folder, versions["new"], force=True)
    duration = time.perf_counter() - started
    random.seed(0)
    found: Counter[str] = Counter()
    for number in count():
        _reset(folder, versions["old"] if there else {})
        if how.startswith("moments"):
            if number == MOMENTS:
                break
            killed(folder, versions["new"], seconds=random.uniform(0, 1.2 * duration))
        elif not killed(folder, versions["new"], steps=number):
            break
        found[_found(folder, versions, foreign)] += 1
    return found


def _reset(folder: Path, files: Files) -> None:
    """The folder as it was; what a killed process left is in nobody's way, and goes."""
    with alone_in(folder):
        pass
    if files and not files_in(folder).items() >= files.items():
        write_folder(folder, files, force=True)
    if not files and folder.exists():
        shutil.rmtree(folder)
    beside = [path.name for path in folder.parent.iterdir()]
    assert beside == [folder.name] * bool(files), beside


def _found(folder: Path, versions: dict[str, Files], foreign: Files) -> str:
    """The version that is there, byte for byte; and where there is none, what reading it brings back."""
    found = _version(folder, versions, foreign)
    if found == "none":
        with contextlib.suppress(TgennError):
            load(folder)
            found += f", then {_version(folder, versions, foreign)}"
    return found


def _version(folder: Path, versions: dict[str, Files], foreign: Files) -> str:
    if not folder.exists():
        return "none"
    found = files_in(folder)
    for name, files in versions.items():
        if found == {**files, **foreign}:
            return name
    return f"a mixture: {sorted(found)}"


if __name__ == "__main__":
    if sys.argv[2].startswith("steps"):
        os.fsync = lambda file: None  # kills are no power cuts, and hundreds of exports take a while
    if sys.argv[2].endswith("by-renames"):
        folders._exchanged = lambda one, other: False  # type: ignore[assignment]
    print(json.dumps(outcomes(Path(sys.argv[1]), sys.argv[2])))
