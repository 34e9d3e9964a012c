"""Inputs with several frames: data, errors, evaluation and export."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sample_networks import dyadic_examples, examples_for, small_cnn, with_frames
from scripts import run_script, written

from tgenn_gen import PRESETS, Method, TgennError, convert, cost, evaluate, load, save, simulate, verify
from tgenn_gen.cli.main import main
from tgenn_gen.engine.evaluation import relu_outputs
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.model import Simulation
from tgenn_gen.runtime.data import currents_of, range_problem


def framed(frames: int = 4, timesteps: int = 8):
    network = small_cnn()
    shown = replace(network.inputs[0], frames=frames)
    return replace(network, inputs=(shown,), simulation=Simulation(1.0, timesteps))


def test_equal_frames_are_the_same_as_one_example():
    x = dyadic_examples((7, 10, 2), 5)
    frames = np.repeat(x[:, None], 4, axis=1)
    once, often = simulate(small_cnn(), x, timesteps=8), simulate(framed(), frames)
    np.testing.assert_array_equal(once.output_per_step, often.output_per_step)
    for name, counts in once.spike_counts.items():
        np.testing.assert_array_equal(counts, often.spike_counts[name])


def test_the_first_frame_alone_is_shown_at_first():
    network, x = framed(2, 16), dyadic_examples((2, 7, 10, 2), 3)
    result, swapped = (simulate(network, shown, record=["conv1"]) for shown in (x, x[:, ::-1]))
    first, last = (simulate(small_cnn(), x[:, n], timesteps=8, record=["conv1"]) for n in (0, 1))
    np.testing.assert_array_equal(result.spikes["conv1"][:, :8], first.spikes["conv1"])
    np.testing.assert_array_equal(swapped.spikes["conv1"][:, :8], last.spikes["conv1"])
    assert (result.spikes["conv1"][:, 8:] != first.spikes["conv1"]).any()


@pytest.mark.parametrize(
    "shape, problem",
    [
        ((3, 7, 10, 2), r"an example has shape \(7, 10, 2\), the network takes \(4, 7, 10, 2\)"),
        ((3, 5, 7, 10, 2), r"an example has shape \(5, 7, 10, 2\), the network takes \(4, 7, 10, 2\)"),
    ],
)
def test_data_with_other_frames_is_refused(tmp_path, shape, problem):
    x = np.zeros(shape, np.float32)
    with pytest.raises(TgennError, match=problem):
        simulate(framed(), x)
    folder = written(framed(), tmp_path / "n", x=x, y=np.zeros(3, int))
    done = run_script(folder / "reference.py", "--data", folder / "data.npz")
    assert done.returncode == 2 and problem.replace("\\", "") in done.stderr


def test_a_channel_axis_of_length_1_may_be_missing():
    network = with_frames()["frames"]
    x = examples_for(network, 3)
    without = {**x, "left": x["left"][..., 0]}
    np.testing.assert_array_equal(
        simulate(network, x).outputs["image"], simulate(network, without).outputs["image"]
    )


def test_time_steps_that_frames_do_not_divide_are_refused_everywhere(tmp_path, capsys):
    network, x = framed(), dyadic_examples((4, 7, 10, 2), 3)
    with pytest.raises(
        TgennError, match="timesteps is 6, expected a multiple of 4, the frames of an example"
    ):
        simulate(network, x, timesteps=6)
    with pytest.raises(TgennError, match="7 time steps are not a multiple of 4"):
        network.with_values({"simulation.timesteps": 7})
    folder = written(network, tmp_path / "n", x=x, y=np.zeros(3, int))
    done = run_script(folder / "reference.py", "--data", folder / "data.npz", "--timesteps", 6)
    assert done.returncode == 2
    assert "--timesteps 6: expected a multiple of 4, the frames of an example" in done.stderr
    assert main(["evaluate", str(folder), "--data", str(folder / "data.npz"), "--timesteps", "6"]) == 2
    assert "expected a multiple of 4" in capsys.readouterr().err


def test_the_few_spike_code_takes_no_frames():
    from sample_networks import of_all_kinds

    network = of_all_kinds()["few_spike"]
    with pytest.raises(TgennError, match="expected frames 1 with the few-spike code, got 2"):
        network.with_values({"inputs.0.frames": 2, "simulation.timesteps": 8})


def test_a_document_keeps_its_frames(tmp_path):
    save(framed(), tmp_path / "n")
    assert load(tmp_path / "n") == framed()
    assert "    frames: 4\n" in (tmp_path / "n/network.yaml").read_text()


def test_the_ann_takes_the_mean_over_the_frames():
    network, x = framed(), dyadic_examples((4, 7, 10, 2), 6)
    y = relu_outputs(network, {"image": x.mean(axis=1)})["classes"].argmax(axis=-1)
    assert evaluate(network, x, y).relu_accuracy == 1
    assert verify(network, x, timesteps=64).ann.startswith("the document")


def test_uint8_frames_are_divided_and_averaged():
    x = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    table = {"image": {"shape": (3,), "frames": 4, "uint8_divisor": 2.0}}
    found = currents_of({"image": x}, 0, 2, table)["image"]
    np.testing.assert_array_equal(found, (x / 2).mean(axis=1).astype(np.float32))


def test_the_range_is_that_of_the_mean_over_the_frames():
    """A frame of counts is larger than the mean, to which the calibration data's range belongs."""
    x = np.zeros((30, 8, 4), np.float32)
    x[:, 0] = 8 * np.linspace(0, 1, 120).reshape(30, 4)
    table = {"image": {"shape": (4,), "frames": 8, "uint8_divisor": 1.0, "data_range": (0.0, 1.0)}}
    assert range_problem({"image": x}, table) == ""
    assert range_problem({"image": x * 100}, table)


def test_each_frame_costs_the_operations_of_its_values_that_are_not_0():
    """Of the first layer, whose current is computed for each frame."""
    network, x = framed(), dyadic_examples((4, 7, 10, 2), 3)
    x[:, 2:] = 0
    once = cost(small_cnn(), x[:, 0], timesteps=8)
    twice = cost(network, np.repeat(x[:, :1], 4, axis=1))
    row, expected = twice.populations[0], once.populations[0]
    assert row.effective_macs == 4 * expected.effective_macs > 0
    assert row.dense == 4 * expected.dense and row.ann_macs == expected.ann_macs


def small_model():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, (3, 2), strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


def test_a_model_is_exported_with_frames_and_compared_on_their_mean():
    x = np.random.default_rng(0).poisson(0.7, (200, 8, 6, 5, 2)).astype(np.uint8)
    model = small_model()
    network = convert(model, x, frames=8, method=replace(PRESETS["low_latency"], timesteps=64))
    assert network.inputs[0].frames == 8 and network.inputs[0].uint8_divisor == 1
    mean = x.mean(axis=1, dtype=np.float32)
    assert network.inputs[0].data_range == (mean.min(), mean.max())
    assert network.provenance["check"]["explained_variance"] > 0.9
    wanted = model.predict(mean, verbose=0)
    found = simulate(network, x).output
    assert np.square(found - wanted).mean() < 0.1 * wanted.var(axis=0).mean()


@pytest.mark.parametrize(
    "shape, frames, problem",
    [
        ((50, 8, 6, 5, 2), 1, "each example has 8 frames: give `frames=8`"),
        ((50, 6, 5, 2), 8, r"save examples of 8 frames: \(n, 8, 6, 5, 2\)"),
        ((50, 4, 6, 5, 2), 8, "each example has 4 frames: give `frames=4`"),
    ],
)
def test_calibration_data_with_other_frames_is_refused(shape, frames, problem):
    with pytest.raises(TgennError, match=problem):
        convert(small_model(), np.zeros(shape, np.float32), frames=frames)


@pytest.mark.parametrize(
    "method, problem",
    [
        ("few_spike", "few-spike neurons cannot take 3 frames"),
        (Method(timesteps=16), "16 time steps are not a multiple of 3 frames"),
    ],
)
def test_methods_that_cannot_take_frames_are_refused(method, problem):
    with pytest.raises(TgennError, match=problem):
        convert(small_model(), np.zeros((50, 3, 6, 5, 2), np.float32), method=method, frames=3)


def test_values_of_one_frame_that_the_encoding_cannot_take_are_refused():
    """Their mean would be in its range."""
    x = np.zeros((50, 4, 6, 5, 2), np.float32)
    x[7, 2] = 1.5
    with pytest.raises(TgennError, match="the encoding takes 0 to 1"):
        convert(small_model(), x, method=Method(encoding=PoissonInput(), timesteps=16), frames=4)


def test_frames_of_a_video_are_images_whatever_their_mean_is():
    """Each pixel is bright in one of 8 frames, so that the mean is at most 31.875."""
    x = np.zeros((60, 8, 6, 5, 2), np.uint8)
    bright = np.random.default_rng(0).integers(0, 8, (60, 1, 6, 5, 2))
    np.put_along_axis(x, bright, 255, axis=1)
    network = convert(small_model(), x, frames=8, method=Method(timesteps=8))
    assert network.inputs[0].uint8_divisor == 255


def test_weights_are_advised_to_be_corrected_where_frames_cost_accuracy(caplog):
    x = np.random.default_rng(0).poisson(0.2, (200, 8, 6, 5, 2)).astype(np.float32)
    convert(small_model(), x, frames=8, method=Method(timesteps=8))
    assert "correct the weights, which sees the frames: `corrections=('weights',)`" in caplog.text


def test_verify_allows_more_where_the_ann_sees_the_mean_of_frames():
    x = np.random.default_rng(0).poisson(0.2, (200, 8, 6, 5, 2)).astype(np.float32)
    model = small_model()
    network = convert(model, x, frames=8, method=replace(PRESETS["low_latency"], timesteps=32))
    found = verify(network, x, model=model)
    assert found.passed and any("limits are 2.5 times as large" in note for note in found.notes)
    scale = network["conv2d"].scales * 2 if "conv2d" in network else network.populations[0].scales * 2
    wrong = network.with_values({f"{network.populations[0].name}.scale": scale})
    assert verify(wrong, x, model=model).first_departure is not None
