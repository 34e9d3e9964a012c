"""Several inputs and outputs, and regression: data in, scores out, calibration."""

# ruff: noqa: E501  (what is said stands in one piece)
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sample_networks import autoencoder, examples_for, small_cnn, targets_for, with_several
from scripts import results, run_here, written

from tgenn_gen import Network, TgennError, evaluate, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.conversion.activation_statistics import measure
from tgenn_gen.conversion.calibration import open_calibration
from tgenn_gen.conversion.corrections import corrected, with_offset
from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.normalization import find_scales, rescale
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.engine.evaluation import relu_outputs
from tgenn_gen.network.model import Output

ALL = "expected an array for each input, all names with _test at the end or none"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A generated folder for each of these networks, by name."""
    folder = tmp_path_factory.mktemp("several")
    networks = [*with_several().values(), autoencoder(), small_cnn()]
    for network in [*networks, single_neuron()]:
        written(network, folder / network.name)
    return folder


def single_neuron() -> Network:
    """A regression of one number."""
    network = small_cnn()
    last = network.populations[-1]
    (connection,) = last.inputs
    kernel = connection.through[0].kernel
    one = replace(connection.through[0], kernel=replace(kernel, values=kernel.values[:, :1]))
    last = replace(last, shape=(1,), inputs=(replace(connection, through=(one,)),))
    return replace(network, name="single", populations=(*network.populations[:-1], last))


# What simulate takes and gives.


def test_an_array_and_a_dict_are_the_same_for_a_network_with_one_input():
    network = small_cnn()
    examples = examples_for(network, 3)
    one, other = simulate(network, examples), simulate(network, examples["image"])
    np.testing.assert_array_equal(one.output, other.output)


def test_a_result_has_the_outputs_in_their_shapes_and_its_properties_are_those_of_the_first():
    network = with_several()["two_poisson"]
    result = simulate(network, examples_for(network, 5), timesteps=4)
    assert {n: o.shape for n, o in result.outputs.items()} == {"image": (5, 2, 3, 2), "classes": (5, 4)}
    assert {n: o.shape for n, o in result.outputs_per_step.items()} == {
        "image": (4, 5, 2, 3, 2),
        "classes": (4, 5, 4),
    }
    assert result.output is result.outputs["image"] and result.predictions.shape == (5, 2, 3)
    assert result.output_per_step is result.outputs_per_step["image"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x["left"], "expected a dict with an array for each input (left, right), got one array"),
        (
            lambda x: {"left": x["left"]},
            "expected a dict with an array for each input (left, right), got left",
        ),
        (lambda x: {**x, "up": x["left"]}, "expected a dict with an array for each input (left, right), got left, right, up"),
        (lambda x: {}, "expected a dict with an array for each input (left, right), got none"),
        (
            lambda x: {**x, "right": x["right"][:, :4]},
            "right: an example has shape (4,), the network takes (5,)",
        ),
        (lambda x: {**x, "right": x["right"][:2]}, "unequal numbers of examples: left 3, right 2"),
        (lambda x: {**x, "left": x["left"] * np.nan}, "left: example 0 holds NaN or infinity, or a number too large for float32"),
        (lambda x: {**x, "right": x["right"] / 2}, "right: the encoding takes only 0 and 1, the input has 0.5"),
    ],
)  # fmt: skip
def test_examples_that_are_not_the_networks_are_refused_by_the_inputs_name(change, expected):
    network = with_several()["mixed_inputs"]
    with pytest.raises(TgennError) as caught:
        simulate(network, change(examples_for(network, 3)))
    assert str(caught.value) == f"simulate: error[T503]: {expected}"


def test_an_output_that_is_read_twice_is_refused():
    network = with_several()["two_currents"]
    twice = (*network.outputs, Output("early", "spike_count"))
    with pytest.raises(TgennError) as caught:
        simulate(replace(network, outputs=twice), examples_for(network, 3))
    assert "error[T214]: outputs.3.population: 'early' has a second readout" in str(caught.value)


# What scripts read.


@pytest.mark.parametrize("ending", ["", "_test"])
def test_arrays_are_named_after_inputs_and_outputs_with_the_same_ending(folder, tmp_path, ending):
    network = with_several()["two_currents"]
    examples, targets = examples_for(network, 5), targets_for(network, 5)
    arrays = {name + ending: array for name, array in {**examples, **targets}.items()}
    np.savez(tmp_path / "data.npz", other=np.zeros(3), **arrays)
    result, found, stdout = results(folder / "two_currents/reference.py", tmp_path / "data.npz", "--seed", 1)
    expected = simulate(network, examples, seed=1)
    assert list(result["outputs"]) == ["classes", "image", "early"]
    for name, output in expected.outputs.items():
        np.testing.assert_array_equal(found[f"output/{name}"], output)
    correct = (expected.outputs_per_step["early"].argmax(axis=2) == targets["early"]).mean(axis=1)
    confusion = np.zeros((3, 3), int)
    for wanted, found_class in zip(targets["early"], expected.outputs["early"].argmax(axis=1), strict=True):
        confusion[wanted, found_class] += 1
    assert result["outputs"]["early"] == {
        "accuracy": correct[-1],
        "accuracy_per_step": pytest.approx(correct.tolist()),
        "confusion_matrix": confusion.tolist(),
    }
    squares = (expected.outputs_per_step["image"] - targets["image"]) ** 2
    assert result["outputs"]["image"]["mean_squared_error_per_step"] == pytest.approx(
        squares.mean(axis=(1, 2, 3, 4)).tolist()
    )
    assert result["accuracy"] == result["outputs"]["classes"]["accuracy"]
    lines = stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["early", "image", "classes"]
    assert lines[1].startswith("image: mean squared error: ")
    assert lines[2].startswith(f"classes: accuracy: {result['accuracy']:.4f} (")


def test_y_is_for_the_first_output_and_others_may_have_no_targets(folder, tmp_path):
    network = with_several()["two_currents"]
    np.savez(tmp_path / "data.npz", **examples_for(network, 3), y=[[0], [1], [2]])
    result, _, stdout = results(folder / "two_currents/reference.py", tmp_path / "data.npz")
    assert result["outputs"]["image"] == result["outputs"]["early"] == {}
    assert 0 <= result["accuracy"] <= 1
    assert stdout.splitlines()[0] == "early: score: none, the data has no targets"


def test_a_single_inputs_array_may_bear_its_name_and_x_comes_first(folder, tmp_path):
    network = small_cnn()
    x = examples_for(network, 3)["image"]
    np.savez(tmp_path / "named.npz", image=x)
    np.savez(tmp_path / "both.npz", image=np.zeros((1, 2)), x_test=x, y_test=[0, 1, 2])
    for name in ("named", "both"):
        _, found, _ = results(folder / "small_cnn/reference.py", tmp_path / f"{name}.npz")
        np.testing.assert_array_equal(found["output"], simulate(network, x).output)


def arrays_of(name: str, count: int = 4) -> dict[str, np.ndarray]:
    network = with_several()[name]
    return {**examples_for(network, count), **targets_for(network, count)}


def changed(**changes):
    """The arrays of two_currents, with these instead; None for none."""
    arrays = {**arrays_of("two_currents"), **changes}
    return {name: array for name, array in arrays.items() if array is not None}


REFUSED = {
    "one is missing": (
        changed(right=None),
        f"{ALL}: missing right, found left, classes, image, early",
    ),
    "another ending": (
        {"left_test": np.zeros((4, 4, 3, 1)), "right": np.zeros((4, 5))},
        f"{ALL}: missing left, found left_test, right",
    ),
    "none": (
        {"x": np.zeros((4, 4, 3, 1))},
        f"{ALL}: missing left, right, found x",
    ),
    "another length": (changed(right=np.zeros((3, 5))), "unequal numbers of examples: left 4, right 3"),
    "another shape": (
        changed(left=np.zeros((4, 3, 4, 1))),
        "left: an example has shape (3, 4, 1), the network takes (4, 3, 1)",
    ),
    "one-hot": (
        changed(early=np.eye(3, dtype=int)[[0, 1, 2, 0]]),
        "early is one-hot, expected class numbers: save early.argmax(axis=-1)",
    ),
    "one-hot floats": (
        changed(classes=None, y=np.eye(4)),
        "y is one-hot, expected class numbers: save y.argmax(axis=-1)",
    ),
    "classes": (changed(early=[0, 1, 2, 3]), "early has classes 0 to 3, the network has 0 to 2"),
    "float classes": (
        changed(early=np.zeros(4)),
        "early is float64 (4,), expected class numbers, integers (4,), or values (4, 3)",
    ),
    "values of another shape": (
        changed(image=np.zeros((4, 2, 3))),
        "image is float64 (4, 2, 3), expected class numbers, integers (4, 2, 3), or values (4, 2, 3, 2)",
    ),
    "values of another length": (
        changed(image=np.zeros((3, 2, 3, 2))),
        "image is float64 (3, 2, 3, 2), expected class numbers, integers (4, 2, 3), or values (4, 2, 3, 2)",
    ),
    "NaN": (
        changed(image=np.full((4, 2, 3, 2), np.nan)),
        "image holds NaN or infinity, or a number too large for float32, for example 0",
    ),
    "truth values": (
        changed(image=np.zeros((4, 2, 3, 2), bool)),
        "image is bool (4, 2, 3, 2), expected class numbers, integers (4, 2, 3), or values (4, 2, 3, 2)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_cannot_be_used_is_refused_with_the_arrays_name(folder, tmp_path, case):
    arrays, expected = REFUSED[case]
    np.savez(tmp_path / "data.npz", **arrays)
    done = run_here(folder / "two_currents/reference.py", "--data", tmp_path / "data.npz")
    assert done.stderr == f"reference.py: error: {tmp_path / 'data.npz'}: {expected}\n"
    assert (done.returncode, done.stdout) == (2, "")


# Regression.


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_errors_of_images_are_numpys_whatever_the_batches(folder, tmp_path, batch_size):
    """uint8 images are divided as the input's are, and a missing channel axis is added."""
    network = autoencoder()
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 6)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_test=images, y_test=images)
    script, options = folder / "autoencoder/reference.py", ("--batch-size", batch_size, "--timesteps", 9)
    result, found, stdout = results(script, tmp_path / "data.npz", *options)
    values = images[..., None] / np.float32(255)
    expected = simulate(network, values, timesteps=9)
    np.testing.assert_array_equal(found["output"], expected.output)
    assert found["output"].shape == (7, 4, 6, 1)
    errors = expected.output_per_step.astype(float) - values
    per_step = (errors**2).mean(axis=(1, 2, 3, 4))
    assert result["mean_squared_error_per_step"] == pytest.approx(per_step.tolist())
    assert result["mean_squared_error"] == pytest.approx(per_step[-1])
    assert result["mean_absolute_error"] == pytest.approx(np.abs(errors[-1]).mean())
    assert result["accuracy"] is None and result["accuracy_per_step"] is None
    assert stdout == f"mean squared error: {result['mean_squared_error']:.4g} (7 examples, 9 steps)\n"


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint8])
def test_the_targets_of_one_neuron_are_values_whatever_their_type(folder, tmp_path, dtype):
    """uint8 numbers that are no image are not divided."""
    x, y = examples_for(single_neuron(), 3)["image"], np.array([1, 0, 5], dtype)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    result, found, _ = results(folder / "single/reference.py", tmp_path / "data.npz")
    assert result["mean_squared_error"] == pytest.approx(((found["output"][:, 0] - [1, 0, 5]) ** 2).mean())


def test_integers_of_a_vectors_own_shape_are_values(folder, tmp_path):
    x, y = examples_for(small_cnn(), 3)["image"], np.arange(15).reshape(3, 5)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    result, found, _ = results(folder / "small_cnn/reference.py", tmp_path / "data.npz")
    assert result["mean_squared_error"] == pytest.approx(((found["output"] - y) ** 2).mean())


# tgenn evaluate.


def test_an_evaluation_scores_every_output_as_numpy_does(folder, tmp_path, capsys):
    network = with_several()["two_currents"]
    examples, targets = examples_for(network, 9), targets_for(network, 9)
    found = evaluate(network, examples, targets, timesteps=5)
    result = simulate(network, examples, timesteps=5)
    squares = (result.outputs_per_step["image"] - targets["image"]) ** 2
    per_step = squares.mean(axis=(1, 2, 3, 4))
    assert found.outputs["image"]["mean_squared_error_per_step"] == pytest.approx(per_step.tolist())
    hits = (result.output_per_step.argmax(axis=2) == targets["classes"]).mean(axis=1)
    assert found.accuracy_per_step == pytest.approx(hits.tolist())

    np.savez(tmp_path / "data.npz", **examples, **targets)
    plot = tmp_path / "plot.png"
    options = ["--data", str(tmp_path / "data.npz"), "--timesteps", "5", "--plot", str(plot)]
    assert main(["evaluate", str(folder / "two_currents"), *options]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    name = folder / "two_currents"
    labels = [f"{name}: classes", f"{name}: image (mean squared error)", f"{name}: early"]
    assert [row.strip("| ").split(" | ")[0] for row in rows] == labels
    assert f" {per_step[-1]:.4g} " in rows[1]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ({"code": np.zeros(3)}, "unknown output code, expected decoded"),
        ({}, "expected targets for at least one output"),
        (np.zeros(3), "y is float64 (3,), expected values (3, 4, 6, 1)"),
    ],
)
def test_targets_that_are_not_the_outputs_are_refused(y, expected):
    network = autoencoder()
    with pytest.raises(TgennError) as caught:
        evaluate(network, examples_for(network, 3), y)
    assert str(caught.value) == f"evaluate: error[T503]: {expected}"


# Calibration.


def folded(name: str = "two_currents") -> Network:
    """With scales 1, as a conversion has it before normalization."""
    network = with_several()[name]
    return replace(network, populations=tuple(replace(p, scale=1.0) for p in network.populations))


def calibration_data(count: int = 50) -> dict[str, np.ndarray]:
    return {name: x.astype(np.float32) for name, x in examples_for(folded(), count).items()}


@pytest.mark.parametrize("names", [("left", "right"), ("left_train", "right_train")])
def test_the_arrays_of_all_inputs_are_read_side_by_side(tmp_path, names):
    data = calibration_data()
    data["left"] = (16 * data["left"]).astype(np.uint8)
    np.savez(tmp_path / "data.npz", **dict(zip(names, data.values(), strict=True)))
    for source in (data, tmp_path / "data.npz"):
        calibration = open_calibration(source, folded().inputs)
        batches = [examples for examples, _ in calibration.batches(2**20)]
        assert len(batches) > 1 and calibration.count == 50
        for name, x in data.items():
            joined = np.concatenate([batch[name] for batch in batches])
            np.testing.assert_array_equal(joined, x / np.float32(16) if name == "left" else x)
        for sample in (calibration.sample(10), measure(folded(), calibration, sample=10).sample):
            for name, x in data.items():
                np.testing.assert_array_equal(
                    sample[name], x[::5] / np.float32(16) if name == "left" else x[::5]
                )
    assert len(open_calibration(data, folded().inputs).sha256()) == 64


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: {"right": d["right"]}, f"T502]: {ALL.replace('_test', '_train')}: missing left, found right\n"
         "  hint: save it with np.savez(file, left=..., right=...)"),
        (lambda d: {**d, "left": d["left"][:, :2]}, "T503]: left: an example has shape (2, 3, 1), the network takes (4, 3, 1)\n"
         "  hint: reshape the examples to (n, 4, 3, 1), as the model was trained on them"),
        (lambda d: {**d, "right": d["right"][:9]}, "T503]: unequal numbers of examples: left 50, right 9\n"
         "  hint: every array needs one entry for each example"),
        (lambda d: {**d, "right": d["right"].astype(complex)}, "T504]: right: examples have dtype complex128, expected numbers\n"
         "  hint: save x as float32 or uint8"),
        (lambda d: {n: x[:0] for n, x in d.items()}, "T504]: left: holds no examples\n"
         "  hint: give a few hundred training examples"),
        (lambda d: {**d, "right": d["right"] * np.nan}, "T505]: right: example 0 holds NaN or infinity, or a number too large for float32\n"
         "  hint: remove this example, or correct its values"),
    ],
)  # fmt: skip
def test_calibration_data_that_cannot_be_used_is_refused(tmp_path, change, expected):
    np.savez(tmp_path / "data.npz", **change(calibration_data()))
    with pytest.raises(TgennError) as caught:
        [*open_calibration(tmp_path / "data.npz", folded().inputs).batches(100)]
    assert str(caught.value) == f"{tmp_path / 'data.npz'}: error[{expected}"


def test_calibration_arrays_for_all_inputs_are_needed():
    with pytest.raises(TgennError) as caught:
        open_calibration(calibration_data()["left"], folded().inputs)
    assert str(caught.value) == (
        "calibration array: error[T503]: expected a dict with an array for each input (left, right), got one array"
    )


def test_the_accuracy_on_calibration_data_is_that_of_the_first_output(tmp_path):
    network, data = folded(), calibration_data(40)
    found = {p.name: current for p, current in ann_currents(network, data)}
    y = found["classes"].argmax(axis=1)
    y[:10] = (y[:10] + 1) % 4
    np.savez(tmp_path / "data.npz", **data, y=y)
    calibration = open_calibration(tmp_path / "data.npz", network.inputs)
    assert measure(network, calibration).accuracy == 0.75
    images_first = replace(network, outputs=network.outputs[1:])
    assert measure(images_first, calibration).accuracy is None


@pytest.mark.parametrize("method", ["data", "percentile:99", "mse", "ltb", "model", "spike_norm"])
def test_normalization_leaves_the_ann_as_it_is(method):
    network, data = folded(), calibration_data()
    calibration = open_calibration(data, network.inputs)
    chosen = Method(method, timesteps=8)
    statistics = measure(network, calibration, sample=len(data["left"]))
    scales, _ = find_scales(network, chosen, statistics, calibration)
    normalized = rescale(network, scales)
    assert all(float(normalized.population(n).scales[0]) != 1 for n in ("stem", "deep", "classes"))
    expected = relu_outputs(network, data)
    for name, found in relu_outputs(normalized, data).items():
        ann = expected[name]
        np.testing.assert_allclose(found, ann, rtol=1e-3, atol=1e-4 * np.abs(ann).max())


def test_corrections_lessen_the_mean_error_of_what_both_inputs_reach():
    network, data = folded(), calibration_data()
    statistics = measure(network, open_calibration(data, network.inputs))
    scales, _ = find_scales(network, Method("data"), statistics)
    normalized = rescale(network, scales)
    after = corrected(normalized, network, data, ("bias",))
    ann = np.maximum(relu_outputs(network, data)["classes"], 0)
    errors = []
    for tried in (normalized, after):
        spikes = simulate(with_weight_names(tried), data, timesteps=6, record=["classes"]).spikes["classes"]
        rates = tried.population("classes").scales * spikes.mean(axis=1)
        errors.append(np.abs((rates - ann).mean(axis=0)).sum())
    assert errors[1] < errors[0]


def test_an_offset_raises_each_output_by_its_own_smallest_value():
    network, data = folded(), calibration_data()
    raised, offsets = with_offset(network, data, ["classes", "image"])  # nothing reads these
    before, after = relu_outputs(network, data), relu_outputs(raised, data)
    lowest = {name: before[name].min() for name in ("classes", "image")}
    assert offsets == {name: pytest.approx(-low) for name, low in lowest.items() if low < 0} != {}
    for name, offset in offsets.items():
        np.testing.assert_allclose(after[name], before[name] + offset, atol=1e-5)
        assert after[name].min() == pytest.approx(0, abs=1e-5)
