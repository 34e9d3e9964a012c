"""Tables of what Keras layers become: of all supported layers, and of the layers of one model."""

from __future__ import annotations

from tgenn_gen.conversion.folding_state import Walk
from tgenn_gen.keras_reader.supported_layers import LAYERS


def supported_table() -> str:
    """The supported Keras layers and what they become, in Markdown."""
    by_meaning: dict[str, list[str]] = {}
    for name, layer in LAYERS.items():
        by_meaning.setdefault(layer.becomes, []).append(name)
    rows = [f"| {', '.join(names)} | {becomes} |" for becomes, names in by_meaning.items()]
    return "\n".join(["| Keras layer | becomes |", "|---|---|", *rows])


def model_table(walk: Walk) -> str:
    """A line for each layer of a model: what it becomes and in which populations, or why it is refused."""
    rows = [("layer", "class", "becomes")]
    for layer in walk.model.layers:
        homes = ", ".join(walk.homes.get(walk.names[layer.name], []))
        if reasons := walk.refused[layer.name]:
            becomes = "CANNOT BE CONVERTED: " + "; ".join(message for message, _ in reasons)
        else:
            becomes = LAYERS[layer.class_name].becomes.replace("`", "")
        rows.append((layer.layer, layer.class_name, f"{becomes} -> {homes}" if homes else becomes))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {kind:{widths[1]}}  {text}" for name, kind, text in rows)
