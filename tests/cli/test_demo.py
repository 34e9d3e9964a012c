"""tgenn demo, as a newcomer sees it."""

from __future__ import annotations

import time
from importlib.util import find_spec

import pytest

pytest.importorskip("keras", reason="TensorFlow is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from tgenn_gen.cli import demo_network
from tgenn_gen.cli.main import main

pytestmark = [pytest.mark.keras, pytest.mark.slow]


def rows(output: str) -> dict[str, str]:
    """The table's rows by their first column."""
    table = output[output.index("ANN accuracy") : output.index("what to try next")]
    return {line[:20].strip(): line[20:].strip() for line in table.splitlines() if line[:20].strip()}


def test_the_demo_shows_what_is_lost_in_under_two_minutes(tmp_path, capsys):
    started = time.perf_counter()
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    assert time.perf_counter() - started < 120
    table = rows(capsys.readouterr().out)
    ann, snn = (float(table[f"{kind} accuracy"].split()[0]) for kind in ("ANN", "SNN"))
    assert ann > 93 and snn > ann - 2
    assert table["SNN accuracy"].endswith("after 16 time steps")
    assert table["engine"].startswith("GeNN" if find_spec("pygenn") else "NumPy")
    assert (tmp_path / "demo/report.html").read_text().count("<figure>") > 5
    assert "report.html: open it in a browser" in table["report"]
    assert "neurons x 16 time steps" in table["spikes per example"]
    assert main(["generate", "--check", str(tmp_path / "demo/digits")]) == 0

    assert main(["demo", "--output", str(tmp_path / "demo")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'demo'}: error[T601]: the folder is not empty\n"
        "  hint: give another one with --output, or remove it\n"
    )


def test_where_pygenn_cannot_be_imported_the_demo_runs_in_numpy(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo_network, "_imports", lambda module: False)
    monkeypatch.setattr(demo_network, "EPOCHS", 2)
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    assert rows(capsys.readouterr().out)["engine"].startswith(
        "NumPy (PyGeNN cannot be imported), backend numpy"
    )


@pytest.mark.parametrize(
    ("per_step", "expected"),
    [
        ([0.1] * 3 + [0.5] * 4 + [0.75] * 9, [("  after 4, 8 steps", "50.00 %, 75.00 %")]),
        ([None] * 7 + [0.9], []),  # the few-spike code
    ],
)
def test_accuracies_after_fewer_steps_are_shown_where_there_are_any(per_step, expected):
    assert [*demo_network._earlier(per_step)] == expected
