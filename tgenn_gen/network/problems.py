"""An error in a network, with its path in the document; hints about words that nothing has as its name."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from difflib import get_close_matches

PathInDocument = tuple[str | int, ...]  # such as ("populations", 2, "neuron", "threshold")
MAX_LISTED = 30  # the most words that a hint lists


@dataclass(frozen=True)
class Problem:
    """An error in a document's data, at the value at `path`, or at its key (at_key)."""

    path: PathInDocument
    code: str
    message: str
    hint: str = ""
    at_key: bool = False


def suggestion(word: str, allowed: list[str], but: Container[str] = ()) -> str:
    """A hint: the allowed word closest to `word`, except those in `but`; or a list of the allowed words."""
    more = f" and {len(allowed) - MAX_LISTED} more" if len(allowed) > MAX_LISTED else ""
    hint = f"known here: {', '.join(allowed[:MAX_LISTED])}{more}"
    if close := get_close_matches(word, [a for a in allowed if a not in but], n=1):
        hint = f"did you mean '{close[0]}'?"
    return "; ".join(filter(None, (look_alike(word), hint)))


def look_alike(word: str) -> str:
    """A hint about the first character that is not printable ASCII: it may look like another one."""
    strange = next((c for c in word if not (c.isascii() and c.isprintable())), "")
    return f"it contains the character U+{ord(strange):04X}, which is not allowed" if strange else ""
