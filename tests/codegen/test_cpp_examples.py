"""The examples, targets and scores of model.cc, compared with what runtime/data.py makes of the arrays."""

from __future__ import annotations

import os

import numpy as np
import pytest
from cpp_runtime import done, needs_compiler, refused, run
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries

from tgenn_gen.runtime import data, scores
from tgenn_gen.runtime.input_encodings import values_problem
from tgenn_gen.runtime.script_run import NO_TARGETS

pytestmark = needs_compiler
few = tries(25)
IMAGES = {
    "image": {
        "shape": (2, 3, 1),
        "frames": 1,
        "uint8_divisor": 255.0,
        "values": (-1.0, 2.5, False),
        "offset": 0.0,
    }
}
BINARY = {
    "image": {
        "shape": (2, 3, 1),
        "frames": 1,
        "uint8_divisor": 1.0,
        "values": (0.0, 1.0, True),
        "offset": 0.0,
    }
}
FLAT = {"shape": (4,), "frames": 1, "uint8_divisor": 3.0, "values": (-np.inf, np.inf, False)}
SEVERAL = {**IMAGES, "flat": {**FLAT, "offset": np.float32([1e3, -0.1, 7, 0])}}
FRAMES = {"image": {**IMAGES["image"], "frames": 4, "offset": 0.25}}
CLASSES = {"classes": {"shape": (5,), "activation": None}}
MAP = {"map": {"shape": (3, 2, 1), "activation": None}}
LEVEL = {"level": {"shape": (1,), "activation": None}}
CLASS_MAP = {"classes": {"shape": (3, 2, 5), "activation": None}}
SEQUENCE = {"classes": {"shape": (7, 5), "activation": "softmax"}}


def with_function(outputs, activation):
    return {name: {**output, "activation": activation} for name, output in outputs.items()}


def described(inputs: data.Table, outputs: data.Table) -> bytes:
    """The network for the program's standard input."""
    lines = []
    for name, x in inputs.items():
        low, high, binary = x["values"]
        bounds = [float(max(low, -3e38)), float(min(high, 3e38)), int(binary)]
        lines.append(["input", name, x["uint8_divisor"], *bounds, *x["shape"]])
        lines.append(["offset", name, *np.ravel(x["offset"])])
        lines.append(["frames", name, x["frames"]])
    lines += [["output", name, y["activation"] or "-", *y["shape"]] for name, y in outputs.items()]
    return "\n".join(" ".join(map(str, line)) for line in lines).encode()


def save(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def images(count, dtype=np.float32):
    values = np.random.default_rng(count).integers(0, 255, (count, 2, 3, 1))
    return values.astype(dtype) if dtype == np.uint8 else (values / 128).astype(dtype)


@few
@given(st.integers(1, 9), st.integers(1, 4), st.data())
def test_a_shard_has_every_nth_example(tmp_path_factory, count, parts, drawn):
    folder = tmp_path_factory.mktemp("examples")
    x = {"image": images(count), "flat": np.arange(4 * count, dtype=np.float32).reshape(count, 4)}
    save(folder, **x)
    index = drawn.draw(st.integers(0, min(parts, count) - 1))
    shown = len(range(index, count, parts))
    first = drawn.draw(st.integers(0, shown))
    part = drawn.draw(st.integers(0, shown - first))
    environment = {**os.environ, "TGENN_RUN_SHARD": f"{index}/{parts}"}
    expected = data.presented({name: a[index::parts] for name, a in x.items()}, first, first + part, SEVERAL)
    for name in x:
        options = {"input": described(SEVERAL, CLASSES), "env": environment}
        ended = run("examples", folder, 0, name, first, part, **options)
        assert (ended.returncode, ended.stderr) == (0, f"{shown}\n".encode())
        assert ended.stdout == expected[name].tobytes()


def test_a_shard_without_examples_is_an_error(tmp_path):
    save(tmp_path, image=images(3))
    environment = {**os.environ, "TGENN_RUN_SHARD": "3/5"}
    said = refused("examples", tmp_path, 0, "image", 0, 1, input=described(IMAGES, CLASSES), env=environment)
    assert said.endswith("TGENN_RUN_SHARD=3/5: has no example: there are 3")


@few
@given(st.integers(1, 9), st.integers(0, 12), st.booleans(), st.booleans(), st.data())
def test_examples_come_to_the_network_as_in_python(tmp_path_factory, count, limit, uint8, whole, drawn):
    folder = tmp_path_factory.mktemp("examples")
    x = {"image": images(count, np.uint8 if uint8 else np.float32), "flat": np.ones((count, 4), np.uint8)}
    save(folder, image=x["image"] if whole else x["image"][..., 0], flat=x["flat"])
    shown = min(limit or count, count)
    first = drawn.draw(st.integers(0, shown))
    part = drawn.draw(st.integers(0, shown - first))
    expected = data.presented(x, first, first + part, SEVERAL)
    for name in x:
        ended = run("examples", folder, limit, name, first, part, input=described(SEVERAL, CLASSES))
        assert (ended.returncode, ended.stderr) == (0, f"{shown}\n".encode())
        assert ended.stdout == expected[name].tobytes()


def videos(count, dtype=np.float32):
    return np.stack([images(count + 10 * frame, dtype)[:count] for frame in range(4)], axis=1)


@few
@given(st.integers(1, 6), st.integers(1, 3), st.booleans(), st.data())
def test_frames_and_their_mean_come_to_the_network_as_in_python(tmp_path_factory, count, parts, uint8, drawn):
    folder = tmp_path_factory.mktemp("examples")
    x = videos(count, np.uint8 if uint8 else np.float32)
    save(folder, image=x)
    index = drawn.draw(st.integers(0, min(parts, count) - 1))
    shown = x[index::parts]
    first, frame = drawn.draw(st.integers(0, len(shown) - 1)), drawn.draw(st.integers(0, 3))
    environment = {**os.environ, "TGENN_RUN_SHARD": f"{index}/{parts}"}
    options = {"input": described(FRAMES, CLASSES), "env": environment}
    found = done("frame", folder, "image", first, len(shown) - first, frame, **options)
    expected = data.presented({"image": shown}, first, None, FRAMES)["image"][:, frame]
    assert found == expected.tobytes()
    mean = np.frombuffer(done("mean", folder, "image", first, len(shown) - first, **options), np.float32)
    expected = data.currents_of({"image": shown}, first, len(shown), FRAMES)["image"]
    np.testing.assert_allclose(mean, expected.ravel(), rtol=1e-6)


def changed(x, index, value):
    x = x.copy()
    x[index] = value
    return x


BAD_EXAMPLES = {
    "another shape": (IMAGES, np.zeros((4, 3, 2, 1), np.float32)),
    "no frames": (FRAMES, images(4)),
    "other frames": (FRAMES, videos(4)[:, :3]),
    "NaN in a frame of the last of 1100": (FRAMES, changed(videos(1100), (-1, 2, 0, 0, 0), np.nan)),
    "one axis": (IMAGES, np.zeros(4, np.float32)),
    "an axis too many": (IMAGES, np.zeros((4, 2, 3, 1, 1), np.float32)),
    "none": (IMAGES, images(0)),
    "NaN in the last of 2500": (IMAGES, changed(images(2500), (-1, -1, -1, 0), np.nan)),
    "infinity": (IMAGES, changed(images(1001), (1000, 0, 0, 0), -np.inf)),
    "values too large, late": (IMAGES, changed(images(1700), 1300, 2.75)),
    "values too small": (IMAGES, changed(images(4), 3, -1.0000001)),
    "values from zero": (IMAGES, changed(-0.0 * images(4), 3, 1e9)),
    "not binary": (BINARY, changed(np.ones((1500, 2, 3, 1), np.float32), (1400, 1), [[0.1], [7], [8]])),
    "uint8 that is not binary": (BINARY, images(4, np.uint8)),
}


@pytest.mark.parametrize("case", BAD_EXAMPLES)
def test_examples_that_cannot_be_used_are_refused_as_in_python(tmp_path, case):
    inputs, x = BAD_EXAMPLES[case]
    save(tmp_path, image=x)
    problem = data.examples_problem({"image": x}, inputs) or values_problem({"image": x}, inputs)
    assert problem
    said = refused("examples", tmp_path, 0, "image", 0, 0, input=described(inputs, CLASSES))
    assert said == f"{tmp_path}/image.npy: {problem}"


def test_examples_beyond_the_limit_are_not_looked_at(tmp_path):
    save(tmp_path, image=changed(images(12), 7, np.nan))
    network = described(IMAGES, CLASSES)
    assert done("examples", tmp_path, 7, "image", 6, 1, input=network) == images(12)[6:7].tobytes()
    assert "example 7 holds NaN" in refused("examples", tmp_path, 8, "image", 0, 1, input=network)


def test_examples_of_other_types_are_refused(tmp_path):
    save(tmp_path, image=images(4, np.float64))
    said = refused("examples", tmp_path, 0, "image", 0, 1, input=described(IMAGES, CLASSES))
    expected = "examples have type <f8, expected <f4 or |u1: make them with tgenn data"
    assert said == f"{tmp_path}/image.npy: {expected}"


def test_inputs_with_unequal_numbers_of_examples_are_refused_as_in_python(tmp_path):
    x = {"image": images(3), "flat": np.zeros((4, 4), np.float32)}
    save(tmp_path, **x)
    said = refused("examples", tmp_path, 2, "image", 0, 1, input=described(SEVERAL, CLASSES))
    assert said == f"{tmp_path}: {data.lengths_problem(x)}"


def test_missing_examples_are_said(tmp_path):
    network = described(SEVERAL, CLASSES)
    said = refused("examples", tmp_path / "no", 0, "image", 0, 1, input=network)
    assert said == f"{tmp_path / 'no'}: there is no such folder here: make it with tgenn data"
    save(tmp_path, image=images(3))
    said = refused("examples", tmp_path, 0, "image", 0, 1, input=network)
    assert said == f"{tmp_path}/flat.npy: cannot be read: No such file or directory"


LABELS = np.arange(1500) % 5
CLASS_MAPS = np.random.default_rng(4).integers(0, 5, (1500, 3, 2)).astype(np.int32)
DECISIONS = np.random.default_rng(5).integers(0, 2, (1500, 5)).astype(np.int32)
MAPS = np.random.default_rng(1).normal(size=(1500, 3, 2, 1))
BAD_TARGETS = {
    "one-hot": (CLASSES, np.eye(5, dtype=np.float32)[LABELS]),
    "one-hot bytes": (CLASSES, np.eye(5, dtype=np.uint8)[LABELS]),
    "too large": (CLASSES, changed(LABELS, 1400, 5)),
    "too small": (CLASSES, changed(LABELS, 3, -1).astype(np.int32)),
    "too few": (CLASSES, LABELS[:1499]),
    "too many": (CLASSES, np.arange(1501) % 5),
    "not whole": (CLASSES, LABELS.astype(np.float32)),
    "of another shape": (CLASSES, np.zeros((1500, 6), np.float32)),
    "NaN": (CLASSES, changed(np.ones((1500, 5), np.float32), (1234, 4), np.nan)),
    "classes for a map": (MAP, LABELS),
    "a map of another shape": (MAP, MAPS.reshape(1500, 2, 3, 1)),
    "infinity": (MAP, changed(MAPS.astype(np.float32), 1100, np.inf)),
    "numbers too large": (MAP, changed(changed(MAPS, 1200, -1e39), 1300, np.nan)),
    "several levels": (LEVEL, np.zeros((1500, 2), np.float32)),
    "one-hot pixels": (CLASS_MAP, np.eye(5, dtype=np.float32)[CLASS_MAPS]),
    "one-hot without softmax": (with_function(CLASSES, "tanh"), np.eye(5, dtype=np.float32)[LABELS]),
    "classes of pixels, too large": (CLASS_MAP, changed(CLASS_MAPS, (1400, 2, 1), 255)),
    "classes of pixels, not whole": (CLASS_MAP, CLASS_MAPS.astype(np.float32)),
    "classes of a map on its side": (CLASS_MAP, CLASS_MAPS.swapaxes(1, 2)),
    "labels of another shape": (with_function(CLASSES, "sigmoid"), CLASS_MAPS[:, 0]),
}


@pytest.mark.parametrize("limit", [0, 10])
@pytest.mark.parametrize("case", BAD_TARGETS)
def test_targets_that_cannot_be_used_are_refused_as_in_python_whatever_the_limit(tmp_path, case, limit):
    outputs, y = BAD_TARGETS[case]
    (name,) = outputs
    save(tmp_path, image=images(1500), **{name: y})
    problem = data.targets_problem(name, y, outputs[name], 1500)
    assert problem
    said = refused("examples", tmp_path, limit, "image", 0, 0, input=described(IMAGES, outputs))
    problem = problem.replace(f"{name} is {y.dtype} ", f"{name} is {y.dtype.str} ")
    assert said == f"{tmp_path}/{name}.npy: {problem}"


TARGETS = {
    "classes": (CLASSES, LABELS),
    "classes in bytes": (CLASSES, LABELS.astype(np.uint8)),
    "classes in a column": (CLASSES, LABELS.astype(np.int32)[:, None]),
    "values of a vector": (CLASSES, np.random.default_rng(2).normal(size=(1500, 5))),
    "bytes of a vector": (CLASSES, images(1500, np.uint8)[:, 0, :].repeat(2, axis=1).reshape(1500, 6)[:, :5]),
    "a map": (MAP, MAPS.astype(np.float32)),
    "a map in double precision": (MAP, 1e6 * MAPS),
    "a map in whole numbers": (MAP, (100 * MAPS).astype(np.int32)),
    "a map without its last axis": (MAP, MAPS[..., 0]),
    "an image": (MAP, images(1500, np.uint8).reshape(1500, 3, 2, 1)),
    "a level": (LEVEL, MAPS[:, 0, 0, 0]),
    "a level in whole numbers": (LEVEL, LABELS[:, None]),
    "one-hot for softmax": (with_function(CLASSES, "softmax"), np.eye(5, dtype=np.float32)[LABELS]),
    "soft labels": (with_function(CLASSES, "softmax"), np.random.default_rng(6).dirichlet(np.ones(5), 1500)),
    "classes for sigmoid": (with_function(CLASSES, "sigmoid"), LABELS),
    "several labels": (with_function(CLASSES, "sigmoid"), DECISIONS),
    "several labels in floats": (with_function(CLASSES, "sigmoid"), DECISIONS.astype(np.float32)),
    "probabilities": (with_function(CLASSES, "sigmoid"), DECISIONS * np.float32(0.9)),
    "labels": (with_function(LEVEL, "sigmoid"), DECISIONS[:, 0]),
    "labels in bytes": (with_function(LEVEL, "sigmoid"), DECISIONS[:, :1].astype(np.uint8)),
    "labels in floats": (with_function(LEVEL, "sigmoid"), DECISIONS[:, 0].astype(np.float64)),
    "labels without a function": (LEVEL, DECISIONS[:, 0]),
    "0 and 1 as values": (LEVEL, DECISIONS[:, 0].astype(np.float32)),
    "values of tanh": (with_function(LEVEL, "tanh"), np.tanh(MAPS[:, 0, 0])),
    "classes of pixels": (CLASS_MAP, CLASS_MAPS),
    "classes of pixels in bytes": (
        with_function(CLASS_MAP, "softmax"),
        CLASS_MAPS[..., None].astype(np.uint8),
    ),
    "few classes of pixels": (CLASS_MAP, CLASS_MAPS % 2),
    "one-hot pixels for softmax": (
        with_function(CLASS_MAP, "softmax"),
        np.eye(5, dtype=np.uint8)[CLASS_MAPS],
    ),
    "values of pixels": (
        with_function(CLASS_MAP, "sigmoid"),
        np.random.default_rng(7).random((1500, 3, 2, 5)),
    ),
    "labels of pixels": (
        with_function(MAP, "sigmoid"),
        DECISIONS[:, :1, None] * np.ones((1, 3, 2), np.int32),
    ),
    "several labels of pixels": (
        with_function(CLASS_MAP, "sigmoid"),
        np.random.default_rng(8).integers(0, 2, (1500, 3, 2, 5)).astype(np.uint8),
    ),
    "0 and 1 as an image": (with_function(MAP, "sigmoid"), (MAPS > 0).astype(np.float32)),
    "classes of a sequence": (SEQUENCE, np.random.default_rng(9).integers(0, 5, (1500, 7))),
}


@pytest.mark.parametrize("batch", [1, 64, 1500])
@pytest.mark.parametrize("case", TARGETS)
def test_scores_are_those_of_python(tmp_path, case, batch):
    """Outputs are small whole numbers, so that several are the largest."""
    outputs, y = TARGETS[case]
    ((name, output),) = outputs.items()
    shown = np.random.default_rng(3).integers(-2, 3, (1500, *output["shape"])).astype(np.float32)
    save(tmp_path, image=images(1500), **{name: y, f"{name}.given": shown})
    assert not data.targets_problem(name, y, output, 1500)
    score = scores.scores_of({name: data.shaped_targets(y, output)}, IMAGES, outputs)[name]
    for first in range(0, 1500, batch):
        score.add(shown[None, first : first + batch])
    printed = done("score", tmp_path, batch, 16, input=described(IMAGES, outputs)).decode()
    assert printed == score.totals.line(16) + "\n"


def test_outputs_without_targets_have_no_score(tmp_path):
    shown = np.eye(5, dtype=np.float32)
    save(
        tmp_path, image=images(5), **{"classes.given": shown, "level.given": shown[:, :1]}, level=shown[:, 0]
    )
    printed = done("score", tmp_path, 2, 8, input=described(IMAGES, {**CLASSES, **LEVEL})).decode()
    assert printed == f"{NO_TARGETS}\nmean squared error: 0 (5 examples, 8 steps)\n"
