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
    later = [o.population for o in network.outputs if o.start and o.readout == "membrane"]
    with_v = ",".join(p.name for p in network.populations if p.name not in later)
    run = (folder / "data.npz", "--timesteps", timesteps, "--record", spiking, "--example", 6)
    run += ("--record-v", with_v, "--neurons", "1,0") if with_v else ()
    expected, in_numpy, _ = results(folder / "reference.py", *run)
    v = {name: in_numpy.pop(name) for name in [*in_numpy] if name.startswith("v/")}
    assert len(v) == len(with_v.split(",")) * bool(with_v)
    for batch_size in (1, 4, 64):
        found, on_genn, _ = results(folder / "simulate.py", *run, "--batch-size", batch_size)
        assert found["backend"] == "fake"
        for name, course in v.items():  # means over three neurons are rounded in another order
            np.testing.assert_allclose(on_genn.pop(name), course, atol=1e-6, err_msg=name)
        assert_equal_arrays(on_genn, in_numpy)
        assert_equal_scores(found, expected)
