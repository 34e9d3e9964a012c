"""A verification as a table, a verdict that says what to do, and JSON data."""

from __future__ import annotations

from dataclasses import asdict
from math import isclose, isfinite
from typing import Any

from tgenn_gen.analysis.verification import CHANNEL, LayerAgreement, Verification
from tgenn_gen.network.model import Network
from tgenn_gen.network.neurons.neuron import Neuron

MUCH = 0.02  # a larger share of clipped activations is a reason for errors

_COLUMNS = (  # title, field, whether in %
    ("correlation", "correlation", False),
    ("error", "relative_error", True),
    ("bias", "bias", False),
    ("silent", "silent", True),
    ("saturated", "saturated", True),
    ("clipped", "clipped", True),
    ("gain", "gain", False),
    ("weights", "weights_error", True),
    ("channel", "channel_error", True),
    ("neurons", "neuron_error", True),
)


def verification_table(found: Verification) -> str:
    """A line for each population, aligned. "<" marks those that depart."""
    rows = [["population", *(title for title, _, _ in _COLUMNS), ""]]
    for layer in found.layers:
        cells = [_cell(getattr(layer, name), percent) for _, name, percent in _COLUMNS]
        rows.append([layer.name, *cells, f"< {layer.departs}" if layer.departs else ""])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True))]
        )
        + (f"  {row[-1]}" if row[-1] else "")
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: float, percent: bool) -> str:
    if not isfinite(value):
        return "-"
    return f"{100 * value:.1f} %" if percent else f"{value:.3g}" if abs(value) < 1e-3 else f"{value:.3f}"


def verdict(found: Verification, network: Network) -> str:
    """Whether the network passed, and what to do where it did not: one line, with settings in backquotes."""
    compared = f"{found.n} examples, {found.timesteps} time steps, compared with {found.ann}"
    name = found.first_departure
    if name is None:
        return f"passed: no population departs ({compared})"
    return f"failed: {name} is the first population that departs ({compared}): {_reason(found, network)}"


def _reason(found: Verification, network: Network) -> str:
    """What is wrong with the first population that departs, and what to do."""
    layer = next(one for one in found.layers if one.departs)
    if layer.departs == "added up":
        return (
            f"no population departs by itself, but errors add up to {100 * layer.relative_error:.1f} %: "
            f"convert with {_finer(network)}"
        )
    if layer.departs == "weights":
        return _weights(layer)
    return _neurons(layer, network)


def _weights(layer: LayerAgreement) -> str:
    size = f"by {100 * layer.weights_error:.1f} %, with a gain of {layer.gain:.2f}"
    if layer.channel_error > CHANNEL * layer.weights_error:
        size = f"by {100 * layer.channel_error:.1f} % in channel {layer.worst_channel}"
    return (
        f"its weights, bias, threshold or scale are not those of the model: its current differs {size}. "
        "Undo what was changed by hand, which tgenn diff shows beside a new conversion of the model"
    )


def _neurons(layer: LayerAgreement, network: Network) -> str:
    spiking = {p.name: p for p in network.populations}
    neuron = spiking[layer.name].neuron if layer.name in spiking else None
    words = f"its neurons spike otherwise than their mean current says: {100 * layer.neuron_error:.1f} %"
    if getattr(neuron, "reset", "subtract") != "subtract":
        return f"{words}. They lose what V has above the threshold: convert with `reset='subtract'`"
    if layer.clipped > MUCH:
        share = f"{100 * layer.clipped:.1f} % of the activations are above its scale"
        return f"{words}. {share}: calibrate with more examples, such as those that are used here"
    leaks = neuron is not None and bool(neuron.leak(network.simulation.dt))
    if leaks:
        return f"{words}. They leak: convert with a longer `tau`, or with neurons that have no leak"
    start, middle = getattr(neuron, "v_init", None), _middle(neuron)
    if isinstance(start, int | float) and not isclose(start, middle):
        return (
            f"{words}. Its v_init is {start:g}, but rounding has no bias where V starts halfway to the "
            f"threshold: set v_init to {middle:g}, or convert with more `timesteps`"
        )
    if network.simulation.reset == "never" and not leaks:
        return f"{words}. They never forget: use leaky neurons, or `reset`: example"
    return f"{words}. Convert with {_finer(network)}"


def _finer(network: Network) -> str:
    """What gives smaller errors of rounding. The few-spike code takes no frames and no streams."""
    changes = any(i.frames > 1 for i in network.inputs) or network.simulation.reset == "never"
    return "more `timesteps`" + ("" if changes else ", or with `method='few_spike'`")


def _middle(neuron: Neuron | None) -> float:
    """Halfway from rest to the threshold."""
    return (getattr(neuron, "v_rest", 0.0) + getattr(neuron, "threshold", 1.0)) / 2


def verification_data(found: Verification) -> dict[str, Any]:
    """The verification as JSON data; what is not a finite number is null."""
    layers = [
        {
            key: None if isinstance(value, float) and not isfinite(value) else value
            for key, value in asdict(one).items()
        }
        for one in found.layers
    ]
    judged = {"passed": found.passed, "first_departure": found.first_departure}
    return {**asdict(found), **judged, "layers": layers, "notes": list(found.notes)}
