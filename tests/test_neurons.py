"""Neurons and the engine against analytic rates and a step-by-step simulation written out here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_networks import branched, dyadic_examples, small_cnn

from tgenn_gen import TgennError, simulate
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire


@given(st.floats(0, 1, width=32), st.integers(1, 300))
def test_reset_by_subtraction_fires_at_the_rate_of_its_current(current, timesteps):
    counts = IntegrateAndFire().run(np.full((1, 1), current, np.float32), timesteps).sum()
    # v_init 1/2 rounds to the nearest count; float32 sums may be off by one rounding each step
    assert abs(counts - current * timesteps) <= 0.5 + 1e-4 * timesteps


@pytest.mark.parametrize("current", [0.3, 0.5, 0.7, 1.0, 1.9])
def test_reset_to_zero_fires_once_in_every_whole_number_of_steps(current):
    spikes = IntegrateAndFire(reset="zero", v_init=0.0).run(np.full((1, 1), current, np.float32), 1000)
    assert spikes.sum() == 1000 // np.ceil(1 / np.float32(current))


def test_a_neuron_spikes_at_most_once_a_step_and_keeps_what_is_above_the_threshold():
    course = IntegrateAndFire(v_init=0.0).run(np.array([2.5, 0, 0, 0], np.float32)[:, None], 4)
    assert course[:, 0].tolist() == [True, True, False, False]


def step_by_step(network, x, timesteps):
    """DESIGN section 3 for one example, neuron by neuron and step by step: spike counts and output."""
    counts = {p.name: np.zeros(p.shape) for p in network.populations}
    potentials = {p.name: np.full(p.shape, getattr(p.neuron, "v_init", 0.0)) for p in network.populations}
    for _ in range(timesteps):
        emitted = {network.inputs[0].name: x.astype(float)}
        for population in network.populations:
            v = potentials[population.name]
            for connection in population.inputs:
                v += connection.apply(emitted[connection.source][None].astype(np.float32))[0]
            if population.bias is not None:
                v += population.bias.values
            if not population.neuron.spikes:
                continue
            fired = v >= population.neuron.threshold
            emitted[population.name] = fired
            counts[population.name] += fired
            if population.neuron.reset == "subtract":
                v[fired] -= population.neuron.threshold
            else:
                v[fired] = 0
    last = network.population(network.outputs[0].population)
    total = counts[last.name] if last.neuron.spikes else potentials[last.name]
    return counts, last.scale * total / timesteps


@pytest.mark.parametrize(
    "network",
    [small_cnn(), small_cnn(IntegrateAndFire(reset="zero")), small_cnn(readout="spike_count"), branched()],
    ids=["membrane", "zero", "spike_count", "branched"],
)
@pytest.mark.parametrize("timesteps", [1, 2, 7, 30])
def test_the_engine_is_the_step_by_step_simulation(network, timesteps):
    x = dyadic_examples(network.inputs[0].shape, 5)
    result = simulate(network, x, timesteps=timesteps, batch_size=2)
    assert sum(c.sum() for c in result.spike_counts.values()) > 0
    for index, example in enumerate(x):
        counts, output = step_by_step(network, example, timesteps)
        for name, found in result.spike_counts.items():
            np.testing.assert_array_equal(found[index], counts[name], err_msg=name)
        np.testing.assert_allclose(result.output[index], output, rtol=1e-6)


def test_results_do_not_depend_on_the_batch_size():
    network = small_cnn()
    x = dyadic_examples((7, 10, 2), 9)
    whole, single = (simulate(network, x, batch_size=size) for size in (9, 1))
    np.testing.assert_array_equal(whole.output_per_step, single.output_per_step)
    assert whole.output_per_step.shape == (7, 9, 5)
    assert whole.spike_counts["conv1"].shape == (9, 7, 5, 3)


@pytest.mark.parametrize(
    ("x", "options", "expected"),
    [
        (
            np.full((2, 7, 10, 2), np.nan),
            {},
            "example 0 holds NaN or infinity, or a number too large for float32",
        ),
        (np.zeros((2, 7, 10, 2), complex), {}, "examples are complex128, expected numbers"),
        (np.zeros((2, 7, 10, 2), object), {}, "examples are object, expected numbers"),
        ([[1.0]], {}, "the examples are not an array"),
        (np.zeros((2, 10, 7, 2)), {}, "an example has shape (10, 7, 2), the network takes (7, 10, 2)"),
        (np.zeros((0, 7, 10, 2)), {}, "holds no examples"),
        (np.zeros((1, 7, 10, 2)), {"timesteps": 0}, "timesteps is 0, expected at least 1"),
        (np.zeros((1, 7, 10, 2)), {"batch_size": -1}, "batch_size is -1, expected at least 1"),
    ],
)
def test_the_engine_refuses_what_it_cannot_simulate(x, options, expected):
    with pytest.raises(TgennError) as caught:
        simulate(small_cnn(), x, **options)
    assert str(caught.value) == f"simulate: error[T503]: {expected}"
