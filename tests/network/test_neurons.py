"""Neurons and the engine against analytic rates and a step-by-step simulation written out here."""

from __future__ import annotations

from math import lcm

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_networks import (
    branched,
    dyadic_examples,
    examples_for,
    of_all_kinds,
    small_cnn,
    with_frames,
    with_several,
)

from tgenn_gen import TgennError, simulate
from tgenn_gen.engine.simulation import made, simulated_batches
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.neuron_updates import few_spikes
from tgenn_gen.runtime.random_numbers import random_keys, uniform


def run(neuron, current, timesteps):
    """What neurons with this current (timesteps or 1, n) emit."""
    shape = current.shape[1:]
    return made(neuron.call(1.0), np.zeros(1, np.uint32), shape).run(current, timesteps)


@given(st.floats(0, 1, width=32), st.integers(1, 300))
def test_reset_by_subtraction_fires_at_the_rate_of_its_current(current, timesteps):
    counts = run(IntegrateAndFireNeuron(), np.full((1, 1), current, np.float32), timesteps).sum()
    # v_init 1/2 rounds to the nearest count; float32 sums may be off by one rounding each step
    assert abs(counts - current * timesteps) <= 0.5 + 1e-4 * timesteps


@pytest.mark.parametrize("current", [0.3, 0.5, 0.7, 1.0, 1.9])
def test_reset_to_zero_fires_once_in_every_whole_number_of_steps(current):
    spikes = run(IntegrateAndFireNeuron(reset="zero", v_init=0.0), np.full((1, 1), current, np.float32), 1000)
    assert spikes.sum() == 1000 // np.ceil(1 / np.float32(current))


def test_a_neuron_spikes_at_most_once_a_step_and_keeps_what_is_above_the_threshold():
    course = run(IntegrateAndFireNeuron(v_init=0.0), np.array([2.5, 0, 0, 0], np.float32)[:, None], 4)
    assert course[:, 0].tolist() == [True, True, False, False]


@given(st.lists(st.integers(-24, 24), min_size=1, max_size=40), st.integers(0, 16))
def test_signed_neurons_end_at_the_rounded_sum_of_their_currents(sixteenths, start):
    currents = np.array(sixteenths, np.float32) / 16
    rest = np.zeros(len(currents) * 2 + 2, np.float32)  # time to emit, or take back, what is left
    neuron = SignedIntegrateAndFireNeuron(v_init=start / 16)
    course = run(neuron, np.concatenate([currents, rest])[:, None], len(currents) + len(rest))
    assert course.sum() == max(0, np.floor(currents.astype(float).sum() + start / 16))
    assert (np.cumsum(course) >= 0).all()


def test_signed_neurons_take_nothing_back_above_their_negative_threshold():
    currents = np.array([1, -0.25, 0, -0.5, 0], np.float32)[:, None]
    always = run(SignedIntegrateAndFireNeuron(v_init=0.0), currents, 5)[:, 0]
    late = run(SignedIntegrateAndFireNeuron(v_init=0.0, negative_threshold=-0.5), currents, 5)[:, 0]
    assert always.tolist() == [1, -1, 0, 0, 0]  # V: 0, -0.25 + 1, ...
    assert late.tolist() == [1, 0, 0, -1, 0]


@given(
    st.integers(1, 12).flatmap(lambda k: st.lists(st.integers(-40, 40), min_size=k, max_size=k)),
    st.integers(0, 15),
)
def test_few_spike_neurons_emit_the_binary_digits_of_their_weighted_sum(sixteenths, start):
    currents, steps = np.array(sixteenths, np.float32) / 16, len(sixteenths)
    weights = 2.0 ** np.arange(steps - 1, -1, -1)
    summed = (weights @ currents).astype(np.float32)
    emitted = few_spikes(run(FewSpikeNeuron(v_init=start / 16), summed[None, None], steps), steps)[:, 0]
    value = np.clip(np.floor(start / 16 + weights @ currents), 0, 2**steps - 1)
    assert emitted.astype(int).tolist() == [int(d) for d in f"{int(value):0{steps}b}"]


@pytest.mark.parametrize("reset", ["subtract", "to_rest"])
def test_neurons_in_physical_units_do_what_those_without_units_do(reset):
    """V = v_rest + (threshold - v_rest) x the V without units, for a current in proportion."""
    current = np.random.default_rng(0).integers(-8, 20, (50, 30)).astype(np.float32) / 16
    plain = IntegrateAndFireNeuron(reset={"to_rest": "zero"}.get(reset, reset), v_init=0.25)
    physical = IntegrateAndFireNeuron(-56.0, reset, -59.0, -60.0, 0.5)  # 4 mV apart, a gain of dt / 0.5
    np.testing.assert_array_equal(run(physical, 2 * current, 50), run(plain, current, 50))
    assert physical.unit(1.0) == 2.0 and physical.unit(0.5) == 4.0


def test_random_potentials_lie_between_rest_and_threshold():
    made_neurons = made(
        IntegrateAndFireNeuron(-57.0, "to_rest", "uniform", -60.0, 1.0).call(1.0),
        random_keys(0, 1, np.arange(100)),
        (40,),
    )
    assert made_neurons.v.shape == (100, 40)
    assert -60 <= made_neurons.v.min() < -59.9 and -57.1 < made_neurons.v.max() < -57
    assert abs(made_neurons.v.mean() + 58.5) < 0.05


class StepByStep:
    """One neuron, written out: what it emits at each step, given all its currents (few-spike) or one more."""

    def __init__(self, neuron, v_init):
        self.neuron, self.v, self.sum, self.i_syn, self.waits = neuron, v_init, 0, 0.0, 0

    def emit(self, current):
        n = self.neuron
        if n.kind == "integrate":
            self.v += current
            return self.v
        if n.kind == "leaky_integrate_and_fire":
            current = self.leaky_current(current)
            if self.waits:
                self.waits -= 1
                return 0
            self.v = n.v_rest + (self.v - n.v_rest) * self.left_of(n.tau) + current
            self.waits = round(n.refractory) if self.v >= n.threshold else 0
        else:
            self.v += current / (1.0 if getattr(n, "capacitance", None) is None else n.capacitance)
        if n.kind == "signed_integrate_and_fire":
            spike = (
                1 if self.v >= n.threshold else -1 if self.v < n.negative_threshold and self.sum > 0 else 0
            )
            self.v -= spike * n.threshold
            self.sum += spike
            return spike
        if self.v < n.threshold:
            return 0
        self.v = {"subtract": self.v - (n.threshold - n.v_rest), "zero": 0.0, "to_rest": n.v_rest}[n.reset]
        return 1

    def left_of(self, tau):
        """What is left of something after a step of 1 ms."""
        return 1 - 1 / tau if self.neuron.integration == "euler" else np.exp(-1 / tau)

    def leaky_current(self, current):
        """What leaky neurons add to V; their I_syn goes on."""
        n = self.neuron
        if n.tau_syn is not None:
            self.i_syn = self.i_syn * self.left_of(n.tau_syn) + current
            current = self.i_syn
        resistance = None if n.capacitance is None else n.tau / n.capacitance
        return current if resistance is None else current * resistance * (1 - self.left_of(n.tau))


def few_spike_course(neuron, currents, v_init):
    """Few-spike neurons, (timesteps, *shape), each digit by subtraction."""
    weights = [2.0 ** (len(currents) - 1 - k) for k in range(len(currents))]
    v = v_init + sum(w * c for w, c in zip(weights, currents, strict=True))
    course = []
    for w in weights:
        spikes = v >= neuron.threshold * w
        v = v - spikes * neuron.threshold * w
        course.append(spikes.astype(float))
    return np.array(course)


def maximum_course(neuron, currents):
    """The change of the largest sum; or the binary digits of the largest value."""
    steps = len(currents)
    if not neuron.few_spike:
        largest = [currents[: k + 1].sum(axis=0).max(axis=-1) for k in range(steps)]
        return np.diff([np.zeros_like(largest[0]), *largest], axis=0)
    values = sum(2 ** (steps - 1 - k) * currents[k].astype(int) for k in range(steps)).max(axis=-1)
    return np.array([(values >> (steps - 1 - k)) & 1 for k in range(steps)], float)


def start_of(neuron, shape, seed, stream, example):
    v_init = getattr(neuron, "v_init", 0.0)
    if isinstance(v_init, str):
        drawn = uniform(random_keys(seed, stream, np.array([example])), 2**32 - 1, shape)[0]
        return neuron.v_rest + (neuron.threshold - neuron.v_rest) * drawn.astype(float)
    return np.broadcast_to(v_init.values if isinstance(v_init, Tensor) else v_init, shape).astype(float)


def emitted_by(neuron, currents, v_init):
    """What a population emits, (timesteps, *shape), neuron by neuron and step by step."""
    if neuron.kind == "few_spike":
        return few_spike_course(neuron, currents, v_init)
    if neuron.kind == "integrate" and neuron.few_spike:
        weights = 2.0 ** np.arange(len(currents) - 1, -1, -1)
        return np.cumsum(currents * weights[:, None], axis=0)
    if neuron.kind == "maximum":
        return maximum_course(neuron, currents)
    course = np.zeros(currents.shape)
    for index in np.ndindex(currents.shape[1:]):
        one = StepByStep(neuron, v_init[index])
        for step in range(len(currents)):
            course[(step, *index)] = one.emit(currents[(step, *index)])
    return course


def encoded(encoding, x, seed, stream, example):
    """What the input emits, (timesteps, *shape), element by element. x: what it shows at each step."""
    if encoding.kind == "constant_current":
        return x.astype(float)
    if encoding.kind == "spikes":
        return (x == 1).astype(float)
    if encoding.kind == "poisson":
        keys = random_keys(seed, stream, np.array([example]))
        drawn = [uniform(keys, k, x.shape[1:])[0] for k in range(len(x))]
        return (np.array(drawn) < np.abs(x)) * np.sign(x)
    return emitted_by(encoding, x * encoding.gain, start_of(encoding, x.shape[1:], seed, stream, example))


def shown_by(network_input, x, timesteps):
    """What an input shows of an example at each step, (timesteps, *shape)."""
    frames = x if network_input.frames > 1 else x[None]
    return np.repeat(frames, timesteps // len(frames), axis=0) - network_input.offsets


def expected_output(network, output, course):
    """The readout after the last step, from its definition."""
    steps = len(course)
    weights = 2.0 ** np.arange(steps - 1, -1, -1) if network.few_spike else np.ones(steps)
    scale = network.population(output.population).scale
    scale = scale.values if isinstance(scale, Tensor) else scale
    late = course[output.start :]
    if output.readout == "membrane":
        before = course[output.start - 1] if output.start else 0
        return scale * (course[-1] - before) / weights[output.start :].sum()
    if output.readout == "spike_count":
        return scale * np.tensordot(weights[output.start :], late, 1) / weights[output.start :].sum()
    firsts = [
        1 / (np.flatnonzero(c > 0)[0] + 1) if (c > 0).any() else 0 for c in late.reshape(len(late), -1).T
    ]
    return np.reshape(firsts, late.shape[1:])


def step_by_step(network, x, timesteps, seed=0, example=0):
    """A network step by step for one example {input: array}: spike counts and outputs."""
    emitted = {
        i.name: encoded(i.encoding, shown_by(i, x[i.name], timesteps), seed, stream, example)
        for stream, i in enumerate(network.inputs)
    }
    for stream, population in enumerate(network.populations, len(network.inputs)):
        currents = np.zeros((timesteps, *population.neuron.current_shape(population.shape)))
        for connection in population.inputs:
            currents += connection.apply(emitted[connection.source].astype(np.float32))
        if population.bias is not None:
            currents += population.bias.values
        start = start_of(population.neuron, population.shape, seed, stream, example)
        emitted[population.name] = emitted_by(population.neuron, currents, start)
    counts = {n: (emitted[n] != 0).sum(axis=0) for n in network.spiking}
    return counts, {o.population: expected_output(network, o, emitted[o.population]) for o in network.outputs}


@pytest.mark.parametrize(
    "network",
    [*of_all_kinds().values(), *with_several().values(), *with_frames().values()],
    ids=lambda n: n.name,
)
@pytest.mark.parametrize("timesteps", [4, 9])
def test_every_kind_of_neuron_encoding_and_readout_is_what_its_definition_says(network, timesteps):
    timesteps *= lcm(*(i.frames for i in network.inputs))
    x = examples_for(network, 3)
    result = simulate(network, x, timesteps=timesteps, batch_size=2, seed=3)
    for index in range(3):
        example = {name: array[index] for name, array in x.items()}
        counts, outputs = step_by_step(network, example, timesteps, 3, index)
        for population, found in result.spike_counts.items():
            np.testing.assert_array_equal(found[index], counts[population], err_msg=population)
        for population, output in outputs.items():
            np.testing.assert_allclose(result.logits[population][index], output, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", of_all_kinds())
def test_the_last_outputs_are_the_same_where_no_others_are_asked_for(name):
    network = of_all_kinds()[name]
    examples = {key: np.float32(x) for key, x in examples_for(network, 5).items()}
    for timesteps in (7, 150):
        if network.few_spike and timesteps > 16:
            continue
        every, last = (
            [*simulated_batches(network, examples, timesteps, details=details)] for details in (True, False)
        )
        assert last[0].spike_counts == {}
        for population, logits in every[0].logits.items():
            np.testing.assert_array_equal(last[0].logits[population], logits)


@given(
    st.floats(0.015625, 4, width=32),
    st.lists(st.floats(-100, 10000, width=32), min_size=1, max_size=20),
    st.integers(1, 12),
)
def test_few_spike_neurons_emit_digit_by_digit_for_any_threshold(threshold, currents, steps):
    """Each comparison and subtraction in float32, as on GeNN."""
    v = np.float32(0.5) + np.array(currents, np.float32)
    values = run(FewSpikeNeuron(threshold), np.array(currents, np.float32)[None], steps)
    for spikes, step in zip(few_spikes(values, steps), range(steps), strict=True):
        part = np.float32(threshold) * np.float32(2 ** (steps - 1 - step))
        expected = v >= part
        v = np.where(expected, v - part, v)
        np.testing.assert_array_equal(spikes, expected)


@pytest.mark.parametrize(
    "name",
    ["signed", "poisson", "physical", "binary", "leaky", "maximum", "signed_maximum", "frames_of_regular"],
)
def test_long_examples_are_simulated_in_parts_without_a_seam(name, monkeypatch):
    network = {**of_all_kinds(), **with_frames()}[name]
    x = examples_for(network, 3)
    in_parts = simulate(network, x, timesteps=150)
    monkeypatch.setattr("tgenn_gen.runtime.numpy_network.time_blocks", lambda timesteps, longest: [timesteps])
    at_once = simulate(network, x, timesteps=150)
    np.testing.assert_array_equal(in_parts.output_per_step, at_once.output_per_step)
    for population, counts in at_once.spike_counts.items():
        np.testing.assert_array_equal(in_parts.spike_counts[population], counts)


@pytest.mark.parametrize(
    "network",
    [
        small_cnn(),
        small_cnn(IntegrateAndFireNeuron(reset="zero")),
        small_cnn(readout="spike_count"),
        branched(),
    ],
    ids=["membrane", "zero", "spike_count", "branched"],
)
@pytest.mark.parametrize("timesteps", [1, 2, 7, 30])
def test_the_engine_is_the_step_by_step_simulation(network, timesteps):
    x = dyadic_examples(network.inputs[0].shape, 5)
    result = simulate(network, x, timesteps=timesteps, batch_size=2)
    assert sum(c.sum() for c in result.spike_counts.values()) > 0
    for index, example in enumerate(x):
        counts, outputs = step_by_step(network, {network.inputs[0].name: example}, timesteps)
        for name, found in result.spike_counts.items():
            np.testing.assert_array_equal(found[index], counts[name], err_msg=name)
        np.testing.assert_allclose(result.output[index], *outputs.values(), rtol=1e-6)


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
        (np.zeros((2, 7, 10, 2), complex), {}, "examples have dtype complex128, expected numbers"),
        (np.zeros((2, 7, 10, 2), object), {}, "examples have dtype object, expected numbers"),
        ([[1.0]], {}, "an example has shape (1,), the network takes (7, 10, 2)"),
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
