"""The benchmark suite itself: docs/results.md is what the stored figures say, and a quick run works."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import contestants
import numpy as np
import pytest
import render
from contestants import Process
from results import merged, read_all

HERE = Path(__file__).parent
ABOUT = {"part": "speed", "network": "mnist", "training": 1}
GOLDEN_ROW = {"part": "gpu_golden", "network": "small_cnn", "batch": 1, "method": "sparse"}
MACHINE = {"machine": {"cpu": "a CPU", "cores": 2}, "versions": {"numpy": "2.0"}}


def run_of(date: str, *rows: dict) -> dict:
    return {"date": date, **MACHINE, "rows": [*rows]}


def gpu_script(name: str) -> ModuleType:
    """gpu/run or gpu/prepare.py as a module."""
    loader = importlib.machinery.SourceFileLoader(f"gpu_{name}", str(HERE / "gpu" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_the_page_of_results_is_what_the_stored_figures_say():
    assert render.PAGE.read_text() == render.page(read_all()), "run python tests/benchmarks/render.py"


def test_of_two_measurements_the_later_one_counts_and_others_stay():
    keras = {**ABOUT, "contestant": "keras", "method": "", "timesteps": 0}
    genn = {**keras, "contestant": "genn"}
    later = run_of("2026-02-01", {**keras, "per_second": 2})
    earlier = run_of("2026-01-01", {**keras, "per_second": 1}, {**genn, "per_second": 3})
    assert [(r["contestant"], r["per_second"]) for r in merged([later, earlier])] == [
        ("keras", 2),
        ("genn", 3),
    ]


def test_speed_has_ratios_to_keras_and_the_rate_code_its_cost_in_inferences():
    measured = {"peak_mib": 1200, "per_second": 500.0, "of_keras": 0.125}
    rows = [
        {
            **ABOUT,
            **measured,
            "contestant": "numpy",
            "method": "low_latency",
            "timesteps": 16,
            "of_spikingjelly": 3,
        },
        {**ABOUT, **measured, "contestant": "numba", "method": "few_spike", "timesteps": 8},
        {
            **ABOUT,
            "contestant": "snntorch",
            "method": "",
            "timesteps": 16,
            "error": "Traceback\nno torch",
        },
    ]
    lines = render.speed(rows).splitlines()
    assert lines[3] == "| this package, NumPy, rate code | 16 | 500 | 0.125 | 0.50 | 3.0 | 1,200 MiB |"
    assert lines[4] == "| this package, with numba, few-spike | 8 | 500 | 0.125 | | | 1,200 MiB |"
    assert "not measured: no torch" in lines[5]


def test_accuracy_has_a_row_for_each_training_and_leaves_out_what_is_missing():
    about = {"part": "accuracy", "network": "mnist", "contestant": "ours", "loss": 0.25}
    cost = {"latency": 20, "spikes": 16000.4, "synaptic_events": 2.5e6}
    ann = [{**about, "contestant": "keras", "training": t, "accuracy": 98.5, "n": 10000} for t in (1, 2)]
    rows = [
        *ann,
        *({**about, **cost, "training": t, "method": "few_spike", "timesteps": 3 + t} for t in (1, 2)),
    ]
    default = {**about, **cost, "training": 1, "method": "auto", "timesteps": 16}
    shown = render.accuracy([*rows, default])
    assert "| 10,000 | 98.50 | 0.25 | | 0.25 (T = 16) |" in shown
    assert "the same, training 2 | 10,000 | 98.50 | | 0.25 | |" in shown
    assert "| 20; 16,000; 2.5 M |" in render.costs(rows)


def test_a_page_of_all_parts_has_their_sections_and_names_the_machine():
    rows = [
        {
            **ABOUT,
            "contestant": "keras",
            "method": "",
            "timesteps": 0,
            "per_second": 1.0,
            "peak_mib": 1,
            "of_keras": 1.0,
        },
        {**ABOUT, "part": "accuracy", "contestant": "keras", "accuracy": 98.0, "n": 10},
        {
            **ABOUT,
            "part": "peers",
            "contestant": "snntorch",
            "timesteps": 8,
            "accuracy": 97.0,
            "per_second": 12.0,
        },
        {
            **ABOUT,
            "part": "gpu_speed",
            "contestant": "genn",
            "method": "few_spike",
            "batch": 128,
            "backend": "cuda",
            "per_second": 3e4,
        },
        {**GOLDEN_ROW, "backend": "cuda", "different": {}},
    ]
    page = render.page([*read_all(), run_of("2026-12-01", *rows)])
    for title in (
        "Speed",
        "Accuracy of exports for T time steps",
        "Compared with other packages",
        "On a GPU, GeNN's CUDA backend",
    ):
        assert f"## {title}\n" in page
    assert "Measured on 2026-12-01 on a CPU, 2 cores (numpy 2.0)." in page
    assert "1 of 1 comparisons" in page
    assert "| generated `simulate.py`, GeNN's CUDA backend | few-spike | 128 | 30,000 |" in page


def test_a_trial_on_the_cpu_is_no_figure_of_a_gpu_and_replaces_none():
    genn = {**ABOUT, "part": "gpu_speed", "contestant": "genn", "method": "few_spike", "batch": 1}
    rows = [{**genn, "per_second": 40_000.0}, {**GOLDEN_ROW, "different": {}}]
    trial = [{**genn, "per_second": 7.0}, {**GOLDEN_ROW, "different": {"output": 1}}]
    on_gpu = run_of("2026-12-01", *({**row, "backend": "cuda"} for row in rows))
    on_cpu = run_of("2026-12-02", *({**row, "backend": "single_threaded_cpu"} for row in trial))
    assert "On a GPU" not in render.page([*read_all(), on_cpu])
    assert render.page([*read_all(), on_gpu, on_cpu]) == render.page([*read_all(), on_gpu])
    assert [row["backend"] for row in merged([on_gpu, on_cpu])].count("cuda") == 2


def test_the_rate_on_a_gpu_is_that_of_a_long_run_whatever_fills_the_pipeline(tmp_path):
    run = gpu_script("run")
    projects = run.Projects(None, "python", tmp_path, "cuda")
    windows = {"few_spike": 17, "low_latency": 3}  # beyond those that a batch each takes

    def on_genn(project, data, name, limit, batch, connectivity, *more):
        n = int(more[1])
        seconds = 0.25 * (-(-n // batch) + windows[project.name])
        return {"n": n, "seconds": seconds, "timesteps": 8, "build_seconds": 0.0}

    projects.on_genn = on_genn
    for network in run.NETWORKS:
        for method in run.METHODS:
            assert projects.speed(network, method, 1)["per_second"] == pytest.approx(1 / 0.25)
            for batch in (128, 512):
                found = projects.speed(network, method, batch)["per_second"]
                # the last batch is filled up: mnist has 78.1 batches of 128 and 19.5 of 512
                assert found == pytest.approx(batch / 0.25, rel=0.03 if network == "mnist" else 1e-9)

    projects.on_genn = lambda *_: {"n": 512, "seconds": 1.0}  # a file of so few examples
    assert "too few examples" in projects.speed("vgg16", "few_spike", 512)["error"]


def test_reference_py_runs_once_for_all_comparisons_of_a_golden_network(tmp_path):
    run, calls = gpu_script("run"), []

    class Steps:
        def call(self, command, limit, **how):
            calls.append(Path(command[1]).name)
            if "--json" in command:
                if "broken" in command[1]:
                    raise RuntimeError("exit status 1")
                Path(command[command.index("--json") + 1]).write_text('{"n": 1, "build_seconds": 0}')
            return "{}"

    projects = run.Projects(Steps(), "python", tmp_path, "cuda")
    for name in ("small_cnn", "broken"):
        projects.reference(Path(name))
    cases = [(batch, matrix) for batch in (128, 1) for matrix in ("sparse", "toeplitz")]
    for case in cases:
        found = projects.golden(Path("small_cnn"), *case)
        assert found["different"] == {} and found["backend"] == "cuda"
        assert projects.golden(Path("broken"), *case)["error"] == "reference.py: exit status 1"
    assert calls.count("reference.py") == 2 and calls.count("simulate.py") == 4


def test_what_an_earlier_prepare_left_is_gone(tmp_path, monkeypatch):
    prepare = gpu_script("prepare.py")
    for name in ("genn", "wheels", "libffi", "trained", "vgg16"):
        monkeypatch.setattr(prepare, name, lambda *_: None)
    monkeypatch.setenv("GENN_PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["prepare.py", str(tmp_path / "here")])
    old = [tmp_path / "here" / f for f in ("golden/small_cnn/weights/old.npy", "speed/vgg16/k.packed.npz")]
    for file in old:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    prepare.main()
    assert not any(file.exists() for file in old)
    golden = tmp_path / "here/golden/small_cnn"
    assert (golden / "examples.npz").exists() and (golden / "simulate.py").exists()


def test_a_contestant_that_takes_too_long_is_ended_and_the_others_go_on(tmp_path, monkeypatch):
    (tmp_path / "sleeper.py").write_text(
        "import time; from serving import serve\n"
        "class Sleeper:\n"
        "    batch_sizes = ()\n"
        "    def __init__(self, settings): self.seconds = settings['seconds']\n"
        "    def run(self, x, batch_size): time.sleep(self.seconds); return x\n"
        "    def facts(self): return {}\n"
        "serve(Sleeper)\n"
    )
    monkeypatch.setattr(contestants, "HERE", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    examples = tmp_path / "examples.npz"
    np.savez(examples, x=np.zeros(16, np.uint8), y=np.zeros(16, np.uint8))
    settings = {"examples": str(examples)}
    with (
        Process("sleeper.py", {**settings, "contestant": "hangs", "seconds": 600}, limit=60) as hangs,
        Process("sleeper.py", {**settings, "contestant": "works", "seconds": 0}, limit=60) as works,
    ):
        hangs.limit = 0.2
        found = contestants.alternate([hangs, works], 16, rounds=1, seconds=0.01, tuned_on=16)
        assert hangs.process.poll() is not None
    assert found["hangs"] == {"error": "took more than 0.2 s"}
    assert found["works"]["n"] == 16 and found["works"]["per_second"] > 0


@pytest.mark.slow
def test_a_quick_run_on_a_golden_network_measures_all_contestants(tmp_path):
    output = tmp_path / "run.json"
    command = [sys.executable, str(HERE / "run.py"), "speed", "--only", "small_cnn", "--quick"]
    subprocess.run([*command, "--output", str(output), "--folder", str(tmp_path)], check=True)
    rows = json.loads(output.read_text())["rows"]
    assert {"numpy", "reference"} <= {row["contestant"] for row in rows}
    for row in rows:
        assert row["per_second"] > 0 and "error" not in row
    numpy = next(row for row in rows if row["contestant"] == "numpy")
    assert numpy["latency"] == 7 + 3 and numpy["spikes"] > 0 and numpy["synaptic_events"] > numpy["spikes"]
