"""simulate.py with batches, against reference.py: on a stand-in for PyGeNN, since batches need a GPU.

What is tested is simulate.py's own part: which examples are shown when, which results are read when.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sample_networks import (
    autoencoder,
    branched,
    examples_for,
    of_all_kinds,
    small_cnn,
    targets_for,
    with_several,
)
from scripts import assert_equal_scores, results

from tgenn_gen import generate, save
from tgenn_gen.codegen.lowering import lower
from tgenn_gen.document.canonical_text import document_of

EXAMPLES = 11


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


NETWORKS = {
    "membrane": small_cnn(),
    "spike_count": small_cnn(readout="spike_count"),
    "branched": branched(),
    **with_several(),
    "autoencoder": autoencoder(),
    **of_all_kinds(),
}


@pytest.fixture(scope="module", params=NETWORKS)
def project(request, tmp_path_factory):
    network = NETWORKS[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "network"
    save(network, folder)
    generate(network, folder)
    np.savez(folder / "matrices.npz", **synapse_matrices(network))
    np.savez(folder / "data.npz", **examples_for(network, EXAMPLES), **targets_for(network, EXAMPLES))
    return folder, network


@pytest.mark.parametrize("batch_size", [1, 4, 64])
@pytest.mark.parametrize("timesteps", [1, 2, 7])
def test_batches_change_no_result(project, monkeypatch, batch_size, timesteps):
    folder, network = project
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent / "support/fake_genn"))
    monkeypatch.setenv("FAKE_GENN_MATRICES", str(folder / "matrices.npz"))
    spiking, timesteps = ",".join(network.spiking), timesteps + max(o.start for o in network.outputs)
    common = ("--timesteps", timesteps, "--record", spiking)
    on_genn = results(folder / "simulate.py", folder / "data.npz", *common, "--batch-size", batch_size)
    in_numpy = results(folder / "reference.py", folder / "data.npz", *common)
    assert on_genn[0]["backend"] == "fake"
    assert sorted(on_genn[1]) == sorted(in_numpy[1])
    for name, array in in_numpy[1].items():
        np.testing.assert_array_equal(on_genn[1][name], array, err_msg=name)
    assert_equal_scores(on_genn[0], in_numpy[0])
