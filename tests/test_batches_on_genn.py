"""simulate.py with batches, against reference.py: on a stand-in for PyGeNN, since batches need a GPU.

What is tested is simulate.py's own part: which examples are shown when, which results are read when.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sample_networks import branched, examples_for, of_all_kinds, small_cnn
from scripts import results

from tgenn_gen import generate
from tgenn_gen.lower import lower

EXAMPLES = 11


def synapse_matrices(network):
    """{synapse population: matrix (pre, post)}: each chain applied to one spike at a time."""
    shapes = {
        network.inputs[0].name: network.inputs[0].shape,
        **{p.name: p.shape for p in network.populations},
    }
    matrices = {}
    for plan, population in zip(lower(network).populations, network.populations, strict=True):
        for connection_plan, connection in zip(plan.connections, population.inputs, strict=True):
            shape = shapes[connection.source]
            one_spike_each = np.eye(int(np.prod(shape)), dtype=bool).reshape(-1, *shape)
            matrices[connection_plan.identifier] = connection.apply(one_spike_each).reshape(
                len(one_spike_each), -1
            )
    return matrices


NETWORKS = {
    "membrane": small_cnn(),
    "spike_count": small_cnn(readout="spike_count"),
    "branched": branched(),
    **of_all_kinds(),
}


@pytest.fixture(scope="module", params=NETWORKS)
def project(request, tmp_path_factory):
    network = NETWORKS[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "network"
    network.save(folder)
    generate(network, folder)
    np.savez(folder / "matrices.npz", **synapse_matrices(network))
    np.savez(folder / "data.npz", x=examples_for(network, EXAMPLES), y=np.zeros(EXAMPLES, int))
    return folder, network


@pytest.mark.parametrize("batch_size", [1, 4, 64])
@pytest.mark.parametrize("timesteps", [1, 2, 7])
def test_batches_change_no_result(project, monkeypatch, batch_size, timesteps):
    folder, network = project
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "fake_genn"))
    monkeypatch.setenv("FAKE_GENN_MATRICES", str(folder / "matrices.npz"))
    spiking, timesteps = ",".join(network.spiking), timesteps + network.outputs[0].start
    common = ("--timesteps", timesteps, "--record", spiking)
    on_genn = results(folder / "simulate.py", folder / "data.npz", *common, "--batch-size", batch_size)
    in_numpy = results(folder / "reference.py", folder / "data.npz", *common)
    assert on_genn[0]["backend"] == "fake"
    assert sorted(on_genn[1]) == sorted(in_numpy[1])
    for name, array in in_numpy[1].items():
        np.testing.assert_array_equal(on_genn[1][name], array, err_msg=name)
    assert on_genn[0]["accuracy_per_step"] == in_numpy[0]["accuracy_per_step"]
