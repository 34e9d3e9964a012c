"""simulate.py --jobs: the results of one process, whatever the number; errors and interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from golden import golden_networks
from sample_networks import examples_for, pooled_dense, targets_for
from scripts import assert_equal_arrays, assert_equal_scores, run_script, written
from synapse_matrices import synapse_matrices

from tgenn_gen.runtime.projects import load_script

EXAMPLES = 40  # three blocks
TIMES = "seconds examples_per_second build_seconds".split()


def outcome(folder, *arguments):
    """The arrays and scores of a run, and what it printed last."""
    outputs, report = folder / "outputs.npz", folder / "result.json"
    options = ("--data", folder / "data.npz", "--save-outputs", outputs, "--json", report, *arguments)
    done = run_script(folder / "simulate.py", *options)
    assert done.returncode == 0, done.stderr
    with np.load(outputs) as arrays:
        found = json.loads(report.read_text())
        return dict(arrays), {k: v for k, v in found.items() if k not in TIMES}, done.stdout, done.stderr


@pytest.mark.genn
@pytest.mark.slow
@pytest.mark.parametrize("name", ["signed_poisson", "physical", "mixed_inputs"])
def test_results_do_not_depend_on_the_number_of_jobs(tmp_path, name):
    """Two of the networks draw random numbers: spikes of the input, V at the start."""
    network = golden_networks()[name]
    data = {**examples_for(network, EXAMPLES), **targets_for(network, EXAMPLES)}
    folder = written(network, tmp_path / "n", **data)
    spiking = network.spiking[-1]
    options = ("--seed", 3, "--record", spiking, "--plot", folder / "plot.png")
    options += ("--set", f"{spiking}.threshold=-58") if name == "physical" else ()
    expected = outcome(folder, *options)
    assert expected[0][f"spikes/{spiking}"].size
    for jobs in (2, 8):
        arrays, report, stdout, stderr = outcome(folder, *options, "--jobs", jobs)
        assert_equal_arrays(arrays, expected[0])
        assert_equal_scores(report, expected[1])
        assert report["net_spikes_per_example"] == expected[1]["net_spikes_per_example"]
        assert (stdout, stderr) == expected[2:]
    assert len([*folder.glob("*_CODE")]) == 1


@pytest.fixture
def project(tmp_path):
    network = pooled_dense()
    return written(network, tmp_path / "n", **examples_for(network, EXAMPLES))


BROKEN = {
    "raise ValueError('broken')": "ValueError('broken')",
    "import os; os._exit(1)": "a process ended before it was done: there may not be enough memory",
}


@pytest.mark.genn
@pytest.mark.slow
@pytest.mark.parametrize(("statement", "message"), BROKEN.items(), ids=["error", "end"])
def test_an_error_in_a_process_is_one_message(project, statement, message):
    script = project / "simulate.py"
    text = script.read_text()
    there = "    model = net.model\n"
    assert there in text
    script.write_text(text.replace(there, f"{there}    if __name__ != '__main__':\n        {statement}\n"))
    done = run_script(script, "--data", project / "data.npz", "--jobs", 2)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"simulate.py: error: {message}\n"


@pytest.mark.genn
@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_keeps_what_is_done(project):
    """As a terminal does it: the signal goes to all processes of the group."""
    network = pooled_dense()
    x = examples_for(network, EXAMPLES)
    many = {name: np.concatenate([array] * 5000) for name, array in x.items()}
    np.savez(project / "many.npz", **many)
    assert run_script(project / "simulate.py", "--data", project / "data.npz").returncode == 0  # builds
    command = [sys.executable, project / "simulate.py", "--data", project / "many.npz", "--jobs", "2"]
    command += ["--json", project / "result.json"]
    running = subprocess.Popen(
        [*map(str, command)], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    time.sleep(15)
    os.killpg(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130 and stderr.startswith("simulate.py: error: interrupted: ")
    assert stderr.count("\n") == 1
    result = json.loads((project / "result.json").read_text())
    assert not result["complete"] and 0 < result["n"] < EXAMPLES * 5000
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.killpg(running.pid, 0)
            time.sleep(0.1)


def test_jobs_are_for_the_cpu_backend(fake_genn, tmp_path):
    network = pooled_dense()
    np.savez(fake_genn, **synapse_matrices(network))
    folder = written(network, tmp_path / "n", **examples_for(network, 2))
    script = load_script(folder / "simulate.py")
    jobs = sys.modules.get("tgenn_runtime.genn_jobs") or script.main.__globals__["Jobs"]
    with pytest.raises(ValueError, match=r"^jobs 2: expected 1 with backend fake, which "):
        jobs(script.build(), str(folder / "simulate.py"), {}, 2)
