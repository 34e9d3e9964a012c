"""What fields of network values have in common: shapes, and how documents name them."""

from __future__ import annotations

from dataclasses import field
from typing import Any

Shape = tuple[int, ...]


def rarely(default: Any) -> Any:
    """A dataclass field that documents name only where its value is not the default."""
    return field(default=default, metadata={"rarely": True})
