"""Inputs whose mean is large beside their standard deviation: (x - mean) / std stays in this order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert, evaluate, generate, load, save, simulate  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402
from tgenn_gen.conversion.folding import fold  # noqa: E402
from tgenn_gen.conversion.keras_check import check_without_data, convertible, random_examples  # noqa: E402
from tgenn_gen.engine.evaluation import relu_outputs  # noqa: E402
from tgenn_gen.keras_reader.loading import read_model  # noqa: E402
from tgenn_gen.network.encodings.poisson import PoissonInput  # noqa: E402

pytestmark = pytest.mark.keras
NONE = Method(normalize="none")


def columns(kind: str, count: int = 64) -> np.ndarray:
    """Examples of 4 numbers, of which the second is of some kind."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 4))
    x[:, 1] = {
        "0": np.zeros(count),
        "3": np.full(count, 3.0),
        "1e-30": np.full(count, 1e-30),
        "a week": 1.7e9 + rng.random(count) * 7 * 86400,
        "100,000 +- 1": 1e5 + x[:, 1],
        "-20,000 +- 100": -2e4 + 100 * x[:, 1],
        "1 +- 1e-5": 1 + 1e-5 * x[:, 1],
        "1e15 +- 1e12": 1e15 + 1e12 * x[:, 1],
    }[kind]
    return x.astype(np.float32)


def adapted(x, of=keras, **options):
    """Normalization, then two dense layers."""
    of.utils.set_random_seed(1)
    normalization = of.layers.Normalization(**options)
    normalization.adapt(x)
    layers = [normalization, of.layers.Dense(16, activation="relu"), of.layers.Dense(3)]
    return of.Sequential([of.Input(x.shape[1:], name="measured"), *layers])


def near_keras(network, model, x, tolerance=1e-4):
    (found,) = relu_outputs(network, {network.inputs[0].name: x}).values()
    expected = np.asarray(model(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    "kind", ["0", "3", "1e-30", "a week", "100,000 +- 1", "-20,000 +- 100", "1 +- 1e-5", "1e15 +- 1e12"]
)
def test_a_normalized_column_of_any_mean_is_computed_as_keras_does(kind):
    x = columns(kind)
    model = adapted(x)
    network = convert(model, x, Method(normalize="data", timesteps=512))
    near_keras(network, model, x)
    near_keras(convert(model, method=NONE), model, x)
    expected = np.asarray(model(x))
    assert np.abs(simulate(network, x).output - expected).mean() < 0.01 * np.abs(expected).max()


def test_where_the_mean_is_small_the_document_has_no_offset():
    x = 30 + np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    assert convert(adapted(x), method=NONE).inputs[0].offset == 0


def test_one_mean_is_a_number_several_are_an_array():
    x = columns("100,000 +- 1")
    network = convert(adapted(x), method=NONE)
    assert network.inputs[0].offset.file == "weights/measured.offset.npy"
    np.testing.assert_allclose(network.inputs[0].offsets, x.mean(axis=0), rtol=1e-5, atol=1e-5)
    network = convert(adapted(x[:, 1:2] + np.zeros((1, 3), np.float32), axis=None), method=NONE)
    assert network.inputs[0].offset == pytest.approx(1e5)
    (note,) = (n for n in network.provenance["changes"] if n.startswith("measured: what the model subtracts"))
    assert note.endswith(" times the spread of the data, is its offset now")


def shifted(layer):
    """A layer that normalizes 1000 +- 2."""
    of = keras.layers
    if layer == "Rescaling":
        return of.Rescaling(0.5, -500)
    if layer == "Rescaling, then Normalization":
        return keras.Sequential([of.Rescaling(0.01), of.Normalization(mean=10.0, variance=0.0004)])
    if layer == "Normalization":
        return of.Normalization(mean=1000.0, variance=4.0)
    made = of.BatchNormalization()
    made.build((None, 6, 5, 2))
    statistics = {"gamma": [1, -2], "beta": [0.5, 0], "moving_mean": [1000, 990], "moving_variance": [4, 3]}
    for w in made.weights:
        w.assign(statistics[w.name])
    return made


@pytest.mark.parametrize(
    "layer", ["Rescaling", "Normalization", "BatchNormalization", "Rescaling, then Normalization"]
)
def test_images_are_computed_as_keras_does_with_zeros_around_them(layer):
    """Padding is behind the normalization: its zeros are the mean."""
    keras.utils.set_random_seed(1)
    stack = [keras.layers.Conv2D(4, 3, padding="same", activation="relu"), keras.layers.Flatten()]
    image = keras.Input((6, 5, 2), name="image")
    model = keras.Sequential([image, shifted(layer), *stack, keras.layers.Dense(3)])
    x = (1000 + 2 * np.random.default_rng(0).normal(size=(20, 6, 5, 2))).astype(np.float32)
    network = convert(model, x, Method(normalize="data"))
    np.testing.assert_allclose(network.inputs[0].offsets, 1000, atol=10)
    near_keras(network, model, x)


def test_the_inverse_of_a_normalization_needs_no_offset():
    keras.utils.set_random_seed(1)
    inverse = keras.layers.Normalization(mean=1000.0, variance=4.0, invert=True)
    model = keras.Sequential([keras.Input((4,)), inverse, keras.layers.Dense(3)])
    network = convert(model, method=NONE)
    assert network.inputs[0].offset == 0
    near_keras(network, model, columns("0"))


def test_other_layers_that_read_the_input_get_its_own_values():
    keras.utils.set_random_seed(1)
    of, x = keras.layers, columns("-20,000 +- 100")
    measured = keras.Input((4,), name="measured")
    normalized = of.Normalization(mean=x.mean(axis=0), variance=x.var(axis=0))(measured)
    joined = of.Concatenate()([of.Dense(5)(normalized), of.Dense(4, activation="relu")(measured)])
    both = of.Concatenate()([of.Dense(3)(joined), of.Rescaling(1e-4)(measured), of.ReLU()(measured)])
    model = keras.Model(measured, both)
    network = convert(model, x, Method(normalize="data"))
    assert network.inputs[0].offset
    near_keras(network, model, x)


def test_an_encoding_that_spikes_keeps_the_data_as_it_is():
    x = np.random.default_rng(0).random((64, 4)).astype(np.float32) / 100 + 0.5
    model = adapted(x)
    network = convert(model, x, Method(normalize="data", encoding=PoissonInput()))
    assert network.inputs[0].offset == 0
    near_keras(network, model, x)


def test_uint8_data_is_divided_first_and_the_range_is_of_the_data():
    x = np.random.default_rng(0).integers(199, 202, (64, 4)).astype(np.uint8)
    model = adapted(x.astype(np.float32))
    network = convert(model, x, Method(normalize="data", timesteps=512), uint8_divisor=1.0)
    assert network.inputs[0].offset
    assert network.inputs[0].data_range == (199, 201)
    expected = np.asarray(model(x.astype(np.float32)))
    np.testing.assert_allclose(simulate(network, x).output, expected, atol=0.02)
    scores = evaluate(network, x, expected, timesteps=8).relu_outputs
    assert next(iter(scores.values()))["mean_absolute_error"] < 1e-4
    model = adapted(x.astype(np.float32) / 255)
    network = convert(model, x, Method(normalize="data", timesteps=512), uint8_divisor=255.0)
    expected = np.asarray(model(x.astype(np.float32) / 255))
    np.testing.assert_allclose(simulate(network, x).output, expected, atol=0.02)


@pytest.mark.parametrize("normalize", ["spike_norm", "ltb", "model"])
def test_scales_of_all_kinds_are_of_what_the_network_gets(normalize):
    x = columns("-20,000 +- 100", 256)
    model = adapted(x)
    network = convert(model, x, Method(normalize, timesteps=512))
    near_keras(network, model, x)
    if normalize != "model":  # which is for data of 0 to 1
        expected = np.asarray(model(x))
        assert np.abs(simulate(network, x).output - expected).mean() < 0.05 * np.abs(expected).max()


def test_bounds_of_the_model_are_for_inputs_of_0_to_1():
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).random((500, 4)).astype(np.float32)
    of = keras.layers
    stack = [of.Normalization(mean=0.5, variance=1e-5), of.Dense(4, activation="relu"), of.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *stack])
    network = convert(model, method=Method(normalize="model"))
    assert network.inputs[0].offset == 0.5
    hidden = keras.Model(model.inputs, model.layers[1].output)
    scale = network.populations[0].scale
    assert np.asarray(hidden(x)).max() <= scale
    kernel = model.layers[1].kernel.numpy() / np.sqrt(1e-5)
    assert scale == pytest.approx(
        (np.maximum(kernel, 0).sum(0) + np.maximum(-kernel.sum(0) / 2, 0)).max(), rel=1e-4
    )


def test_corrections_are_of_what_the_network_gets():
    x = columns("-20,000 +- 100", 256)
    model = adapted(x)
    network = convert(model, x, Method(normalize="data", timesteps=16, corrections=("bias", "potential")))
    plain = convert(model, x, Method(normalize="data", timesteps=16))
    expected = np.asarray(model(x))
    errors = [np.abs(simulate(n, x).output - expected).mean() for n in (network, plain)]
    assert errors[0] < 1.5 * errors[1]


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("keras", "m.keras"),
        ("keras", "m.h5"),
        ("tf_keras", ""),
        ("tf_keras", "m.keras"),
        pytest.param("tf_keras", "m.h5", marks=pytest.mark.slow),
        pytest.param("tf_keras", "saved_model", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_models_of_all_routes_get_the_same_offset(tmp_path, library, name):
    x = columns("a week")
    model = adapted(x, pytest.importorskip(library))
    if name:
        model.save(tmp_path / name)
    network = convert(tmp_path / name if name else model, method=NONE)
    np.testing.assert_allclose(
        network.inputs[0].offsets, x.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-4
    )
    near_keras(network, model, x)


def test_documents_scripts_and_tables_have_the_offset(tmp_path, capsys):
    x = columns("100,000 +- 1", 8)
    network = convert(adapted(x), method=NONE)
    save(network, tmp_path / "net")
    generate(network, tmp_path / "net")
    again = load(tmp_path / "net")
    assert again.inputs == network.inputs
    np.testing.assert_array_equal(simulate(again, x).output, simulate(network, x).output)
    assert main(["show", str(tmp_path / "net")]) == 0
    assert "input measured: 4, constant_current, less weights/measured.offset.npy" in capsys.readouterr().out
    (measured,) = network.inputs
    moved = replace(measured, offset=replace(measured.offset, values=measured.offsets + 1))
    save(replace(network, inputs=(moved,)), tmp_path / "moved")
    assert main(["diff", str(tmp_path / "net"), str(tmp_path / "moved")]) == 1
    assert "weights/measured.offset.npy [4], measured.offset" in capsys.readouterr().out


def hidden(ratio: float, deviation: float = 2.0):
    """A BatchNormalization of values whose mean is `ratio` standard deviations."""
    keras.utils.set_random_seed(1)
    of = keras.layers
    norm, dense = of.BatchNormalization(name="norm"), of.Dense(8, name="dense")
    model = keras.Sequential([keras.Input((4,)), dense, norm, of.Dense(16, activation="relu"), of.Dense(3)])
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel * deviation, bias + ratio * deviation])
    norm.set_weights([np.ones(8), np.zeros(8), np.full(8, ratio * deviation), np.full(8, deviation**2)])
    return model


def test_inside_the_network_a_mean_is_folded_where_float32_can():
    model = hidden(100)
    near_keras(convert(model, method=NONE), model, columns("0"))


def test_inside_the_network_a_mean_that_cancels_is_refused_with_the_layer_that_has_it():
    with pytest.raises(TgennError, match=r"T409.*because 'norm' subtracts a mean of 2e[+]06") as caught:
        convert(hidden(1e6), method=NONE)
    assert "bug" not in str(caught.value)


def test_what_cancels_in_a_sum_is_not_called_a_bug():
    keras.utils.set_random_seed(1)
    of, x = keras.layers, keras.Input((4,))
    large, alike = of.Dense(8, name="large"), of.Dense(8, name="alike")
    model = keras.Model(x, of.Dense(3)(of.Subtract()([large(x), alike(of.Dense(4, name="before")(x))])))
    before = np.eye(4) + 1e-3
    model.get_layer("before").set_weights([before, np.zeros(4)])
    kernel = 1e6 * np.random.default_rng(0).normal(size=(4, 8))
    large.set_weights([kernel, np.zeros(8)])
    alike.set_weights([np.linalg.inv(before) @ kernel, np.zeros(8)])
    with pytest.raises(TgennError, match=r"T409.*because large values cancel") as caught:
        convert(model, method=NONE)
    assert "bug" not in str(caught.value)


def test_the_check_without_data_shows_what_the_first_layers_expect(tmp_path):
    x = columns("a week")
    model = adapted(x)
    read = read_model(model)
    network = fold(read, NONE).network
    plain, alike = (found["measured"] for found in random_examples(network, read))
    assert 0 <= plain.min() < plain.max() <= 1
    assert np.abs(alike.mean(axis=0) - x.mean(axis=0)).max() < 1e5
    assert 1e5 < alike[:, 1].std() < 4e5
    model.save(tmp_path / "m.keras")
    assert not convertible(tmp_path / "m.keras").problems


def test_a_wrong_offset_is_noticed_without_data():
    """With data of 0 to 1 alone, the difference would be small beside outputs of 10,000."""
    model = adapted(columns("a week"))
    read = read_model(model)
    folded = fold(read, NONE)
    (measured,) = folded.network.inputs
    wrong = replace(measured, offset=replace(measured.offset, values=measured.offsets * np.float32(1 + 1e-6)))
    folded = replace(folded, network=replace(folded.network, inputs=(wrong,)))
    with pytest.raises(TgennError, match=r"(?s)T409.*this is a bug"):
        check_without_data(folded, model, read)
