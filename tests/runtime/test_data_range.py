"""A note on data of another range than the calibration data's, and none on data that is like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anns import data_file, images
from sample_networks import small_cnn
from scripts import run_here, written

from tgenn_gen import save, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.runtime.data import range_problem

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (100, 7, 10, 2)).astype(np.uint8)
STANDARD = (IMAGES / 255 - 0.45) / 0.225  # as ImageNet's are normalized
READINGS = {  # of the same images: the data, and the range of the calibration data
    "uint8": (IMAGES, None),
    "uint8 to float": (IMAGES.astype(np.float32), (0.0, 255.0)),
    "int64": (IMAGES.astype(np.int64), (0.0, 255.0)),
    "uint16": (IMAGES.astype(np.uint16) * 257, (0.0, 65535.0)),
    "0 to 1": (IMAGES / 255, (0.0, 1.0)),
    "-1 to 1": (IMAGES / 127.5 - 1, (-1.0, 1.0)),
    "normalized": (STANDARD, (-2.0, 2.45)),
}


def problem(x, data_range, uint8_divisor=255.0):
    return range_problem(
        {"image": x}, {"image": {"frames": 1, "data_range": data_range, "uint8_divisor": uint8_divisor}}
    )


@pytest.mark.parametrize("calibration", [name for name, (_, found) in READINGS.items() if found])
@pytest.mark.parametrize("test", READINGS)
def test_images_in_another_range_are_noted_and_those_in_the_same_are_not(test, calibration):
    x, data_range = READINGS[test][0], READINGS[calibration][1]
    alike = READINGS[test][1] or (0.0, 1.0)
    numbers = (0.0, 255.0)  # uint8 that is not divided
    close = (test, calibration) == ("-1 to 1", "normalized")  # a part of the calibration data's range
    assert close or bool(problem(x, data_range)) == (alike != data_range)
    if test == "uint8":
        assert bool(problem(x, data_range, 1.0)) == (data_range != numbers)
    for part in (x[:1], x[3:5]):
        assert problem(part, alike) == ""


def mnist():
    path = data_file("mnist.npz")
    if path is None:
        pytest.skip("no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    return images(path, "test")[0][..., 0]


@pytest.mark.data
def test_subsets_of_mnist_are_like_it_and_other_readings_are_not():
    digits = mnist()[:2000]
    unit = digits / np.float32(255)
    normalized = (unit - 0.1307) / 0.3081
    wide = float(normalized.min()), float(normalized.max())
    ranges = {"0 to 1": (0.0, 1.0), "0 to 255": (0.0, 255.0), "-1 to 1": (-1.0, 1.0), "normalized": wide}
    data = {"0 to 1": unit, "0 to 255": unit * 255, "-1 to 1": unit * 2 - 1, "normalized": normalized}
    for given, x in data.items():
        for calibrated, data_range in ranges.items():
            for part in (x, x[:20], x[100:200]):
                close = (given, calibrated) == ("-1 to 1", "normalized")
                assert close or bool(problem(part, data_range)) == (given != calibrated), (given, calibrated)
        assert not any(problem(digit[None], ranges[given]) for digit in x[:500])


def test_normalized_data_with_outliers_is_like_other_data_of_the_same_kind():
    for draw in (RNG.standard_normal, lambda size: RNG.standard_t(3, size), RNG.standard_exponential):
        for count in (1, 2, 10, 1000):
            for _ in range(50):
                calibration, x = draw((500, 12)), draw((count, 12))
                assert problem(x, (float(calibration.min()), float(calibration.max()))) == ""


def test_one_value_and_blank_images_within_the_range_are_not_noted():
    for value in (0.0, 0.5, 1.0):
        assert problem(np.full((3, 7, 10, 2), value), (0.0, 1.0)) == ""
    assert problem(np.full((3, 7, 10, 2), 255.0), (0.0, 1.0)).startswith("the data ranges from 255 to 255, ")


def test_scripts_and_commands_say_it_on_stderr(tmp_path, capsys):
    network = small_cnn()
    network = replace(network, inputs=(replace(network.inputs[0], data_range=(0.0, 1.0)),))
    folder = written(network, tmp_path / "n", x=IMAGES)
    save(network, folder, force=True)
    note = (
        "data.npz: the data ranges from {}, the calibration data from 0 to 1: preprocess both in the same way"
    )
    for reading, limits in (
        ("uint8", ""),
        ("0 to 1", ""),
        ("uint8 to float", "0 to 255"),
        ("int64", "0 to 255"),
        ("-1 to 1", "-1 to 1"),
    ):
        np.savez(folder / "data.npz", x=READINGS[reading][0], y=np.arange(100) % 5)
        script = run_here(folder / "reference.py", "--data", folder / "data.npz")
        assert script.returncode == 0
        assert (note.format(limits) in script.stderr) == ("preprocess" in script.stderr) == bool(limits)
        assert main(["data", str(folder), str(folder / "data.npz")]) == 0
        said = capsys.readouterr().err
        assert (note.format(limits) in said) == ("preprocess" in said) == bool(limits)
        simulate(network, READINGS[reading][0][:2])
        assert ("preprocess both in the same way" in capsys.readouterr().err) == bool(limits)
