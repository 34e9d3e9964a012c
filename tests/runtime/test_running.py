"""What generated scripts do while they run, and what they notice."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from golden import GENERATED
from sample_networks import dyadic_examples, of_all_kinds, small_cnn
from scripts import run_here, written

from tgenn_gen import simulate
from tgenn_gen.runtime.data import label_problem
from tgenn_gen.runtime.projects import load_script
from tgenn_gen.runtime.results import Result

X = dyadic_examples((7, 10, 2), 6)


@pytest.fixture
def project(tmp_path):
    folder = shutil.copytree(GENERATED / "small_cnn", tmp_path / "small_cnn")
    np.savez(folder / "data.npz", x=X, y=np.arange(6) % 5)
    return folder


def said(project, *arguments):
    done = run_here(project / "reference.py", "--data", project / "data.npz", *arguments)
    assert done.returncode == 0
    return done.stderr


def test_a_document_that_was_edited_since_is_noted_whatever_its_line_ends(project):
    document = project / "network.yaml"
    assert said(project) == ""
    document.write_bytes(document.read_bytes().replace(b"\n", b"\r\n"))
    assert said(project) == ""
    document.write_text(document.read_text() + "# mine\n")
    note = "network.yaml was edited since reference.py was generated: run tgenn generate"
    assert said(project) == f"reference.py: note: {note}\n"
    document.unlink()
    assert said(project) == ""


def test_data_of_another_range_than_the_calibration_data_is_noted(tmp_path):
    network = small_cnn()
    network = replace(network, inputs=(replace(network.inputs[0], data_range=(0.0, 1.0)),))
    folder = written(network, tmp_path / "n", x=X)
    assert said(folder) == ""
    np.savez(folder / "data.npz", x=X * 255)
    assert "from 0 to 1: preprocess both in the same way" in said(folder)


def test_class_numbers_that_look_like_another_output_s_are_noted():
    outputs = {"colour": {"shape": (9,)}, "digit": {"shape": (10,)}}
    assert label_problem({"colour": np.array([0, 8])}, outputs) == ""
    assert label_problem({"digit": np.array([0, 9])}, outputs) == ""
    found = label_problem({"digit": np.array([0, 3, 8])}, outputs)
    assert "digit has 10 classes, but its targets have 9, as colour has" in found
    assert label_problem({"digit": np.array([0, 8]), "colour": np.array([1, 2])}, outputs) == ""


@pytest.fixture
def interrupted(project):
    """A project that is interrupted after its first batch."""
    script = (project / "reference.py").read_text()
    changed = script.replace(
        "    main(build,",
        "    from tgenn_runtime.numpy_network import NumpyNetwork as N\n"
        "    batches = N.batches\n\n"
        "    def one(*arguments, **options):\n"
        "        yield next(batches(*arguments, **options))\n"
        "        raise KeyboardInterrupt\n\n"
        "    N.batches = one\n"
        "    main(build,",
    )
    (project / "reference.py").write_text(changed)
    return project


def test_an_interruption_keeps_what_is_done_and_marks_it_as_incomplete(interrupted):
    project = interrupted
    outputs = ("--json", project / "r.json", "--save-outputs", project / "o.npz")
    done = run_here(project / "reference.py", "--data", project / "data.npz", "--batch-size", 2, *outputs)
    assert done.returncode == 130
    assert "interrupted: the results are those of 2 of 6 examples" in done.stderr
    result = json.loads((project / "r.json").read_text())
    assert (result["complete"], result["n"]) == (False, 2)
    with np.load(project / "o.npz") as arrays:
        np.testing.assert_array_equal(arrays["output"], simulate(small_cnn(), X[:2]).output)


def test_an_interruption_before_the_example_that_is_drawn_keeps_the_results(interrupted):
    options = ("--json", interrupted / "r.json", "--plot", interrupted / "p.png", "--example", 4)
    data = ("--data", interrupted / "data.npz", "--batch-size", 2)
    done = run_here(interrupted / "reference.py", *data, *options)
    assert done.returncode == 130
    assert "example 4 was not simulated in this run: it is not recorded or plotted" in done.stderr
    assert json.loads((interrupted / "r.json").read_text())["n"] == 2
    assert not (interrupted / "p.png").exists()


def test_two_projects_of_two_versions_run_in_one_process(tmp_path):
    """Neither uses a module of the other, nor leaves one behind."""
    for name in ("small_cnn", "branched"):
        shutil.copytree(GENERATED / name, tmp_path / name)
    runtime = tmp_path / "branched" / "tgenn_runtime" / "readout_functions.py"
    text = runtime.read_text()
    runtime.write_text(
        text + "\n\ndef steps_so_far(weights, start):\n    return np.ones_like(weights) * 0.5\n"
    )
    before = {name for name in sys.modules if name.split(".")[0] in ("tgenn_runtime", "reference")}
    first = load_script(tmp_path / "small_cnn" / "reference.py").build()
    second = load_script(tmp_path / "branched" / "reference.py").build()
    branched = dyadic_examples((4, 6, 1), 3)
    np.testing.assert_array_equal(first.run(X).output, simulate(small_cnn(), X).output)
    expected = load_script(GENERATED / "branched" / "reference.py").build().run(branched)
    steps = len(expected.output_per_step)
    np.testing.assert_allclose(second.run(branched).output, expected.output * steps / 0.5)
    assert before == {name for name in sys.modules if name.split(".")[0] in ("tgenn_runtime", "reference")}


def test_recorded_spikes_and_potentials_are_those_of_the_equations():
    network = small_cnn()
    result = simulate(network, X, timesteps=9, record=["conv1"], record_v=["conv1", "classes"])
    current = network.populations[0].current({"image": X.astype(np.float64)})
    v = np.full(current.shape, 0.5, np.float32)
    for step in range(9):
        v = v + current
        np.testing.assert_array_equal(result.spikes["conv1"][:, step], v >= 1)
        v = v - (v >= 1)
        np.testing.assert_array_equal(result.v["conv1"][:, step], v)
    np.testing.assert_array_equal(result.spike_counts["conv1"], result.spikes["conv1"].sum(axis=1))
    last = result.v["classes"][:, -1] * np.float32(0.5) / 9
    np.testing.assert_array_equal(last, result.output)


def test_events_and_net_counts_of_signed_spikes_are_two_numbers():
    network = of_all_kinds()["signed_poisson"]
    (image,) = network.inputs
    x = np.random.default_rng(4).integers(-16, 17, (5, *image.shape)).astype(np.float32) / 16
    result = simulate(network, x, timesteps=12, record=None)
    assert [*result.net_counts] == [*result.spike_counts]
    assert any((result.spikes[name] < 0).any() for name in network.signed)
    for name, spikes in result.spikes.items():
        np.testing.assert_array_equal(result.spike_counts[name], np.abs(spikes).sum(axis=1))
        np.testing.assert_array_equal(result.net_counts[name], spikes.sum(axis=1))
        assert result.net_counts[name].dtype == np.int32
        np.testing.assert_allclose(result.rates[name], spikes.mean(axis=1), rtol=1e-6)


def test_net_counts_are_counts_of_their_own_whatever_the_type_of_the_counts():
    counts = np.array([[3, 0]], np.int64)
    result = Result({"p": counts}, {"p": counts[None]}, {"p": counts}, {})
    np.testing.assert_array_equal(result.net_counts["p"], counts)
    result.net_counts["p"][0, 0] = 9
    assert counts[0, 0] == 3
