"""Delays and recurrence in NumPy, against a simulation that knows no parts and no layers: step_by_step."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_networks import Weights, examples_for, recurrent, recurrent_maximum, with_population
from scripts import results, written
from step_by_step import step_by_step

from tgenn_gen import evaluate, simulate
from tgenn_gen.engine import simulation
from tgenn_gen.engine.numpy_engines import Engine
from tgenn_gen.network.delays import longest_delays, longest_part
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.spikes import SpikesInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense

NEURONS = (
    IntegrateAndFireNeuron(),
    IntegrateAndFireNeuron(threshold=0.75, reset="zero", v_init=0.25),
    SignedIntegrateAndFireNeuron(),
)


@st.composite
def networks(draw):
    """Up to 4 populations, each with some sources before it and some that come later or are itself."""
    timesteps = draw(st.integers(1, 12))
    w = Weights(draw(st.integers(0, 99)))
    inputs = (Input("current", (3,), ConstantCurrentInput()), Input("spikes", (2,), SpikesInput()))
    sizes = {"current": 3, "spikes": 2}
    names = [f"p{i}" for i in range(draw(st.integers(1, 4)))]
    sources = {}
    for name in names:
        sources[name] = draw(st.lists(st.sampled_from([*sizes]), min_size=1, max_size=3))
        sizes[name] = draw(st.integers(1, 4))
    depths = {"spikes": 0}
    for name in names:
        found = [depths[s] for s in sources[name] if s in depths]
        depths[name] = 1 + max(found) if found else 0
    populations = []
    for place, name in enumerate(names):
        connections = []
        for source in sources[name]:
            delay = 0 if source == "current" else draw(st.integers(0, timesteps - 1))
            connections.append((source, delay))
        for source in draw(st.lists(st.sampled_from(names[place:]), max_size=2)):
            smallest = max(1, depths[source] - depths[name] + 1)
            if smallest < timesteps:
                connections.append((source, draw(st.integers(smallest, timesteps - 1))))
        made = tuple(
            Connection(source, (Dense(w(f"{name}.{i}", sizes[source], sizes[name])),), delay)
            for i, (source, delay) in enumerate(connections)
        )
        neuron = draw(st.sampled_from(NEURONS))
        populations.append(
            Population(name, (sizes[name],), neuron, made, bias=w(f"{name}.bias", sizes[name]))
        )
    output = Output(names[-1], "spike_count")
    return Network("any", inputs, tuple(populations), (output,), Simulation(1.0, timesteps))


def in_numpy_alone(network, x, timesteps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "fastest", Engine)
        return simulate(network, x, timesteps=timesteps, record=None, batch_size=2)


def assert_is_step_by_step(network, x, timesteps):
    expected = step_by_step(network, x, timesteps)
    for result in (
        simulate(network, x, timesteps=timesteps, record=None),
        in_numpy_alone(network, x, timesteps),
    ):
        assert [*result.spikes] == network.spiking
        for name, spikes in result.spikes.items():
            wanted = np.stack(expected[name], axis=1)
            np.testing.assert_array_equal(spikes, wanted, err_msg=name)
    return expected, result


@settings(max_examples=30, deadline=None)
@given(networks(), st.integers(1, 14))
def test_any_graph_is_simulated_as_step_by_step(network, timesteps):
    """Also for fewer steps than a delay has, after which it gives nothing."""
    assert_is_step_by_step(network, examples_for(network, 3), timesteps)


@settings(max_examples=8, deadline=None)
@given(networks())
def test_any_graph_spikes_in_reference_py_as_step_by_step(network):
    x, timesteps = examples_for(network, 3), network.simulation.timesteps
    expected = step_by_step(network, x, timesteps)
    with tempfile.TemporaryDirectory() as folder:
        project = written(network, Path(folder) / "n", **x, y=np.zeros(3, int))
        _, found, _ = results(project / "reference.py", project / "data.npz")
    for p in network.populations:
        counts = np.abs(np.stack(expected[p.name])).sum(axis=0).reshape(3, -1)
        np.testing.assert_array_equal(found[f"spike_counts/{p.name}"], counts)


@pytest.mark.parametrize("network", [recurrent(), recurrent_maximum()], ids=lambda n: n.name)
@pytest.mark.parametrize("timesteps", [1, 3, 8, 16])
def test_the_sample_networks_are_simulated_as_step_by_step(network, timesteps):
    expected, result = assert_is_step_by_step(network, examples_for(network, 5), timesteps)
    if timesteps == 16:
        assert all(spikes.any() for spikes in result.spikes.values()), "a silent population shows nothing"
        assert (result.spikes[network.signed[0]] < 0).any()
    if network.name == "recurrent":
        output = (0.5 * expected["classes"][-1] / timesteps).astype(np.float32)
        np.testing.assert_array_equal(result.output, output)


def test_delays_longer_than_a_part_and_across_its_seam():
    """A part has 64 steps: forward 40 and 100 steps late, and back to itself after 70."""
    network = recurrent()
    stem, signed, *others = network.populations
    through = signed.inputs[1].through
    forward = (
        *signed.inputs,
        *(replace(c, delay=40) for c in signed.inputs[1:]),
        Connection("stem", through, 100),
    )
    stem = replace(stem, inputs=tuple(replace(c, delay=70) if c.delay else c for c in stem.inputs))
    others[0] = replace(others[0], inputs=(others[0].inputs[0], replace(others[0].inputs[1], delay=66)))
    network = replace(
        network,
        populations=(stem, replace(signed, inputs=forward), *others),
        simulation=Simulation(1.0, 150),
    )
    assert longest_part(network) == 64 and longest_delays(network) == {
        "stem": 100,
        "signed": 70,
        "hidden": 70,
    }
    assert_is_step_by_step(network, examples_for(network, 2), 150)


def test_a_part_is_no_longer_than_the_smallest_delay_of_a_recurrent_connection():
    network = recurrent()
    assert longest_part(network) == 1
    later = tuple(replace(c, delay=5) if c.source == "stem" else c for c in network.populations[0].inputs)
    network = with_population(network, "stem", inputs=later)
    assert longest_part(network) == 2  # hidden to itself; signed to classes, 1 step late, leads forward
    hidden = network.population("hidden")
    network = with_population(network, "hidden", inputs=hidden.inputs[:1])
    assert longest_part(network) == 3
    x = examples_for(network, 3)
    assert_is_step_by_step(network, x, 8)


def test_examples_know_nothing_of_each_other():
    network = recurrent()
    x = examples_for(network, 6)["image"]
    together = simulate(network, x, batch_size=2)
    for index in range(len(x)):
        alone = simulate(network, x[index : index + 1])
        np.testing.assert_array_equal(alone.output[0], together.output[index])


def test_an_evaluation_of_a_recurrent_network_has_no_ann_beside_it():
    network = recurrent()
    x = examples_for(network, 5)
    found = evaluate(network, x, np.arange(5) % 5)
    assert found.relu_outputs == {} and "ReLU" not in repr(found)
    with pytest.raises(KeyError):
        _ = found.relu_accuracy
    axis = found.plot().axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["recurrent"]


def test_the_ann_of_a_network_with_delays_alone_has_none():
    """A delay leaves a spike's weight as it is: the ANN is that of the network without it."""
    network = recurrent()
    forward = tuple(
        replace(p, inputs=tuple(c for c in p.inputs if c.source not in network.recurrent[p.name]))
        for p in network.populations
    )
    late = replace(network, populations=forward)
    at_once = replace(
        late,
        populations=tuple(replace(p, inputs=tuple(replace(c, delay=0) for c in p.inputs)) for p in forward),
    )
    assert late != at_once
    x, y = examples_for(network, 5), np.arange(5) % 5
    assert evaluate(late, x, y).relu_outputs == evaluate(at_once, x, y).relu_outputs
