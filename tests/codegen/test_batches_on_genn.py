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
from synapse_matrices import synapse_matrices

from tgenn_gen import generate, save

EXAMPLES = 11


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
