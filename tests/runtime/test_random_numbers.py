"""The random numbers of Poisson input and random potentials: their distribution, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
from sample_networks import examples_for, of_all_kinds

from tgenn_gen import simulate
from tgenn_gen.runtime.input_encodings import Poisson
from tgenn_gen.runtime.random_numbers import random_keys, uniform

EXAMPLES = np.arange(200)


def draws(seed=0, stream=0, counter=0, neurons=500):
    return uniform(random_keys(seed, stream, EXAMPLES), counter, (neurons,)).astype(np.float64)


def test_numbers_are_uniform():
    drawn = np.sort(draws().ravel())
    assert drawn[0] >= 0 and drawn[-1] < 1
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is exceeded by chance once in a thousand times
    distance = np.abs(drawn - (np.arange(drawn.size) + 0.5) / drawn.size).max()
    assert distance < 1.95 / np.sqrt(drawn.size)


@pytest.mark.parametrize("other", [{"seed": 1}, {"stream": 1}, {"counter": 1}, {"counter": 2**31}])
def test_another_seed_stream_or_step_gives_independent_numbers(other):
    a, b = draws().ravel(), draws(**other).ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)
    assert (a == b).mean() < 1e-4


def test_numbers_of_neighbouring_neurons_examples_and_steps_are_independent():
    a = draws()
    bound = 4 / np.sqrt(a.size)
    assert abs(np.corrcoef(a[:, 1:].ravel(), a[:, :-1].ravel())[0, 1]) < bound
    assert abs(np.corrcoef(a[1:].ravel(), a[:-1].ravel())[0, 1]) < bound
    course = np.stack([draws(counter=k, neurons=20) for k in range(100)])
    assert abs(np.corrcoef(course[1:].ravel(), course[:-1].ravel())[0, 1]) < bound
    # no two examples share a part of their numbers, shifted or not
    assert len(np.unique(a)) > 0.99 * a.size


def test_poisson_input_spikes_at_the_rate_and_with_the_sign_of_the_example():
    x = np.linspace(-1, 1, 41, dtype=np.float32)[None, None].repeat(400, axis=1)
    spikes = Poisson(random_keys(3, 0, np.arange(400)), signed=True).run(x, 64)
    assert spikes.dtype == np.int8 and spikes.shape == (64, 400, 41)
    unsigned = Poisson(random_keys(3, 0, np.arange(400))).run(np.abs(x), 64)
    assert unsigned.dtype == bool and (unsigned == (spikes != 0)).all()
    rates = spikes.mean(axis=(0, 1))
    deviation = np.sqrt(np.abs(x[0, 0]) * (1 - np.abs(x[0, 0])) / (64 * 400))
    assert (np.abs(rates - x[0, 0]) <= 4.5 * deviation + 1e-7).all()
    counts = np.abs(spikes).sum(axis=0).astype(float)  # binomial, also in their variance
    expected = 64 * np.abs(x[0, 0]) * (1 - np.abs(x[0, 0]))
    assert np.corrcoef(counts.var(axis=0), expected)[0, 1] > 0.97


@pytest.mark.parametrize("name", ["poisson", "signed_poisson", "physical"])
def test_a_seed_gives_the_same_spikes_in_batches_of_any_size_and_another_seed_gives_others(name):
    network = of_all_kinds()[name]
    x = examples_for(network, 9)
    whole = simulate(network, x, seed=7, batch_size=9)
    parts = simulate(network, x, seed=7, batch_size=2)
    other = simulate(network, x, seed=8)
    for population, counts in whole.spike_counts.items():
        np.testing.assert_array_equal(counts, parts.spike_counts[population])
    np.testing.assert_array_equal(whole.output_per_step, parts.output_per_step)
    assert (whole.spike_counts["stem"] != other.spike_counts["stem"]).any()


def test_the_same_example_shown_twice_gets_other_random_numbers():
    network = of_all_kinds()["poisson"]
    x = examples_for(network, 1)["image"].repeat(2, axis=0)
    counts = simulate(network, x, timesteps=32).spike_counts["image"]
    assert (counts[0] != counts[1]).any()
