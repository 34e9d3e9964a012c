"""Softmax, sigmoid and tanh at outputs, against Keras: what a network gives, and how it is scored."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from scripts import results, written

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import PRESETS, Method, TgennError, convert, evaluate, load, simulate  # noqa: E402
from tgenn_gen.cli.main import export_main, main  # noqa: E402
from tgenn_gen.conversion.keras_scores import logits_of  # noqa: E402
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron  # noqa: E402
from tgenn_gen.runtime.readout_functions import activated  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers
FUNCTIONS = ("softmax", "sigmoid", "tanh")
EXACT = Method("data", neuron=FewSpikeNeuron(), timesteps=16)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def dense(units, activation, library=keras):
    of = library.layers
    hidden = of.Dense(12, "relu")
    return library.Sequential([of.Input((6,)), hidden, of.Dense(units, activation, name="last")], name="m")


def maps(channels, activation):
    """Non-square images of one channel to maps."""
    stack = [
        layers.Conv2D(5, (2, 3), padding="same", activation="relu"),
        layers.Conv2D(channels, 1, activation=activation, name="last"),
    ]
    return keras.Sequential([keras.Input((5, 7, 1)), *stack], name="m")


def trained(model, seed=0):
    """With weights of a size that makes logits of both signs, not too near 0."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def keras_metric(metric, y, outputs):
    metric.update_state(y, outputs)
    return float(metric.result())


# What a network gives.


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("make", [lambda a: dense(4, a), lambda a: maps(3, a)], ids=["vector", "map"])
def test_outputs_are_what_keras_predicts(activation, make):
    model = trained(make(activation))
    x = random(30, *model.input_shape[1:])
    network = convert(model, x, EXACT)
    assert network.outputs[0].activation == activation
    note = f"last: the readout applies {activation} to the logits"
    assert note in network.provenance["changes"]
    result, expected = simulate(network, x), model.predict(x, verbose=0)
    np.testing.assert_allclose(result.output, expected, atol=2e-3)
    np.testing.assert_array_equal(result.output_per_step[-1], result.output)
    if activation == "softmax":
        np.testing.assert_array_equal(result.predictions, result.logits["last"].argmax(axis=-1))


@pytest.mark.parametrize("route", ["m.keras", "m.h5", "tf_keras.h5"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_files_give_the_same_functions(tmp_path, route, activation):
    library = pytest.importorskip("tf_keras") if route.startswith("tf_keras") else keras
    model = trained(dense(2, activation, library))
    model.save(tmp_path / route)
    x = random(20, 6)
    network = convert(tmp_path / route, x, EXACT)
    assert network.outputs[0].activation == activation
    np.testing.assert_allclose(simulate(network, x).output, np.asarray(model(x)), atol=2e-3)


ENDS = {
    "Activation": [layers.Dense(12), layers.Activation("sigmoid")],
    "Activation, then linear": [layers.Dense(12, "tanh"), layers.Activation("linear", dtype="float32")],
    "Softmax": [layers.Dense(12), layers.Softmax()],
    "Reshape": [layers.Dense(12, "sigmoid"), layers.Reshape((4, 3))],
    "Reshape and Permute": [layers.Dense(12, "tanh"), layers.Reshape((4, 3)), layers.Permute((2, 1))],
    "Flatten": [layers.Dense(12), layers.Reshape((4, 3)), layers.Activation("sigmoid"), layers.Flatten()],
    "Cropping": [
        layers.Dense(12),
        layers.Reshape((4, 3)),
        layers.Activation("tanh"),
        layers.Cropping1D((1, 2)),
    ],
    "Reshape of maps": [
        layers.Dense(12),
        layers.Reshape((2, 2, 3)),
        layers.Softmax(),
        layers.Reshape((4, 3)),
    ],
    "Dropout": [layers.Dense(3, "softmax"), layers.Dropout(0.5)],
    "of a ReLU": [layers.Dense(3, "relu"), layers.Activation("sigmoid")],
}


@pytest.mark.parametrize("case", ENDS)
def test_layers_after_the_function_that_only_move_elements_are_converted(case):
    model = trained(keras.Sequential([keras.Input((6,)), layers.Dense(9, "relu"), *ENDS[case]]))
    x = random(20, 6)
    network = convert(model, x, EXACT)
    assert network.outputs[0].activation in FUNCTIONS
    np.testing.assert_allclose(simulate(network, x).output, np.asarray(model(x)), atol=2e-3)


def test_each_output_has_its_own_function():
    x = keras.Input((6,))
    y = layers.Dense(9, "relu")(x)
    logits = layers.Dense(3, name="logits")(y)
    ends = [layers.Softmax()(logits), layers.Dense(2, "sigmoid")(y), layers.Dense(1)(y), logits]
    model, data = trained(keras.Model(x, ends)), random(20, 6)
    network = convert(model, data, EXACT)
    assert [o.activation for o in network.outputs] == ["softmax", "sigmoid", None, None]
    outputs = simulate(network, data).outputs.values()
    for found, expected in zip(outputs, model(data), strict=True):
        np.testing.assert_allclose(found, np.asarray(expected), atol=5e-3)


def test_first_spikes_give_no_logits_so_the_function_is_left_out():
    network = convert(dense(4, "softmax"), random(20, 6), Method("data", readout="first_spike"))
    assert network.outputs[0].activation is None
    assert (
        "last: softmax left out, because first spikes give an order and no logits"
        in network.provenance["changes"]
    )


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_first_spikes_are_no_values_so_an_output_with_values_is_refused(activation):
    with pytest.raises(
        TgennError, match=f"readout 'first_spike' gives an order of classes; .* has {activation}"
    ):
        convert(dense(1, activation), random(20, 6), Method("data", readout="first_spike"))


def test_an_offset_is_added_to_class_scores_alone():
    """One number added to all logits changes no softmax, but every sigmoid and tanh."""
    x = random(300, 6)
    method = Method("data", readout="spike_count", corrections=("offset",), timesteps=256)
    model = trained(dense(4, "softmax"))
    network = convert(model, x, method)
    assert any("added to all outputs" in note for note in network.provenance["changes"])
    np.testing.assert_allclose(simulate(network, x).output, np.asarray(model(x)), atol=0.1)
    for activation in ("sigmoid", "tanh"):
        changes = convert(dense(4, activation), x, method).provenance["changes"]
        assert not any("added to all outputs" in note for note in changes)
    plain = Method("data", readout="spike_count")
    loss = "last: its readout, spike count, is 0 for all negative outputs: readout 'membrane' avoids this"
    assert loss in convert(dense(4, "sigmoid"), x, plain).provenance["changes"]


@given(st.sampled_from(FUNCTIONS), st.integers(0, 99))
@tries(20)
def test_logits_of_a_models_outputs_have_these_outputs(activation, seed):
    outputs = activated(random(5, 4, seed=seed) * 8, activation)
    np.testing.assert_allclose(activated(logits_of(outputs, activation), activation), outputs, rtol=1e-6)


def test_saturated_outputs_have_infinite_logits():
    saturated = activated(np.float32([[200, -200]]), "softmax")
    np.testing.assert_array_equal(activated(logits_of(saturated, "softmax"), "softmax"), saturated)
    for activation in ("sigmoid", "tanh"):
        ends = activated(np.float32([300, -300]), activation)
        np.testing.assert_array_equal(activated(logits_of(ends, activation), activation), ends)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("factor", [0.1, 1, 10])
def test_models_that_compute_with_few_digits_are_converted(policy, activation, factor):
    """Near 0, a logit that is the sum of large numbers is known less well than its sigmoid shows."""
    hidden = layers.Dense(32, "relu", dtype=policy)
    model = keras.Sequential([keras.Input((6,)), hidden, layers.Dense(5, activation, dtype=policy)])
    model.set_weights([factor * random(*w.shape) for w in model.get_weights()])
    assert convert(model, random(100, 6)).outputs[0].activation == activation


# Scores, against Keras' metrics on the network's own outputs.


@pytest.mark.parametrize("activation", ["sigmoid", None])
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_0_and_1_for_one_unit_are_labels(activation, column, dtype):
    model, x = trained(dense(1, activation)), random(200, 6)
    network = convert(model, x, PRESETS["low_latency"])
    y = (x[:, :1] > 0).astype(dtype) if column else (x[:, 0] > 0).astype(dtype)
    result = simulate(network, x)
    threshold = 0.5 if activation else 0.0
    expected = keras_metric(
        keras.metrics.BinaryAccuracy(threshold=threshold), y.reshape(-1, 1), result.output
    )
    found = evaluate(network, x, y).outputs["last"]
    assert found["accuracy"] == pytest.approx(expected) and len(found["accuracy_per_step"]) == 16
    assert found["confusion_matrix"] == confusion(y.reshape(-1), result.predictions, 2)
    assert (result.predictions == y.reshape(-1)).mean() == pytest.approx(expected)


def confusion(wanted, found, classes):
    return [[int(((wanted == a) & (found == b)).sum()) for b in range(classes)] for a in range(classes)]


def test_floats_of_one_unit_are_labels_with_sigmoid_and_values_without_a_function():
    x = random(50, 6)
    y = (x[:, 0] > 0).astype(np.float32)
    network = convert(trained(dense(1, "sigmoid")), x)
    assert "accuracy" in evaluate(network, x, y).outputs["last"]
    assert "mean_squared_error" in evaluate(network, x, 0.9 * y).outputs["last"]
    network = convert(trained(dense(1, None)), x)
    assert "mean_squared_error" in evaluate(network, x, y).outputs["last"]


def test_several_labels_are_scored_each_and_together():
    model, x = trained(dense(5, "sigmoid")), random(150, 6)
    network = convert(model, x)
    y = (np.asarray(model(x)) > 0.6).astype(int)
    output = simulate(network, x).output
    found = evaluate(network, x, y).outputs["last"]
    assert found["accuracy"] == pytest.approx(keras_metric(keras.metrics.BinaryAccuracy(), y, output))
    assert found["exact_match"] == pytest.approx(((output > 0.5) == y).all(axis=1).mean())
    classes = np.arange(150) % 5
    expected = keras_metric(keras.metrics.SparseCategoricalAccuracy(), classes, output)
    assert evaluate(network, x, classes).outputs["last"]["accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("make", [np.float32, np.uint8, bool])
def test_one_hot_targets_of_softmax_are_classes(make):
    model, x = trained(dense(4, "softmax")), random(60, 6)
    network, classes = convert(model, x), np.arange(60) % 4
    assert evaluate(network, x, np.eye(4)[classes].astype(make)) == evaluate(network, x, classes)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "tanh"])
@pytest.mark.parametrize("make", [lambda a: dense(4, a), lambda a: maps(2, a)], ids=["vector", "map"])
def test_values_are_compared_with_the_function_s_values(activation, make):
    """Soft labels, and the images of autoencoders."""
    model = trained(make(activation))
    x = random(40, *model.input_shape[1:])
    network, y = convert(model, x, EXACT), np.asarray(model(x))
    found = evaluate(network, x, y)
    squares = (simulate(network, x).output.astype(float) - y) ** 2
    assert found.outputs["last"]["mean_squared_error"] == pytest.approx(squares.mean(), rel=1e-4)
    assert found.outputs["last"]["mean_squared_error"] < 1e-5
    assert found.relu_outputs["last"]["mean_squared_error"] < 1e-9


@pytest.mark.parametrize("activation", ["softmax", None])
@pytest.mark.parametrize("last_axis", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_class_maps_are_scored_by_pixels(activation, last_axis, classes):
    """The classes that occur nowhere do not count in the mean IoU, as in Keras."""
    model = trained(maps(4, activation))
    x = random(25, 5, 7, 1)
    network = convert(model, x)
    y = (np.asarray(model(x))[..., :classes]).argmax(axis=-1)
    predictions = simulate(network, x).predictions
    assert predictions.shape == y.shape
    found = evaluate(network, x, y[..., None] if last_axis else y).outputs["last"]
    assert found["accuracy"] == pytest.approx((predictions == y).mean())
    expected = keras_metric(keras.metrics.MeanIoU(num_classes=4), y, predictions)
    assert found["mean_iou"] == pytest.approx(expected)
    assert found["confusion_matrix"] == confusion(y, predictions, 4)


def test_masks_of_one_channel_are_scored_by_pixels():
    model, x = trained(maps(1, "sigmoid")), random(25, 5, 7, 1)
    network = convert(model, x)
    y = (np.asarray(model(x)) > 0.6).astype(np.uint8)
    output = simulate(network, x).output
    found = evaluate(network, x, y[..., 0]).outputs["last"]
    assert found["accuracy"] == pytest.approx(keras_metric(keras.metrics.BinaryAccuracy(), y, output))
    expected = keras_metric(keras.metrics.MeanIoU(num_classes=2), y, (output > 0.5).astype(int))
    assert found["mean_iou"] == pytest.approx(expected)


def test_classes_of_sequences_are_scored_by_positions():
    stack = [
        layers.Conv1D(4, 3, padding="same", activation="relu"),
        layers.Conv1D(3, 2, activation="softmax"),
    ]
    model, x = trained(keras.Sequential([keras.Input((9, 2)), *stack])), random(20, 9, 2)
    network, y = convert(model, x), np.asarray(model(x)).argmax(axis=-1)
    (found,) = evaluate(network, x, y).outputs.values()
    predictions = simulate(network, x).predictions
    assert found["accuracy"] == pytest.approx((predictions == y).mean())
    expected = keras_metric(keras.metrics.MeanIoU(num_classes=3), y, predictions)
    assert found["mean_iou"] == pytest.approx(expected)


# From a file to a score.


CASES = {
    "labels": (lambda: dense(1, "sigmoid"), lambda p: (p > 0.5).astype(int)),
    "several labels": (lambda: dense(3, "sigmoid"), lambda p: (p > 0.5).astype(int)),
    "soft labels": (lambda: dense(4, "softmax"), lambda p: p),
    "an autoencoder": (lambda: maps(1, "sigmoid"), lambda p: p),
    "an autoencoder of both signs": (lambda: maps(1, "tanh"), lambda p: p),
    "segmentation": (lambda: maps(3, "softmax"), lambda p: p.argmax(axis=-1)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_ann_is_compared_in_the_same_way_and_scripts_give_the_scores_of_evaluate(tmp_path, capsys, case):
    make, targets = CASES[case]
    model = trained(make())
    model.save(tmp_path / "m.keras")
    x = random(40, *model.input_shape[1:])
    np.savez(tmp_path / "d.npz", x=x, y=targets(np.asarray(model(x))))
    data, folder = str(tmp_path / "d.npz"), str(tmp_path / "n")
    assert export_main([str(tmp_path / "m.keras"), "--calibration", data, "--output", folder]) == 0
    report = tmp_path / "r.json"
    command = [
        "evaluate",
        folder,
        "--data",
        data,
        "--model",
        str(tmp_path / "m.keras"),
        "--json",
        str(report),
    ]
    assert main(command) == 0
    capsys.readouterr()
    evaluation = json.loads(report.read_text())
    (ann,) = evaluation["ann"].values()
    (found,) = evaluation["networks"][0]["outputs"].values()
    if "accuracy" in ann:
        assert ann["accuracy"] == evaluation["ann_accuracy"] == 1 and found["accuracy"] > 0.7
    else:
        assert ann["mean_squared_error"] < 1e-12 and found["mean_squared_error"] < 0.05
    scripted, arrays, line = results(tmp_path / "n" / "reference.py", tmp_path / "d.npz")
    for name, value in found.items():
        assert scripted[name] == value or scripted[name] == pytest.approx(value)
    np.testing.assert_allclose(arrays["output"], simulate(load(folder), x).output, rtol=1e-5)
    score = f"{found['accuracy']:.4f}" if "accuracy" in found else f"{found['mean_squared_error']:.4g}"
    assert f": {score} (" in line


def test_the_anns_accuracy_on_labels_is_recorded(tmp_path):
    for activation, limit in (("sigmoid", 0.5), (None, 0.0)):
        model, x = trained(dense(1, activation)), random(100, 6)
        y = (np.asarray(model(x)) > limit).astype(int)
        y[:20] = 1 - y[:20]
        np.savez(tmp_path / "d.npz", x=x, y=y)
        assert convert(model, tmp_path / "d.npz").provenance["calibration"]["ann_accuracy"] == 0.8
        np.savez(tmp_path / "d.npz", x=x, y=5 * y)
        assert "ann_accuracy" not in convert(model, tmp_path / "d.npz").provenance["calibration"]


@pytest.mark.genn
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_simulate_py_gives_the_outputs_and_scores_of_reference_py(tmp_path, case):
    make, targets = CASES[case]
    model = trained(make())
    x = random(12, *model.input_shape[1:])
    folder = written(convert(model, x), tmp_path / "n", x=x, y=targets(np.asarray(model(x))))
    _, found, line = results(folder / "simulate.py", folder / "data.npz")
    _, expected, other = results(folder / "reference.py", folder / "data.npz")
    np.testing.assert_allclose(found["output"], expected["output"], atol=0.02)
    assert line.split(":")[0] == other.split(":")[0] in ("accuracy", "mean squared error")
