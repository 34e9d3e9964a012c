"""Paths that documents and archives name: of files below a folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath


def is_inside(name: str) -> bool:
    """Whether a path is a plain relative one, which names nothing outside the folder."""
    return (
        str(PurePosixPath(name)) == name
        and not name.startswith("/")
        and ".." not in PurePosixPath(name).parts
        and "\\" not in name
        and "\0" not in name
    )


def behind_links(folder: Path, name: str) -> tuple[Path, bool]:
    """The file that a path leads to, and whether that is below the folder.

    Raises OSError where it leads nowhere, and where it is too long to be followed: what was not followed
    to its end could lead anywhere (CVE-2025-4517).
    """
    real = Path(os.path.realpath(folder / name, strict=True))
    return real, real.is_relative_to(os.path.realpath(folder, strict=True))
