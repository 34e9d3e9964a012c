"""tgenn evaluate: accuracies after every step, against the engine and the ANN."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sample_networks import dyadic_examples, examples_for, of_all_kinds, small_cnn

from tgenn_gen import evaluate, simulate
from tgenn_gen.activations import ann_currents
from tgenn_gen.cli import main
from tgenn_gen.evaluation import relu_outputs


@pytest.mark.parametrize("network", [small_cnn(), *of_all_kinds().values()], ids=lambda n: n.name)
def test_accuracies_are_those_of_the_engine_whatever_the_batches(network, monkeypatch):
    x = examples_for(network, 11)
    y = np.arange(11) % 5
    monkeypatch.setattr("tgenn_gen.evaluation.batch_size_that_fits", lambda timesteps, neurons: 4)
    found = evaluate(network, x, y, timesteps=6, seed=2)
    result = simulate(network, x, timesteps=6, seed=2, batch_size=11)
    expected = (result.output_per_step.argmax(axis=2) == y).mean(axis=1)
    np.testing.assert_allclose(found.accuracy_per_step, expected)
    spikes = sum(counts.sum() for counts in result.spike_counts.values())
    assert found.spikes_per_example == pytest.approx(spikes / 11)
    assert found.relu_accuracy == (relu_outputs(network, x).argmax(axis=1) == y).mean()


def test_relu_outputs_are_the_anns():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 9)
    *_, (_, current) = ann_currents(network, x)
    np.testing.assert_allclose(relu_outputs(network, x), 0.5 * current, rtol=1e-6)


@pytest.fixture
def documents(tmp_path):
    for name, network in (("a", small_cnn()), ("b", small_cnn(readout="spike_count"))):
        network.save(tmp_path / name)
    np.savez(tmp_path / "data.npz", x=dyadic_examples((7, 10, 2), 20), y=np.arange(20) % 5)
    return tmp_path


def test_documents_stand_side_by_side_in_table_json_and_plot(documents, capsys):
    files = ["--json", str(documents / "r.json"), "--plot", str(documents / "p.png")]
    paths = [str(documents / "a"), str(documents / "b/network.yaml")]
    command = ["evaluate", *paths, "--data", str(documents / "data.npz"), *files]
    assert main([*command, "--limit", "10", "--timesteps", "9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = "| network | ANN | T = 2 | T = 4 | T = 8 | T = 9 | spikes per example |"
    assert lines[0] == header and [line.split(" | ")[0] for line in lines[2:]] == [f"| {p}" for p in paths]
    data = json.loads((documents / "r.json").read_text())
    assert [n["name"] for n in data["networks"]] == paths
    assert all(len(n["accuracy_per_step"]) == 9 and n["n"] == 10 for n in data["networks"])
    shown = [cell.strip() for cell in lines[2].strip("|").split("|")]
    per_step = data["networks"][0]["accuracy_per_step"]
    assert shown[2:6] == [f"{100 * per_step[t - 1]:.2f}" for t in (2, 4, 8, 9)]
    assert (documents / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: np.savez(f / "data.npz", x=np.zeros((2, 7, 10, 2))), "holds no labels y (or y_test)"),
        (lambda f: np.savez(f / "data.npz", x=np.zeros((2, 3)), y=[0, 1]), "an example has shape (3,)"),
        (
            lambda f: of_all_kinds()["signed"].save(f / "b", force=True),
            "takes examples of another shape",
        ),
        (lambda f: (f / "data.npz").unlink(), "cannot be read as .npz"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(documents, capsys, change, message):
    change(documents)
    command = ["evaluate", str(documents / "a"), str(documents / "b"), "--data", str(documents / "data.npz")]
    try:
        status = main(command)
    except SystemExit as end:
        status = end.code
    assert status == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) <= 2


@pytest.mark.parametrize(
    "option", [("--timesteps", "0"), ("--limit", "-1"), ("--seed", "-1"), ("--plot", "x.pdf")]
)
def test_options_out_of_range_are_refused(documents, capsys, option):
    command = ["evaluate", str(documents / "a"), "--data", str(documents / "data.npz"), *option]
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert option[0] in capsys.readouterr().err
