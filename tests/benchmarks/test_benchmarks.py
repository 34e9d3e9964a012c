"""The benchmark suite itself: docs/results.md is what the stored figures say, and a quick run works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import render
from results import merged, read_all

HERE = Path(__file__).parent
ABOUT = {"part": "speed", "network": "mnist", "training": 1}
MACHINE = {"machine": {"cpu": "a CPU", "cores": 2}, "versions": {"numpy": "2.0"}}


def run_of(date: str, *rows: dict) -> dict:
    return {"date": date, **MACHINE, "rows": [*rows]}


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
            "per_second": 3e4,
        },
        {"part": "gpu_golden", "network": "small_cnn", "batch": 1, "method": "sparse", "different": {}},
    ]
    page = render.page([*read_all(), run_of("2026-12-01", *rows)])
    for title in (
        "Speed",
        "Accuracy of exports for T time steps",
        "Compared with other packages",
        "On a GPU",
    ):
        assert f"## {title}\n" in page
    assert "Measured on 2026-12-01 on a CPU, 2 cores (numpy 2.0)." in page
    assert "1 of 1 comparisons" in page
    assert "| few-spike | 128 | 30,000 |" in page


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
