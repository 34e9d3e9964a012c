"""What the dataclasses of a network share: the type of shapes, and fields that documents may leave out."""

from __future__ import annotations

from dataclasses import field
from typing import Any

Shape = tuple[int, ...]


def by(shape: Shape) -> str:
    """A shape as text, such as 28x28x1."""
    return "x".join(map(str, shape))


def rarely(default: Any) -> Any:
    """A dataclass field that is written into a document only if its value is not the default."""
    return field(default=default, metadata={"rarely": True})
