"""Tables of what Keras layers become: of all supported layers, and of the layers of one model."""

from __future__ import annotations

from typing import NamedTuple

from tgenn_gen.conversion.folding_state import Walk
from tgenn_gen.keras_reader.supported_layers import LAYERS


def supported_table() -> str:
    """The supported Keras layers and what they become, in Markdown."""
    by_meaning: dict[str, list[str]] = {}
    for name, layer in LAYERS.items():
        by_meaning.setdefault(layer.becomes, []).append(name)
    rows = [f"| {', '.join(names)} | {becomes} |" for becomes, names in by_meaning.items()]
    return "\n".join(["| Keras layer | becomes |", "|---|---|", *rows])


class LayerRow(NamedTuple):
    """What becomes of a layer. populations: those that it is a part of; problems: why it is refused."""

    layer: str
    class_name: str
    becomes: str
    populations: list[str]
    problems: list[str]


def model_rows(walk: Walk) -> list[LayerRow]:
    """What becomes of each layer of a model."""
    rows = []
    for layer in walk.model.layers:
        problems = [message for message, _ in walk.refused[layer.name]]
        becomes = "" if problems else LAYERS[layer.class_name].becomes.replace("`", "")
        homes = list(walk.homes.get(walk.names[layer.name], []))
        rows.append(LayerRow(layer.layer, layer.class_name, becomes, homes, problems))
    return rows


def model_table(walk: Walk) -> str:
    """A line for each layer of a model: what it becomes and in which populations, or why it is refused."""
    rows = [("layer", "class", "becomes")]
    for row in model_rows(walk):
        becomes = row.becomes or "CANNOT BE CONVERTED: " + "; ".join(row.problems)
        homes = ", ".join(row.populations)
        rows.append((row.layer, row.class_name, f"{becomes} -> {homes}" if homes else becomes))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {kind:{widths[1]}}  {text}" for name, kind, text in rows)
