"""The measured agreement of a network with the Keras model, and the method that it chooses."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import PRESETS, TgennError, convert, load, simulate  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402
from tgenn_gen.conversion.activation_statistics import measure  # noqa: E402
from tgenn_gen.conversion.agreement import PRODUCTS, SECONDS, UPDATES, _same_class, affordable  # noqa: E402
from tgenn_gen.conversion.methods import automatic  # noqa: E402
from tgenn_gen.runtime.readout_functions import activated  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers
LOW_LATENCY = PRESETS["low_latency"]


def classifier(activation="softmax"):
    keras.utils.set_random_seed(0)
    hidden, last = layers.Dense(24, activation="relu"), layers.Dense(4, activation=activation)
    return keras.Sequential([keras.Input((8,)), hidden, last], name="m")


def deep_classifier():
    """20 layers without biases: each one adds errors of the rate code, as in deep networks from elsewhere."""
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(32, activation="relu", use_bias=False) for _ in range(20)]
    return keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(4, activation="softmax")], name="deep")


def pooled_classifier():
    """Max-pooling of values that may be negative: they are shifted by what the data shows."""
    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(3, 3), layers.MaxPooling2D(2), layers.ReLU(), layers.Flatten()]
    hidden = [layers.Dense(32, "relu") for _ in range(3)]
    return keras.Sequential([keras.Input((6, 7, 2)), *stack, *hidden, layers.Dense(4, "softmax")])


def examples(n=200, inputs=8):
    return np.random.default_rng(1).normal(size=(n, inputs)).astype(np.float32)


def test_of_classes_it_is_the_fraction_of_held_out_examples_with_the_model_s_class():
    model, x = classifier(), examples(200)
    network = convert(model, x, replace(LOW_LATENCY, timesteps=2))
    held_out = x[np.arange(40) * 200 // 40]
    same = simulate(network, held_out).output.argmax(axis=1) == np.asarray(model(held_out)).argmax(axis=1)
    assert network.provenance["check"] == {"examples": 40, "held_out": True, "same_class": np.mean(same)}
    assert 0.5 < np.mean(same) < 1


def test_of_values_it_is_the_explained_variance_of_each_output():
    source = keras.Input((8,))
    hidden = layers.Dense(24, activation="relu")(source)
    outputs = [layers.Dense(3, name="a")(hidden), layers.Dense(1, name="b")(hidden)]
    model, x = keras.Model(source, outputs), examples(200)
    network = convert(model, x, replace(LOW_LATENCY, timesteps=3))
    held_out = x[::5]
    found = simulate(network, held_out).outputs
    expected = {"examples": 40, "held_out": True}
    for name, values in zip(("a", "b"), model(held_out), strict=True):
        wanted = np.asarray(values, np.float64)
        expected[f"{name}.explained_variance"] = (
            1 - ((found[name] - wanted) ** 2).sum() / ((wanted - wanted.mean(0)) ** 2).sum()
        )
    assert network.provenance["check"] == pytest.approx(expected, abs=1e-4)


def test_a_model_without_softmax_has_classes_where_the_data_has_class_numbers(tmp_path):
    model, x = classifier("linear"), examples()
    np.savez(tmp_path / "d.npz", x=x, y=np.asarray(model(x)).argmax(axis=1))
    np.savez(tmp_path / "unlabelled.npz", x=x)
    assert "same_class" in convert(model, tmp_path / "d.npz").provenance["check"]
    assert "explained_variance" in convert(model, tmp_path / "unlabelled.npz").provenance["check"]


@pytest.mark.parametrize(
    ("activation", "shape", "same"),
    [
        ("softmax", (4,), 3 / 4),
        (None, (4,), 3 / 4),
        ("softmax", (2, 3, 4), 23 / 24),
        ("sigmoid", (1,), 3 / 4),
    ],
)
def test_the_same_class_is_the_largest_output_of_each_element_or_the_sign_of_the_logit(
    activation, shape, same
):
    logits = np.random.default_rng(1).normal(size=(4, *shape))
    changed = logits.copy()
    first = changed[0].reshape(-1, shape[-1])[0]
    first[first.argmax()] = -9 if first.max() > 0 else 9
    wanted = activated(logits, activation)
    assert _same_class(logits, wanted, activation) == 1
    assert _same_class(changed, wanted, activation) == pytest.approx(same)


def test_all_classes_with_the_largest_probability_are_right():
    logits = np.array([[0.0, 200, 300], [0, 200, 300]])
    saturated = np.array([[0.0, 1, 1], [0, 1, 0]], np.float32)
    assert _same_class(logits, saturated, "softmax") == 0.5


def test_held_out_examples_do_not_change_the_scales():
    x = examples(200)
    others = x.copy()
    others[::5] *= 3
    model = classifier()
    first, second = (convert(model, data, LOW_LATENCY) for data in (x, others))
    assert first.populations == second.populations
    assert first.provenance["calibration"]["examples"] == 160
    whole = convert(model, x, LOW_LATENCY, check=False)
    assert whole.provenance["calibration"]["examples"] == 200
    assert "check" not in whole.provenance
    assert whole.populations != convert(model, others, LOW_LATENCY, check=False).populations


@pytest.mark.parametrize(("n", "checked"), [(79, 16), (16, 16), (5, 5), (1, 1)])
def test_of_few_examples_none_is_held_out(n, checked):
    check = convert(classifier(), examples(n), LOW_LATENCY).provenance["check"]
    assert (check["examples"], check["held_out"]) == (checked, False)


def test_large_networks_are_checked_on_fewer_examples_the_same_number_everywhere():
    model = keras.Sequential([keras.Input((200,)), layers.Dense(3000, activation="relu"), layers.Dense(7)])
    network = convert(model, np.random.default_rng(0).random((20, 200), np.float32), check=False)
    a_step = (200 * 3000 + 3000 * 7) / PRODUCTS + 3007 / UPDATES
    assert affordable(network) == int(SECONDS / (16 * a_step))
    slow = replace(network, simulation=replace(network.simulation, timesteps=100_000))
    assert affordable(slow) == 16


def test_auto_is_low_latency_where_that_agrees():
    model, x = classifier(), examples()
    sixty_four = automatic(replace(LOW_LATENCY, timesteps=64))
    network, again = (convert(model, x, sixty_four) for _ in range(2))
    assert network.provenance["preset"] == "low_latency"
    assert "also_tried" not in network.provenance
    assert network.provenance == again.provenance


def test_auto_is_few_spike_where_that_agrees_better_with_more_bits_where_8_are_not_enough():
    model, x = deep_classifier(), examples()
    tried = automatic(LOW_LATENCY)
    figures = [convert(model, x, method).provenance["check"]["same_class"] for method in tried]
    assert figures[0] < 0.6 < 0.9 < figures[1] < 0.98  # so that all three are tried
    best = int(np.argmax(figures))
    network, again = (convert(model, x, "auto") for _ in range(2))
    assert network.populations == convert(model, x, tried[best]).populations
    assert network.provenance["preset"] == "few_spike"
    others = [f for index, f in enumerate(figures) if index != best]
    lines = network.provenance["also_tried"]
    assert all(f", {100 * f:.2f} % of" in line for f, line in zip(others, lines, strict=True))
    assert lines[0].startswith("signed_integrate_and_fire, 16 time steps, ")
    assert network.provenance == again.provenance


def test_activations_are_measured_once_for_all_methods_of_auto(monkeypatch):
    measured = []
    monkeypatch.setattr(
        "tgenn_gen.conversion.convert.measure", lambda *given: measured.append(given) or measure(*given)
    )
    network = convert(deep_classifier(), examples(), "auto")
    assert len(network.provenance["also_tried"]) == 2
    assert len(measured) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(LOW_LATENCY, neuron="few_spike", timesteps=8, corrections=("bias",)),
        replace(LOW_LATENCY, normalize="data"),
        replace(LOW_LATENCY, per_channel=False),
        replace(LOW_LATENCY, readout="spike_count", corrections=("offset",)),
    ],
    ids=["neuron and corrections", "normalization", "per population", "offset"],
)
def test_a_second_method_gives_the_network_that_it_gives_alone(other):
    first = replace(LOW_LATENCY, timesteps=1, readout=other.readout)  # agrees less than the other
    model, x = pooled_classifier(), np.random.default_rng(1).normal(size=(200, 6, 7, 2)).astype(np.float32)
    network, alone = convert(model, x, [first, other]), convert(model, x, other)
    assert "also_tried" in network.provenance
    assert network.populations == alone.populations and network.inputs == alone.inputs
    assert network.provenance["changes"] == alone.provenance["changes"]
    assert network.simulation == alone.simulation


def test_of_several_methods_the_first_of_equals_is_used():
    network = convert(deep_classifier(), examples(), [replace(LOW_LATENCY, timesteps=2)] * 2)
    figure = network.provenance["check"]["same_class"]
    assert figure < 0.98
    assert f" {100 * figure:.2f} %" in network.provenance["also_tried"][0]


def test_without_a_check_the_first_method_is_used():
    network = convert(deep_classifier(), examples(), "auto", check=False)
    assert network.provenance["preset"] == "low_latency"


def test_auto_does_not_try_few_spike_on_spiking_inputs():
    spiking = replace(LOW_LATENCY, encoding=PRESETS["tensor_genn"].encoding)
    assert automatic(spiking) == (spiking,)


def test_a_low_agreement_is_a_warning_that_says_what_to_do(caplog):
    with caplog.at_level(logging.WARNING, "tgenn_gen"):
        network = convert(deep_classifier(), examples(), "low_latency")
    figure = f"{100 * network.provenance['check']['same_class']:.2f} %"
    assert [r.getMessage() for r in caplog.records] == [
        f"the network agrees with the model only to {figure}: use more time steps, such as `timesteps=64`, "
        "or `method='few_spike'`"
    ]


def test_an_unknown_name_of_a_method_is_refused():
    with pytest.raises(TgennError, match=r"unknown preset 'low_latncy'\n.*did you mean 'low_latency'"):
        convert(classifier(), examples(), "low_latncy")


def test_export_prints_the_agreement_of_both_methods_and_records_it(tmp_path, capsys):
    deep_classifier().save(tmp_path / "m.keras")
    np.savez(tmp_path / "d.npz", x=examples())
    arguments = ["export", str(tmp_path / "m.keras"), "--calibration", str(tmp_path / "d.npz"), "-o"]
    assert main([*arguments, str(tmp_path / "auto")]) == 0
    network = load(tmp_path / "auto")
    found, steps = network.provenance, network.simulation.timesteps
    assert (
        "compared with the model on 40 other examples than those for scales: few_spike, "
        f"{steps} time steps, {100 * found['check']['same_class']:.2f} % of the classes are the same; "
        f"{'; '.join(found['also_tried'])}\n"
    ) in capsys.readouterr().out
    assert main([*arguments, str(tmp_path / "low"), "--preset", "low_latency"]) == 0
    low = load(tmp_path / "low").provenance["check"]["same_class"]
    note = f"only to {100 * low:.2f} %: use more time steps, such as --timesteps 64, or --preset few_spike"
    assert note in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "no"), "--no-check"]) == 0
    assert "compared with the model" not in capsys.readouterr().out
    assert "check" not in load(tmp_path / "no").provenance


def test_auto_does_not_try_few_spike_where_the_readout_starts_later():
    late = replace(LOW_LATENCY, readout_start=1)
    assert automatic(late) == (late,)


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        (replace(LOW_LATENCY, timesteps=1, readout="spike_count"), "use `readout='membrane'`"),
        (PRESETS["few_spike"], "use more bits: `method='few_spike'` with `timesteps=10`"),
        ("auto", "give more calibration data, or choose scales in another way, such as `normalize='data'`"),
    ],
    ids=["readout", "few_spike", "auto"],
)
def test_the_advice_names_the_cause_and_nothing_that_was_tried(caplog, method, advice):
    with caplog.at_level(logging.WARNING, "tgenn_gen"):
        convert(deep_classifier(), examples(), method)
    assert caplog.records[-1].getMessage().endswith(advice)


def test_with_the_correction_offset_the_classes_are_compared():
    """It adds one number to all logits."""
    method = replace(LOW_LATENCY, readout="spike_count", corrections=("offset",))
    assert "same_class" in convert(classifier("linear"), examples(), method).provenance["check"]


def test_held_out_values_that_the_encoding_cannot_take_are_an_error_of_the_data():
    x = np.random.default_rng(0).random((200, 8)).astype(np.float32)
    x[5] = 1.5  # the second example that is held out
    with pytest.raises(TgennError, match=r"T506\]: .*1.5"):
        convert(classifier(), x, replace(LOW_LATENCY, encoding="poisson"))


def test_one_example_is_compared_too():
    check = convert(classifier("linear"), examples(1), PRESETS["few_spike"]).provenance["check"]
    assert 0.99 < check["explained_variance"] <= 1
