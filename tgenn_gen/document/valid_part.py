"""The valid part of a document, so that a schema error does not hide other errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tgenn_gen.document.yaml_source import Source
from tgenn_gen.network.problems import PathInDocument, Problem

_SECTIONS = ("inputs", "populations", "outputs")


def valid_part(source: Source, problems: Iterable[Problem]) -> Source | None:
    """The document without the inputs, populations and outputs that violate the schema (`problems`).

    The rest keeps its positions in the text. None if a section is missing, or if the simulation, on which
    all checks depend, is missing or invalid.
    """
    data, places = source.data, {p.path[:2] for p in problems}
    if not isinstance(data, dict) or any(not isinstance(data.get(s), list) for s in _SECTIONS):
        return None
    if "simulation" not in data or any(path[:1] == ("simulation",) for path in places):
        return None
    kept = {s: [i for i in range(len(data[s])) if (s, i) not in places] for s in _SECTIONS}
    moved: dict[PathInDocument, PathInDocument] = {
        (s, old): (s, new) for s, indices in kept.items() for new, old in enumerate(indices)
    }

    def places_of(old: dict[PathInDocument, tuple[int, int]]) -> dict[PathInDocument, tuple[int, int]]:
        inner = {p: at for p, at in old.items() if len(p) < 2 or p[:2] in moved or p[0] not in _SECTIONS}
        return {(*moved.get(p[:2], p[:2]), *p[2:]): at for p, at in inner.items()}

    sections = {s: [data[s][i] for i in indices] for s, indices in kept.items()}
    part = {"name": "", "simulation": data["simulation"], **sections}
    return replace(source, data=part, values=places_of(source.values), keys=places_of(source.keys))
