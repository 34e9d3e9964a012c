"""Max-pooling at any place of a Keras model, against Keras."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from keras_models import randomized  # noqa: E402

from tgenn_gen import PRESETS, Method, TgennError, convert, simulate  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402
from tgenn_gen.conversion.folding import fold  # noqa: E402
from tgenn_gen.engine.evaluation import relu_outputs  # noqa: E402
from tgenn_gen.keras_reader.loading import predict, read_model  # noqa: E402
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers


@pytest.fixture(autouse=True)
def _fresh_names():
    keras.utils.clear_session()


def with_signs(model, seed=0):
    """The model with random weights; some gammas of BatchNormalization are negative, as after training."""
    rng = np.random.default_rng(seed)
    for w in randomized(model, seed).weights:
        if w.name == "gamma":
            w.assign(rng.choice([-0.6, 0.4, 1.2], w.shape))
    return model


UNCORRECTED = replace(PRESETS["low_latency"], corrections=())


def examples(model, count=24, seed=1):
    return np.random.default_rng(seed).normal(size=(count, *model.inputs[0].shape[1:])).astype(np.float32)


def assert_relu_outputs_are_kerass(network, model, x):
    found = list(relu_outputs(network, {network.inputs[0].name: x}).values())
    for output, expected in zip(found, predict(model, [x]), strict=True):
        np.testing.assert_allclose(output, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


KINDS = "pool pool pool conv conv_relu norm relu add concatenate pad average subtract".split()
PADDINGS = st.sampled_from(["same", "valid"])


def add_layer(draw, y, axes):
    """The tensor y, with `axes` axes of positions, after one more layer."""
    dims = "1D" if axes == 1 else "2D"
    sizes = y.shape[1:-1]
    kind = draw(st.sampled_from(KINDS))

    def window(largest):
        return tuple(draw(st.integers(1, min(largest, size))) for size in sizes)

    if kind == "pool":
        strides = draw(st.one_of(st.none(), st.just(window(3))))
        return getattr(layers, f"MaxPooling{dims}")(window(4), strides, draw(PADDINGS))(y)
    if kind.startswith("conv"):
        activation = "relu" if kind == "conv_relu" else None
        filters, padding = draw(st.integers(2, 4)), draw(PADDINGS)
        return getattr(layers, f"Conv{dims}")(filters, window(3), padding=padding, activation=activation)(y)
    if kind == "norm":
        return layers.BatchNormalization()(y)
    if kind == "relu":
        return layers.ReLU()(y)
    if kind == "add":
        return layers.Add()([y, getattr(layers, f"Conv{dims}")(y.shape[-1], 1)(y)])
    if kind == "subtract":
        return layers.Subtract()([getattr(layers, f"MaxPooling{dims}")(2, 1, "same")(y), y])
    if kind == "concatenate":
        axis = draw(st.integers(1, axes + 1))
        return layers.Concatenate(axis=axis)([y, getattr(layers, f"MaxPooling{dims}")(2, 1, "same")(y)])
    if kind == "pad":
        return getattr(layers, f"ZeroPadding{dims}")(1)(y)
    return getattr(layers, f"AveragePooling{dims}")(window(3), 1, draw(PADDINGS))(y)


def random_model(draw):
    """A graph of one or two dimensions, with max-pooling anywhere: at the input, stacked, at an output."""
    axes = draw(st.sampled_from([1, 2, 2]))
    dims = "1D" if axes == 1 else "2D"
    shape = (*(draw(st.integers(5, 9)) for _ in range(axes)), 2)
    image = y = keras.Input(shape, name="image")
    for _ in range(draw(st.integers(1, 5))):
        y = add_layer(draw, y, axes)
    y = getattr(layers, f"MaxPooling{dims}")(2, 1, "same")(y)
    end = draw(st.sampled_from("dense global global_dense pool".split()))
    if end.startswith("global"):
        y = getattr(layers, f"GlobalMaxPooling{dims}")(keepdims=draw(st.booleans()))(y)
    if end.endswith("dense"):
        y = layers.Dense(3)(layers.Flatten()(y))
    return with_signs(keras.Model(image, y), draw(st.integers(0, 1000)))


@pytest.mark.parametrize("count", [4, pytest.param(150, marks=pytest.mark.slow)])
def test_max_pooling_anywhere_is_what_keras_computes(count):
    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data):
        model = random_model(data.draw)
        x = examples(model)
        assert_relu_outputs_are_kerass(convert(model, x, Method("data"), check=False), model, x)

    check()


def block(x, filters, of=layers):
    """Xception's: BatchNormalization, padded max-pooling, Add; no ReLU."""
    y = of.BatchNormalization()(of.Conv2D(filters, (3, 2), padding="same")(x))
    y = of.MaxPooling2D((3, 2), 2, "same", name=f"pool{filters}")(y)
    return of.Add()([y, of.Conv2D(filters, 1, strides=2, padding="same")(x)])


def blocks(of=keras):
    image = of.Input((12, 9, 2), name="image")
    y = block(block(image, 3, of.layers), 4, of.layers)
    y = of.layers.ReLU()(of.layers.Conv2D(5, 3, padding="same")(y))
    return of.Model(image, of.layers.Dense(3)(of.layers.Flatten()(y)), name="blocks")


@pytest.mark.parametrize(
    "method",
    [
        Method("data", True, FewSpikeNeuron(), timesteps=12),
        replace(UNCORRECTED, timesteps=256),
        pytest.param(replace(PRESETS["plain"], normalize="data", timesteps=1024), marks=pytest.mark.slow),
    ],
    ids=["few_spike", "signed", "plain"],
)
def test_the_spiking_network_comes_to_max_pooling_of_negative_values(method):
    model = with_signs(blocks())
    x = examples(model, 20)
    network = convert(model, x, method, check=False)
    (expected,) = predict(model, [x])
    found = simulate(network, x).output
    assert np.abs(found - expected).mean() < 0.04 * np.abs(expected - expected.mean()).mean()


def test_data_that_no_scale_needs_finds_shifts_too():
    model = with_signs(blocks())
    x = examples(model)
    network = convert(model, x, Method("model"), check=False)
    assert network.provenance["calibration"]["examples"] == len(x)
    assert_relu_outputs_are_kerass(network, model, x)


@pytest.mark.parametrize("route", ["memory", "keras", "h5", "tf_keras", "tf_keras.h5"])
def test_every_route_shifts_alike(tmp_path, route):
    model = with_signs(blocks())
    x = examples(model)
    given_model = model
    if route.startswith("tf_keras"):
        given_model = blocks(pytest.importorskip("tf_keras", reason="tf_keras is not installed"))
        given_model.set_weights(model.get_weights())
    if route not in ("memory", "tf_keras"):
        path = tmp_path / f"m.{route.split('.')[-1]}"
        given_model.save(path)
        given_model = path
    network = convert(given_model, x, UNCORRECTED, check=False)
    assert_relu_outputs_are_kerass(network, model, x)
    assert [text.split(":")[0] for text in network.provenance["changes"] if "shifted by" in text] == [
        "pool3",
        "pool4",
    ]


def test_the_shift_and_its_margin_are_recorded_and_smaller_values_are_cut_there():
    series = keras.Input((4, 2), name="series")
    model = keras.Model(series, layers.MaxPooling1D(4, name="pool")(series))
    x = np.zeros((3, 4, 2), np.float32)
    x[:, :, 0] = np.array([-4, -1, 1])[:, None]  # channel 0: -4 to 1, with margin from -4.5 on
    x[:, :, 1] = np.array([2, 3, 5])[:, None]  # never near 0: no shift
    x[0, 1:, 0] = -9  # does not win
    network = convert(model, x, Method("data"), check=False)
    changes = network.provenance["changes"]
    assert (
        "pool: shifted by up to 4.5, from the smallest maxima in 3 examples and 10 % of their range: "
        "smaller ones are cut there"
    ) in changes
    assert network.provenance["calibration"]["examples"] == 3
    below = np.full((1, 4, 2), -7, np.float32)
    (output,) = relu_outputs(network, {"series": np.concatenate([x, below])}).values()
    np.testing.assert_allclose(output[:, 0], [[-4, 2], [-1, 3], [1, 5], [-4.5, 0]], rtol=1e-6)


def test_a_channel_that_is_always_the_same_needs_no_margin():
    series = keras.Input((4, 2), name="series")
    model = keras.Model(series, layers.GlobalMaxPooling1D()(series))
    x = np.full((3, 4, 2), -3, np.float32)
    assert_relu_outputs_are_kerass(convert(model, x, UNCORRECTED, check=False), model, x)


def test_a_max_pooling_that_several_layers_read_has_one_population():
    image = keras.Input((9, 8, 2), name="image")
    pooled = layers.MaxPooling2D(2, name="pool")(layers.Conv2D(3, 2, name="conv")(image))
    outputs = [layers.Conv2D(2, 2)(pooled), layers.Add()([pooled, pooled]), layers.MaxPooling2D(2)(pooled)]
    model = with_signs(keras.Model(image, outputs))
    x = examples(model)
    network = convert(model, x, Method("data"), check=False)
    assert [p.name for p in network.populations if p.neuron.relays] == ["pool", "max_pooling2d"]
    assert [p.name for p in network.populations if p.neuron.spikes and not p.neuron.relays] == ["conv"]
    assert_relu_outputs_are_kerass(network, model, x)


@pytest.mark.parametrize("gamma", [[1.0, 0.0, 0.5, 0.5], [1.0, 0.0, 0.5, -0.5]])
def test_a_max_pooling_directly_before_a_relu_is_of_its_activations(gamma):
    """No shift is needed, nor calibration data, unless BatchNormalization turns a channel around."""
    image = keras.Input((8, 7, 2), name="image")
    y = layers.MaxPooling2D((2, 3), name="pool")(layers.Conv2D(4, 3, name="conv")(image))
    y = layers.ReLU()(layers.BatchNormalization(name="norm")(y))
    model = randomized(keras.Model(image, layers.Dense(3)(layers.Flatten()(y))))
    model.get_layer("norm").gamma.assign(gamma)
    folded = fold(read_model(model), Method())
    assert len(folded.shifts) == (min(gamma) < 0)
    x = examples(model)
    assert_relu_outputs_are_kerass(convert(model, x, Method("data"), check=False), model, x)


def test_max_pooling_behind_batch_normalization_is_of_the_activations_before_it():
    """Convolution with ReLU, BatchNormalization, max-pooling: of channels whose gamma is 0 or more."""
    image = keras.Input((8, 7, 2), name="image")
    y = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    y = layers.MaxPooling2D((2, 3), name="pool")(layers.BatchNormalization(name="norm")(y))
    model = randomized(keras.Model(image, layers.Dense(3)(layers.Flatten()(y))))
    folded = fold(read_model(model), Method())
    assert folded.network.population("pool").inputs[0].source == "conv" and not folded.shifts
    model.get_layer("norm").gamma.assign([1.0, 0.0, 0.5, -0.5])
    x = examples(model)
    network = convert(model, x, Method("data"), check=False)
    assert network.population("pool").inputs[0].source == "norm"
    assert_relu_outputs_are_kerass(network, model, x)


# Without calibration data.

HINT = (
    "give `calibration='TRAINING.npz'`, or train again with a ReLU before the max-pooling or right after it"
)
NEEDS = "max-pooling of values that may be negative needs calibration data"
GAMMA = "gamma of BatchNormalization 'norm' is negative in 1 of 3 channels"


def with_negative_gamma(first):
    """Activations, BatchNormalization and max-pooling; or max-pooling, BatchNormalization and ReLU."""
    image, conv = keras.Input((8, 7, 2), name="image"), layers.Conv2D
    norm, pool = layers.BatchNormalization(name="norm"), layers.MaxPooling2D(2, name="pool")
    if first == "norm":
        y = pool(norm(conv(3, 2, activation="relu")(image)))
    else:
        y = layers.ReLU()(norm(pool(conv(3, 2)(image))))
    model = randomized(keras.Model(image, layers.Dense(3)(layers.Flatten()(y)), name="m"))
    norm.gamma.assign([1.0, -0.5, 0.5])
    return model


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (blocks, {"pool3": NEEDS, "pool4": NEEDS}),
        (lambda: with_negative_gamma("norm"), {"pool": f"{NEEDS}: {GAMMA}"}),
        (lambda: with_negative_gamma("pool"), {"pool": f"{NEEDS}: {GAMMA}"}),
    ],
    ids=["blocks", "gamma before", "gamma behind"],
)
def test_without_calibration_data_every_such_layer_is_named_with_the_reason(tmp_path, capsys, make, reasons):
    model = make()
    with pytest.raises(TgennError) as caught:
        convert(model, method=Method("model"))
    assert [str(d) for d in caught.value.diagnostics] == [
        f"{model.name}: layer '{layer}': error[T404]: {reason}\n  hint: {HINT}"
        for layer, reason in reasons.items()
    ]
    path = tmp_path / "m.keras"
    model.save(path)
    assert main(["check", str(path), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert [note for note in notes if NEEDS in note] == [f"{n}: {reason}" for n, reason in reasons.items()]
    assert main(["check", str(path)]) == 0
    assert "can be converted with calibration data: " in capsys.readouterr().out.splitlines()[-1]


def test_all_windows_that_cannot_be_split_are_named_at_once():
    image = keras.Input((80, 2), name="image")
    y = layers.MaxPooling1D(17, 1, name="one")(image)
    model = keras.Model(image, layers.Dense(2)(layers.MaxPooling1D(19, 1, name="two")(y)))
    with pytest.raises(TgennError) as caught:
        fold(read_model(model), Method())
    assert [(d.location.layer, d.message) for d in caught.value.diagnostics] == [
        (name, f"max-pooling windows of {size} elements on an axis, expected at most 15")
        for name, size in (("one", 17), ("two", 19))
    ]


@pytest.mark.parametrize("pooling", ["folded", "spiking"])
def test_max_pooling_may_be_replaced_by_average_pooling_and_that_is_said(pooling):
    def model(pool):
        stack = [keras.Input((8, 7, 2)), layers.Conv2D(4, 3, activation="relu"), pool((2, 3), name="pool")]
        return keras.Sequential([*stack, layers.Flatten(), layers.Dense(3)])

    trained, other = randomized(model(layers.MaxPooling2D)), model(layers.AveragePooling2D)
    other.set_weights(trained.get_weights())
    x = np.random.default_rng(0).random((30, 8, 7, 2), np.float32)
    network = convert(trained, x, Method("data", max_pool="average", pooling=pooling, timesteps=1000))
    assert (
        "pool: max-pooling replaced by average pooling: the network computes another function than the model"
    ) in network.provenance["changes"]
    assert network.provenance["max_pool"] == "average"
    expected = np.asarray(other(x))
    np.testing.assert_allclose(simulate(network, x).output, expected, atol=0.02 * np.abs(expected).max())


def test_average_pooling_instead_of_max_pooling_of_negative_values_needs_no_data():
    model = with_signs(blocks())
    network = convert(model, method=Method("model", max_pool="average"))
    assert not any(p.neuron.relays for p in network.populations)
