"""The arguments of the Python functions: lists and other libraries' tensors, and values of wrong types."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from sample_networks import dyadic_examples, small_cnn, with_several

from tgenn_gen import TgennError, evaluate, generate, load, load_plugin, save, simulate

X, Y = dyadic_examples((7, 10, 2), 3), np.array([0, 1, 2])


class Tensor:
    """A tensor of another library, which NumPy can read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


class Unreadable:
    """As a tensor of PyTorch that needs its gradient, or is on a GPU."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def said(call) -> list[str]:
    with pytest.raises(TgennError) as caught:
        call()
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "form", [list, np.ndarray.tolist, Tensor, memoryview, lambda a: {"image": a.tolist()}]
)
def test_lists_and_tensors_are_the_examples_that_arrays_are(form):
    network = small_cnn()
    expected = simulate(network, X)
    np.testing.assert_array_equal(simulate(network, form(X)).output, expected.output)
    of_array = evaluate(network, X, Y)
    assert evaluate(network, form(X), Y.tolist()) == of_array
    assert evaluate(network, form(X), Tensor(Y)) == of_array
    assert evaluate(network, X, {"classes": array.array("i", Y.tolist())}) == of_array


def test_uint8_tensors_are_uint8_and_lists_of_whole_numbers_are_not():
    network, images = small_cnn(), (X * 255).astype(np.uint8)
    as_array = simulate(network, images).output
    np.testing.assert_array_equal(simulate(network, Tensor(images)).output, as_array)
    np.testing.assert_array_equal(simulate(network, list(images)).output, as_array)
    wide = simulate(network, images.astype(np.int64)).output
    np.testing.assert_array_equal(simulate(network, images.tolist()).output, wide)


def test_numbers_of_numpy_are_taken():
    network = small_cnn()
    numbers = {"timesteps": np.int64(5), "seed": np.uint8(3), "batch_size": np.int32(2)}
    expected = simulate(network, X, timesteps=5, seed=3, batch_size=2)
    np.testing.assert_array_equal(simulate(network, X, **numbers).output_per_step, expected.output_per_step)
    assert evaluate(network, X, Y, timesteps=np.int64(5)).timesteps == 5


WRONG = {
    "network": "'mnist'; network is 'mnist', expected a Network; read it: tgenn_gen.load('mnist')",
    "network ": "Path('mnist'); network is a PosixPath, expected a Network; read it: tgenn_gen.load('mnist')",
    "network  ": "None; network is None, expected a Network; convert a Keras model with tgenn_gen.convert",
    "x": "'data.npz'; x is 'data.npz', which is not an array of numbers",
    "x ": "None; x is None, which is not an array of numbers",
    "x  ": "[[1, 2], [3]]; x is [[1, 2], [3]], which is not an array of numbers; NumPy says: setting an array element",
    "x   ": "(i for i in 'ab'); x is a generator, which is not an array of numbers",
    "x    ": "Unreadable(); x is an Unreadable, which is not an array of numbers; NumPy says: Can't call numpy() on Tensor that requires grad.",
    "x     ": "{'image': 'a'}; x['image'] is 'a', which is not an array of numbers",
    "x      ": "[1.5]; an example has shape (), the network takes (7, 10, 2)",
    "timesteps": "'8'; timesteps is '8', expected a whole number; write 8",
    "timesteps ": "8.0; timesteps is 8.0, expected a whole number; write 8",
    "timesteps  ": "[8]; timesteps is [8], expected a whole number",
    "timesteps   ": "True; timesteps is True, expected a whole number",
    "seed": "-1; seed is -1, expected at least 0",
    "seed ": "2**32; seed is 4294967296, expected at most 4294967295",
    "seed  ": "None; seed is None, expected a whole number",
    "batch_size": "'all'; batch_size is 'all', expected a whole number",
    "record": "'dense'; record is 'dense', expected a list of names; write ['dense']",
    "record ": "3; record is 3, expected a list of names",
    "record  ": "[3]; record has 3, expected names",
    "record_v": "'dense'; record_v is 'dense', expected a list of names; write ['dense']",
    "record_v ": "None; record_v is None, expected a list of names",
    "engine": "'gnn'; engine is 'gnn', expected numpy or genn",
    "engine ": "1; engine is 1, expected numpy or genn",
}


@pytest.mark.parametrize(("name", "case"), WRONG.items())
def test_an_argument_of_a_simulation_of_a_wrong_type_is_named(name, case):
    value, message, *hint = case.split("; ")
    arguments = {"network": small_cnn(), "x": X, name.strip(): eval(value)}
    first, *rest = said(lambda: simulate(**arguments))
    assert first == f"simulate: error[T503]: {message}"
    assert rest == [] if not hint else rest[0].startswith(f"  hint: {hint[0]}")
    if name.strip() in ("network", "x", "timesteps", "seed"):
        assert said(lambda: evaluate(**arguments, y=Y))[0] == f"evaluate: error[T503]: {message}"


def test_all_wrong_arguments_are_named_at_once():
    lines = said(
        lambda: simulate(small_cnn(), None, timesteps="8", seed=-1, record="a", record_v="b", batch_size=0)
    )
    named = {line.split(": ")[2].split(" is ")[0] for line in lines if line.startswith("simulate")}
    assert named == {"timesteps", "batch_size", "seed", "record", "record_v", "x"}


@pytest.mark.parametrize("y", [None, "labels", [[0], [1, 2]], Unreadable(), 3])
def test_targets_that_are_no_array_are_named(y):
    network = small_cnn()
    assert "evaluate: error[T503]: y is " in said(lambda: evaluate(network, X, y))[0]
    assert "evaluate: error[T503]: y['classes'] is " in said(lambda: evaluate(network, X, {"classes": y}))[0]


def test_the_examples_of_several_inputs_are_named_where_none_are_given():
    network = with_several()["mixed_inputs"]
    message = "expected a dict with an array for each input (left, right), got"
    assert said(lambda: simulate(network, "data.npz")) == [f"simulate: error[T503]: {message} 'data.npz'"]
    assert said(lambda: simulate(network, None)) == [f"simulate: error[T503]: {message} None"]


def test_paths_and_networks_of_wrong_types_are_named(tmp_path):
    network, folder = small_cnn(), tmp_path / "n"
    read = "  hint: read it: tgenn_gen.load('mnist')"
    assert said(lambda: save("mnist", folder)) == [
        "save: error[T503]: network is 'mnist', expected a Network",
        read,
    ]
    assert said(lambda: save(network, None)) == ["save: error[T503]: folder is None, expected a path"]
    assert said(lambda: save(folder, network))[:2] == [
        "save: error[T503]: folder is a Network, expected a path",
        "save: error[T503]: network is a PosixPath, expected a Network",
    ]
    assert said(lambda: load(network)) == ["load: error[T503]: path is a Network, expected a path"]
    assert said(lambda: load(None)) == ["load: error[T503]: path is None, expected a path"]
    assert said(lambda: load_plugin(None)) == ["load_plugin: error[T503]: path is None, expected a path"]
    assert not folder.exists()
    save(network, folder)
    assert (
        said(lambda: generate("mnist", folder))[0]
        == "generate: error[T503]: network is 'mnist', expected a Network"
    )
    assert said(lambda: generate(network, folder, "numpy")) == [
        "generate: error[T503]: targets is 'numpy', expected a list of names",
        "  hint: write ['numpy']",
    ]
    assert said(lambda: generate(network, folder, ["numpy"], templates=3)) == [
        "generate: error[T503]: templates is 3, expected a path"
    ]
    assert Path(folder / "reference.py") in generate(network, str(folder), ["numpy"])


anything = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2),
    st.just(object()), st.just(np.zeros(3)), st.just({}), st.just(X), st.just(Path("a")), st.just(1j), st.binary(max_size=3),
)  # fmt: skip


@given(st.data())
@tries(150)
def test_no_argument_gives_another_error_than_tgenns(data):
    names = ["network", "x", "timesteps", "seed", "batch_size", "record", "record_v"]
    changes = data.draw(st.dictionaries(st.sampled_from(names), anything, max_size=3))
    try:
        simulate(**{"network": small_cnn(), "x": X, **changes})
    except TgennError as error:
        assert {d.code for d in error.diagnostics} == {"T503"}
