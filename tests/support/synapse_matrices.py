"""The synapses of a network as matrices, for the stand-in for PyGeNN."""

from __future__ import annotations

import numpy as np

from tgenn_gen.codegen.lowering import lower
from tgenn_gen.document.canonical_text import document_of


def synapse_matrices(network):
    """{synapse population: matrix (pre, post)}: each chain applied to one spike at a time."""
    shapes = {p.name: p.shape for p in (*network.inputs, *network.populations)}
    matrices = {}
    for plan, population in zip(lower(document_of(network)).populations, network.populations, strict=True):
        for connection_plan, connection in zip(plan.connections, population.inputs, strict=True):
            shape = shapes[connection.source]
            one_spike_each = np.eye(int(np.prod(shape)), dtype=bool).reshape(-1, *shape)
            matrix = connection.apply(one_spike_each).reshape(len(one_spike_each), -1)
            if population.neuron.kind == "maximum":  # the trains of a neuron are the digits of its current
                base = 3.0 if population.neuron.signed else 2.0
                window = population.neuron.window
                matrix = matrix.reshape(len(matrix), -1, window) @ base ** np.arange(window)
            matrices[connection_plan.identifier] = matrix
    return matrices
