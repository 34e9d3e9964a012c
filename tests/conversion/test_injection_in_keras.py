"""Hostile names of Keras models and their layers, and of networks on the command line."""

from __future__ import annotations

import pytest
from payloads import HOSTILE, NAMES, assert_printable, assert_same_code

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert, load, save  # noqa: E402
from tgenn_gen.cli.main import export_main  # noqa: E402
from tgenn_gen.codegen.rendering import render  # noqa: E402

pytestmark = pytest.mark.keras


def model(names):
    """Two layers whose weights are alike but for their values; names: the input's, theirs, the model's."""
    keras.utils.set_random_seed(1)
    image, hidden, last, whole = names
    stack = [keras.layers.Dense(4, "relu", name=hidden), keras.layers.Dense(4, name=last)]
    return keras.Sequential([keras.Input((4,), name=image), *stack], name=whole)


def converted(made):
    return convert(made, method=Method(normalize="model"))


@pytest.mark.parametrize("place", [0, *(pytest.param(place, marks=pytest.mark.slow) for place in (1, 2, 3))])
def test_a_hostile_name_in_a_model_is_refused_or_becomes_a_plain_one(tmp_path, place):
    plain = ["plainaax", "plainabx", "plainacx", "plainadx"]
    made = model(plain)
    code = render(converted(made))
    accepted = 0
    for payload in [*HOSTILE[place::6], *NAMES[place::16]]:
        names = [payload if i == place else name for i, name in enumerate(plain)]
        try:
            made = model(names)
        except ValueError:  # Keras itself has rules
            continue
        try:
            network = converted(made)
        except TgennError as error:
            assert_printable(str(error))
            assert error.diagnostics
            continue
        accepted += 1
        save(network, tmp_path / "n", force=True)
        assert load(tmp_path / "n") == network
        for script, text in render(network).items():
            assert_same_code(script, text, code[script])
    assert accepted


def test_a_hostile_name_on_the_command_line_is_refused_and_shown_escaped(tmp_path, capsys):
    model("abcd").save(tmp_path / "m.keras")
    for payload in HOSTILE[::3]:
        arguments = [str(tmp_path / "m.keras"), "--normalize", "model", "--output", str(tmp_path / "out")]
        assert export_main([*arguments, "--name", payload]) == 2
        said = capsys.readouterr()
        assert_printable(said.err)
        assert "error[T116]" in said.err and said.out == ""
        assert not (tmp_path / "out").exists()
