"""What networks cost: as tables (tgenn evaluate --cost), and as JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tgenn_gen.analysis.cost import Cost, Energy, PopulationCost
from tgenn_gen.analysis.devices import DEVICES, Device, joules

COLUMNS = (
    "population",
    "neurons",
    "spikes",
    "ActivationSparsity",
    "Effective_ACs",
    "Effective_MACs",
    "Dense",
    "MembraneUpdates",
    "MACs of the ANN",
)


def cost_table(costs: Mapping[str, Cost], devices: Sequence[Device] = DEVICES) -> str:
    """Costs per example in Markdown: a table for each network, by its name, then energies on devices."""
    blocks = []
    for name, cost in costs.items():
        title = (
            f"{name}, per example (mean of {cost.n}, {cost.timesteps} steps); "
            f"Footprint {cost.footprint:,} bytes, ConnectionSparsity {cost.connection_sparsity:.4f}"
        )
        rows = [*cost.populations, *([cost.total] if len(cost.populations) > 1 else [])]
        blocks.append(f"{title}\n\n{_table([COLUMNS, *map(_row, rows)])}")
    energies = {name: cost.energy(devices) for name, cost in costs.items()}
    head = [
        "device",
        "AC",
        "MAC",
        "neuron update",
        *(cell for name in costs for cell in (name, "its ANN" if len(costs) > 1 else "ANN")),
    ]
    lines = [
        [*_constants(device), *(c for name in costs for c in _energies(energies[name][number]))]
        for number, device in enumerate(devices)
    ]
    sources = [f"{device.name}: {device.source}" for device in devices if device.source]
    updates = ", ".join(f"{name} {cost.total.neuron_updates:,}" for name, cost in costs.items())
    blocks.append("\n".join(["Energy per example: estimates of arithmetic only", "", _table([head, *lines])]))
    counted = f"neuron updates, one for a neuron and step, two for a few-spike neuron: {updates}"
    blocks.append("\n".join([counted, *sources]))
    return "\n\n".join(blocks)


def cost_data(cost: Cost, devices: Iterable[Device] = DEVICES) -> dict[str, Any]:
    """A cost as JSON data: NeuroBench's figures under its names, all rows, their total, and energies."""
    return {
        "neurobench": cost.neurobench,
        "populations": [asdict(row) for row in cost.populations],
        "total": asdict(cost.total),
        "energy": [asdict(energy) for energy in cost.energy(devices)],
    }


def _row(row: PopulationCost) -> list[str]:
    sparsity = "" if row.activation_sparsity is None else f"{row.activation_sparsity:.4f}"
    counts = (
        row.effective_acs,
        row.effective_macs,
        row.dense,
        row.membrane_updates,
        row.ann_macs,
    )
    shown = ["" if count is None else f"{count:,.0f}" for count in counts]
    return [row.name, f"{row.neurons:,}", f"{row.spikes:,.0f}", sparsity, *shown]


def _constants(device: Device) -> tuple[str, ...]:
    return (device.name, *(joules(e) if e else "" for e in (device.synop, device.mac, device.neuron)))


def _energies(energy: Energy) -> tuple[str, str]:
    return joules(energy.joules), "" if energy.ann_joules is None else joules(energy.ann_joules)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
