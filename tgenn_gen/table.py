"""A network as a table, for people."""

from __future__ import annotations

from tgenn_gen.spec import Network


def network_table(network: Network) -> str:
    """Populations with their neurons, synapse weights and what scales them; one line each, and a total."""
    rows = [("population", "shape", "neurons", "from", "through", "weights", "KiB", "scale", "neuron")]
    for population in network.populations:
        tensors, scales = population.tensors, population.scales
        rows.append(
            (
                population.name,
                "x".join(map(str, population.shape)),
                str(population.size),
                ", ".join(c.source for c in population.inputs),
                "; ".join(", ".join(m.describe() for m in c.through) for c in population.inputs),
                str(sum(t.values.size for t in tensors)),
                f"{sum(t.values.nbytes for t in tensors) / 1024:.1f}",
                f"{scales[0]:.4g}" if len(scales) == 1 else f"{scales.min():.3g} to {scales.max():.3g}",
                population.neuron.describe(),
            )
        )
    neurons = sum(p.size for p in network.populations)
    weights = sum(t.values.size for t in network.tensors.values())
    rows.append(("total", "", str(neurons), "", "", str(weights), f"{weights * 4 / 1024:.1f}", "", ""))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = (2, 5, 6, 7)  # columns of numbers
    lines = [
        "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    head = (
        f"{network.name}: {network.simulation.timesteps} steps of {network.simulation.dt:g} ms an example; "
    )
    output = ", ".join(f"{o.readout} of {o.population}" for o in network.outputs)
    text = [f"{head}read out: {output}", lines[0], "-" * sum(widths, 2 * (len(widths) - 1)), *lines[1:]]
    return "\n".join(line.rstrip() for line in text)
