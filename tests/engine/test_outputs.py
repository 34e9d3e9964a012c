"""Functions of outputs (softmax, sigmoid, tanh), and the decisions of logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sample_networks import dyadic_examples, small_cnn, with_population

from tgenn_gen import TgennError, evaluate, load, save, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.readout_functions import activated, decisions

LOGITS = np.random.default_rng(0).normal(0, 20, (50, 3, 4)).astype(np.float32)


def test_functions_of_outputs_are_the_textbooks_and_do_not_overflow():
    wide = LOGITS.astype(np.longdouble)
    np.testing.assert_allclose(activated(LOGITS, "sigmoid"), 1 / (1 + np.exp(-wide)), rtol=3e-6)
    powers = np.exp(wide)
    softmax = powers / powers.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(activated(LOGITS, "softmax"), softmax, rtol=3e-5, atol=1e-37)
    np.testing.assert_allclose(activated(LOGITS, "tanh"), np.tanh(wide), rtol=1e-6)
    assert activated(LOGITS, None) is LOGITS
    for activation in ("softmax", "sigmoid", "tanh"):
        found = activated(np.float32([[1e38, -1e38, 0]]), activation)
        assert np.isfinite(found).all() and found.dtype == np.float32


def test_decisions_are_the_largest_logit_or_the_sign():
    np.testing.assert_array_equal(decisions(LOGITS, "softmax"), LOGITS.argmax(axis=2))
    np.testing.assert_array_equal(decisions(LOGITS, None), LOGITS.argmax(axis=2))
    np.testing.assert_array_equal(decisions(LOGITS, "sigmoid"), LOGITS > 0)
    for activation in ("sigmoid", "tanh", None):
        np.testing.assert_array_equal(decisions(LOGITS[..., :1], activation), LOGITS[..., 0] > 0)


def with_function(activation, readout="membrane"):
    network = small_cnn(readout=readout)
    return replace(network, outputs=(replace(network.outputs[0], activation=activation),))


X = dyadic_examples((7, 10, 2), 12)


def test_documents_keep_the_function_and_diff_and_show_have_it(tmp_path, capsys):
    save(with_function("tanh"), tmp_path / "a")
    save(with_function(None), tmp_path / "b")
    assert (tmp_path / "a/network.yaml").read_text().splitlines()[-1].endswith("activation: tanh}")
    assert load(tmp_path / "a") == with_function("tanh")
    assert main(["show", str(tmp_path / "a")]) == 0
    assert "; read out: membrane of classes (tanh)\n" in capsys.readouterr().out
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "~ output classes\n    activation: removed, tanh\n" in capsys.readouterr().out
    assert main(["set", str(tmp_path / "b"), "outputs.0.activation=tanh"]) == 0
    assert load(tmp_path / "b") == with_function("tanh")


def test_results_have_logits_and_outputs():
    plain, softmax = simulate(with_function(None), X), simulate(with_function("softmax"), X)
    np.testing.assert_array_equal(softmax.logits_per_step["classes"], plain.output_per_step)
    np.testing.assert_allclose(softmax.output_per_step.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(softmax.output, activated(plain.output, "softmax"))
    np.testing.assert_array_equal(softmax.predictions, plain.predictions)


def test_decisions_do_not_come_from_saturated_functions():
    """All logits are so large that their sigmoid is 1 in float32."""
    bias = Tensor("weights/bias.npy", np.full(5, 64, np.float32))
    network = with_population(with_function("sigmoid"), "classes", bias=bias)
    y = simulate(with_function(None), X).predictions
    assert (simulate(network, X).output == 1).all()
    assert evaluate(network, X, y).accuracy_per_step[-1] == 1


def test_networks_with_other_functions_are_compared_by_class_numbers_alone(tmp_path, capsys):
    for name, network in (("a", with_function("softmax")), ("b", with_function(None, "spike_count"))):
        save(network, tmp_path / name)
    command = ["evaluate", str(tmp_path / "a"), str(tmp_path / "b"), "--data", str(tmp_path / "d.npz")]
    np.savez(tmp_path / "d.npz", x=X, y=np.arange(12) % 5)
    assert main(command) == 0
    np.savez(tmp_path / "d.npz", x=X, y=np.full((12, 5), 0.2))
    assert main(command) == 2
    message = "has outputs with other functions than "
    assert message in capsys.readouterr().err and main(command[:2] + command[3:]) == 0


@pytest.mark.parametrize(
    ("activation", "y", "message"),
    [
        (None, np.eye(5)[[0, 1]], "y is one-hot, expected class numbers: save y.argmax(axis=-1)"),
        (
            "sigmoid",
            np.zeros((2, 4)),
            "y is float64 (2, 4), expected class numbers, integers (2,), or 0/1 labels",
        ),
        ("softmax", np.array([0, 5]), "y has classes 0 to 5, the network has 0 to 4"),
        (None, np.zeros((2, 5), bool), "y is bool (2, 5), expected class numbers, integers (2,), or values"),
    ],
)
def test_targets_that_no_output_of_this_function_has_are_refused(activation, y, message):
    with pytest.raises(TgennError, match="T503") as caught:
        evaluate(with_function(activation), X[:2], y)
    assert message in str(caught.value)
