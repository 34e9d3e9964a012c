"""An error in a network, with its path in the document."""

from __future__ import annotations

from dataclasses import dataclass

PathInDocument = tuple[str | int, ...]  # such as ("populations", 2, "neuron", "threshold")


@dataclass(frozen=True)
class Problem:
    """An error in a document's data, at the value at `path`, or at its key (at_key)."""

    path: PathInDocument
    code: str
    message: str
    hint: str = ""
    at_key: bool = False
