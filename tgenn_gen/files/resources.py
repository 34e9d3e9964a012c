"""Where schema/ and templates/ are: inside the installed package, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path


def resource_folder(name: str) -> Path:
    """The path of the folder `name`: "schema" or "templates"."""
    package = Path(__file__).parent.parent
    return package / name if (package / name).is_dir() else package.parent / name
