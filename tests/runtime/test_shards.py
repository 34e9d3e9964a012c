"""--shard, --save-every, --resume and merged results: those of one run, number by number."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from golden import golden_networks
from hypothesis import given
from hypothesis import strategies as st
from runs import EXAMPLES, assert_same, outcome, project, run
from scripts import assert_equal_arrays, run_here, run_script

from tgenn_gen.cli.main import main
from tgenn_gen.runtime.messages import RunError
from tgenn_gen.runtime.run_results import Shard, shard
from tgenn_gen.runtime.scores import ErrorTotals, exact_sum, totals_from_json
from tgenn_gen.runtime.written_files import locked

SLURM = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")


def merge(folder, names, output="merged"):
    return main(["merge", *(str(folder / f"{n}.json") for n in names), "-o", str(folder / f"{output}.json")])


KINDS = {
    "classes, Poisson input with a sign": ("signed_poisson", False),
    "values, two inputs": ("mixed_inputs", True),
    "values": ("small_cnn", True),
    "random V at the start": ("physical", False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3, 8, EXAMPLES])
def test_merged_shards_are_one_run(tmp_path, capsys, kind, count):
    name, values = KINDS[kind]
    folder, recorded = project(tmp_path, name, values=values), golden_networks()[name].spiking[-1]
    options = ("--seed", 5, "--batch-size", 3, "--example", 7, "--record", recorded)
    options += ("--record-v", recorded, "--record-i", recorded, "--neurons", "2,0")
    line = run(folder, "whole", *options).stdout
    parts = [f"part{index}" for index in range(count)]
    for index, part in enumerate(parts):
        own = options if 7 % count == index else options[:4]
        run(folder, part, *own, "--shard", f"{index}/{count}")
    capsys.readouterr()
    assert merge(folder, sorted(parts, reverse=True)) == 0
    assert capsys.readouterr().out == line
    assert_same(folder, "merged")


@pytest.mark.genn
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_merged_shards_are_one_run_on_genn(tmp_path, jobs):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "whole", script="simulate.py", how=run_script)
    for index in range(3):
        options = ("--shard", f"{index}/3", "--jobs", jobs)
        run(folder, f"part{index}", *options, script="simulate.py", how=run_script)
    assert merge(folder, ["part0", "part1", "part2"]) == 0
    assert_same(folder, "merged")


def test_a_shard_has_every_nth_example(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "whole")
    run(folder, "part", "--shard", "2/5")
    (_, whole), (found, part) = outcome(folder, "whole"), outcome(folder, "part")
    assert part.pop("run") == whole.pop("run")
    assert_equal_arrays(part, {name: array[2::5] for name, array in whole.items()})
    assert (found["shard"], found["n"], found["examples"], found["complete"]) == ("2/5", 8, EXAMPLES, True)


def test_of_several_recorded_examples_the_first_is_kept_as_in_one_run(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "whole", "--record", "stem")
    for index in range(3):
        run(folder, f"part{index}", "--record", "stem", "--shard", f"{index}/3")
    assert merge(folder, ["part1", "part0", "part2"]) == 0
    assert_same(folder, "merged")


def test_saved_outputs_are_found_beside_a_linked_folder(tmp_path):
    folder = project(tmp_path, "small_cnn")
    (folder / "scratch/deep").mkdir(parents=True)
    (folder / "linked").symlink_to("scratch/deep")
    files = ("--json", folder / "linked/part.json", "--save-outputs", folder / "part.npz")
    for more in ((), ("--resume",)):
        done = run_here(folder / "reference.py", "--data", folder / "data.npz", *files, *more)
        assert done.returncode == 0, done.stderr


STOP = """
import os
from reference import build
from tgenn_runtime.command_line import main

def stopping(**options):
    net = build(**options)
    all_batches, stop_after = net.batches, int(os.environ["STOP_AFTER"])

    def batches(*arguments):
        for number, batch in enumerate(all_batches(*arguments)):
            if number == stop_after:
                raise KeyboardInterrupt
            yield batch

    net.batches = batches
    return net

main(stopping, "stopping", timesteps=7)
"""


@pytest.mark.parametrize(
    ("name", "values"), [("signed_poisson", False), ("signed_poisson", True), ("physical", False)]
)
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, name, values, monkeypatch):
    folder = project(tmp_path, name, values=values)
    options = ("--batch-size", 4, "--shard", "1/2")
    run(folder, "whole", *options)
    (folder / "stop.py").write_text(STOP)
    files = ("--json", folder / "part.json", "--save-outputs", folder / "part.npz")
    command = (folder / "stop.py", "--data", folder / "data.npz", *files, *options)
    for batches in (1, 0, 2):
        monkeypatch.setenv("STOP_AFTER", str(batches))
        done = run_here(*command, "--resume", "--save-every", 4)
        assert done.returncode == 130 and "interrupted: the results are those of" in done.stderr
    assert 0 < outcome(folder, "part")[0]["n"] < 20
    run(folder, "part", *options, "--resume")
    assert_same(folder, "part")
    before = (folder / "part.npz").read_bytes()
    done = run(folder, "part", *options, "--resume")  # nothing is left to do
    assert done.stdout and (folder / "part.npz").read_bytes() == before


INTERRUPTED = """
import os, signal
import numpy as np
from reference import build
from tgenn_runtime.command_line import main
from tgenn_runtime.scores import Accuracy

add = Accuracy.add

def interrupted(self, logits):
    if self.done == 8:
        os.kill(os.getpid(), signal.{signal})
    add(self, logits)

Accuracy.add = interrupted
main(build, "interrupted", timesteps=7)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interruption_while_results_are_added_waits_until_all_are_added(tmp_path, name):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "whole", "--batch-size", 4)
    (folder / "interrupted.py").write_text(INTERRUPTED.format(signal=name))
    files = ("--json", folder / "part.json", "--save-outputs", folder / "part.npz")
    done = run_script(folder / "interrupted.py", "--data", folder / "data.npz", *files, "--batch-size", 4)
    assert done.returncode == 130 and "the results are those of 12 of 41 examples" in done.stderr
    run(folder, "part", "--batch-size", 4, "--resume")
    assert_same(folder, "part")


@pytest.mark.genn
@pytest.mark.slow
def test_sigterm_to_all_processes_of_jobs_ends_a_run_with_what_is_done(tmp_path):
    """Slurm sends it to all processes of a step."""
    folder = project(tmp_path, "small_cnn", 100_000)
    options = ["--data", "data.npz", "--json", "part.json", "--save-every", "10", "--jobs", "2"]
    command = [sys.executable, "simulate.py", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    while not (folder / "part.json").exists():
        time.sleep(0.02)
    assert json.loads((folder / "part.json").read_text())["n"] % 10 == 0
    below = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, check=True)
    for pid in map(int, below.stdout.split()):
        os.kill(pid, signal.SIGTERM)
    time.sleep(0.5)
    process.terminate()
    assert process.communicate()[1].startswith("simulate.py: error: interrupted: the results are those of")
    assert process.returncode == 130


KILLS = 20


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_loses_nothing_that_was_saved(tmp_path):
    """kill -9 at random moments: all that was saved is counted, and once."""
    folder, rng = project(tmp_path, "signed_poisson", 4000, values=True), random.Random(0)
    run(folder, "whole", "--shard", "1/3")
    files = ["--json", "part.json", "--save-outputs", "part.npz", "--save-every", "20", "--batch-size", "5"]
    command = [sys.executable, "reference.py", "--data", "data.npz", *files, "--shard", "1/3", "--resume"]
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    for file in ("part.json", "part.npz"):
        (folder / file).unlink()
    kills, last = 0, 0
    while kills < KILLS:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.1, 0.5) * seconds)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        if (folder / "part.json").exists():
            found = json.loads((folder / "part.json").read_text())["n"]
            assert found >= last, "examples were lost"
            last = found
            if last == 1333:
                assert_same(folder, "part")
                (folder / "part.json").unlink()
                (folder / "part.npz").unlink()
                last = 0
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    assert_same(folder, "part")


def test_sigterm_ends_a_run_with_what_is_done(tmp_path):
    """Slurm sends it when a job's time is over."""
    folder = project(tmp_path, "small_cnn", 200_000)
    options = ["--data", "data.npz", "--json", "part.json", "--save-every", "256"]
    process = subprocess.Popen(
        [sys.executable, "reference.py", *options], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    while not (folder / "part.json").exists():
        time.sleep(0.05)
    process.terminate()
    assert "interrupted: the results are those of" in process.communicate()[1]
    assert process.returncode == 130
    assert json.loads((folder / "part.json").read_text())["n"] >= 256


def test_of_two_runs_into_one_file_one_says_so(tmp_path):
    folder = project(tmp_path, "small_cnn")
    (folder / "busy.py").write_text(
        "import sys, pathlib\nfrom tgenn_runtime.written_files import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    for option, file in (("--json", "r.json"), ("--save-outputs", "r.npz")):
        command = [sys.executable, "busy.py", file]
        with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            done = run_here(folder / "reference.py", "--data", folder / "data.npz", option, folder / file)
            other.kill()
        assert done.returncode == 2
        assert f"{file}: another run writes it now: give this one another file" in done.stderr
        assert not (folder / file).exists()
        done = run_here(folder / "reference.py", "--data", folder / "data.npz", option, folder / file)
        assert done.returncode == 0  # a process that was killed leaves no lock
        assert not [*folder.glob("*.lock")]


def test_a_lock_that_was_removed_before_it_was_taken_is_no_lock(tmp_path, monkeypatch):
    """The run that had it removes it at its end."""
    flock, lock, calls = fcntl.flock, tmp_path / "r.json.lock", []

    def removed_at_first(*arguments):
        if not calls:
            lock.unlink()
        calls.append(arguments)
        flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", removed_at_first)
    with locked(tmp_path / "r.json"):
        assert lock.exists()
        with pytest.raises(RunError, match="another run writes it now"), locked(tmp_path / "r.json"):
            pass


def test_without_locks_of_the_file_system_a_note_says_so(tmp_path, monkeypatch, capsys):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with locked(tmp_path / "r.json"):
        pass
    assert "r.json: its file system has no locks: start only one run" in capsys.readouterr().err


def test_on_a_full_disk_what_was_saved_stays(tmp_path):
    folder = project(tmp_path, "small_cnn", 600)
    options = ("--batch-size", "10", "--save-every", "10")
    files = ("--json", "part.json", "--save-outputs", "part.npz")
    command = [sys.executable, "reference.py", "--data", "data.npz", *files, *options]

    def little_space():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=little_space
    )
    assert done.returncode == 2 and "part.npz: cannot be written: [Errno 27] File too large" in done.stderr
    assert 0 < outcome(folder, "part")[0]["n"] < 600
    run(folder, "whole")
    run(folder, "part", "--resume")
    assert_same(folder, "part")


def test_results_of_another_run_are_refused_and_what_differs_is_named(tmp_path):
    folder = project(tmp_path, "signed_poisson")
    run(folder, "part", "--shard", "0/2")

    def problem(*options):
        files = ("--json", folder / "part.json", "--save-outputs", folder / "part.npz")
        done = run_here(folder / "reference.py", "--data", folder / "data.npz", *files, "--resume", *options)
        assert done.returncode == 2
        return done.stderr

    assert "--resume" in problem() and "is of another run: shard 0/2, expected 0/1" in problem()
    half = ("--shard", "0/2")
    assert "seed 0, expected 3" in problem(*half, "--seed", 3)
    assert "timesteps 7, expected 9" in problem(*half, "--timesteps", 9)
    assert "examples 41, expected 20" in problem(*half, "-n", 20)
    assert "settings {}, expected {'stem': {'threshold': 2.0}}" in problem(*half, "--set", "stem.threshold=2")
    with np.load(folder / "data.npz") as arrays:
        other = {name: array[::-1] for name, array in arrays.items()}
    np.savez(folder / "data.npz", **other)
    assert "data {" in problem(*half)


def test_results_that_cannot_be_merged_are_named(tmp_path, capsys):
    folder = project(tmp_path, "signed_poisson")
    for name, options in {
        "a": ("--shard", "0/2"),
        "b": ("--shard", "1/2"),
        "seed": ("--shard", "1/2", "--seed", 1),
        "quarter": ("--shard", "3/4"),
    }.items():
        run(folder, name, *options)

    def problem(*names):
        capsys.readouterr()
        assert merge(folder, names) == 2
        assert not (folder / "merged.json").exists()
        return capsys.readouterr().err

    assert "seed.json: is not of the same run as" in problem("a", "seed")
    assert "seed 1, expected 0" in problem("a", "seed")
    missing = "examples 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 10 more are missing: there are shards 0/2"
    assert missing in problem("a")
    twice = "examples 3, 7, 11, 15, 19, 23, 27, 31, 35, 39 are in several results: "
    assert twice in problem("a", "b", "quarter")
    found = json.loads((folder / "b.json").read_text())
    (folder / "b.json").write_text(json.dumps({**found, "n": 7}))
    assert "has 7 of the 20 examples of shard 1/2: run it again with --resume" in problem("a", "b")
    for text in ("", "[]", "{}", '{"totals": 3}', "null"):
        (folder / "b.json").write_text(text)
        assert "b.json: is no result of simulate.py or reference.py --json" in problem("a", "b")
    (folder / "b.json").unlink()
    assert "b.json: cannot be read: No such file or directory" in problem("a", "b")


def test_saved_outputs_of_another_shard_are_an_error(tmp_path, capsys):
    folder = project(tmp_path, "small_cnn", 40)
    for index in range(2):
        run(folder, f"part{index}", "--shard", f"{index}/2", "--save-outputs", folder / "same.npz")
    assert merge(folder, ["part0", "part1"]) == 2
    message = "same.npz: is not of the same run as the JSON file beside it"
    assert message in capsys.readouterr().err


def test_saved_outputs_of_another_run_are_an_error(tmp_path, capsys):
    folder = project(tmp_path, "signed_poisson")
    for seed in range(2):
        run(folder, f"seed{seed}", "--seed", seed, "--save-outputs", folder / "same.npz")
    assert merge(folder, ["seed0"]) == 2
    assert "same.npz: is not of the same run as the JSON file beside it" in capsys.readouterr().err


def test_merge_does_not_overwrite_the_saved_outputs_of_a_part(tmp_path, capsys):
    folder = project(tmp_path, "small_cnn")
    run(folder, "part", "--save-outputs", folder / "merged.npz")
    before = (folder / "merged.npz").read_bytes()
    assert merge(folder, ["part"]) == 2
    assert "merged.npz: has outputs of one of the results to join" in capsys.readouterr().err
    assert (folder / "merged.npz").read_bytes() == before


def test_a_shard_without_the_recorded_example_says_so_and_goes_on(tmp_path):
    """All tasks of an array have the same command."""
    folder, recorded = project(tmp_path, "small_cnn"), ("--record", "conv1", "--example", 3)
    notes = [run(folder, f"part{index}", "--shard", f"{index}/2", *recorded).stderr for index in range(2)]
    assert "example 3 was not simulated in this run: it is not recorded or plotted" in notes[0]
    assert notes[1] == ""
    assert "spikes/conv1" not in outcome(folder, "part0")[1] and "spikes/conv1" in outcome(folder, "part1")[1]


def test_spikes_that_an_earlier_run_recorded_stay_and_a_note_says_what_is_not_plotted(tmp_path):
    folder, recorded = project(tmp_path, "small_cnn"), ("--record", "conv1", "--resume")
    run(folder, "part", *recorded)
    before = outcome(folder, "part")[1]["spikes/conv1"]
    assert run(folder, "part", *recorded).stderr == ""
    plotted = run(folder, "part", *recorded, "--plot", folder / "p.png").stderr
    assert "example 0 was not simulated in this run: it is not plotted" in plotted
    np.testing.assert_array_equal(outcome(folder, "part")[1]["spikes/conv1"], before)


def values_of(found, path=()):
    """The places of all values in JSON, but of equal ones in a list."""
    if isinstance(found, (dict, list)):
        items = found.items() if isinstance(found, dict) else [*enumerate(found)][:1]
        for key, value in items:
            yield from values_of(value, (*path, key))
    if path:
        yield path


@pytest.mark.parametrize("values", [False, True])
def test_damaged_results_are_an_error_or_are_read_but_never_a_traceback(tmp_path, capsys, values):
    folder = project(tmp_path, "mixed_inputs", values=values)
    for index in range(2):
        run(folder, f"part{index}", "--shard", f"{index}/2")
    text = (folder / "part1.json").read_text()
    damages = (None, -1, 0, 1.5, 10**40, "x", "1e999999999", "1/0", [], {}, [[]])
    for path in values_of(json.loads(text)):
        for damage in damages:
            found = json.loads(text)
            inside = found
            for key in path[:-1]:
                inside = inside[key]
            inside[path[-1]] = damage
            (folder / "part1.json").write_text(json.dumps(found))
            assert merge(folder, ["part0", "part1"]) in (0, 2), (path, damage)
    (folder / "part1.json").write_text("[" * 100_000)
    capsys.readouterr()
    assert merge(folder, ["part0", "part1"]) == 2
    assert "part1.json: is no result of simulate.py or reference.py" in capsys.readouterr().err


@pytest.mark.parametrize("end", [0, 100, -1, -30])
def test_damaged_saved_outputs_are_an_error(tmp_path, capsys, end):
    folder = project(tmp_path, "small_cnn")
    run(folder, "part")
    (folder / "part.npz").write_bytes((folder / "part.npz").read_bytes()[:end])
    assert merge(folder, ["part"]) == 2
    assert "part.npz: cannot be read" in capsys.readouterr().err


ARGUMENTS = {
    "3/3": "expected I/N with I from 0 to N - 1, such as 0/4, or auto, got '3/3'",
    "1": "expected I/N with I from 0 to N - 1, such as 0/4, or auto, got '1'",
    "-1/2": "expected I/N with I from 0 to N - 1, such as 0/4, or auto, got '-1/2'",
    "50/60": "--shard 50/60: has no example: there are 41",
    "auto": "auto: SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_MIN, SLURM_ARRAY_TASK_STEP, SLURM_ARRAY_TASK_COUNT",
}


@pytest.mark.parametrize("text", ARGUMENTS)
def test_a_shard_that_is_none_is_an_error(tmp_path, monkeypatch, text):
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)
    folder = project(tmp_path, "small_cnn")
    done = run_here(folder / "reference.py", "--data", folder / "data.npz", f"--shard={text}")
    assert done.returncode == 2 and ARGUMENTS[text] in done.stderr


@pytest.mark.parametrize("option", [("--save-every", 3), ("--resume",)])
def test_what_is_done_is_kept_in_json(tmp_path, option):
    folder = project(tmp_path, "small_cnn")
    done = run_here(folder / "reference.py", "--data", folder / "data.npz", *option)
    assert done.returncode == 2
    assert f"{option[0]} add --json RESULT.json, which keeps what is done" in done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("3 0 1 8", Shard(3, 8)),
        ("4 1 1 4", Shard(3, 4)),
        ("6 0 2 4", Shard(3, 4)),
        ("9 1 0 3", "auto: task 9 of 3: number the tasks of the array from 0 to 2"),
    ],
)
def test_auto_is_the_part_of_a_task_of_a_slurm_array(monkeypatch, variables, expected):
    for name, value in zip(SLURM, variables.split(), strict=True):
        monkeypatch.setenv(name, value)
    if isinstance(expected, Shard):
        assert shard("auto") == expected
    else:
        with pytest.raises(ValueError, match=f"^{expected}$"):
            shard("auto")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_sums_are_exact(values):
    assert exact_sum(np.array(values)) == sum(map(Fraction, values))


@given(st.lists(st.floats(0, 1e30), min_size=1, max_size=30), st.integers(1, 5))
def test_sums_do_not_depend_on_the_order_of_examples(values, parts):
    def total(chosen):
        sums = [exact_sum(np.array(chosen))]
        return ErrorTotals(1, False, len(chosen), sums, sums)

    added = ErrorTotals(1)
    for first in range(parts):
        added.add(totals_from_json(json.loads(json.dumps(total(values[first::parts]).as_json()))))
    assert added.as_json() == total([*chain(values)]).as_json()
    assert added.results()["mean_squared_error"] == float(sum(map(Fraction, values)) / len(values))


def test_an_infinite_error_stays_infinite():
    totals = ErrorTotals(1, False, 2, [exact_sum(np.array([np.inf, 1.0]))], [exact_sum(np.array([np.nan]))])
    found = totals_from_json(json.loads(json.dumps(totals.as_json()))).results()
    assert found["mean_squared_error"] == np.inf and np.isnan(found["mean_absolute_error"])
