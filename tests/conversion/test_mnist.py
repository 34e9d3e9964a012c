"""MNIST end to end: the network of 2019, all 10,000 test images, through the command line."""

from __future__ import annotations

import numpy as np
import pytest
from anns import data_file, trained
from scripts import results

from tgenn_gen.cli.main import export_main

DATA = data_file("mnist.npz")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.keras,
    pytest.mark.data,
    pytest.mark.skipif(DATA is None, reason="no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data"),
]
keras = pytest.importorskip("keras", reason="TensorFlow is not installed")


@pytest.fixture(scope="module")
def model_file():
    return trained("mnist_2019", DATA)


@pytest.fixture(scope="module")
def project(model_file, tmp_path_factory):
    """Exported with default options; the calibration data is the training set."""
    folder = tmp_path_factory.mktemp("mnist") / "mnist"
    assert export_main([str(model_file), "--calibration", str(DATA), "--output", str(folder)]) == 0
    return folder


def test_sixteen_steps_lose_at_most_fifteen_hundredths_of_a_percent_point(model_file, project):
    with np.load(DATA) as data:
        x, y = data["x_test"][..., None] / np.float32(255), data["y_test"]
    predictions = keras.saving.load_model(model_file).predict(x, verbose=0).argmax(axis=1)
    ann = (predictions == y).mean()
    result, _, _ = results(project / "reference.py", DATA)
    assert (result["n"], result["timesteps"]) == (10000, 16)
    print(
        f"ANN {100 * ann:.2f} %, SNN {100 * result['accuracy']:.2f} %, {result['examples_per_second']:.0f}/s"
    )
    assert ann > 0.98
    assert result["accuracy"] >= ann - 0.0015


@pytest.mark.parametrize(("tau", "most"), [("20", 0.003), ("5", 0.01)])
def test_leaky_neurons_lose_little_where_biases_make_up_for_the_leak(model_file, tmp_path, tau, most):
    """Without that, a tau of 5 steps loses 50 points. Figures are of docs/how-to/choose_a_method.md."""
    options = ["--preset", "plain", "--calibration", str(DATA)]
    leaky = ["--neuron", "leaky_integrate_and_fire", "--tau", tau]
    accuracy = []
    for name, more in (("plain", []), ("leaky", leaky)):
        folder = tmp_path / name
        assert export_main([str(model_file), *options, *more, "--output", str(folder)]) == 0
        accuracy.append(results(folder / "reference.py", DATA, "--limit", 2000)[0]["accuracy"])
    print(f"tau {tau}: {accuracy[1]}, no leak: {accuracy[0]}")
    assert accuracy[1] > accuracy[0] - most


@pytest.mark.genn
def test_genn_predicts_what_numpy_predicts(project):
    """Weights are not dyadic here, so sums may round differently and a spike may move to another step.

    The bound: such flips are rare (fewer than 1 in 100,000 spike counts), change a count by one, or by two
    where a spike is taken back, and change no prediction.
    """
    on_genn, in_numpy = (
        results(project / script, DATA, "--limit", 1000) for script in ("simulate.py", "reference.py")
    )
    np.testing.assert_array_equal(on_genn[1]["output"].argmax(axis=1), in_numpy[1]["output"].argmax(axis=1))
    assert on_genn[0]["accuracy"] == in_numpy[0]["accuracy"]
    np.testing.assert_allclose(on_genn[1]["output"], in_numpy[1]["output"], atol=0.1)
    differences = [
        np.abs(on_genn[1][name].astype(int) - counts.astype(int)).ravel()
        for name, counts in in_numpy[1].items()
        if name.startswith("spike_counts/")
    ]
    assert max(d.max() for d in differences) <= 2
    assert np.concatenate(differences).astype(bool).mean() < 1e-5
