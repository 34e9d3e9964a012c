"""reference.py as a person runs it: its command line, and that it stands alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sample_networks import branched, dyadic_examples, of_all_kinds, small_cnn
from scripts import results, run_here, written

from tgenn_gen import evaluate, simulate


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    network = small_cnn()
    folder = tmp_path_factory.mktemp("scripts") / "network"
    return written(network, folder, x=dyadic_examples((7, 10, 2), 12), y=np.arange(12) % 5)


@pytest.mark.parametrize("network", [small_cnn(), branched()], ids=["small_cnn", "branched"])
def test_reference_py_gives_what_the_engine_gives(network, tmp_path):
    x = dyadic_examples(network.inputs[0].shape, 5)
    folder = written(network, tmp_path / "n", x=x, y=np.zeros(5, int))
    result, arrays, _ = results(folder / "reference.py", folder / "data.npz", "--batch-size", 2)
    expected = simulate(network, x)
    np.testing.assert_array_equal(arrays["output"], expected.output)
    for name, counts in expected.spike_counts.items():
        np.testing.assert_array_equal(arrays[f"spike_counts/{name}"], counts.reshape(5, -1))
        assert result["spikes_per_example"][name] == counts.sum() / 5
    hits = (expected.output_per_step.argmax(axis=2) == 0).mean(axis=1)
    assert result["accuracy_per_step"] == pytest.approx(hits.tolist())


@pytest.mark.parametrize("name", [n for n, network in of_all_kinds().items() if network.few_spike])
def test_with_the_few_spike_code_the_last_step_alone_has_a_score(name, tmp_path):
    network = of_all_kinds()[name]
    x, steps = dyadic_examples(network.inputs[0].shape, 5), network.simulation.timesteps
    folder = written(network, tmp_path / "n", x=x, y=np.zeros(5, int))
    result, *_ = results(folder / "reference.py", folder / "data.npz")
    assert result["accuracy_per_step"] == [None] * (steps - 1) + [result["accuracy"]]
    assert result["accuracy"] == evaluate(network, x, np.zeros(5, int)).accuracy_per_step[-1]


def test_scripts_run_where_tgenn_gen_is_not_installed(project, tmp_path):
    """Nothing of the package's, nor of what it depends on but NumPy, can be imported."""
    code = (
        "import sys\n"
        "class Only:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        ours = 'tgenn_gen yaml jinja2 jsonschema tensorflow keras scipy pygenn'.split()\n"
        "        if name.split('.')[0] in ours:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Only())\n"
        f"sys.argv = ['reference.py', '--data', {str(project / 'data.npz')!r}]\n"
        f"sys.path.insert(0, {str(project)!r})\n"  # as Python does for a script
        f"import runpy; runpy.run_path({str(project / 'reference.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("accuracy: ")


def test_json_holds_what_the_contract_lists(project):
    result, _, stdout = results(
        project / "reference.py", project / "data.npz", "--limit", 10, "--timesteps", 3
    )
    assert list(result) == [
        "complete",
        "accuracy",
        "n",
        "timesteps",
        "seconds",
        "examples_per_second",
        "build_seconds",
        "backend",
        "spikes_per_example",
        "net_spikes_per_example",
        "accuracy_per_step",
        "confusion_matrix",
        "run",
        "examples",
        "shard",
        "saved_outputs",
        "totals",
    ]
    assert (result["n"], result["timesteps"], len(result["accuracy_per_step"])) == (10, 3, 3)
    assert stdout == f"accuracy: {result['accuracy']:.4f} ({round(10 * result['accuracy'])} of 10, 3 steps)\n"


def test_keras_names_and_image_data_are_accepted(project, tmp_path):
    """x_test, y_test; uint8 is divided by the document's divisor; labels may be a column."""
    x = np.random.default_rng(0).integers(0, 256, (8, 7, 10, 2)).astype(np.uint8)
    np.savez(tmp_path / "keras.npz", x_train=x[:1], x_test=x, y_test=np.zeros((8, 1), np.uint8))
    np.savez(tmp_path / "plain.npz", x=(x / np.float32(255)).astype(np.float32), y=np.zeros(8, int))
    found = [
        results(project / "reference.py", tmp_path / f"{n}.npz")[1]["output"] for n in ("keras", "plain")
    ]
    np.testing.assert_array_equal(*found)


def test_a_missing_channel_axis_of_length_one_is_added(tmp_path):
    written(branched(), tmp_path / "n")
    x = dyadic_examples((4, 6, 1), 3)
    np.savez(tmp_path / "with.npz", x=x, y=[0, 1, 2])
    np.savez(tmp_path / "without.npz", x=x[..., 0], y=[0, 1, 2])
    found = [
        results(tmp_path / "n/reference.py", tmp_path / f"{n}.npz")[1]["output"] for n in ("with", "without")
    ]
    np.testing.assert_array_equal(*found)


def test_data_without_labels_gives_outputs_and_no_accuracy(project, tmp_path):
    np.savez(tmp_path / "x.npz", x=dyadic_examples((7, 10, 2), 4))
    result, arrays, stdout = results(project / "reference.py", tmp_path / "x.npz")
    assert result["accuracy"] is None and result["accuracy_per_step"] is None
    assert arrays["output"].shape == (4, 5)
    assert stdout == "score: none, the data has no targets\n"


def test_a_raster_is_plotted_for_the_recorded_populations(project, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    done = run_here(
        project / "reference.py",
        "--data",
        project / "data.npz",
        "--record",
        "conv1,dense",
        "--plot",
        tmp_path / "r.png",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", [pytest.param("simulate.py", marks=pytest.mark.genn), "reference.py"])
def test_help_needs_no_data(project, script):
    """simulate.py makes its neuron models when it is read, so it needs PyGeNN for its help too."""
    done = run_here(project / script, "--help")
    assert done.returncode == 0 and "--save-outputs" in done.stdout
