"""simulate.py --jobs: the results of one process, whatever the number; errors and interruptions."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from golden import golden_networks
from sample_networks import examples_for, pooled_dense, targets_for
from scripts import assert_equal_arrays, assert_equal_scores, run_script, written
from synapse_matrices import synapse_matrices

from tgenn_gen.runtime.projects import load_script
from tgenn_gen.runtime.recording import Recording

EXAMPLES = 40  # three blocks
MANY = 20_000  # times as many take minutes
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
    options = ("--seed", 3, "--record", spiking, "--plot", folder / "plot.png", "--example", 21)
    options += ("--record-v", spiking, "--record-i", spiking, "--neurons", "0:2")
    options += ("--set", f"{spiking}.threshold=-58") if name == "physical" else ()
    expected = outcome(folder, *options)
    assert expected[0][f"spikes/{spiking}"].size
    for jobs in (2, 3):
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
    "import os; os._exit(1)": (
        "a process ended before it was done: there may not be enough memory: use fewer jobs"
    ),
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
    many = {name: np.concatenate([array] * MANY) for name, array in x.items()}
    np.savez(project / "many.npz", **many)
    assert run_script(project / "simulate.py", "--data", project / "data.npz").returncode == 0  # builds
    command = [sys.executable, project / "simulate.py", "--data", project / "many.npz", "--jobs", "2"]
    command += ["--json", project / "result.json"]
    running = subprocess.Popen(
        [*map(str, command)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    time.sleep(15)
    os.killpg(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=240)
    assert running.returncode == 130 and stderr.startswith("simulate.py: error: interrupted: ")
    assert stderr.count("\n") == 1
    result = json.loads((project / "result.json").read_text())
    assert not result["complete"] and 0 < result["n"] < EXAMPLES * MANY
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.killpg(running.pid, 0)
            time.sleep(0.1)


@pytest.mark.genn
@pytest.mark.slow
def test_fewer_examples_than_jobs_give_the_same_results(project):
    for examples, record in ((1, ()), (2, ("--record", pooled_dense().spiking[0]))):
        options = ("-n", examples, *record)
        expected = outcome(project, *options)
        arrays, report, *printed = outcome(project, *options, "--jobs", 3)
        assert_equal_arrays(arrays, expected[0])
        assert_equal_scores(report, expected[1])
        assert printed == [*expected[2:]]


@pytest.fixture
def jobs(fake_genn, tmp_path):
    """The class Jobs of a project, its network, and the path of the script."""
    network = pooled_dense()
    np.savez(fake_genn, **synapse_matrices(network))
    folder = written(network, tmp_path / "n", **examples_for(network, 2))
    script = load_script(folder / "simulate.py")
    return script.main.__globals__["Jobs"], script.build(), str(folder / "simulate.py")


def test_jobs_are_for_the_cpu_backend(jobs):
    made, net, script = jobs
    with pytest.raises(ValueError, match=r"^jobs 2: expected 1 on one GPU, which "):
        made(net, script, {}, 2)


def test_jobs_are_limited_by_the_processor_cores_that_may_be_used(jobs, monkeypatch):
    made, net, script = jobs
    net.backend = "single_threaded_cpu"
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert made(net, script, {}, 12).jobs == 12
    with pytest.raises(ValueError, match=r"^jobs 13: expected at most 12, 4 for each processor core$"):
        made(net, script, {}, 13)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with pytest.raises(ValueError, match=r"^jobs 5: expected at most 4, 4 for each processor core$"):
        made(net, script, {}, 5)


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM], ids=errno.errorcode.get)
def test_a_process_that_cannot_be_started_is_an_error(jobs, monkeypatch, error):
    made, net, script = jobs
    net.backend = "single_threaded_cpu"

    def start(process):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", start)
    handler = signal.getsignal(signal.SIGINT)
    message = f"^jobs 2: process 1 cannot be started: {os.strerror(error)}: use fewer$"
    with pytest.raises(ValueError, match=message) as raised:
        next(
            made(net, script, {}, 2).batches(
                examples_for(pooled_dense(), 4), range(4), 3, Recording(details=False)
            )
        )
    assert raised.value.status == 3 and signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\x10half"], ids=["nothing", "length", "part"])
def test_a_process_that_ends_within_a_message_is_an_error(jobs, sent):
    end, far_end = multiprocessing.Pipe(duplex=False)
    os.write(far_end.fileno(), sent)
    far_end.close()
    with pytest.raises(ValueError, match=r"^a process ended before it was done: ") as raised:
        jobs[0].__init__.__globals__["_received"](end)
    assert raised.value.status == 3
