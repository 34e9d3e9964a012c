"""What uint8 data is divided by, and calibration data of another range than the training data."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from keras import layers  # noqa: E402

from tgenn_gen import Method, TgennError, convert, simulate  # noqa: E402
from tgenn_gen.cli.main import main  # noqa: E402
from tgenn_gen.conversion.folding import fold  # noqa: E402
from tgenn_gen.conversion.input_scaling import scaled_inputs  # noqa: E402
from tgenn_gen.keras_reader.loading import read_model  # noqa: E402

pytestmark = pytest.mark.keras
SHAPE = (5, 4, 2)
TRAINED = {"0 to 1": (0, 1), "0 to 255": (0, 255), "-1 to 1": (-1, 1)}
IMAGES = np.random.default_rng(0).integers(0, 256, (400, *SHAPE))
# half of them dark, half of them light
IMAGES = (IMAGES // 2 + 128 * (np.arange(400) % 2)[:, None, None, None]).astype(np.uint8)
LABELS = np.arange(400) % 2
GIVEN = {
    "uint8": (IMAGES, (0, 255)),
    "uint16": (IMAGES.astype(np.uint16), (0, 255)),
    "int64": (IMAGES.astype(np.int64), (0, 255)),
    "whole float64": (IMAGES.astype(np.float64), (0, 255)),
    "resized": (IMAGES.astype(np.float32) * np.float32(0.99) + 0.7, (0, 255)),
    "16 bits": (IMAGES.astype(np.uint16) * 257, (0, 65535)),
    "12 bits": (IMAGES.astype(np.uint16) * 16, (0, 4095)),
    "float32 0 to 1": (IMAGES / np.float32(255), (0, 1)),
    "float16 -1 to 1": ((IMAGES / 127.5 - 1).astype(np.float16), (-1, 1)),
}


def slow(case):
    return pytest.param(case, marks=pytest.mark.slow)


def brought(x, start, target):
    """x from one range to another, float32."""
    unit = (x.astype(np.float64) - start[0]) / (start[1] - start[0])
    return (unit * (target[1] - target[0]) + target[0]).astype(np.float32)


def classifier(low, high, *first):
    """It tells images that are mostly above (low + high) / 2 from others."""
    model = keras.Sequential(
        [keras.Input(SHAPE, name="image"), *first, layers.Flatten(), layers.Dense(2, name="classes")]
    )
    middle, size = (low + high) / 2, np.prod(SHAPE)
    weights = np.stack([np.full(size, -1.0 / size), np.full(size, 1.0 / size)], axis=1)
    model.layers[-1].set_weights([weights, np.array([middle, -middle])])
    return model


def unlabelled(x, first, **options):
    """The converted network of a model with these first layers, on examples without labels."""
    stack = [keras.Input(SHAPE, name="image"), *first, layers.Flatten(), layers.Dense(3, "relu")]
    return convert(keras.Sequential([*stack, layers.Dense(2)]), x, Method("data"), **options)


def decision(network, name="image"):
    """The note on an input's divisor: the divisor, and what decided it."""
    pattern = f"{name}: uint8 data is divided by (.*), other data is taken as it is: (.*)"
    found = [m for line in network.provenance["changes"] if (m := re.fullmatch(pattern, line))]
    assert len(found) == 1
    assert float(found[0][1]) == {i.name: i.uint8_divisor for i in network.inputs}[name]
    return float(found[0][1]), found[0][2]


@pytest.mark.parametrize("given", ["uint8", "int64", *map(slow, sorted({*GIVEN} - {"uint8", "int64"}))])
@pytest.mark.parametrize("trained", TRAINED)
def test_the_accuracy_on_labelled_data_decides(given, trained, tmp_path):
    x, start = GIVEN[given]
    np.savez(tmp_path / "data.npz", x=x, y=LABELS)
    model, target = classifier(*TRAINED[trained]), TRAINED[trained]
    as_it_is = start == target or (given == "uint8" and trained == "0 to 1")
    if as_it_is:
        network = convert(model, tmp_path / "data.npz", Method("data"))
        divisor, reason = decision(network)
        assert divisor == (255 if trained == "0 to 1" else 1)
        if given == "uint8":
            assert reason.startswith(f"the model's accuracy is 100.0 % on values of {trained}, ")
        assert (simulate(network, x).predictions == LABELS).all()
        return
    with pytest.raises(TgennError) as caught:
        convert(model, tmp_path / "data.npz", Method("data"))
    [problem] = caught.value.diagnostics
    assert problem.code == "T508" and f"the model takes {trained}: " in problem.message
    formula = re.match("save x as (.*?)(,|;)", problem.hint)[1]
    prepared = eval(formula, {"x": x.astype(np.float64)})
    np.testing.assert_allclose(prepared, brought(x, start, target), rtol=1e-6, atol=1e-4)
    assert ("or as uint8" in problem.hint) == (start == (0, 255) and trained == "0 to 1")
    network = convert(model, tmp_path / "data.npz", Method("data"), uint8_divisor=1)
    assert decision(network) == (1, "as given")


def test_uint8_images_of_a_model_for_0_to_255_are_taken_as_they_are(tmp_path):
    np.savez(tmp_path / "data.npz", x=IMAGES, y=LABELS)
    network = convert(classifier(0, 255), tmp_path / "data.npz", Method("data"))
    divisor, reason = decision(network)
    assert divisor == 1 and network.inputs[0].data_range == (0, 255)
    assert re.match(
        r"the model's accuracy is 100\.0 % on values of 0 to 255, [45]\d\.\d % on values of ", reason
    )
    assert reason.endswith("(128 calibration examples)")  # they leave no doubt


def test_where_few_examples_do_not_decide_all_are_tried(tmp_path):
    labels = np.where(np.random.default_rng(3).random(len(LABELS)) < 0.44, 1 - LABELS, LABELS)
    np.savez(tmp_path / "data.npz", x=IMAGES, y=labels)
    _, reason = decision(convert(classifier(0, 255), tmp_path / "data.npz", Method("data")))
    assert "(400 calibration examples)" in reason


def test_export_names_the_options_where_the_data_is_of_another_range(tmp_path, capsys):
    np.savez(tmp_path / "data.npz", x=IMAGES.astype(int), y=LABELS)
    classifier(0, 1).save(tmp_path / "m.keras")
    command = ["export", str(tmp_path / "m.keras"), "--calibration", str(tmp_path / "data.npz"), "-o"]
    assert main([*command, str(tmp_path / "n")]) == 2
    said = capsys.readouterr().err
    assert (
        "data.npz: error[T508]: the calibration data has values of 0 to 255, but the model takes 0 to 1"
        in said
    )
    assert "hint: save x as x / 255, or as uint8, here and for tests; " in said
    assert "give --uint8-divisor 1" in said
    np.savez(tmp_path / "data.npz", x=IMAGES, y=LABELS)
    assert main([*command, str(tmp_path / "n")]) == 0
    said = capsys.readouterr().err
    assert said.count("uint8 data is divided by 255, other data is taken as it is: the model's accuracy") == 1


def adapted(low, high, axis=-1):
    layer = layers.Normalization(axis=axis)
    layer.adapt(brought(IMAGES, (0, 255), (low, high)))
    return [layer]


def batch_normalized(low, high, *before):
    """Layers with the statistics that a training would leave."""
    stack = [*before, layers.BatchNormalization()]
    model = keras.Sequential([keras.Input(SHAPE), *stack])
    seen = brought(IMAGES, (0, 255), (low, high))
    for layer in before:
        seen = np.asarray(layer(seen))
    stack[-1].moving_mean.assign(seen.mean(axis=(0, 1, 2)))
    stack[-1].moving_variance.assign(seen.var(axis=(0, 1, 2)))
    assert len(model.layers) == len(stack)
    return stack


IMAGENET = {"mean": [0.485, 0.456], "variance": [0.229**2, 0.224**2]}
FIRST = {
    "normalization 0..1": (lambda: adapted(0, 1), 255),
    "normalization 0..255": (lambda: adapted(0, 255), 1),
    "normalization of all channels 0..1": (lambda: adapted(0, 1, None), 255),
    "normalization of all channels 0..255": (lambda: adapted(0, 255, None), 1),
    "fixed mean and variance": (lambda: [layers.Normalization(**IMAGENET)], 255),
    "mean alone, 0..255": (lambda: [layers.Normalization(mean=[103.9, 116.8], variance=[1.0, 1.0])], 1),
    "rescaling, then normalization": (
        lambda: [layers.Rescaling(1 / 255), layers.Normalization(**IMAGENET)],
        1,
    ),
    "rescaling to 0..1": (lambda: [layers.Rescaling(1 / 255)], 1),
    "rescaling to -1..1": (lambda: [layers.Rescaling(1 / 127.5, -1.0)], 1),
    "rescaling of 0..1": (lambda: [layers.Rescaling(2.0, -1.0)], 255),
    "rescaling to 0..255": (lambda: [layers.Rescaling(255.0)], 255),
    "offset of 0..1": (lambda: [layers.Rescaling(1.0, -0.5)], 255),
    "offset of 0..255": (lambda: [layers.Rescaling(1.0, -127.5)], 1),
    "behind other layers": (
        lambda: [layers.ZeroPadding2D(1), layers.Dropout(0.1), layers.Rescaling(1 / 255)],
        1,
    ),
    "batch normalization 0..1": (lambda: batch_normalized(0, 1), 255),
    "batch normalization 0..255": (lambda: batch_normalized(0, 255), 1),
    "behind a convolution 0..1": (lambda: batch_normalized(0, 1, layers.Conv2D(3, (2, 3))), 255),
    "behind a convolution 0..255": (lambda: batch_normalized(0, 255, layers.Conv2D(3, (2, 3))), 1),
}
OFTEN = ("fixed mean and variance", "rescaling of 0..1", "behind a convolution 0..255")
OFTEN_OR_SLOW = [*OFTEN, *map(slow, sorted({*FIRST} - {*OFTEN}))]


@pytest.mark.parametrize("first", OFTEN_OR_SLOW)
def test_statistics_of_a_first_layer_decide(first):
    keras.utils.clear_session()
    make, expected = FIRST[first]
    stack = make()
    for data in (IMAGES, None):
        divisor, reason = decision(unlabelled(data, stack) if data is not None else without_data(stack))
        assert divisor == expected
        assert reason.startswith("layer '")


def without_data(first):
    stack = [keras.Input(SHAPE, name="image"), *first, layers.Flatten(), layers.Dense(2)]
    return convert(keras.Sequential(stack), method=Method("model"))


@pytest.mark.parametrize("first", OFTEN_OR_SLOW)
def test_data_of_another_range_than_the_first_layers_gets_a_note(first):
    keras.utils.clear_session()
    make, divisor = FIRST[first]
    right, wrong = ((0, 1), (0, 255)) if divisor == 255 else ((0, 255), (0, 1))
    stack = make()
    network = unlabelled(brought(IMAGES, (0, 255), right), stack)
    assert not any("but the model takes" in line for line in network.provenance["changes"])
    assert decision(network)[0] == divisor
    network = unlabelled(brought(IMAGES, (0, 255), wrong), stack)
    [note] = [line for line in network.provenance["changes"] if "but the model takes" in line]
    assert note.startswith(
        f"image: the calibration data has values of {wrong[0]} to {wrong[1]}, but the model"
    )
    assert f"save x as {'x / 255, or as uint8' if divisor == 255 else 'x * 255'}, here" in note


def test_layers_that_were_not_trained_decide_nothing():
    keras.utils.clear_session()
    for first in ([], [layers.BatchNormalization()], [layers.Rescaling(1.0)], [layers.Conv2D(3, 2)]):
        divisor, reason = decision(unlabelled(IMAGES, first))
        assert divisor == 255
        assert reason == "assumed: neither class numbers nor a normalization in the model show it"


def test_whole_numbers_up_to_255_without_evidence_get_a_note():
    for dtype in (np.int64, np.uint16, np.float32):
        changes = unlabelled(IMAGES.astype(dtype), []).provenance["changes"]
        trained = "if the model was trained on 0 to 1, save x as x / 255"
        assert f"image: values of 0 to 255 are not divided: {trained}" in changes
    changes = unlabelled(IMAGES.astype(np.uint16) * 257, []).provenance["changes"]
    assert any("save x as x / 65535" in line for line in changes)
    for x in (IMAGES, IMAGES / 255, IMAGES // 16 + 0.0, np.random.default_rng(0).normal(size=IMAGES.shape)):
        assert not any("not divided" in line for line in unlabelled(x, []).provenance["changes"])


def test_uint8_and_other_types_of_the_same_numbers_mean_the_same():
    """0 and 1 as uint8 are not nearly black images."""
    binary = (IMAGES > 127).astype(np.uint8)
    for x in (binary, IMAGES.astype(np.int32), IMAGES // 16 + 0.0, IMAGES * 100.0):
        assert unlabelled(x, []).inputs[0].uint8_divisor == 1
    assert unlabelled(binary.astype(np.float32), []).inputs[0].uint8_divisor == 255


def paths(*firsts):
    """A model with one convolution behind each of these layers, all of one input."""
    image = keras.Input(SHAPE, name="image")
    branches = [layers.Conv2D(2, 2, activation="relu")(first(image)) for first in firsts]
    return keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Concatenate()(branches))))


def test_several_paths_from_one_input_have_one_reading():
    plain, bytes_to_1, bytes_to_2, of_1 = (
        layers.Identity(),
        layers.Rescaling(1 / 255, name="a"),
        layers.Rescaling(1 / 127.5, -1.0, name="b"),
        layers.Rescaling(2.0, -1.0, name="c"),
    )
    for firsts, expected in (
        ((plain, bytes_to_1), 1),
        ((bytes_to_1, plain), 1),
        ((bytes_to_1, bytes_to_2), 1),
        ((plain, of_1), 255),
    ):
        assert decision(convert(paths(*firsts), IMAGES, Method("data")))[0] == expected
    divisor, reason = decision(convert(paths(bytes_to_1, of_1), IMAGES, Method("data")))
    assert divisor == 255 and reason.startswith("assumed: the model's layers disagree; layer ")
    assert "layer 'a' multiplies by 0.00392 and adds 0" in reason
    assert "layer 'c' multiplies by 2 and adds -1" in reason


def test_each_of_several_inputs_is_decided_on_its_own(tmp_path):
    left, right = (keras.Input(SHAPE, name=name) for name in ("left", "right"))
    sums = layers.Concatenate()([layers.Flatten()(left), layers.Flatten()(layers.Rescaling(1 / 255)(right))])
    model = keras.Model([left, right], layers.Dense(2)(sums))
    size = np.prod(SHAPE)
    kernel = np.concatenate([np.full((size, 1), 1 / size), np.full((size, 1), 0.0)]) * [[-1.0, 1.0]]
    model.layers[-1].set_weights([kernel, np.array([0.5, -0.5])])
    np.savez(tmp_path / "data.npz", left=IMAGES, right=IMAGES, y=LABELS)
    network = convert(model, tmp_path / "data.npz", Method("data"))
    assert (
        decision(network, "left")[0] == 255
        and "accuracy is 100.0 % on values of 0 to 1" in (decision(network, "left")[1])
    )
    assert decision(network, "right")[0] == 1 and "multiplies by 0.00392" in decision(network, "right")[1]


def test_an_input_of_integers_takes_them_as_they_are():
    model = keras.Sequential([keras.Input(SHAPE, name="image"), layers.Flatten(), layers.Dense(2)])
    read = read_model(model)
    first = replace(read.layers[0], config={**read.layers[0].config, "dtype": "uint8"})
    folded = fold(read, Method("model"))
    read = replace(read, layers=(first, *read.layers[1:]))
    [image], notes = scaled_inputs(folded, read, model, None, None)
    assert image.uint8_divisor == 1
    said = (
        "image: uint8 data is divided by 1, other data is taken as it is: the model's input has dtype uint8"
    )
    assert notes == [said]


@pytest.mark.parametrize("route", [".keras", ".h5", "tf_keras"])
def test_models_of_every_kind_are_read_for_evidence(route, tmp_path):
    library = pytest.importorskip("tf_keras") if route == "tf_keras" else keras
    stack = [
        library.Input(SHAPE, name="image"),
        library.layers.Rescaling(2.0, -1.0),
        library.layers.Flatten(),
        library.layers.Dense(2),
    ]
    model = library.Sequential(stack)
    if route != "tf_keras":
        model.save(tmp_path / f"m{route}")
        model = tmp_path / f"m{route}"
    assert decision(convert(model, IMAGES, Method("data")))[0] == 255
