"""What git says: one command of it, without a shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tgenn_gen.errors import Diagnostic, Location, MissingEngineError, TgennError


def git(*arguments: str, place: str, folder: Path = Path(), hint: str = "") -> bytes:
    """What `git arguments` prints, run in `folder`. Raises TgennError (T607) at `place` with what it says."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        message = f"{place}: this needs git, which cannot be run ({error.strerror}): https://git-scm.com"
        raise MissingEngineError(message) from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("fatal: ")
        raise TgennError(Diagnostic(Location(place), "T607", f"git says: {said}", hint))
    return done.stdout
