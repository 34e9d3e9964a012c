"""Hostile names of Keras models and their layers, and of networks on the command line."""

from __future__ import annotations

import pytest
from payloads import HOSTILE, NAMES, assert_printable, assert_same_code, plain_words

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert  # noqa: E402
from tgenn_gen.cli.main import export_main  # noqa: E402
from tgenn_gen.codegen.rendering import render  # noqa: E402
from tgenn_gen.document.canonical_text import document_of  # noqa: E402

pytestmark = [pytest.mark.keras, pytest.mark.slow]
PLAIN = plain_words(4)


def model(names):
    """Two layers whose weights are alike but for their values; names: the input's, theirs, the model's."""
    keras.utils.set_random_seed(1)
    image, hidden, last, whole = names
    stack = [keras.layers.Dense(4, "relu", name=hidden), keras.layers.Dense(4, name=last)]
    return keras.Sequential([keras.Input((4,), name=image), *stack], name=whole)


@pytest.mark.parametrize("place", range(4))
def test_a_hostile_name_in_a_model_is_refused_or_becomes_a_plain_one(place):
    method = Method(normalize="model")
    plain = render(document_of(convert(model(PLAIN), method=method)))
    accepted = 0
    for payload in [*HOSTILE[place::6], *NAMES[place::16]]:
        try:
            made = model([*PLAIN[:place], payload, *PLAIN[place + 1 :]])
        except ValueError:  # Keras itself has rules
            continue
        try:
            scripts = render(document_of(convert(made, method=method)))
        except TgennError as error:
            assert_printable(str(error))
            continue
        accepted += 1
        for script, text in scripts.items():
            assert_same_code(script, text, plain[script])
    assert accepted


def test_a_hostile_name_on_the_command_line_is_refused_and_shown_escaped(tmp_path, capsys):
    model("abcd").save(tmp_path / "m.keras")
    arguments = [str(tmp_path / "m.keras"), "--normalize", "model", "--output", str(tmp_path / "out")]
    for payload in HOSTILE[::6]:
        assert export_main([*arguments, "--name", payload]) == 2
        said = capsys.readouterr()
        assert_printable(said.err)
        assert "error[T116]" in said.err and said.out == ""
    assert not (tmp_path / "out").exists()
