"""Leaky neurons: closed forms, snnTorch, and each combination of their fields written out step by step."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from sample_networks import examples_for, leaky, with_population

from tgenn_gen import cost, evaluate, simulate, verify
from tgenn_gen.engine.numpy_engines import fastest
from tgenn_gen.engine.simulation import made
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.neuron_updates import LeakyIntegrateAndFire
from tgenn_gen.runtime.random_numbers import random_keys, uniform

RECORDED = Path(__file__).parent / "snntorch.json"
PEERS = Path(__file__).parents[1] / "benchmarks/peers"


def run(neuron, current, steps, dt=1.0):
    """Spikes and V after each step, (steps, n), for current (steps or 1, n)."""
    course: list[np.ndarray] = []
    neurons = made(neuron.call(dt), np.zeros(1, np.uint32), current.shape[1:])
    spikes = neurons.run(np.asarray(current, np.float32)[:, None], steps, course)
    return spikes[:, 0], np.stack(course)[:, 0]


@pytest.mark.parametrize(("tau", "dt"), [(20.0, 1.0), (5.0, 0.5), (1.0, 1.0)])
def test_without_input_v_decays_exponentially(tau, dt):
    _, v = run(LeakyIntegrateAndFireNeuron(tau=tau, v_init=0.75), np.zeros((1, 1)), 30, dt)
    np.testing.assert_allclose(v[:, 0], 0.75 * np.exp(-np.arange(1, 31) * dt / tau), rtol=1e-5)
    physical = LeakyIntegrateAndFireNeuron(-50.0, tau, "to_rest", -55.0, -65.0, 0.2)
    _, v = run(physical, np.zeros((1, 1)), 30, dt)
    np.testing.assert_allclose(v[:, 0], -65 + 10 * np.exp(-np.arange(1, 31) * dt / tau), atol=1e-4)


def test_an_euler_step_is_the_tangent_of_the_decay():
    _, v = run(LeakyIntegrateAndFireNeuron(tau=4.0, v_init=1 / 2, integration="euler"), np.zeros((1, 1)), 3)
    assert v[:, 0].tolist() == [1 / 2 * 3 / 4, 1 / 2 * 9 / 16, 1 / 2 * 27 / 64]


def test_a_constant_current_charges_the_membrane_as_a_circuit_of_resistance_and_capacitance():
    """V = R I (1 - exp(-t / tau)): exact at every step, for any dt."""
    tau, capacitance, current = 10.0, 0.5, 0.4  # R = tau / capacitance = 20 MOhm
    for dt in (0.1, 1.0, 4.0):
        neuron = LeakyIntegrateAndFireNeuron(1e9, tau, capacitance=capacitance)
        _, v = run(neuron, np.full((1, 1), current), 25, dt)
        t = dt * np.arange(1, 26)
        np.testing.assert_allclose(v[:, 0], 8.0 * (1 - np.exp(-t / tau)), rtol=1e-5)


@pytest.mark.parametrize("refractory", [0.0, 2.0])
@pytest.mark.parametrize("current", [0.16, 0.2, 0.5, 2.0])
@pytest.mark.parametrize("dt", [0.1, 0.5])
def test_the_firing_rate_is_that_of_the_closed_form(current, refractory, dt):
    """1 / f = t_ref + tau ln(R I / (R I - theta)), Gerstner et al. 2014; a spike waits for the step's end."""
    tau, capacitance, theta = 20.0, 0.2, 15.0
    resistance = tau / capacitance
    neuron = LeakyIntegrateAndFireNeuron(
        theta - 65, tau, "to_rest", -65.0, -65.0, capacitance, refractory=refractory
    )
    spikes, _ = run(neuron, np.full((1, 1), current), 3000, dt)
    (period,) = set(np.diff(np.flatnonzero(spikes)).tolist())
    exact = refractory + tau * math.log(resistance * current / (resistance * current - theta))
    assert -1e-3 <= period * dt - exact < dt


def test_a_current_that_the_leak_takes_gives_no_spike():
    neuron = LeakyIntegrateAndFireNeuron(tau=20.0)
    leak = 1 - math.exp(-1 / 20)
    assert not run(neuron, np.full((1, 1), 0.99 * leak), 2000)[0].any()
    assert run(neuron, np.full((1, 1), 1.01 * leak), 2000)[0].any()


def test_without_a_leak_it_is_an_integrate_and_fire_neuron():
    current = np.random.default_rng(0).normal(0.2, 0.5, (50, 20))
    for reset in ("subtract", "zero"):
        plain = run(IntegrateAndFireNeuron(reset=reset, v_init=0.25), current, 50)
        endless = run(LeakyIntegrateAndFireNeuron(tau=1e12, reset=reset, v_init=0.25), current, 50)
        for expected, found in zip(plain, endless, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_after_the_refractory_time_v_is_judged_only_with_new_input():
    """Reset by subtraction can leave V above the threshold: no spike in any refractory step."""
    neuron = LeakyIntegrateAndFireNeuron(tau=1e12, refractory=2.0)
    spikes, v = run(neuron, np.array([5, 9, 9, 0, 0, 0, 0])[:, None], 7)
    assert spikes[:, 0].tolist() == [True, False, False, True, False, False, True]
    assert v[:, 0].tolist() == [4, 4, 4, 3, 3, 3, 2]


def test_the_synaptic_current_goes_on_during_the_refractory_time():
    neuron = LeakyIntegrateAndFireNeuron(
        1.0, 2.0, "zero", refractory=1.0, tau_syn=2.0, integration="euler"
    )  # both halve in each step
    spikes, v = run(neuron, np.array([1.0, 1.0, 0.0, 0.0, 0.0])[:, None], 5)
    # I_syn: 1, 1.5, 0.75, 0.375, 0.1875
    assert spikes[:, 0].tolist() == [True, False, False, False, False]
    assert v[:, 0].tolist() == [0, 0, 0.75, 0.75 / 2 + 0.375, 0.75 / 2 + 0.1875]


@pytest.mark.parametrize(
    "case", json.loads(RECORDED.read_text())["cases"], ids=lambda case: str(case["neuron"])
)
def test_spikes_and_v_are_those_of_snntorch(case):
    """Its Leaky and, with tau_syn, its Synaptic. Recorded by tests/benchmarks/peers/snntorch_neurons.py."""
    current = np.array(json.loads(RECORDED.read_text())["current"])
    spikes, v = run(LeakyIntegrateAndFireNeuron(**case["neuron"]), current, len(current))
    np.testing.assert_array_equal(spikes, case["spikes"])
    np.testing.assert_allclose(v, case["v"], atol=2e-5)
    assert 0.1 < spikes.mean() < 0.9


def test_the_record_is_what_snntorch_gives(monkeypatch):
    pytest.importorskip("snntorch", reason="snnTorch is not installed")
    monkeypatch.syspath_prepend(PEERS)
    sys.modules.pop("snntorch_neurons", None)
    import snntorch_neurons

    found = json.loads(RECORDED.read_text())
    assert found["current"] == snntorch_neurons.current().tolist()
    assert found["cases"] == [snntorch_neurons.recorded(case) for case in snntorch_neurons.CASES]


# Each combination of the fields, in float32 and in the order that all engines have.

F = np.float32
V_INITS = ("number", "uniform", "tensor")


def step_by_step(neuron, current, v, dt):
    """Spikes and V after each step of one neuron, from its fields."""
    euler = neuron.integration == "euler"
    decay = F(1 - dt / neuron.tau if euler else math.exp(-dt / neuron.tau))
    gain = None
    if neuron.capacitance is not None:
        gain = dt if euler else neuron.tau * (1 - math.exp(-dt / neuron.tau))
        gain = F(gain / neuron.capacitance)
    rest, i_syn, last_spike, course = F(neuron.v_rest), F(0), -(10**6), []
    for step, i in enumerate(current):
        if neuron.tau_syn is not None:
            i_syn *= F(1 - dt / neuron.tau_syn if euler else math.exp(-dt / neuron.tau_syn))
            i_syn += i
            i = i_syn
        spike = False
        if step - last_spike > round(neuron.refractory / dt):
            if rest:
                v -= rest
            v *= decay
            if rest:
                v += rest
            v += i if gain is None else gain * i
            spike = bool(v >= F(neuron.threshold))
            if spike:
                last_spike = step
                fall = F(neuron.threshold) - rest
                v = {"subtract": v - fall, "zero": F(0), "to_rest": rest}[neuron.reset]
        course.append((spike, v))
    return course


@st.composite
def neurons(draw, euler_tau=1.0):
    reset = draw(st.sampled_from(["subtract", "zero", "to_rest"]))
    rest = 0.0 if reset == "zero" else draw(st.sampled_from([0.0, -60.0, 0.3]))
    return LeakyIntegrateAndFireNeuron(
        threshold=rest + draw(st.sampled_from([1.0, 0.7, 5.0])),
        tau=draw(st.floats(1, 50)),
        reset=reset,
        v_init=rest + 0.4,
        v_rest=rest,
        capacitance=draw(st.sampled_from([None, 0.25, 0.3])),
        refractory=draw(st.sampled_from([0.0, 1.0, 3.0])),
        tau_syn=draw(st.none() | st.floats(1, 20)),
        integration=draw(st.sampled_from(["exact", "euler"])),
    )


@given(neurons(), st.sampled_from(V_INITS), st.sampled_from([1.0, 0.5]), st.integers(0, 99))
@tries(200)
def test_every_combination_of_fields_is_what_its_definition_says_step_by_step(neuron, v_init, dt, seed):
    rng, shape = np.random.default_rng(seed), (3, 2)
    start = F(neuron.v_rest) + (F(neuron.threshold) - F(neuron.v_rest)) * rng.random(shape, F)
    keys = random_keys(seed, 0, np.arange(4))
    starts = np.broadcast_to(start, (4, *shape))
    if v_init == "number":
        starts = np.full((4, *shape), neuron.v_init, F)
    elif v_init == "uniform":
        neuron = replace(neuron, v_init="uniform")
        drawn = uniform(keys, 2**32 - 1, shape)
        starts = F(neuron.v_rest) + (F(neuron.threshold) - F(neuron.v_rest)) * drawn
    else:
        neuron = replace(neuron, v_init=Tensor.unnamed(start))
    assert not [*neuron.problems(dt)]
    current = rng.normal(0.2, 0.6, (13, 4, *shape)).astype(F)
    call = neuron.call(dt)
    for compiled in (False, True):
        if compiled and call.function not in fastest().neurons:
            continue
        running = made(call, keys, shape)
        if not compiled:
            running = LeakyIntegrateAndFire(
                **{**call.arguments, "v_init": starts if v_init != "number" else neuron.v_init}
            )
        course: list[np.ndarray] = []
        parts = [running.run(part, len(part), course) for part in (current[:5], current[5:6], current[6:])]
        spikes = np.concatenate(parts)
        for index in np.ndindex(4, *shape):
            expected = step_by_step(neuron, current[(slice(None), *index)], starts[index], dt)
            assert [s for s, _ in expected] == spikes[(slice(None), *index)].tolist()
            np.testing.assert_array_equal([v for _, v in expected], [v[index] for v in course])


# In networks.


def test_membrane_updates_are_the_changes_of_v():
    network = leaky()
    x = examples_for(network, 4)
    v = simulate(network, x, record_v=["branch", "sum"], timesteps=9).v
    rows = {row.name: row for row in cost(network, x, timesteps=9).populations}
    for name, course in v.items():
        changes = course[:, 0].size + np.count_nonzero(np.diff(course, axis=1))
        assert rows[name].membrane_updates == changes / 4
        assert rows[name].neuron_updates == course[0].size
    assert rows["sum"].membrane_updates < rows["sum"].neuron_updates  # not in refractory steps


def test_a_network_of_leaky_neurons_is_evaluated_and_verified_beside_its_relus():
    network = leaky()
    x, y = examples_for(network, 30), np.arange(30) % 5
    assert 0 <= evaluate(network, x, y).relu_accuracy <= 1
    found = verify(network, x)
    assert [layer.name for layer in found.layers] == [p.name for p in network.populations]
    assert all(np.isfinite([layer.relative_error, layer.neuron_error]).all() for layer in found.layers)


def test_a_population_in_ms_does_the_same_at_any_dt_that_scales_with_it():
    network = leaky()
    x = examples_for(network, 3)
    halved = replace(network, simulation=replace(network.simulation, dt=0.5))
    for p in network.populations:
        neuron = p.neuron
        tau_syn = None if neuron.tau_syn is None else neuron.tau_syn / 2
        capacitance = None if neuron.capacitance is None else neuron.capacitance / 2
        fields = {"tau": neuron.tau / 2, "refractory": neuron.refractory / 2, "tau_syn": tau_syn}
        halved = with_population(halved, p.name, neuron=replace(neuron, capacitance=capacitance, **fields))
    counts = simulate(network, x).spike_counts
    for name, found in simulate(halved, x).spike_counts.items():
        np.testing.assert_array_equal(found, counts[name])
