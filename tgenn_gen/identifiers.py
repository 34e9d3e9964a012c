"""Names to identifiers in Python, C++ and GeNN."""

from __future__ import annotations

import keyword
import re


def identifiers_of(names: list[str]) -> dict[str, str]:
    """{name: an identifier in Python, C++ and GeNN}, all distinct."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if base[0].isdigit() or keyword.iskeyword(base):
            base = f"_{base}"
        found[name] = unique(base, taken)
    return found


def unique(base: str, taken: set[str]) -> str:
    """`base`, numbered if it is taken; taken from then on."""
    identifier, number = base, 2
    while identifier in taken:
        identifier, number = f"{base}_{number}", number + 1
    taken.add(identifier)
    return identifier
