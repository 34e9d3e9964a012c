"""What is wrong with a network, by the path in its document."""

from __future__ import annotations

from dataclasses import dataclass

PathInDocument = tuple[str | int, ...]  # such as ("populations", 2, "neuron", "threshold")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a document's data: the path of the value, or of its key."""

    path: PathInDocument
    code: str
    message: str
    hint: str = ""
    at_key: bool = False
