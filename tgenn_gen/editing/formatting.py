"""Writes each value of a document in its canonical form, in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tgenn_gen.document.canonical_text import document_data, flow_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.weight_files import WeightFiles
from tgenn_gen.document.yaml_source import LINE_END, Source
from tgenn_gen.editing.text_edits import Edit, edited_text
from tgenn_gen.network.problems import PathInDocument


def formatted(source: Source, files: WeightFiles) -> str:
    """The text with each value on one line written as document_text writes it.

    Lines, indentation, order of keys and comments do not change. Raises TgennError as load does.
    """
    data = _typed(source.data, document_data(load_source(source, files)))
    return edited_text(source, _respellings(source, data, ()), data)


def _typed(data: Any, canonical: Any) -> Any:
    """The data of a document with the number types of the network: 1.0 for 1 if a field is a float."""
    if isinstance(data, dict):
        return {key: _typed(value, canonical.get(key, value)) for key, value in data.items()}
    if isinstance(data, list):
        return [_typed(value, other) for value, other in zip(data, canonical, strict=True)]
    return canonical


def _respellings(source: Source, value: Any, path: PathInDocument) -> Iterator[Edit]:
    start, end = source.spans[path]
    text = source.text[start:end]
    one_line = not LINE_END.search(text)
    if isinstance(value, dict | list) and not (one_line and text[0] in "{["):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _respellings(source, inner, (*path, key))
    elif one_line and text and text[0] not in "|>" and text != (canonical := flow_text(value)):
        yield start, end, canonical
