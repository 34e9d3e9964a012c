"""--example N: the recorded spikes are those of that example, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
from golden import GENERATED, golden_networks
from sample_networks import dyadic_examples
from scripts import run_here

from tgenn_gen import simulate


@pytest.mark.parametrize("example", [0, 3, 4])
def test_the_spikes_of_the_chosen_example_are_recorded(tmp_path, example):
    x = dyadic_examples((7, 10, 2), 5)
    np.savez(tmp_path / "x.npz", x=x)
    options = ("--batch-size", 2, "--record", "conv1", "--example", example)
    saved = ("--save-outputs", tmp_path / "o.npz")
    done = run_here(GENERATED / "small_cnn/reference.py", "--data", tmp_path / "x.npz", *options, *saved)
    assert done.returncode == 0, done.stderr
    spikes = simulate(golden_networks()["small_cnn"], x, record=["conv1"]).spikes["conv1"][example]
    flat = spikes.reshape(len(spikes), -1)
    steps, neurons = np.nonzero(flat)
    found = np.load(tmp_path / "o.npz")["spikes/conv1"]
    np.testing.assert_array_equal(found, np.stack([steps, neurons, flat[steps, neurons]], axis=1))
