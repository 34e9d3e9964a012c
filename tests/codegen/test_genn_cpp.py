"""Generated model.cc, built by genn-buildmodel.sh for the CPU backend, equals reference.py exactly.

So does simulate.py, see test_genn.py; for trained weights model.cc is compared with that.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from math import lcm
from pathlib import Path

import numpy as np
import pytest
from anns import data_file
from cpp_models import arrays, build, run_again
from golden import golden_networks
from sample_networks import (
    examples_for,
    leaky_pair,
    of_all_kinds,
    recurrent_maximum,
    small_cnn,
    streams,
    targets_for,
    with_frames,
)
from scripts import assert_equal_arrays, results, written

from tgenn_gen import Network
from tgenn_gen.cli.main import main

pytestmark = [pytest.mark.slow, pytest.mark.genn, pytest.mark.genn_cpp]  # slow: it may have to build GeNN
EXAMPLES = 6
NETWORKS = {
    **golden_networks(),
    # the readout first_spike, potentials and scales by tensors, maxima of the few-spike code
    **{name: of_all_kinds()[name] for name in ("poisson", "few_spike_maximum")},
    # inputs that change at unequal times, and draw random numbers
    "frames_of_poisson": with_frames()["frames_of_poisson"],
    "leaky_pair": leaky_pair(2),
    "stream_of_recurrent": streams()["stream_of_recurrent"],
    "recurrent_maximum": recurrent_maximum(),
}


def with_examples(network: Network, folder: Path) -> Path:
    """The network's project as a new folder, with data.npz and examples/."""
    written(network, folder, **examples_for(network, EXAMPLES), **targets_for(network, EXAMPLES))
    assert main(["data", str(folder), str(folder / "data.npz")]) == 0
    return folder


def assert_equals(
    folder: Path, done: subprocess.CompletedProcess[str], script: str = "reference.py", **settings: object
) -> None:
    """A run of model.cc gave what a script gives with these settings: numbers, types and score lines."""
    assert done.returncode == 0, done.stderr
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    _, expected, stdout = results(folder / script, folder / "data.npz", *options)
    found = arrays(folder / "out")
    del expected["examples"]  # whose numbers model.cc does not write
    assert_equal_arrays(found, expected)
    assert {n: a.dtype for n, a in found.items()} == {n: a.dtype for n, a in expected.items()}
    said = [line for line in done.stdout.splitlines() if line != "model build complete"]
    assert said[-len(stdout.splitlines()) :] == stdout.splitlines()


@pytest.fixture(scope="module")
def first_runs(tmp_path_factory):
    """What gives a network's folder, and what building model.cc there and running it gave."""

    @cache
    def first_run(name: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
        folder = with_examples(NETWORKS[name], tmp_path_factory.mktemp(name) / "network")
        return folder, build(folder, output="out")

    return first_run


@pytest.mark.parametrize("name", NETWORKS)
def test_model_cc_equals_reference_py_exactly(first_runs, name):
    folder, done = first_runs(name)
    assert_equals(folder, done)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_build_runs_with_any_number_of_steps_and_examples(first_runs, name):
    folder, _ = first_runs(name)
    frames = lcm(*(i.frames for i in NETWORKS[name].inputs))
    start = max(o.start for o in NETWORKS[name].outputs)
    settings = {"timesteps": (start // frames + 1) * frames, "limit": 4, "seed": 5}
    assert_equals(folder, run_again(folder, output="out", **settings), **settings)
    done = run_again(folder, output="out", shard="1/3")
    if NETWORKS[name].simulation.reset == "never":
        assert done.returncode != 0
        assert (
            "TGENN_RUN_SHARD: leave it out: the examples are a stream, in which neurons keep V" in done.stderr
        )
    else:
        assert_equals(folder, done, shard="1/3")


@pytest.mark.parametrize("name", ["small_cnn", "signed_poisson", "few_spike", "recurrent"])
def test_toeplitz_synapses_give_the_same_at_many_steps(first_runs, name):
    folder, _ = first_runs(name)
    run = run_again(folder, output="out", connectivity="toeplitz", timesteps=15)
    assert_equals(folder, run, timesteps=15)


def assert_compiled_without_a_warning(build: subprocess.CompletedProcess[str]) -> None:
    """Of -Wall, -Wextra and -Wpedantic, with which GeNN's Makefile compiles."""
    assert build.returncode == 0
    assert "model.cc" not in build.stderr


@pytest.mark.parametrize("name", NETWORKS)
def test_model_cc_compiles_without_a_warning(first_runs, name):
    assert_compiled_without_a_warning(first_runs(name)[1])


def test_code_with_a_warning_is_compiled_anew_each_time(tmp_path):
    """Else the test above would see no warning of code that was compiled before."""
    code = tmp_path / "code.cc"
    code.write_text("static int unused;\n")
    command = [*shlex.split(os.environ["CXX"]), "-Wall", "-c", "-o", str(tmp_path / "code.o"), str(code)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "code.cc" in done.stderr and "unused" in done.stderr


@pytest.fixture
def copy(first_runs, tmp_path):
    """A copy of the small network, built, that a test may damage."""
    folder, _ = first_runs("small_cnn")
    copied = Path(shutil.copytree(folder, tmp_path / "network"))
    shutil.rmtree(copied / "out")
    return copied


def assert_refused(done: subprocess.CompletedProcess[str], folder: Path, message: str) -> None:
    """One line on stderr, a status that is not 0, and nothing written."""
    assert done.returncode != 0
    assert done.stderr == f"{message}\n"
    assert not (folder / "out").exists()
    assert "accuracy" not in done.stdout


def test_weights_that_are_not_those_of_the_document_are_refused(copy):
    file = next(iter(sorted((copy / "weights").glob("*.npy"))))
    content = file.read_bytes()
    lock = "run tgenn lock, or sha256sum weights/*.npy > weights/SHA256SUMS"
    foreign = f"weights/{file.name}: its hash is not the one in weights/SHA256SUMS: if you changed it, {lock}"
    for damaged in (content[:-1], content + b"\0", b"\x93NUMPX" + content[6:], b"", content[:-1] + b"\1"):
        file.write_bytes(damaged)
        assert_refused(run_again(copy, output="out"), copy, foreign)
    file.unlink()
    missing = f"weights/{file.name}: cannot be read: run this in the folder of network.yaml"
    assert_refused(run_again(copy, output="out"), copy, missing)


def test_what_is_wrong_with_the_examples_is_said_before_anything_is_built(copy):
    for code in copy.glob("*_CODE"):
        shutil.rmtree(code)
    examples = np.load(copy / "examples/image.npy")
    np.save(copy / "examples/image.npy", examples[:, :, :-1])
    done = run_again(copy, output="out")
    assert done.returncode != 0
    assert done.stderr == (
        "examples/image.npy: an example has shape (7, 9, 2), the network takes (7, 10, 2)\n"
    )
    assert not list(copy.glob("*_CODE")) and not (copy / "out").exists()


def test_a_build_of_another_document_does_not_run(copy):
    document = copy / "network.yaml"
    document.write_text(document.read_text().replace("threshold: 1.0", "threshold: 0.5", 1))
    assert main(["generate", str(copy)]) == 0
    message = "model.cc: has changed since this program was built: build it again"
    assert_refused(run_again(copy, output="out"), copy, message)


def test_a_failed_run_leaves_no_results_and_those_of_the_run_before_whole(copy):
    assert run_again(copy, output="out").returncode == 0
    before = arrays(copy / "out")
    (copy / "out/output.npy.part").mkdir()
    done = run_again(copy, output="out", limit=2)
    assert done.returncode != 0
    assert done.stderr.startswith("out/output.npy: cannot be written: ")
    (copy / "out/output.npy.part").rmdir()
    (copy / "out/output.npy").rename(copy / "kept.npy")
    (copy / "out/output.npy").mkdir()
    assert run_again(copy, output="out", limit=2).returncode != 0
    (copy / "out/output.npy").rmdir()
    (copy / "kept.npy").rename(copy / "out/output.npy")
    for name, array in arrays(copy / "out").items():
        np.testing.assert_array_equal(array, before[name])
    assert not list((copy / "out").rglob("*.part"))


def test_the_cpu_backend_takes_one_example_at_a_time(copy):
    assert_refused(
        run_again(copy, output="out", batch_size=2),
        copy,
        "TGENN_RUN_BATCH_SIZE: expected 1 on the CPU backend",
    )


def test_names_that_are_keywords_or_differ_in_punctuation_alone_give_a_model_that_runs(tmp_path):
    network = small_cnn()
    names = ["int", "a.b", "a-b", "a_b"]
    renamed = dict(zip([p.name for p in network.populations], names, strict=True))
    renamed["image"] = "class"
    populations = tuple(
        replace(p, name=renamed[p.name], inputs=tuple(replace(c, source=renamed[c.source]) for c in p.inputs))
        for p in network.populations
    )
    network = replace(
        network,
        name="operator",
        inputs=tuple(replace(i, name=renamed[i.name]) for i in network.inputs),
        populations=populations,
        outputs=tuple(replace(o, population=renamed[o.population]) for o in network.outputs),
    )
    folder = with_examples(network, tmp_path / "network")
    assert_equals(folder, build(folder, output="out"))


@pytest.mark.keras
@pytest.mark.data
@pytest.mark.skipif(
    data_file("mnist.npz") is None, reason="no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data"
)
def test_mnist_gives_the_same_outputs_and_spike_counts_as_simulate_py(tmp_path):
    """The network of 2019, as trained: its weights are not dyadic."""
    from anns import trained

    from tgenn_gen.cli.main import export_main

    data = tmp_path / "mnist.npz"
    with np.load(data_file("mnist.npz")) as arrays:
        parts = {"x_train": 2000, "x_test": 100, "y_test": 100}
        np.savez(data, **{name: arrays[name][:count] for name, count in parts.items()})
    folder = tmp_path / "mnist"
    model = trained("mnist_2019", data_file("mnist.npz"))
    assert export_main([str(model), "--calibration", str(data), "--output", str(folder)]) == 0
    assert main(["data", str(folder), str(data)]) == 0
    shutil.copy(data, folder / "data.npz")
    done = build(folder, output="out")
    assert_equals(folder, done, "simulate.py")
    assert_compiled_without_a_warning(done)
