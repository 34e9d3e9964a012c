"""Building and running a generated model.cc as a person does: with GeNN's genn-buildmodel.sh."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

GENN_PATH = os.environ.get("GENN_PATH", "")
HAS_GENN_SOURCE = (Path(GENN_PATH) / "bin" / "genn-buildmodel.sh").is_file() if GENN_PATH else False


@contextmanager
def alone_with_genn() -> Iterator[None]:
    """No other process builds a model.cc: the first one builds GeNN itself, in its source tree."""
    with (Path(os.environ["KEPT_OBJECTS"]) / "genn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Build model.cc for the CPU, and run it."""
    with alone_with_genn():
        return _run([f"{GENN_PATH}/bin/genn-buildmodel.sh", "-c", "model.cc"], folder, settings)


def run_again(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run what was built."""
    return _run(["./generator", GENN_PATH, ".", "0"], folder, settings)


def _run(command: list[str], folder: Path, settings: dict[str, object]) -> subprocess.CompletedProcess[str]:
    given = {f"TGENN_RUN_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {"CXXFLAGS": "-ffp-contract=off", **os.environ, **given}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """What TGENN_RUN_OUTPUT holds, by the names that simulate.py --save-outputs gives them."""
    files = folder.rglob("*.npy")
    return {f.relative_to(folder).with_suffix("").as_posix(): np.load(f, allow_pickle=False) for f in files}
