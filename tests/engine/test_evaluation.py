"""tgenn evaluate: accuracies after every step, against the engine and the ANN."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sample_networks import dyadic_examples, examples_for, of_all_kinds, small_cnn, with_several

from tgenn_gen import TgennError, cost, evaluate, load, report, save, simulate, verify
from tgenn_gen.cli.main import main
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.engine.evaluation import relu_outputs
from tgenn_gen.engine.simulation import input_table
from tgenn_gen.runtime.data import range_problem


@pytest.mark.parametrize("network", [small_cnn(), *of_all_kinds().values()], ids=lambda n: n.name)
def test_accuracies_are_those_of_the_engine_whatever_the_batches(network, monkeypatch):
    x = examples_for(network, 11)
    y = np.arange(11) % network.population(network.outputs[0].population).size
    monkeypatch.setattr(
        "tgenn_gen.runtime.numpy_network.batch_size_that_fits", lambda timesteps, neurons, outputs: 4
    )
    found = evaluate(network, x, y, timesteps=6, seed=2)
    result = simulate(network, x, timesteps=6, seed=2, batch_size=11)
    expected = (result.output_per_step.argmax(axis=2) == y).mean(axis=1)
    if network.few_spike:  # no answer before the last step
        expected[:-1] = np.nan
    np.testing.assert_allclose(found.accuracy_per_step, expected)
    spikes = sum(counts.sum() for counts in result.spike_counts.values())
    assert found.spikes_per_example == pytest.approx(spikes / 11)
    assert 0 <= found.relu_accuracy <= 1


def test_the_relu_accuracy_is_that_of_the_ann():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 40)
    *_, (_, current) = ann_currents(network, {"image": x})
    y = current.argmax(axis=1)
    y[:10] = (y[:10] + 1) % 5
    assert evaluate(network, x, y).relu_accuracy == 0.75


def test_relu_outputs_are_the_anns():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 9)
    *_, (_, current) = ann_currents(network, {"image": x})
    np.testing.assert_allclose(relu_outputs(network, {"image": x})["classes"], 0.5 * current, rtol=1e-6)


@pytest.fixture
def documents(tmp_path):
    for name, network in (("a", small_cnn()), ("b", small_cnn(readout="spike_count"))):
        save(network, tmp_path / name)
    np.savez(tmp_path / "data.npz", x=dyadic_examples((7, 10, 2), 20), y=np.arange(20) % 5)
    return tmp_path


@pytest.mark.parametrize(
    ("calibration", "x", "said"),
    [
        ((0.0, 1.0), np.full((2, 7, 10, 2), 255.0) * [[[[0, 1]]]], "data ranges from 0 to 255, "),
        ((0.0, 255.0), np.full((2, 7, 10, 2), 255, np.uint8) * np.uint8([0, 1]), "data ranges from 0 to 1, "),
        ((0.0, 1.0), np.full((2, 7, 10, 2), 255, np.uint8) * np.uint8([0, 1]), ""),
        (None, np.full((2, 7, 10, 2), 255.0), ""),
        ((0.0, 0.0), np.full((2, 7, 10, 2), 255.0), ""),
        ((0.0, 5e-324), np.full((2, 7, 10, 2), 255.0), "data ranges from 255 to 255, "),
    ],
)
def test_data_that_was_prepared_in_another_way_than_the_calibration_data_is_told(
    tmp_path, capsys, calibration, x, said
):
    network = small_cnn()
    save(replace(network, inputs=(replace(network.inputs[0], data_range=calibration),)), tmp_path / "n")
    np.savez(tmp_path / "data.npz", x=x.astype(x.dtype if x.dtype == np.uint8 else np.float32), y=[0, 1])
    assert main(["evaluate", str(tmp_path / "n"), "--data", str(tmp_path / "data.npz")]) == 0
    err = capsys.readouterr().err
    assert ("preprocess both in the same way" in err) == bool(said) and said in err


def test_python_tells_of_another_range_too(tmp_path, capsys):
    network = small_cnn()
    network = replace(network, inputs=(replace(network.inputs[0], data_range=(0.0, 1.0)),))
    x, said = (
        np.full((2, 7, 10, 2), 255.0),
        "the data ranges from 255 to 255, the calibration data from 0 to 1",
    )
    for call in (
        lambda: simulate(network, x),
        lambda: evaluate(network, x, [0, 1]),
        lambda: cost(network, x),
        lambda: report(network, tmp_path / "r.html", x),
    ):
        call()
        assert capsys.readouterr().err.count(said) == 1
    assert said in verify(network, x).notes[0]


def test_the_range_of_several_inputs_is_each_its_own():
    network = next(n for n in with_several().values() if len(n.inputs) > 1)
    ranged = [replace(i, uint8_divisor=1.0 + n, data_range=(0.0, 60.0)) for n, i in enumerate(network.inputs)]
    examples = {i.name: np.zeros((2, *i.shape), np.uint8) for i in ranged}
    for i in ranged:
        examples[i.name][0] = 60 * i.uint8_divisor
    assert range_problem(examples, input_table(replace(network, inputs=tuple(ranged)))) == ""
    ranged[1] = replace(ranged[1], data_range=(0.0, 1.0))
    for order in (list(examples), list(examples)[::-1]):
        table = input_table(replace(network, inputs=tuple(ranged)))
        found = range_problem({name: examples[name] for name in order}, table)
        assert found.startswith(
            f"{ranged[1].name}: the data ranges from 0 to 60, the calibration data from 0 to 1"
        )


def test_documents_stand_side_by_side_in_table_json_and_plot(documents, capsys):
    files = ["--json", str(documents / "r.json"), "--plot", str(documents / "p.png")]
    paths = [str(documents / "a"), str(documents / "b/network.yaml")]
    command = ["evaluate", *paths, "--data", str(documents / "data.npz"), *files]
    assert main([*command, "--limit", "10", "--timesteps", "9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = "| network | with ReLU | T = 2 | T = 4 | T = 8 | T = 9 | spikes per example |"
    assert lines[0] == header and [line.split(" | ")[0] for line in lines[2:]] == [f"| {p}" for p in paths]
    data = json.loads((documents / "r.json").read_text())
    assert [n["name"] for n in data["networks"]] == paths
    assert all(len(n["accuracy_per_step"]) == 9 and n["n"] == 10 for n in data["networks"])
    shown = [cell.strip() for cell in lines[2].strip("|").split("|")]
    per_step = data["networks"][0]["accuracy_per_step"]
    assert shown[2:6] == [f"{100 * per_step[t - 1]:.2f}" for t in (2, 4, 8, 9)]
    assert (documents / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def two_codes(tmp_path):
    """Documents of the same shapes: rate (6 steps), few (6 steps), and data for them."""
    kinds = of_all_kinds()
    rate, few = kinds["signed"], kinds["few_spike"]
    for name, network in (("rate", rate), ("few", few)):
        save(replace(network, simulation=replace(network.simulation, timesteps=6)), tmp_path / name)
    shape = rate.inputs[0].shape
    assert shape == few.inputs[0].shape and rate.populations[-1].size == few.populations[-1].size
    np.savez(tmp_path / "data.npz", x=dyadic_examples(shape, 9), y=np.arange(9) % rate.populations[-1].size)
    return tmp_path


def table_of(output):
    """{row: {column: cell}} of a table in Markdown, and the lines after it."""
    lines = output.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    head, _, *rows = rows
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}, [n for n in lines if n[:1] == "-"]


@pytest.mark.parametrize("targets", ["classes", "values"])
def test_a_few_spike_network_has_no_score_before_its_last_step(two_codes, capsys, monkeypatch, targets):
    monkeypatch.chdir(two_codes)
    key = "accuracy" if targets == "classes" else "mean_squared_error"
    if targets == "values":
        with np.load("data.npz") as data:
            x = data["x"]
        np.savez("data.npz", x=x, y=np.random.default_rng(0).random((9, 5)))
    assert main(["evaluate", "rate", "few", "--data", "data.npz", "--json", "r.json", "--plot", "p.svg"]) == 0
    table, notes = table_of(capsys.readouterr().out)
    rate, few = table.values()
    assert [few[f"T = {t}"] for t in (2, 4)] == ["-", "-"] and float(few["T = 6"]) >= 0
    assert "-" not in rate.values()
    assert notes == [
        "-: few has an answer only after all 6 steps, which each population takes before the next one starts"
    ]
    text = (two_codes / "r.json").read_text()
    assert "NaN" not in text
    of_rate, of_few = json.loads(text)["networks"]
    for scores in (of_few, of_few["outputs"]["classes"]):
        assert scores[f"{key}_per_step"] == [None] * 5 + [scores[key]]
    assert None not in of_rate[f"{key}_per_step"]


def test_steps_without_an_answer_of_any_network_have_no_column(two_codes, capsys):
    command = ["evaluate", str(two_codes / "few"), "--data", str(two_codes / "data.npz")]
    assert main(command) == 0
    (row,), notes = table_of(capsys.readouterr().out)[0].values(), []
    assert [name for name in row if name.startswith("T = ")] == ["T = 6"] and notes == []


def test_the_last_step_of_each_network_has_a_column(documents, capsys):
    for name, steps in (("a", 5), ("b", 9)):
        network = small_cnn()
        network = replace(network, simulation=replace(network.simulation, timesteps=steps))
        save(network, documents / name, force=True)
    paths = [str(documents / name) for name in "ab"]
    assert main(["evaluate", *paths, "--data", str(documents / "data.npz")]) == 0
    a, b = table_of(capsys.readouterr().out)[0].values()
    assert [name for name in a if name.startswith("T = ")] == [f"T = {t}" for t in (2, 4, 5, 8, 9)]
    assert (a["T = 8"], a["T = 9"]) == ("", "") and a["T = 5"] and b["T = 5"]


def test_the_scores_with_relus_are_known_for_few_spike_networks_too(two_codes):
    network = load(two_codes / "few")
    with np.load(two_codes / "data.npz") as data:
        x, y = data["x"], data["y"]
    found = evaluate(network, x, y)
    assert np.isnan(found.accuracy_per_step[:-1]).all() and 0 <= found.relu_accuracy <= 1
    assert found.outputs["classes"]["accuracy_per_step"][:-1] == [None] * (found.timesteps - 1)
    assert found == evaluate(network, x, y) and "nan" not in repr(found)


@pytest.mark.parametrize("path", ["few", "rate"])
def test_with_and_without_its_cost_a_network_has_the_same_scores(two_codes, capsys, path):
    command = ["evaluate", str(two_codes / path), "--data", str(two_codes / "data.npz"), "--seed", "3"]
    tables = []
    for more in ([], ["--cost"]):
        assert main([*command, *more]) == 0
        tables.append(capsys.readouterr().out.splitlines()[:3])
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("corrections", "told"),
    [(["weights"], True), (["offset", "bias"], True), (["offset"], False), (None, False)],
)
def test_corrected_networks_with_relus_are_not_taken_for_the_ann(documents, capsys, corrections, told):
    save(replace(small_cnn(), provenance={"corrections": corrections}), documents / "a", force=True)
    assert main(["evaluate", str(documents / "a"), "--data", str(documents / "data.npz")]) == 0
    assert ("give --model for the accuracy of the ANN" in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: np.savez(f / "data.npz", x=np.zeros((2, 7, 10, 2))),
            "holds no targets: none of y, classes",
        ),
        (lambda f: np.savez(f / "data.npz", x=np.zeros((2, 3)), y=[0, 1]), "an example has shape (3,)"),
        (
            lambda f: save(of_all_kinds()["signed"], f / "b", force=True),
            "has inputs of other shapes",
        ),
        (lambda f: (f / "data.npz").unlink(), "cannot be read as .npz"),
        (
            lambda f: np.savez(f / "data.npz", x=np.zeros((2, 7, 10, 2)), y=[0, 5]),
            "y has classes 0 to 5, the network has 0 to 4",
        ),
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
    "option", [("--timesteps", "0"), ("--limit", "-1"), ("--seed", "-1"), ("--plot", "x.jpg")]
)
def test_options_out_of_range_are_refused(documents, capsys, option):
    command = ["evaluate", str(documents / "a"), "--data", str(documents / "data.npz"), *option]
    try:
        status = main(command)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert option[0] in capsys.readouterr().err


def test_the_data_is_not_overwritten(documents, capsys):
    before = (documents / "data.npz").read_bytes()
    data = str(documents / "data.npz")
    assert main(["evaluate", str(documents / "a"), "--data", data, "--json", data]) == 2
    assert "is the data file, which would be overwritten" in capsys.readouterr().err
    assert (documents / "data.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("few_spike", {"timesteps": 40}, "timesteps is 40, expected at most 16"),
        ("binary", {"timesteps": 2}, "timesteps is 2, expected more than 3, where the readout starts"),
        ("signed", {"timesteps": -3}, "timesteps is -3, expected at least 1"),
        ("signed", {"seed": -1}, "seed is -1, expected at least 0"),
        ("signed", {"x": np.zeros((0, 6, 5, 2))}, "holds no examples"),
        ("signed", {"x": np.full((1, 6, 5, 2), np.nan)}, "example 0 holds NaN"),
        ("signed", {"y": np.array([7, 0, 0])}, "y has classes 0 to 7, the network has 0 to 4"),
        ("signed", {"y": np.array([0.5, 0, 0])}, "y is float64 (3,), expected class numbers"),
        ("poisson", {"x": np.full((3, 6, 5, 2), 2.0)}, "the encoding takes 0 to 1"),
    ],
)
def test_what_the_engine_refuses_an_evaluation_refuses(name, options, message):
    network = of_all_kinds()[name]
    arguments = {"x": examples_for(network, 3), "y": np.array([0, 1, 2]), **options}
    with pytest.raises(TgennError) as caught:
        evaluate(network, **arguments)
    assert message in caught.value.diagnostics[0].message
    assert caught.value.diagnostics[0].code == "T503"


def test_documents_whose_only_input_and_output_have_other_names_are_compared(tmp_path, capsys):
    """Keras names inputs anew in each model."""
    network = small_cnn()
    *hidden, last = network.populations
    renamed = replace(
        network,
        inputs=(replace(network.inputs[0], name="image_2"),),
        populations=tuple(
            replace(
                p, inputs=tuple(replace(c, source=c.source.replace("image", "image_2")) for c in p.inputs)
            )
            for p in (*hidden, replace(last, name="classes_2"))
        ),
        outputs=(replace(network.outputs[0], population="classes_2"),),
    )
    save(network, tmp_path / "a")
    save(renamed, tmp_path / "b")
    np.savez(tmp_path / "data.npz", x=dyadic_examples((7, 10, 2), 9), y=np.arange(9) % 5)
    paths = [str(tmp_path / name) for name in "ab"]
    assert main(["evaluate", *paths, "--data", str(tmp_path / "data.npz")]) == 0
    *_, of_a, of_b = capsys.readouterr().out.splitlines()
    assert of_a.split("|")[2:] == of_b.split("|")[2:]
