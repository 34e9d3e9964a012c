"""Scripts under mpiexec: the ranks share the examples, and the results are those of one process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from pages import AVAILABLE, MPIEXEC
from runs import assert_same, project, run, run_ranks
from scripts import run_script

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AVAILABLE["mpi"], reason="mpi4py or mpiexec is missing: pip install mpi4py mpich"),
]
ENGINES = [("reference.py", ()), pytest.param("simulate.py", (), marks=pytest.mark.genn)]
ENGINES += [pytest.param("simulate.py", ("--jobs", 2), marks=pytest.mark.genn)]


def under_mpi(ranks):
    """How to run a script with so many ranks."""
    return partial(run_ranks, ranks)


@pytest.mark.parametrize(("script", "options"), ENGINES)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_give_the_result_of_one_process(tmp_path, script, options, ranks):
    folder = project(tmp_path, "signed_poisson")
    recorded = ("--seed", 5, "--example", 7, "--record", "stem", "--record-v", "stem", "--record-i", "branch")
    line = run(folder, "whole", *recorded, script=script, how=run_script).stdout
    done = run(folder, "shared", *recorded, *options, "--save-every", 3, script=script, how=under_mpi(ranks))
    assert done.stdout == line
    assert done.stderr == ""
    assert_same(folder, "shared")
    assert not [*folder.glob("*rank*")] and not [*folder.glob("shared*.lock")]


def test_ranks_without_examples_wait_for_the_others(tmp_path):
    folder = project(tmp_path, "mixed_inputs", 2, values=True)
    run(folder, "whole")
    run(folder, "shared", how=under_mpi(3))
    assert_same(folder, "shared")


def test_a_plot_shows_an_example_of_any_rank(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    for name, how in (("whole", run_script), ("shared", under_mpi(2))):
        run(folder, name, "--example", 5, "--plot", folder / f"{name}.png", how=how)
    assert (folder / "shared.png").read_bytes() == (folder / "whole.png").read_bytes()


def test_a_plot_shows_an_example_of_a_rank_when_the_first_one_has_nothing_left_to_do(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "whole", "--example", 5, "--plot", folder / "whole.png", how=run_script)
    run(folder, "shared.rank0of2", "--shard", "0/2")
    run(folder, "shared", "--example", 5, "--plot", folder / "shared.png", "--resume", how=under_mpi(2))
    assert (folder / "shared.png").read_bytes() == (folder / "whole.png").read_bytes()
    assert_same(folder, "shared")


def test_ranks_share_the_examples_of_a_shard(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "whole", "--shard", "1/3")
    run(folder, "shared", "--shard", "1/3", how=under_mpi(2))
    assert_same(folder, "shared")


def test_an_error_is_printed_once_and_ends_all_ranks(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    done = under_mpi(3)(folder / "reference.py", "--data", folder / "none.npz")
    assert done.returncode == 2
    assert len(re.findall("error: .*none.npz", done.stderr)) == 1
    assert len(re.findall("usage:", under_mpi(2)(folder / "reference.py", "--limit", 0).stderr)) == 1


def test_ranks_with_other_options_are_an_error(tmp_path):
    folder = project(tmp_path, "signed_poisson", 64)
    command = f"{sys.executable} reference.py --data data.npz --shard $PMI_RANK/4 --json r$PMI_RANK.json"
    done = subprocess.run(
        [MPIEXEC, "-n", "4", "sh", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 2
    assert "error: rank 1 has shard 1/4, expected 0/4, json r1.json, expected r0.json" in done.stderr
    assert not [*folder.glob("r?.json")]


def test_wrong_usage_of_one_rank_ends_all(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    command = f"{sys.executable} reference.py --data data.npz --shard $PMI_RANK/1"
    done = subprocess.run(
        [MPIEXEC, "-n", "2", "sh", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=60,
    )
    assert done.returncode == 2 and "got '1/1'" in done.stderr


WAITING = """
import pathlib, sys, time
from reference import build
from tgenn_runtime.command_line import main
from tgenn_runtime.run_results import RunResults

save = RunResults.save

def save_slowly(self, *files):
    time.sleep(1.5)
    save(self, *files)

def waiting(**options):
    net = build(**options)
    batches = net.batches

    def wait_in_one_rank(examples, numbers, *arguments):
        for batch in batches(examples, numbers, *arguments):
            yield batch
            if WAITS in numbers:
                RunResults.save = save_slowly
                pathlib.Path("waits").touch()
                time.sleep(60)

    net.batches = wait_in_one_rank
    return net

main(waiting, "waiting", timesteps=7)
"""


@pytest.mark.parametrize("waits", [0, 1])
def test_an_interruption_does_not_end_a_rank_that_still_saves(tmp_path, waits):
    """The other one has simulated all of its examples."""
    folder = project(tmp_path, "signed_poisson")
    (folder / "waiting.py").write_text(WAITING.replace("WAITS", str(waits)))
    command = [MPIEXEC, "-n", "2", sys.executable, "waiting.py", "--data", "data.npz", "--json", "part.json"]
    options = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([*command, "--batch-size", "5"], cwd=folder, **options) as process:
        while not (folder / "waits").exists():
            time.sleep(0.02)
        time.sleep(1)  # until the other one waits
        for pid in ranks_of(process.pid):
            os.kill(pid, signal.SIGINT)
        message = process.stderr.read()
    done = [json.loads((folder / f"part.rank{rank}of2.json").read_text())["n"] for rank in (0, 1)]
    assert done[waits] == 5 and done[1 - waits] in (20, 21)
    assert f"interrupted: {sum(done)} of 41 examples are done, --resume goes on" in message


FAILING = """
from reference import build
from tgenn_runtime.command_line import main
from tgenn_runtime.messages import RunError

def failing(**options):
    net = build(**options)
    batches = net.batches

    def fail_in_one_rank(examples, numbers, *arguments):
        if 2 in numbers:
            raise {error}
        yield from batches(examples, numbers, *arguments)

    net.batches = fail_in_one_rank
    return net

main(failing, "failing", timesteps=7)
"""


@pytest.mark.parametrize(
    ("error", "message", "status"),
    [
        ('RunError("no current", 3)', "failing.py: error: rank 2: no current", 3),
        ("MemoryError", "failing.py: error: rank 2: there is not enough memory", 3),
        ('TypeError("a fault")', "TypeError: a fault", 1),
    ],
)
def test_an_error_of_one_rank_ends_all_and_names_the_rank(tmp_path, error, message, status):
    folder = project(tmp_path, "signed_poisson")
    (folder / "failing.py").write_text(FAILING.format(error=error))
    done = under_mpi(3)(folder / "failing.py", "--data", folder / "data.npz")
    assert done.returncode == status and message in done.stderr


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_after_a_rank_is_ended_a_run_goes_on_with_what_was_saved(tmp_path, end):
    folder = project(tmp_path, "signed_poisson", 20_000)
    run(folder, "whole")
    files = ["--json", "part.json", "--save-outputs", "part.npz", "--save-every", "50", "--batch-size", "10"]
    command = [MPIEXEC, "-n", "2", sys.executable, "reference.py", "--data", "data.npz", *files, "--resume"]
    options = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=folder, **options) as process:
        saved = [folder / f"part.rank{rank}of2.json" for rank in (0, 1)]
        while not all(path.exists() for path in saved):
            time.sleep(0.02)
            assert process.poll() is None
        for pid in ranks_of(process.pid):
            os.kill(pid, end)
            if end == signal.SIGKILL:
                break
        message = process.stderr.read()
    assert process.returncode != 0
    assert end == signal.SIGKILL or re.search(
        r"interrupted: \d+ of 20000 examples are done, --resume", message
    )
    assert not (folder / "part.json").exists()
    done = [json.loads(path.read_text())["n"] for path in saved]
    assert all(50 <= count <= 10_000 for count in done)
    found = under_mpi(3)(folder / "reference.py", *other_ranks(folder))
    assert found.returncode == 2 and "rank0of2.json: is of 2 processes, not 3" in found.stderr
    resumed = run_ranks(2, *command[4:], cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert_same(folder, "part")
    assert not [*folder.glob("*rank*")]
    seconds = json.loads((folder / "part.json").read_text())["seconds"]
    again = run_ranks(2, *command[4:], cwd=folder)
    assert again.stdout == resumed.stdout  # nothing was left to do
    assert json.loads((folder / "part.json").read_text())["seconds"] == seconds


def other_ranks(folder):
    return "--data", folder / "data.npz", "--json", folder / "part.json", "--resume"


def ranks_of(pid):
    """The processes of Python below a process."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in table.stdout.splitlines()]
    below, found = {pid}, []
    while new := [row for row in rows if int(row[1]) in below and int(row[0]) not in below]:
        below |= {int(row[0]) for row in new}
        found += [int(row[0]) for row in new if row[2].startswith(sys.executable)]
    return found


def test_several_processes_do_not_go_on_with_a_part_of_one(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "part")
    found = json.loads((folder / "part.json").read_text())
    (folder / "part.json").write_text(json.dumps({**found, "n": 7}))
    done = under_mpi(2)(folder / "reference.py", *other_ranks(folder))
    assert done.returncode == 2
    assert "part.json: has a part of the results, of one process: go on with one" in done.stderr


def test_without_mpi4py_processes_of_mpiexec_say_so(tmp_path, monkeypatch):
    folder = project(tmp_path, "signed_poisson")
    (folder / "mpi4py.py").write_text("raise ImportError('No module named mpi4py')")
    done = under_mpi(2)(folder / "reference.py", "--data", folder / "data.npz")
    assert done.returncode == 3
    assert "2 processes were started, but mpi4py cannot be imported (No module named mpi4py)" in done.stderr
    hint = "run pip install mpi4py; or, for processes with nothing in common, unset PMI_SIZE"
    assert hint in done.stderr


def test_processes_that_mpi_does_not_know_are_an_error(tmp_path, monkeypatch):
    """srun without its MPI plug-in starts processes that each find themselves alone."""
    folder = project(tmp_path, "signed_poisson")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    done = run_script(folder / "reference.py", "--data", folder / "data.npz")
    assert done.returncode == 2
    assert "4 processes were started, but mpi4py's MPI library finds 1: start them with" in done.stderr


DEVICES = """
import os
from tgenn_runtime.genn_jobs import visible_devices
from tgenn_runtime.mpi_ranks import local_rank, ranks_of_run
with open(f"rank{ranks_of_run().rank}.txt", "w") as file:
    print(local_rank(), visible_devices(), file=file)
"""


@pytest.mark.genn
def test_a_rank_knows_its_number_on_its_machine_and_the_gpus_that_it_may_use(tmp_path, monkeypatch):
    folder = project(tmp_path, "signed_poisson")
    (folder / "ranks.py").write_text(DEVICES)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.chdir(folder)
    under_mpi(3)(folder / "ranks.py")
    for rank in range(3):
        assert (folder / f"rank{rank}.txt").read_text() == f"{rank} ['3', '5']\n"
