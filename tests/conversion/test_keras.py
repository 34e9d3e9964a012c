"""Conversion against Keras itself: activations by layer, firing rates, files, what is said of changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from sample_networks import ann_of

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import PRESETS, Method, TgennError, convert, load, simulate  # noqa: E402
from tgenn_gen.cli.main import export_main, main  # noqa: E402
from tgenn_gen.conversion.folding import fold  # noqa: E402
from tgenn_gen.engine.evaluation import relu_outputs  # noqa: E402
from tgenn_gen.keras_reader.layer_maps import LAYER_MAPS  # noqa: E402
from tgenn_gen.keras_reader.loading import read_model  # noqa: E402
from tgenn_gen.keras_reader.supported_layers import LAYERS  # noqa: E402
from tgenn_gen.network.encodings.poisson import PoissonInput  # noqa: E402
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron  # noqa: E402
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron  # noqa: E402
from tgenn_gen.network.ops.dense import Dense  # noqa: E402
from tgenn_gen.network.tensors import Tensor  # noqa: E402
from tgenn_gen.runtime.readout_functions import activated  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers


def with_random_weights(model, seed: int):
    """Weights, biases and BatchNormalization statistics that are not those of a fresh model."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = []
        for w in layer.weights:
            fan_in = np.prod(w.shape[:-1]) if len(w.shape) > 1 else 4
            values = rng.normal(size=w.shape) / np.sqrt(fan_in)
            weights.append(np.abs(values) + 0.5 if w.name in ("moving_variance", "gamma") else values)
        layer.set_weights(weights)
    return model


def cnn(seed: int = 0):
    """Every supported layer, non-square, strided, even kernels, both paddings, with and without bias."""
    model = keras.Sequential(
        [
            keras.Input((11, 8, 2), name="image"),
            layers.Conv2D(5, (4, 3), strides=(2, 1), padding="same", activation="relu", name="conv_a"),
            layers.AveragePooling2D((2, 3), strides=(1, 2), padding="same", name="pool_a"),
            layers.Conv2D(6, (2, 3), use_bias=False, name="conv_b"),
            layers.BatchNormalization(name="norm_b"),
            layers.ReLU(name="relu_b"),
            layers.BatchNormalization(scale=False, name="norm_c"),
            layers.Dropout(0.5, name="dropout"),
            layers.Conv2D(4, 2, padding="same", name="conv_c"),
            layers.Activation("relu", name="relu_c"),
            layers.AveragePooling2D(2, name="pool_c"),
            layers.Flatten(name="flatten"),
            layers.Reshape((4, -1), name="reshape"),
            layers.Flatten(name="flatten_again"),
            layers.Dense(9, name="dense_d"),
            layers.BatchNormalization(center=False, name="norm_d"),
            layers.Activation("relu", name="relu_d"),
            layers.Dense(3, name="classes"),
            layers.Softmax(name="softmax"),
        ],
        name="cnn",
    )
    return with_random_weights(model, seed)


def keras_activations(model, names, x):
    outputs = keras.Model(model.inputs, {n: model.get_layer(n).output for n in names})([x])
    return {name: np.array(output) for name, output in outputs.items()}


# The Keras layer whose output is the population's activation.
READ_AT = {
    "conv_a": "conv_a",
    "conv_b": "relu_b",
    "conv_c": "relu_c",
    "dense_d": "relu_d",
    "classes": "classes",
}


def test_a_folded_network_has_the_activations_of_every_keras_layer():
    model = cnn()
    x = np.random.default_rng(1).random((20, 11, 8, 2), np.float32)
    expected = keras_activations(model, list(READ_AT.values()), x)
    network = convert(model, method=Method(normalize="none"))
    found = {p.name: np.maximum(v, 0) if p.neuron.spikes else v for p, v in ann_of(network, x)}
    assert list(found) == list(READ_AT)
    for name, layer in READ_AT.items():
        np.testing.assert_allclose(found[name], expected[layer], rtol=1e-4, atol=1e-5, err_msg=name)


@st.composite
def small_models(draw):
    """How to make a random chain of supported layers: constructors with their arguments, and a seed."""
    shape = (draw(st.integers(3, 9)), draw(st.integers(3, 9)), draw(st.integers(1, 3)))
    stack = [(keras.Input, (shape,))]
    height, width = shape[:2]
    pair = st.tuples(st.integers(1, 3), st.integers(1, 4))
    norm = st.sampled_from([[], [(layers.BatchNormalization, ())]])
    for _ in range(draw(st.integers(1, 3))):
        window, strides, padding = draw(pair), draw(pair), draw(st.sampled_from(["valid", "same"]))
        if padding == "valid":
            window = (min(window[0], height), min(window[1], width))
            height, width = (height - window[0]) // strides[0] + 1, (width - window[1]) // strides[1] + 1
        else:
            height, width = -(-height // strides[0]), -(-width // strides[1])
        if draw(st.booleans()):
            stack.append((layers.AveragePooling2D, (window, strides, padding)))
            continue
        stack.append((layers.Conv2D, (draw(st.integers(1, 4)), window, strides, padding)))
        stack += [
            *draw(norm),
            draw(st.sampled_from([(layers.ReLU, ()), (layers.Activation, ("relu",))])),
            *draw(norm),
        ]
    last = draw(st.sampled_from([None, "softmax", "sigmoid", "tanh", "relu"]))
    return [*stack, (layers.Flatten, ()), (layers.Dense, (3, last))], draw(st.integers(0, 99))


@given(small_models())
@tries(25)
def test_any_chain_of_supported_layers_computes_what_keras_does(recipe):
    stack, seed = recipe
    model = with_random_weights(keras.Sequential([make(*arguments) for make, arguments in stack]), seed)
    x = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    folded = fold(read_model(model), Method())
    *_, (_, found) = ann_of(folded.network, x)
    found = activated(found, folded.outputs[0].activation)
    np.testing.assert_allclose(found, model(x), rtol=1e-4, atol=1e-4)


def test_firing_rates_converge_to_keras_activations_layer_by_layer_like_one_over_t():
    model = cnn(3)
    x = np.random.default_rng(1).random((10, 11, 8, 2), np.float32)
    network = convert(model, x, method=Method(normalize="data"))
    expected = keras_activations(model, list(READ_AT.values()), x)
    steps = np.array([64, 256, 1024])
    errors = {name: [] for name in READ_AT}
    for timesteps in steps:
        result = simulate(network, x, timesteps=int(timesteps))
        for name, layer in READ_AT.items():
            population = network.population(name)
            if population.neuron.spikes:
                rates = population.scale * result.spike_counts[name] / timesteps
            else:
                rates = result.logits[name]
            errors[name].append(np.abs(rates - expected[layer]).mean())
    for name, error in errors.items():
        slope = np.polyfit(np.log(steps), np.log(error), 1)[0]
        assert -1.25 < slope < -0.75, f"{name}: errors {error} at {steps} steps"


def test_the_first_layer_is_within_half_a_spike_of_its_activation():
    model = cnn(3)
    x = np.random.default_rng(1).random((10, 11, 8, 2), np.float32)
    network = convert(model, x, method=Method(normalize="data"))
    expected = keras_activations(model, ["conv_a"], x)["conv_a"]
    for timesteps in (8, 16, 100):
        counts = simulate(network, x, timesteps=timesteps).spike_counts["conv_a"]
        error = np.abs(network.population("conv_a").scale * counts / timesteps - expected)
        assert error.max() <= network.population("conv_a").scale * (0.5 / timesteps + 1e-4)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_model_files_give_the_network_of_the_model_in_memory(tmp_path, suffix):
    model = cnn()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    from_file, in_memory = (
        convert(path, method=Method(normalize="model")),
        convert(model, method=Method(normalize="model")),
    )
    assert from_file.populations == in_memory.populations
    assert from_file.provenance["model"] == path.name and len(from_file.provenance["model_sha256"]) == 64


def test_functional_chains_convert_like_sequential_models():
    sequential = cnn()
    x = keras.Input((11, 8, 2), name="image")
    y = x
    for layer in sequential.layers:
        y = layer(y)
    functional = keras.Model(x, y, name="cnn")
    assert convert(functional, method=Method(normalize="model")) == convert(
        sequential, method=Method(normalize="model")
    )


def test_what_the_conversion_changes_is_listed(capsys, tmp_path):
    model = cnn()
    assert convert(model, method=Method(normalize="model")).provenance["changes"] == [
        "norm_b: BatchNormalization folded into conv_b",
        "dropout: Dropout left out, it does nothing at inference",
        "norm_c: BatchNormalization folded into conv_c",
        "norm_d: BatchNormalization folded into dense_d",
        "classes: the readout applies softmax to the logits",
        "image: uint8 data is divided by 255, other data is taken as it is: assumed: "
        "neither class numbers nor a normalization in the model show it",
    ]
    model.save(tmp_path / "cnn.keras")
    assert (
        export_main([str(tmp_path / "cnn.keras"), "--normalize", "model", "--output", str(tmp_path / "out")])
        == 0
    )
    said = capsys.readouterr()
    assert "note: norm_b: BatchNormalization folded into conv_b" in said.err
    assert (
        "note: normalization 'model' assumes inputs of 0 to 1, and often needs thousands of time steps"
        in said.err
    )
    assert "note: image: uint8 data is divided by 255" in said.err
    assert f"python {tmp_path / 'out' / 'simulate.py'} --data TEST.npz" in said.out


def test_a_relu_output_is_read_by_the_membrane_of_neurons_that_take_its_spikes():
    model = with_random_weights(
        keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="last")]), 0
    )
    x = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    network = convert(model, x, method=Method(normalize="data"))
    assert network.population("last_readout").neuron.kind == "integrate"
    found, expected = simulate(network, x, timesteps=2000).output, np.asarray(model(x))
    assert found.min() == 0 and expected.min() == 0
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())
    spiking = convert(model, method=Method(normalize="model", readout="spike_count"))
    assert [p.neuron.kind for p in spiking.populations] == ["integrate_and_fire"]


def classifier(last, seed=0):
    """A classifier whose logits are of both signs."""
    return with_random_weights(keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), *last]), seed)


def test_the_spike_count_readout_converts_a_softmax_classifier_and_says_what_it_loses():
    model = classifier([layers.Dense(4, "softmax", name="classes")])
    x = np.random.default_rng(1).normal(size=(400, 6)).astype(np.float32)
    *_, (_, current) = ann_of(fold(read_model(model), Method()).network, x)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias - np.quantile(current.max(axis=1), 0.3)])  # 30 % all below 0
    network = convert(model, x, method=Method(readout="spike_count"))
    loss = "classes: its readout, spike count, is 0 for all negative outputs: correction 'offset' avoids this"
    assert loss in network.provenance["changes"]
    *_, (_, current) = ann_of(network, x)
    positive = current.max(axis=1) > 0
    assert 0.6 < positive.mean() < 0.8
    predictions = simulate(network, x, timesteps=256).predictions
    assert (predictions == np.array(model(x)).argmax(axis=1))[positive].mean() > 0.97


class Doubled(layers.Dense):
    def call(self, x):
        return 2 * super().call(x)


def test_a_layer_that_computes_something_else_is_caught_by_its_class_and_by_its_results(monkeypatch):
    Doubled.__name__ = "Dense"
    model = classifier([Doubled(1000, name="mine"), layers.Softmax()])
    with pytest.raises(TgennError, match=r"layer 'mine'.*Dense \(not Keras' own\) layers are not supported"):
        convert(model, method=Method(normalize="none"))
    monkeypatch.setattr(
        "tgenn_gen.keras_reader.call_graph.class_name", lambda operation, library: type(operation).__name__
    )
    with pytest.raises(TgennError, match=r"T409\]: the converted network and the model differ at"):
        convert(model, method=Method(normalize="none"))


@pytest.mark.parametrize("last", ["softmax", "sigmoid", "tanh", None, "relu"])
def test_a_conversion_that_is_wrong_by_a_percent_is_refused(last, monkeypatch):
    model = classifier([layers.Dense(1000, activation=last, name="last")])
    convert(model, method=Method(normalize="none"))
    right = LAYER_MAPS["Dense"]

    def wrong(layer, shape):
        (dense,) = right.chain(layer, shape)
        return (Dense(Tensor("", 1.01 * dense.kernel.values)) if layer.name == "last" else dense,)

    monkeypatch.setitem(LAYER_MAPS, "Dense", replace(right, chain=wrong))
    with pytest.raises(TgennError, match=r"T409\]: the converted network and the model differ at"):
        convert(model, method=Method(normalize="none"))


def test_exports_are_the_same_bytes_each_time(tmp_path):
    model = cnn()
    model.save(tmp_path / "cnn.keras")
    x = np.random.default_rng(1).random((50, 11, 8, 2), np.float32)
    np.savez(tmp_path / "train.npz", x=x)
    for name in "ab":
        arguments = [str(tmp_path / "cnn.keras"), "--calibration", str(tmp_path / "train.npz")]
        assert export_main([*arguments, "--output", str(tmp_path / name)]) == 0
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    assert load(tmp_path / "a").provenance["calibration"]["examples"] == 50


def test_check_says_what_a_model_would_become(tmp_path, capsys):
    cnn().save(tmp_path / "cnn.keras")
    assert main(["check", str(tmp_path / "cnn.keras")]) == 0
    assert "can be converted: 5 populations" in capsys.readouterr().out


def test_the_supported_layers_are_these():
    assert {"Dense", "Conv2D", "AveragePooling2D", "Flatten", "Reshape", "Dropout", "Activation"} <= set(
        LAYERS
    )
    assert {"ReLU", "Softmax", "BatchNormalization"} <= set(LAYERS)


@pytest.mark.parametrize("options", [[], ["--preset", "plain", "--correct", "bias,potential"]])
def test_no_test_image_takes_part_in_a_conversion(tmp_path, options):
    """Test images of NaN and labels out of range change nothing."""
    model = with_random_weights(chain(), 0)
    model.save(tmp_path / "m.keras")
    rng = np.random.default_rng(0)
    x = rng.random((40, *model.input_shape[1:]), np.float32)
    y = rng.integers(0, 4, 40)
    for name, test in (("fine", x), ("broken", np.full_like(x, np.nan))):
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=test, y_test=y + 99)
        data = ["--calibration", str(tmp_path / f"{name}.npz"), "--output", str(tmp_path / name)]
        assert export_main([str(tmp_path / "m.keras"), *data, *options]) == 0
    fine, broken = (load(tmp_path / name) for name in ("fine", "broken"))
    assert fine.populations == broken.populations
    np.savez(tmp_path / "test_only.npz", x_test=x, y_test=y)
    data = ["--calibration", str(tmp_path / "test_only.npz"), "--output", str(tmp_path / "t")]
    assert export_main([str(tmp_path / "m.keras"), *data, *options]) == 2


def test_the_range_of_the_calibration_data_is_recorded_as_the_network_takes_it():
    model = with_random_weights(chain(), 0)
    x = np.random.default_rng(0).integers(10, 200, (40, *model.input_shape[1:]), dtype=np.uint8)
    expected = (float(np.float32(x.min()) / np.float32(255)), float(np.float32(x.max()) / np.float32(255)))
    assert convert(model, x).inputs[0].data_range == pytest.approx(expected, rel=1e-6)
    assert convert(model, x, uint8_divisor=2.0).inputs[0].data_range == (x.min() / 2, x.max() / 2)
    assert convert(model, method=Method(normalize="none")).inputs[0].data_range is None


def test_the_choices_of_a_conversion_are_recorded(tmp_path):
    model = with_random_weights(chain(), 0)
    x = np.random.default_rng(0).random((40, *model.input_shape[1:]), np.float32)
    low = convert(model, x).provenance
    assert (low["preset"], low["normalization"], low["per_channel"]) == ("low_latency", "mse", True)
    assert (low["corrections"], low["for_timesteps"], low["calibration"]["sample"]) == (["weights"], 16, 40)
    assert "weights are not corrected, which needs 64 examples" in low["changes"]
    more = np.concatenate([x, 1 - x])
    change = convert(model, more).provenance["changes"]
    assert any("populations, and biases, corrected against the ANN for 16 steps" in c for c in change)
    uncorrected = convert(model, x, replace(PRESETS["low_latency"], corrections=())).provenance
    assert "corrections" not in uncorrected and "sample" not in uncorrected["calibration"]
    corrected = convert(model, x, Method("data", corrections=("bias",), timesteps=9)).provenance
    assert "preset" not in corrected
    assert (corrected["corrections"], corrected["for_timesteps"]) == (["bias"], 9)
    assert corrected["calibration"]["sample"] == 40
    old = convert(model, x, PRESETS["tensor_genn"]).provenance
    assert (old["preset"], old["normalization"], old["pooling"]) == ("tensor_genn", "tensor_genn", "spiking")


@pytest.mark.parametrize("method", ["data", "mse"])
def test_an_offset_raises_all_logits_to_where_spikes_can_tell_them(method):
    """A model whose logits are all negative: without it, no output spikes."""
    model = with_random_weights(chain(), 3)
    model.layers[-1].bias.assign(model.layers[-1].bias - 100)
    x = np.random.default_rng(0).random((40, *model.input_shape[1:]), np.float32)
    expected = np.asarray(model(x)).argmax(axis=1)
    plain = Method(method, readout="spike_count", neuron=SignedIntegrateAndFireNeuron(), timesteps=512)
    (logits,) = simulate(convert(model, x, plain), x).logits.values()
    assert logits.max() == 0
    network = convert(model, x, replace(plain, corrections=("offset",)))
    assert (simulate(network, x).predictions == expected).mean() > 0.9
    assert any("added to all outputs" in note for note in network.provenance["changes"])
    assert not any("0 for all negative outputs" in note for note in network.provenance["changes"])
    assert network.provenance["corrections"] == ["offset"]


def test_spiking_pooling_of_what_may_be_negative_is_refused_by_layer():
    model = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.AveragePooling2D(2, name="first_pool")])
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(3))
    with pytest.raises(TgennError) as caught:
        convert(model, method=Method("none", pooling="spiking"))
    (found,) = caught.value.diagnostics
    assert found.location.layer == "first_pool" and found.hint == "use `pooling='folded'`"
    convert(model, method=Method("none", pooling="spiking", encoding=PoissonInput()))


@pytest.mark.parametrize("method", [*PRESETS.values(), Method("mse", True, FewSpikeNeuron(), timesteps=8)])
@pytest.mark.parametrize("pool", [False, True])
def test_methods_leave_the_ann_as_it_is_but_for_corrections(method, pool):
    """The document with ReLUs for neurons computes what the Keras model does, with scales a channel too."""
    method = replace(method, corrections=())
    model = with_random_weights(chain(pool), 1)
    x = np.random.default_rng(0).random((40, *model.input_shape[1:]), np.float32)
    network = convert(model, x, method)
    expected = folded_outputs(model, x)
    found = next(iter(relu_outputs(network, {network.inputs[0].name: x}).values()))
    if method.readout != "membrane":
        expected, found = np.maximum(expected, 0), np.maximum(found, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def folded_outputs(model, x):
    """The model's output before its softmax."""
    *_, (_, current) = ann_of(fold(read_model(model), Method()).network, x)
    return current


def chain(pool: bool = True):
    """Convolutions with bias, BatchNormalization, perhaps pooling, dense layers; strided, non-square."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((7, 6, 2)),
            layers.Conv2D(4, (2, 3), strides=(2, 1), padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            *([layers.AveragePooling2D((2, 3))] if pool else []),
            layers.Conv2D(5, 2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )


def test_an_evaluation_compares_with_the_keras_model(tmp_path, capsys):
    model = with_random_weights(chain(), 0)
    model.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).random((60, 7, 6, 2), np.float32)
    y = np.asarray(model(x)).argmax(axis=1)
    y[:15] = (y[:15] + 1) % 4
    np.savez(tmp_path / "d.npz", x=x, y=y)
    data = str(tmp_path / "d.npz")
    assert (
        export_main([str(tmp_path / "m.keras"), "--calibration", data, "--output", str(tmp_path / "n")]) == 0
    )
    capsys.readouterr()
    command = ["evaluate", str(tmp_path / "n"), "--data", data, "--model", str(tmp_path / "m.keras")]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split(" | ")[1] == "75.00" and "sha256" not in err
    with_random_weights(chain(), 1).save(tmp_path / "again.keras")
    assert main([*command[:-1], str(tmp_path / "again.keras")]) == 0
    assert "again.keras is not the file that the network was converted from" in capsys.readouterr().err
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    other.save(tmp_path / "other.keras")
    assert main([*command[:-1], str(tmp_path / "other.keras")]) == 2
    assert "has inputs of shape [3], expected [7, 6, 2]" in capsys.readouterr().err


def test_calibration_data_is_read_once_but_for_its_first_batch_and_samples(tmp_path, monkeypatch):
    """Bytes of the file's arrays that are read, headers included."""
    from tgenn_gen.conversion import calibration

    done = []

    def counted(member, size):
        done.append(size)
        return read_bytes(member, size)

    read_bytes = calibration.read_bytes
    monkeypatch.setattr(calibration, "read_bytes", counted)
    monkeypatch.setattr(calibration, "BATCH_BYTES", 2**12)
    x = np.random.default_rng(1).random((2000, 6), np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    model = classifier([layers.Dense(4, "softmax", name="classes")])
    plain = Method("data", readout="spike_count", timesteps=8)
    for method, extra in (
        (plain, 0),
        (replace(plain, normalize="spike_norm", corrections=("bias", "potential")), 0),
        (replace(plain, corrections=("offset", "bias")), 256 * x[0].nbytes),
    ):
        done.clear()
        convert(model, tmp_path / "data.npz", method)
        extra += 64 * x[0].nbytes  # to choose uint8_divisor
        assert x.nbytes + extra < sum(done) < 1.1 * x.nbytes + extra
