"""tgenn verify: its table, its verdict, exit statuses, notes and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import convert, load, save, verify  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402

pytestmark = pytest.mark.keras


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(12, "relu", name="hidden"), keras.layers.Dense(3, name="out")]
    keras.Sequential([keras.Input((8,)), *layers]).save("m.keras")
    x = np.random.default_rng(0).random((250, 8), np.float32)
    np.savez("d.npz", x=x)
    save(convert("m.keras", x, "few_spike", check=False), "net")
    return x


def test_the_last_line_is_the_verdict_and_200_examples_are_used(folder, capsys):
    assert main(["verify", "net", "--model", "m.keras", "--data", "d.npz", "--json", "r.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["population", "correlation", "error"]
    assert [line.split()[0] for line in lines[1:-1]] == ["hidden", "out"]
    assert lines[-1] == "passed: no population departs (200 examples, 8 time steps, compared with m.keras)"
    found, written = (
        verify(load("net"), folder[:200], model="m.keras"),
        json.loads(Path("r.json").read_text()),
    )
    assert written["passed"] is True and written["first_departure"] is None and written["n"] == 200
    assert written["layers"][0]["relative_error"] == pytest.approx(found["hidden"].relative_error)
    assert written["layers"][1]["silent"] is None


def test_a_departure_is_marked_and_named_with_exit_status_1(folder, capsys):
    main(["set", "net", "hidden.neuron.threshold=2.0"])
    capsys.readouterr()
    assert main(["verify", "net", "--model", "m.keras", "--data", "d.npz", "-n", "20"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("hidden") and lines[1].endswith("< weights")
    assert lines[-1].startswith("failed: hidden is the first population that departs (20 examples, ")
    assert "with a gain of 0.5" in lines[-1] and "tgenn diff" in lines[-1]


def test_notes_say_what_limits_the_comparison(folder, capsys):
    assert main(["verify", "net", "--data", "d.npz", "-n", "5", "--json", "r.json"]) == 0
    errors = capsys.readouterr().err
    assert "weights are not verified, only what the neurons make of them: give --model" in errors
    assert "note: only 5 examples are verified, the figures are rough: give about 200" in errors
    notes = json.loads(Path("r.json").read_text())["notes"]
    assert any("only 5 examples" in note for note in notes)
    keras.models.load_model("m.keras").save("again.h5")
    assert main(["verify", "net", "--model", "again.h5", "--data", "d.npz", "-n", "5"]) == 0
    assert "again.h5 is not the file that the network was converted from" in capsys.readouterr().err


def test_what_does_not_fit_is_an_error(folder, capsys):
    other = [
        keras.Input((8,)),
        keras.layers.Dense(5, "relu", name="hidden"),
        keras.layers.Dense(3, name="out"),
    ]
    keras.Sequential(other).save("other.keras")
    assert main(["verify", "net", "--model", "other.keras", "--data", "d.npz"]) == 2
    error = capsys.readouterr().err
    assert "error[T507]: its layer hidden has shape [5], expected [12] as hidden in network.yaml" in error
    assert "give the model that the network was converted from" in error
    assert main(["verify", "net", "--model", "no.keras", "--data", "d.npz"]) == 2
    assert "no.keras" in capsys.readouterr().err
