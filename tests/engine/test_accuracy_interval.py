"""The interval of an accuracy, against SciPy's and against the probabilities that it is made of."""

from __future__ import annotations

from math import comb, erf, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgenn_gen.engine.accuracy_interval import accuracy_interval, are_examples

COUNTS = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_it_is_scipys_wilson_interval_of_a_standard_errors_confidence(counts):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    right, n = counts
    expected = stats.binomtest(right, n).proportion_ci(erf(1 / sqrt(2)), "wilson")
    assert accuracy_interval(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(COUNTS)
def test_its_ends_are_a_standard_error_of_their_own_from_the_accuracy(counts):
    right, n = counts
    for end in accuracy_interval(right / n, n):
        assert abs(right / n - end) == pytest.approx(sqrt(end * (1 - end) / n), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("n", [1, 20, 500, 10_000])
def test_at_100_percent_and_0_percent_it_has_a_width_and_stays_within_0_and_1(n):
    assert accuracy_interval(1.0, n) == pytest.approx((n / (n + 1), 1.0))
    assert accuracy_interval(0.0, n) == pytest.approx((0.0, 1 / (n + 1)))
    low, high = accuracy_interval(np.arange(n + 1) / n, n)
    assert (low >= 0).all() and (high <= 1).all() and (low < high).all()


@pytest.mark.parametrize("n", [10, 50, 200])
def test_it_holds_the_true_accuracy_in_68_percent_of_all_experiments(n):
    right = np.arange(n + 1)
    low, high = accuracy_interval(right / n, n)
    ways = np.array([float(comb(n, k)) for k in right])
    coverage = [
        (ways * p**right * (1 - p) ** (n - right))[(low <= p) & (p <= high)].sum()
        for p in (np.arange(2000) + 0.5) / 2000
    ]
    assert np.mean(coverage) == pytest.approx(0.683, abs=0.025)


def test_where_there_is_no_accuracy_there_is_no_interval():
    low, high = accuracy_interval([np.nan, 0.5], 9)
    assert np.isnan([low[0], high[0]]).all() and 0 < low[1] < 0.5 < high[1] < 1


def test_only_examples_that_are_right_or_wrong_as_a_whole_have_one():
    assert are_examples({"accuracy": 0.5})
    for other in ({"accuracy": 0.5, "mean_iou": 0.4}, {"accuracy": 0.5, "exact_match": 0.2}, {}):
        assert not are_examples(other)
