"""Runs of golden networks' scripts that are compared: whole ones, shards, those of several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
from golden import golden_networks
from pages import MPIEXEC
from sample_networks import examples_for, targets_for
from scripts import assert_equal_arrays, run_here, written

EXAMPLES = 41
TIMES = ("seconds", "examples_per_second", "build_seconds", "saved_outputs")


def project(folder, name, count=EXAMPLES, values=False):
    """A golden network's project with data; values: targets that are no classes."""
    network = golden_networks()[name]
    targets = targets_for(network, count)
    if values:
        rng = np.random.default_rng(1)
        shapes = {o.population: network.population(o.population).shape for o in network.outputs}
        targets = {name: rng.normal(size=(count, *shape)) for name, shape in shapes.items()}
    return written(network, folder / name, **examples_for(network, count), **targets)


def run(folder, name, *options, script="reference.py", how=run_here):
    """A run with its results in NAME.json and NAME.npz."""
    files = ("--json", folder / f"{name}.json", "--save-outputs", folder / f"{name}.npz")
    done = how(folder / script, "--data", folder / "data.npz", *files, *options)
    assert done.returncode == 0, done.stderr
    return done


def run_ranks(ranks, *arguments, **options):
    """Python with these arguments, under mpiexec unless ranks is 0, one thread in each."""
    start = [MPIEXEC, "-n", ranks] if ranks else []
    return subprocess.run(
        [*map(str, (*start, sys.executable, *arguments))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        start_new_session=True,  # mpiexec interrupts the processes of its session where it ends early
        **options,
    )


def outcome(folder, name):
    """The results in NAME.json but for times, and the arrays in NAME.npz."""
    found = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as arrays:
        return {key: value for key, value in found.items() if key not in TIMES}, dict(arrays)


def assert_same(folder, name, other="whole"):
    """Two runs have the same results, to the last bit."""
    (found, arrays), (expected, expected_arrays) = outcome(folder, name), outcome(folder, other)
    assert found == expected
    assert_equal_arrays(arrays, expected_arrays)
