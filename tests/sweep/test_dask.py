"""tgenn sweep on a Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from sweeps import Swept

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install distributed")
pytestmark = pytest.mark.slow
TIMES = ("seconds", "examples_per_second", "build_seconds", "result")
SETTINGS = {"timesteps": [3, 8], "seed": [0, 1, 2], "stem.threshold": [0.8, 1.0]}


@pytest.fixture
def cluster():
    with distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as found:
        yield found


def started(swept, cluster):
    """The command, once three tasks have begun."""
    command = [sys.executable, "-m", "tgenn_gen", "sweep", str(swept.file)]
    process = subprocess.Popen(
        [*command, "--scheduler", cluster.scheduler_address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    runs = swept.folder / "runs.txt"
    while not runs.exists() or len(runs.read_text().splitlines()) < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process


def last_task(swept):
    """The process of the task that began last, and its worker's."""
    written = (swept.folder / "runs.txt").read_text().splitlines()[-1]
    pids = subprocess.run(["pgrep", "-f", written], capture_output=True, text=True, check=True).stdout
    (task,) = map(int, pids.split())
    worker = subprocess.run(["ps", "-o", "ppid=", "-p", str(task)], capture_output=True, text=True)
    return task, int(worker.stdout)


def figures(swept, output="sweep_results"):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in swept.rows(output)]


def test_a_sweep_with_a_worker_killed_in_the_middle_has_each_task_once(tmp_path, cluster):
    swept = Swept(tmp_path, seconds=1, settings=SETTINGS)
    process = started(swept, cluster)
    _, worker = last_task(swept)
    assert worker in [each.pid for each in cluster.workers.values()]
    os.kill(worker, signal.SIGKILL)
    said, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert len(said.splitlines()) == 2 + 12 + 1
    runs = swept.runs()
    assert len(runs) == len(set(runs)) == 12  # the killed worker's task was waited for, not run twice
    found = figures(swept)
    command = [sys.executable, "-m", "tgenn_gen", "sweep", str(swept.file), "-o", str(tmp_path / "here")]
    subprocess.run(command, check=True, capture_output=True)
    assert found == figures(swept, "here") and len(found) == 12


def test_a_task_that_was_killed_with_its_worker_is_run_again(tmp_path, cluster):
    swept = Swept(tmp_path, seconds=1, settings=SETTINGS)
    process = started(swept, cluster)
    task, worker = last_task(swept)
    for pid in (worker, task):
        os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert len(swept.runs()) == 13
    assert all(row["accuracy"] for row in swept.rows())


def test_without_its_scheduler_a_sweep_ends_with_one_line_and_goes_on_later(tmp_path, cluster):
    swept = Swept(tmp_path, seconds=0.5, settings=SETTINGS)
    process = started(swept, cluster)
    cluster.close()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error: lost the Dask scheduler: the same command goes on\n"
    command = [sys.executable, "-m", "tgenn_gen", "sweep", str(swept.file)]
    subprocess.run(command, check=True, capture_output=True)
    assert len(swept.rows()) == 12 and all(row["accuracy"] for row in swept.rows())
