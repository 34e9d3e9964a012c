"""Runs git commands, without a shell."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO

from tgenn_gen.errors import MissingEngineError, TgennError


def git(*arguments: str, place: str, folder: Path = Path(), hint: str = "") -> bytes:
    """Run `git arguments` in `folder`; its stdout. Raises TgennError (T607) at `place` with git's message."""
    return bytes(_run(arguments, folder, place, hint, subprocess.PIPE).stdout)


def git_file(*arguments: str, place: str, hint: str = "") -> BinaryIO:
    """Run `git arguments`; its stdout as a temporary file, at the start. Raises TgennError (T607, T604)."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115  (whoever reads it closes it)
    except OSError as error:
        message = f"cannot create a temporary file: {error.strerror}"
        hint = "check the free disk space, and the folder that TMPDIR names"
        raise TgennError.at(place, "T604", message, hint) from None
    try:
        _run(arguments, Path(), place, hint, file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _run(
    arguments: tuple[str, ...], folder: Path, place: str, hint: str, stdout: BinaryIO | int
) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        message = f"{place}: this needs git, which cannot be run ({error.strerror}): https://git-scm.com"
        raise MissingEngineError(message) from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("fatal: ")
        raise TgennError.at(place, "T607", f"git says: {said}", hint)
    return done
