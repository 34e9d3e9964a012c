"""Writes files completely or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .messages import RunError


def write_file(path: Path, write: Callable[[Any], object]) -> None:
    """Write a binary file completely or not at all. write(file) writes it. Raises RunError."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            write(file)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {error}") from None


def write_json(path: Path, data: object) -> None:
    """Write data as JSON, with null for NaN and infinity, which JSON does not have."""
    finite = json.loads(json.dumps(data), parse_constant=lambda _: None)
    text = json.dumps(finite, indent=2) + "\n"
    write_file(path, lambda file: file.write(text.encode()))
