"""tgenn export and tgenn evaluate under mpiexec: the same files and figures as by one process."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pages import AVAILABLE
from runs import project, run_ranks

from tgenn_gen.conversion.activation_statistics import ActivationHistogram

under_mpi = pytest.mark.skipif(
    not AVAILABLE["mpi"], reason="mpi4py or mpiexec is missing: pip install mpi4py mpich"
)
VALUES = st.floats(0, 1e6, width=32)


@given(arrays(np.float32, (12, 3), elements=VALUES), st.integers(1, 11), st.integers(1, 11))
def test_histograms_of_parts_are_that_of_all_values(values, first, second):
    whole, parts = ActivationHistogram(3, 6), [ActivationHistogram(3, 6) for _ in range(3)]
    whole.add(values)
    for part, rows in zip(parts, np.split(values, sorted([first, second])), strict=True):
        part.add(rows)
    parts[0].add_all(parts[2])
    parts[0].add_all(parts[1])
    np.testing.assert_array_equal(parts[0].counts, whole.counts)
    for percent in (50, 99, 100):
        np.testing.assert_array_equal(parts[0].percentile(percent), whole.percentile(percent))


def run(folder, *arguments, ranks=0):
    """tgenn with these arguments, under mpiexec where there are ranks."""
    return run_ranks(ranks, "-m", "tgenn_gen", *arguments, cwd=folder)


@under_mpi
@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize(
    ("name", "values", "count"),
    [("signed_poisson", False, 41), ("mixed_inputs", True, 41), ("few_spike", False, 2)],
)
def test_evaluate_shares_the_examples(tmp_path, ranks, name, values, count):
    folder = project(tmp_path, name, count, values=values)
    options = ("evaluate", ".", "--data", "data.npz", "--cost", "--seed", 3, "--json")
    whole = run(folder, *options, "whole.json")
    assert whole.returncode == 0, whole.stderr
    shared = run(folder, *options, "shared.json", ranks=ranks)
    assert (shared.returncode, shared.stdout, shared.stderr) == (0, whole.stdout, whole.stderr)
    assert (folder / "shared.json").read_bytes() == (folder / "whole.json").read_bytes()


def keras_model(folder):
    """A small CNN with labelled data of several batches, whose largest values are in the last ones."""
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((30, 20, 2)),
            layers.Conv2D(64, (3, 2), activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(8, 3, strides=(2, 1), activation="relu"),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.save(folder / "model.keras")
    rng = np.random.default_rng(0)
    x = (
        rng.random((400, 30, 20, 2), np.float32)
        * np.linspace(0.1, 1, 400, dtype=np.float32)[:, None, None, None]
    )
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 5, 400))


@under_mpi
@pytest.mark.slow
@pytest.mark.keras
def test_export_shares_the_calibration_data_and_writes_the_same_files(tmp_path):
    keras_model(tmp_path)
    options = ("--calibration", "data.npz", "--preset", "low_latency")
    options += ("--normalize", "percentile:99.9", "--per-channel")
    for ranks in (0, 3):
        done = run(tmp_path, "export", "model.keras", "-o", f"of{ranks}", *options, ranks=ranks)
        assert done.returncode == 0, done.stderr
    files, shared = (
        {f.relative_to(d): f for f in d.rglob("*")} for d in (tmp_path / "of0", tmp_path / "of3")
    )
    assert files.keys() == shared.keys()
    for path, file in files.items():
        assert file.is_dir() or file.read_bytes() == shared[path].read_bytes(), path


@under_mpi
@pytest.mark.slow
def test_a_wrong_argument_is_one_message_of_all_ranks(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    done = run(folder, "evaluate", ".", "--data", "none.npz", ranks=3)
    assert done.returncode == 2 and done.stderr.count("none.npz") == 1
