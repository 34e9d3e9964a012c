"""Checks that paths in documents and archives stay below a folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath


def is_inside(name: str) -> bool:
    """Whether `name` is a plain relative path that stays inside the folder (links are not followed)."""
    return (
        str(PurePosixPath(name)) == name
        and not name.startswith("/")
        and ".." not in PurePosixPath(name).parts
        and "\\" not in name
        and "\0" not in name
    )


def behind_links(folder: Path, name: str) -> tuple[Path, bool]:
    """The real file behind folder/name after all links, and whether it is below the folder.

    Raises OSError if it does not exist, or if the path is too long: a path that is not followed to its end
    could lead anywhere (CVE-2025-4517).
    """
    real = Path(os.path.realpath(folder / name, strict=True))
    return real, real.is_relative_to(os.path.realpath(folder, strict=True))
