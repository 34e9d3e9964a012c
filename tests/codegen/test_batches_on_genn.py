"""simulate.py with batches, against reference.py: on a stand-in for PyGeNN, since batches need a GPU.

What is tested is simulate.py's own part: which examples are shown when, which results are read when.
"""

from __future__ import annotations

import numpy as np
import pytest
from sample_networks import (
    autoencoder,
    branched,
    examples_for,
    of_all_kinds,
    recurrent,
    recurrent_maximum,
    small_cnn,
    targets_for,
    with_several,
)
from scripts import assert_equal_arrays, assert_equal_scores, results, written
from synapse_matrices import synapse_matrices

EXAMPLES = 11


NETWORKS = {
    "membrane": small_cnn(),
    "spike_count": small_cnn(readout="spike_count"),
    "branched": branched(),
    **with_several(),
    "autoencoder": autoencoder(),
    "recurrent": recurrent(),
    "recurrent_maximum": recurrent_maximum(),
    **of_all_kinds(),
}


@pytest.fixture(scope="module", params=NETWORKS)
def project(request, tmp_path_factory):
    network = NETWORKS[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "network"
    written(network, folder, **examples_for(network, EXAMPLES), **targets_for(network, EXAMPLES))
    np.savez(folder / "matrices.npz", **synapse_matrices(network))
    return folder, network


@pytest.mark.parametrize("timesteps", [1, 2, 7])
def test_batches_change_no_result(project, fake_genn, timesteps):
    folder, network = project
    fake_genn.symlink_to(folder / "matrices.npz")
    spiking, timesteps = ",".join(network.spiking), timesteps + max(o.start for o in network.outputs)
    run = (folder / "data.npz", "--timesteps", timesteps, "--record", spiking)
    expected, in_numpy, _ = results(folder / "reference.py", *run)
    for batch_size in (1, 4, 64):
        found, on_genn, _ = results(folder / "simulate.py", *run, "--batch-size", batch_size)
        assert found["backend"] == "fake"
        assert_equal_arrays(on_genn, in_numpy)
        assert_equal_scores(found, expected)
