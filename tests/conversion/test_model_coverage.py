"""Whole Keras models of every kind against Keras, as ANNs and as spiking networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripts import results, written

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from keras_models import MODELS, examples_of, randomized  # noqa: E402

from tgenn_gen import PRESETS, Method, TgennError, convert, simulate  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402
from tgenn_gen.conversion.folding import fold  # noqa: E402
from tgenn_gen.conversion.shifts import shifted  # noqa: E402
from tgenn_gen.engine.ann import ann_currents  # noqa: E402
from tgenn_gen.keras_reader.loading import predict, read_model  # noqa: E402
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron  # noqa: E402

pytestmark = pytest.mark.keras
OFTEN = "residual two_outputs shared".split()
OFTEN_OR_SLOW = [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def outputs_of(model, x):
    """The model's outputs in order; of a softmax, its logarithm."""
    found = predict(model, [*x.values()])
    config = [
        layer.config["activation"] == "softmax" if "activation" in layer.config else False
        for name in read_model(model).outputs
        for layer in read_model(model).layers
        if layer.name == name
    ]
    return [np.log(f) if soft else f for f, soft in zip(found, config, strict=True)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_folded_model_computes_what_keras_does(name, seed):
    keras.utils.clear_session()
    model = randomized(MODELS[name](), seed)
    x = examples_of(model, 5)
    folded = shifted(fold(read_model(model), Method()), [x])
    currents = {p.name: current for p, current in ann_currents(folded.network, x)}
    for output, expected in zip(folded.outputs, outputs_of(model, x), strict=True):
        found = currents[output.population]
        found = log_softmax(found) if output.activation else found
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()), rtol=0)


def assert_near(result, network, model, x):
    """The outputs differ from Keras' by less than 5 % of how much those vary."""
    for output, expected in zip(network.outputs, outputs_of(model, x), strict=True):
        found = result.outputs[output.population]
        found = np.log(found) if output.activation else found
        error = np.abs(found - expected).mean() / np.abs(expected - expected.mean()).mean()
        assert error < 0.05, output


@pytest.mark.parametrize("name", OFTEN_OR_SLOW)
def test_the_spiking_network_comes_to_what_keras_computes(name):
    keras.utils.clear_session()
    model = randomized(MODELS[name]())
    x = examples_of(model, 40)
    network = convert(model, x, replace(PRESETS["low_latency"], timesteps=512))
    assert_near(simulate(network, x, timesteps=512), network, model, x)


@pytest.mark.parametrize("name", ["residual", "inception", "two_outputs", "shared"])
def test_few_spikes_come_to_what_keras_computes(name):
    keras.utils.clear_session()
    model = randomized(MODELS[name]())
    x = examples_of(model, 40)
    network = convert(model, x, Method("mse", True, FewSpikeNeuron(), timesteps=10))
    assert_near(simulate(network, x), network, model, x)


@pytest.mark.genn
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    (
        "residual inverted_bottleneck inception two_inputs two_outputs shared series max_of_negative sloped"
    ).split(),
)
def test_genn_gives_what_numpy_does_but_for_roundings(name, tmp_path):
    """Weights are not dyadic: a sum that comes to the threshold itself may be rounded to either side."""
    keras.utils.clear_session()
    model = randomized(MODELS[name]())
    x = examples_of(model, 40)
    network = convert(model, x)
    folder = written(network, tmp_path / "network", **{i.name: x[i.name][:12] for i in network.inputs})
    on_genn, in_numpy = (
        results(folder / script, folder / "data.npz")[1] for script in ("simulate.py", "reference.py")
    )
    assert sorted(on_genn) == sorted(in_numpy)
    for key, expected in in_numpy.items():
        if key.startswith("spike_counts/"):
            different = on_genn[key].astype(int) - expected.astype(int)
            assert (different != 0).mean() < 0.002 and np.abs(different).max() <= 2, key
        else:
            scale = np.abs(expected).max()
            assert np.abs(on_genn[key] - expected).max() < 0.1 * scale, key


def test_check_says_of_every_layer_what_it_becomes(tmp_path, capsys):
    keras.utils.clear_session()
    path = tmp_path / "m.keras"
    randomized(MODELS["residual"]()).save(path)
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == len(read_model(keras.saving.load_model(path)).layers) + 2
    assert any(line.split()[:2] == ["one_a", "Conv2D"] and line.endswith("-> one_a") for line in lines)
    assert any(line.split()[:2] == ["one_add", "Add"] and line.endswith("-> one_add") for line in lines)
    assert lines[-1] == f"{path}: can be converted: 6 populations"


def test_check_lists_all_layers_of_a_model_that_cannot_be_converted(tmp_path, capsys):
    layers, path = keras.layers, tmp_path / "m.keras"
    stack = [
        layers.Conv2D(4, 3, activation="gelu", name="one"),
        layers.LayerNormalization(name="two"),
        layers.ELU(name="three"),
        layers.UpSampling2D(interpolation="bilinear", name="four"),
        layers.Conv2D(4, 3, activation="relu", name="fine"),
        layers.Flatten(name="flat"),
        layers.Dense(3, activation="softplus", name="five"),
    ]
    keras.Sequential([keras.Input((9, 8, 2), name="image"), *stack], name="m").save(path)
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr()
    refused = [line.split()[0] for line in said.out.splitlines() if "CANNOT BE CONVERTED" in line]
    assert refused == ["one", "two", "three", "four", "five"]
    lines = said.out.splitlines()
    assert len(lines) == len(stack) + 3 and lines[-1] == f"{path}: cannot be converted: 5 of 8 layers"
    for name in refused:
        assert f"{path}: layer '{name}': error[T404]: " in said.err
    assert said.err.count("\n  hint: ") == 5


@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV2",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("ResNet50V2", "DenseNet121", "NASNetMobile")
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_models_of_keras_applications_are_folded_exactly(name):
    keras.utils.clear_session()
    make = getattr(keras.applications, name)
    model = randomized(make(weights=None, input_shape=(32, 32, 3), classes=10, classifier_activation=None))
    x = examples_of(model, 2)
    network = shifted(fold(read_model(model), Method()), [x]).network
    currents = {p.name: current for p, current in ann_currents(network, x)}
    (expected,) = outputs_of(model, x)
    found = currents[network.outputs[0].population]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


def test_an_offset_is_for_logits_alone():
    """Not for a ReLU that others read, nor for what is a value: theirs would be wrong by it."""
    keras.utils.clear_session()
    layers, image = keras.layers, keras.Input((5,), name="image")
    hidden = layers.Dense(6, "relu", name="hidden")(image)
    outputs = [hidden, layers.Dense(4, name="logits")(hidden), layers.Dense(1, name="value")(hidden)]
    model = randomized(keras.Model(image, outputs))
    x = examples_of(model, 60)
    method = Method("data", readout="spike_count", corrections=("offset",), timesteps=1000)
    network = convert(model, x, method)
    hidden, logits, value = outputs_of(model, x)
    assert [o.population for o in network.outputs] == ["hidden", "logits", "value"]
    result = simulate(network, x).outputs
    np.testing.assert_allclose(result["hidden"], hidden, atol=0.03 * hidden.max())
    shift = result["logits"] - logits
    assert shift.min() > 0.1 and np.ptp(shift) < 0.1 * np.ptp(logits)
    np.testing.assert_allclose(result["value"], np.maximum(value, 0), atol=0.05 * np.abs(value).max())


@pytest.mark.parametrize("readout", ["membrane", "spike_count"])
def test_a_tensor_may_be_several_outputs(readout):
    keras.utils.clear_session()
    layers, image = keras.layers, keras.Input((5,), name="image")
    hidden = layers.Dense(6, "relu", name="hidden")(image)
    model = randomized(keras.Model(image, [hidden, layers.Softmax()(hidden)]))
    x = examples_of(model, 60)
    network = convert(model, x, Method("data", readout=readout, timesteps=1000))
    assert len({o.population for o in network.outputs}) == 2
    outputs = simulate(network, x).outputs.values()
    for output, expected in zip(outputs, predict(model, [*x.values()]), strict=True):
        np.testing.assert_allclose(output, expected, atol=0.03 * expected.max())


@pytest.mark.parametrize("between", ["ZeroPadding2D", "Dropout", "Flatten", "none"])
def test_uint8_data_is_taken_as_it_is_where_the_model_rescales_it(between):
    keras.utils.clear_session()
    layers = keras.layers
    makes = {"Dropout": lambda: layers.Dropout(0.1), "none": layers.Identity}
    make = makes.get(between) or getattr(layers, between)
    stack = [keras.Input((6, 5, 2), name="image"), make(), layers.Rescaling(1 / 255), layers.Flatten()]
    model = randomized(keras.Sequential([*stack, layers.Dense(4, "relu"), layers.Dense(3)]))
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 2)).astype(np.uint8)
    network = convert(model, x, Method("data", timesteps=1000))
    assert network.inputs[0].uint8_divisor == 1
    expected = np.asarray(model(x.astype(np.float32)))
    np.testing.assert_allclose(simulate(network, x).output, expected, atol=0.02 * np.abs(expected).max())


def test_scales_are_for_what_a_maximum_reads():
    """Of 500 positions the maximum reads the largest: a scale with least error on all would cut it off."""
    keras.utils.clear_session()
    layers, series = keras.layers, keras.Input((500, 2), name="series")
    y = layers.GlobalMaxPooling1D()(layers.Conv1D(3, 3, activation="relu")(series))
    model = randomized(keras.Model(series, layers.Dense(2)(y)))
    x = np.random.default_rng(0).normal(size=(60, 500, 2)).astype(np.float32)
    expected = np.asarray(model(x))
    uncorrected = replace(PRESETS["low_latency"], corrections=())
    found = simulate(convert(model, x, uncorrected), x, timesteps=512).output
    assert np.abs(found - expected).mean() < 0.02 * np.abs(expected).mean()


def test_a_model_that_keras_cannot_run_is_refused_with_the_reason():
    """A transposed convolution that Keras builds, and TensorFlow has no kernel for."""
    keras.utils.clear_session()
    layers, image = keras.layers, keras.Input((4, 4, 2), name="image")
    y = layers.Conv2DTranspose(2, 2, strides=2, padding="same", output_padding=0, activation="relu")(image)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(y)))
    with pytest.raises(TgennError, match=r"T411\]: Keras itself cannot run the model"):
        convert(model, method=Method("model"))


def test_convolutions_that_are_never_active_have_no_factor_of_tensor_genn():
    keras.utils.clear_session()
    layers = keras.layers
    stack = [layers.Conv2D(3, 2, activation="relu", name=name) for name in ("silent", "behind")]
    model = randomized(keras.Sequential([keras.Input((6, 5, 2)), *stack, layers.Flatten(), layers.Dense(3)]))
    model.layers[0].set_weights([-np.ones((2, 2, 2, 3)), -np.ones(3)])
    x = np.random.default_rng(0).random((20, 6, 5, 2), np.float32)
    network = convert(model, x, replace(PRESETS["tensor_genn"], timesteps=9))
    assert simulate(network, x).spike_counts["silent"].max() == 0


@pytest.mark.parametrize("route", ["memory", "keras", "h5"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rescaling_takes_an_array_as_it_takes_a_list(tmp_path, route, dtype):
    """Keras 3 writes an array of a configuration as a dictionary."""
    keras.utils.clear_session()
    scale, offset = [0.5, 2.0, 1.5], [-0.1, 0.2, 0.4]
    models = []
    for values in (lambda x: x, lambda x: np.array(x, dtype)):
        layers = keras.layers
        rescaling = layers.Rescaling(values(scale), offset=values(offset), name="rescaling")
        stack = [keras.Input((6, 5, 3), name="image"), rescaling]
        stack += [layers.Conv2D(4, (2, 3), activation="relu", name="conv"), layers.Flatten(name="flat")]
        model = randomized(keras.Sequential([*stack, layers.Dense(3, name="out")], name="m"))
        if route != "memory":
            model.save(tmp_path / f"m.{route}")
            model = tmp_path / f"m.{route}"
        models.append(convert(model, method=Method("model"), name="m"))
    lists, arrays = models
    assert replace(arrays, provenance=lists.provenance) == lists
