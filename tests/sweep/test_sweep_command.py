"""tgenn sweep on this machine: what runs, what does not run again, and the table."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from runs import TIMES, project
from scripts import run_here
from sweeps import Swept

from tgenn_gen.cli.main import main

SETTINGS = {"timesteps": [3, 8], "seed": [0, 5], "stem.threshold": [0.8, 1.0]}


def sweep(swept, *options):
    return main(["sweep", str(swept.file), *map(str, options)])


def test_the_table_is_that_of_running_the_scripts_by_hand(tmp_path, capsys):
    swept = Swept(tmp_path, settings=SETTINGS, limit=20)
    assert sweep(swept) == 0
    rows, said = swept.rows(), capsys.readouterr().out
    assert len(rows) == 8
    for row in rows:
        options = ["--timesteps", row["timesteps"], "--seed", row["seed"], "-n", 20]
        by_hand = tmp_path / "by_hand.json"
        files = ("--data", swept.project / "data.npz", "--json", by_hand)
        setting = ("--set", f"stem.threshold={row['stem.threshold']}")
        assert run_here(swept.project / "reference.py", *files, *options, *setting).returncode == 0
        expected, found = (
            {key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES}
            for path in (by_hand, tmp_path / "sweep_results" / row["result"])
        )
        assert found == expected
        assert float(row["accuracy"]) == expected["accuracy"] and row["n"] == "20"
        assert float(row["spikes_per_example"]) == pytest.approx(sum(expected["spikes_per_example"].values()))
        assert (row["document"], row["error"]) == ("signed_poisson", "")
        shown = f"| signed_poisson | {row['timesteps']} | {row['seed']} | {row['stem.threshold']} | "
        assert f"{shown}{100 * expected['accuracy']:.2f} % |" in said
    page = (tmp_path / "sweep_results/report.html").read_text()
    titles = re.findall("<h3>(.*)</h3>", page)
    assert titles == ["Accuracy against time steps", "Accuracy against stem.threshold"]
    for timesteps in ("3", "8"):
        mean = np.mean([float(row["accuracy"]) for row in rows if row["timesteps"] == timesteps])
        assert f"{timesteps}: {100 * mean:.4g} %" in page
    assert page.count("is the mean of 4 tasks, over all other settings") == 2


def test_tasks_that_are_done_are_not_run_again(tmp_path, capsys):
    swept = Swept(tmp_path, settings=SETTINGS)
    assert sweep(swept) == 0
    first = swept.rows()
    assert len(swept.runs()) == len({row["result"] for row in first}) == 8
    said = capsys.readouterr().out
    assert sweep(swept) == 0
    assert swept.runs() == [] and swept.rows() == first and capsys.readouterr().out == said
    swept.write(settings={**SETTINGS, "seed": [0, 5, 6]})
    assert sweep(swept) == 0
    assert len(swept.runs()) == 4
    assert "8 of 12 tasks are done already" in capsys.readouterr().err
    assert [row for row in swept.rows() if row["seed"] != "6"] == first


def test_after_a_change_of_the_data_all_tasks_run_again(tmp_path):
    swept = Swept(tmp_path, settings={"timesteps": [3, 8]})
    assert sweep(swept) == 0
    with np.load(swept.project / "data.npz") as arrays:
        changed = {name: array[::-1] for name, array in arrays.items()}
    np.savez(swept.project / "data.npz", **changed)
    swept.runs()
    assert sweep(swept) == 0
    assert len(swept.runs()) == 2


def test_a_task_that_fails_does_not_stop_the_others(tmp_path, capsys):
    project(tmp_path, "small_cnn")  # its examples have another shape
    swept = Swept(tmp_path, settings={"timesteps": [3, 8]}, documents=["small_cnn", "signed_poisson"])
    assert sweep(swept) == 1
    said = capsys.readouterr()
    message = "an example has shape (6, 5, 2), the network takes (7, 10, 2)"
    assert [message in row["error"] for row in swept.rows()] == [True, True, False, False]
    assert [bool(row["accuracy"]) for row in swept.rows()] == [False, False, True, True]
    for timesteps in (3, 8):
        assert re.search(f"error: small_cnn timesteps={timesteps}: .*{re.escape(message)}", said.err)
        assert re.search(f"note: it was the command: .* --timesteps {timesteps} ", said.err)
    assert "error: 2 of 4 tasks failed: the same command runs these again" in said.err
    swept.runs()
    assert sweep(swept) == 1
    assert swept.runs() == []  # signed_poisson's are done; small_cnn's script notes nothing


def test_a_traceback_and_a_killed_process_are_errors_of_their_task(tmp_path, capsys):
    swept = Swept(tmp_path, settings={"seed": [0, 1, 2]})
    script = swept.project / "reference.py"
    fault = "if '1' in sys.argv: raise TypeError('a fault')\nif '2' in sys.argv: os.kill(os.getpid(), 9)\n"
    script.write_text(script.read_text().replace("time.sleep(0)\n", f"time.sleep(0)\n{fault}"))
    assert sweep(swept) == 1
    errors = [row["error"] for row in swept.rows()]
    assert errors == ["", "TypeError: a fault", "killed by signal 9 (too little memory?)"]


def test_notes_of_scripts_are_shown_once_for_a_document(tmp_path, capsys):
    swept = Swept(tmp_path, settings={"seed": [0, 1, 2]})
    with (swept.project / "network.yaml").open("a") as document:
        document.write("# edited\n")
    assert sweep(swept) == 0
    said = capsys.readouterr().err
    assert said.count("run tgenn generate\n") == 2  # of tgenn, before anything runs, and of the script


def test_the_commands_of_a_list_do_the_work_of_the_sweep(tmp_path, capsys):
    swept = Swept(tmp_path, settings={"timesteps": [3, 8]})
    assert sweep(swept, "--list") == 0
    commands = capsys.readouterr().out.splitlines()
    assert swept.runs() == [] and len(commands) == 2
    for command in commands:
        subprocess.run(["bash", "-c", command], check=True, capture_output=True, cwd="/")
    assert len(swept.runs()) == 2
    assert sweep(swept) == 0
    assert swept.runs() == [] and len(swept.rows()) == 2


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_after_an_end_in_the_middle_the_sweep_goes_on(tmp_path, end):
    swept = Swept(tmp_path, seconds=0.7, settings={"seed": [0, 1, 2, 3, 4]})
    command = [sys.executable, "-m", "tgenn_gen", "sweep", str(swept.file), "--jobs", "2"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run behind `&`
    )
    runs = swept.folder / "runs.txt"
    while not runs.exists() or len(runs.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(end)
    assert process.wait(20) == {signal.SIGINT: 130, signal.SIGKILL: -9}[end]
    if end == signal.SIGINT:
        assert process.stderr.read() == "error: interrupted\n"
        assert len(swept.runs()) < 5
    assert sweep(swept) == 0
    if end == signal.SIGKILL:  # the processes that went on were waited for
        begun = swept.runs()
        assert len(begun) == len(set(begun)) == 5
    assert [bool(row["accuracy"]) for row in swept.rows()] == [True] * 5


def test_values_as_targets_have_errors_in_the_table(tmp_path):
    project(tmp_path, "physical", values=True)
    swept = Swept(tmp_path, "physical", settings={"timesteps": [2, 4]})
    assert sweep(swept, "-o", tmp_path / "out") == 0
    rows = swept.rows("out")
    assert all(float(row["mean_squared_error"]) > 0 for row in rows) and "accuracy" not in rows[0]
    assert "Mean squared error against time steps" in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("node1", "--scheduler node1: expected an address such as tcp://node1:8786"),
        ("tcp://127.0.0.1:1", "--scheduler tcp://127.0.0.1:1: no Dask scheduler answers there: "),
        ("none.json", "--scheduler none.json: there is no such file"),
    ],
)
def test_a_scheduler_that_is_not_there_is_an_error(tmp_path, capsys, monkeypatch, scheduler, message):
    pytest.importorskip("distributed")
    monkeypatch.setattr("tgenn_gen.sweep.task_running.TIMEOUT", 0.3)
    assert sweep(Swept(tmp_path), "--scheduler", scheduler) == 2
    assert message in capsys.readouterr().err


def test_without_dask_a_message_says_how_it_is_installed(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert sweep(Swept(tmp_path), "--scheduler", "tcp://node1:8786") == 3
    assert "pip install 'tgenn-gen[dask]'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.genn
def test_tasks_on_genn_share_a_build_and_give_the_accuracies_of_numpy(tmp_path):
    swept = Swept(tmp_path, settings={"timesteps": [3, 8], "stem.threshold": [0.8, 1.0]})
    assert sweep(swept) == 0
    expected = swept.rows()
    swept.write(script="simulate.py")
    assert sweep(swept) == 0
    names = ("timesteps", "stem.threshold", "accuracy", "spikes_per_example")
    assert [[row[n] for n in names] for row in swept.rows()] == [[row[n] for n in names] for row in expected]
    assert len([*swept.project.glob("*_CODE")]) == 1
    assert sum(float(row["build_seconds"]) > 5 for row in swept.rows()) <= 4


@pytest.mark.slow
@pytest.mark.keras
def test_presets_are_exported_once_and_stand_in_one_table(tmp_path, capsys):
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax")]
    ).save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=rng.random((64, 6), np.float32), y=rng.integers(0, 3, 64))
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "data: data.npz\n"
        "exports: [{model: model.keras, calibration: data.npz, preset: [plain, few_spike]}]\n"
        "settings: {timesteps: [4, 8]}\n"
    )
    assert main(["sweep", str(file)]) == 0
    table = (tmp_path / "sweep_results/sweep.csv").read_text()
    documents = [row["document"] for row in csv.DictReader(io.StringIO(table))]
    assert documents == ["model.keras preset=plain"] * 2 + ["model.keras preset=few_spike"] * 2
    capsys.readouterr()
    assert main(["sweep", str(file)]) == 0
    assert capsys.readouterr().err == ""
    file.write_text(file.read_text().replace("few_spike", "few_spikes").replace("plain, ", "plains, "))
    assert main(["sweep", str(file)]) == 2
    said = capsys.readouterr().err
    assert "model.keras preset=few_spikes" in said and "model.keras preset=plains" in said
    assert "did you mean few_spike?" in said and "2 of 2 exports failed" in said
