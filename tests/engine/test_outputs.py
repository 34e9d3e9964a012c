"""Functions of outputs (softmax, sigmoid, tanh), the decisions of logits, and how outputs agree."""

from __future__ import annotations

import numpy as np
import pytest

from tgenn_gen.engine.evaluation import agreement
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


@pytest.mark.parametrize(
    ("activation", "shape", "same"),
    [
        ("softmax", (4,), 0.75),
        (None, (4,), 0.75),
        ("softmax", (2, 3, 4), 23 / 24),
        ("sigmoid", (1,), 0.75),
        ("sigmoid", (4,), 15 / 16),
        (None, (1,), None),
        ("tanh", (4,), None),
        (None, (2, 3, 4), None),
    ],
)
def test_agreement_is_of_decisions_or_of_values(activation, shape, same):
    logits = np.random.default_rng(1).normal(size=(4, *shape))
    ann = logits.copy()
    changed = ann[0].reshape(-1, shape[-1])[0]
    changed[changed.argmax()] = -9 if changed.max() > 0 else 9
    found = agreement(logits, ann, activation, shape)
    assert found.same == (None if same is None else pytest.approx(same))
    wanted, given = activated(ann, activation), activated(logits, activation)
    assert found.error == pytest.approx(np.sqrt(((given - wanted) ** 2).mean()) / wanted.std())
    assert agreement(ann, ann, activation, shape).error == 0


def test_the_error_of_constant_values_is_zero_or_infinite():
    constant = np.ones((5, 1))
    assert agreement(constant, constant, None, (1,)).error == 0
    assert agreement(constant + 1, constant, None, (1,)).error == np.inf
