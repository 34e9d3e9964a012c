"""Delays and recurrence on GeNN's CPU backend, against the simulation that goes step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sample_networks import Weights, examples_for, recurrent, recurrent_maximum, small_cnn, targets_for
from scripts import results, run_here, written
from step_by_step import step_by_step

from tgenn_gen.codegen.lowering import lower
from tgenn_gen.document.canonical_text import document_of
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.runtime.projects import load_script

COUNT = 7


def pair() -> Network:
    """Two populations that excite and inhibit each other, the first one itself too; read after late steps."""
    w, neuron = Weights(3), IntegrateAndFireNeuron()
    first = (
        Connection("x", (Dense(w("in", 3, 5, low=0)),)),
        Connection("second", (Dense(w("back", 4, 5)),), 2),
        Connection("first", (Dense(w("self", 5, 5, low=-8, high=2)),), 3),
    )
    second = (Connection("first", (Dense(w("forth", 5, 4, low=-2, high=12)),)),)
    return Network(
        "pair",
        (Input("x", (3,), ConstantCurrentInput()),),
        (
            Population("first", (5,), neuron, first, bias=w("bias", 5, low=0)),
            Population("second", (4,), neuron, second),
        ),
        (Output("second", "spike_count", 2),),
        Simulation(1.0, 8),
    )


NETWORKS = {network.name: network for network in (pair(), recurrent(), recurrent_maximum())}


@pytest.fixture(scope="module", params=NETWORKS)
def project(request, tmp_path_factory):
    """A network, its examples, of which one is silent, and its folder."""
    network = NETWORKS[request.param]
    x = examples_for(network, COUNT)
    next(iter(x.values()))[2] = 0
    folder = tmp_path_factory.mktemp(network.name) / "network"
    return network, x, written(network, folder, **x, **targets_for(network, COUNT))


@pytest.mark.genn
@pytest.mark.parametrize("connectivity", ["toeplitz", "sparse"])
def test_simulate_py_spikes_as_step_by_step_over_consecutive_examples(project, connectivity):
    """One build for all numbers of steps: also fewer than a delay has."""
    network, x, folder = project
    net = load_script(folder / "simulate.py").build(connectivity=connectivity)
    for timesteps in (8, 16, 3, 5, 1):
        timesteps = max(timesteps, network.outputs[0].start + 1)
        expected = step_by_step(network, x, timesteps)
        result = net.run(x, timesteps=timesteps, record=None)
        assert [*result.spikes] == network.spiking
        for name, spikes in result.spikes.items():
            wanted = np.stack(expected[name], axis=1).reshape(spikes.shape)
            np.testing.assert_array_equal(spikes, wanted, err_msg=f"{name}, {timesteps} steps")
        if timesteps == 16:
            assert all(spikes.any() for spikes in result.spikes.values()), "a silent population shows nothing"


@pytest.mark.genn
def test_an_example_is_the_same_whatever_was_shown_before_it(project):
    _, x, folder = project
    net = load_script(folder / "simulate.py").build()
    forward, backward = net.run(x), net.run({name: values[::-1] for name, values in x.items()})
    np.testing.assert_array_equal(forward.output, backward.output[::-1])


@pytest.mark.genn
def test_step_by_step_in_a_notebook_the_spikes_are_those_of_run(project):
    network, x, folder = project
    net = load_script(folder / "simulate.py").build()
    expected, timesteps = net.run(x, record=None), network.simulation.timesteps
    depths, counts = network.depths, {name: [] for name in network.spiking}
    for step in range((COUNT + 1) * timesteps):
        example = min(step // timesteps, COUNT - 1)
        net.step({name: values[example : example + 1] for name, values in x.items()})
        for name, found in counts.items():
            if step >= depths[name]:
                found.append(net.values(name, "spike_count")[0].astype(int))
    for name, found in counts.items():
        spikes = np.abs(expected.spikes[name].astype(int)).reshape(COUNT, timesteps, -1)
        wanted = spikes.cumsum(axis=1).reshape(COUNT * timesteps, -1)
        np.testing.assert_array_equal(np.array(found)[: len(wanted)], wanted, err_msg=name)


@pytest.mark.genn
def test_without_the_condition_in_its_synapses_an_example_would_see_the_one_before(tmp_path):
    """So the tests above would notice if it was missing."""
    network = recurrent()
    x = examples_for(network, COUNT)
    folder = written(network, tmp_path / "network", **x, **targets_for(network, COUNT))
    text = (folder / "simulate.py").read_text()
    assert text.count("if(step >= delay)") == 2  # spikes with and without a sign
    (folder / "simulate.py").write_text(text.replace("if(step >= delay)", "if(step >= 0)"))
    leaking = load_script(folder / "simulate.py").build().run(x, timesteps=8)
    right = load_script(folder / "reference.py").build().run(x, timesteps=8)
    same = (leaking.spike_counts["hidden"] == right.spike_counts["hidden"]).all(axis=1)
    assert same[0] and not same[1:].all()


@pytest.mark.genn
def test_a_delay_that_is_changed_in_simulate_py_is_the_delay_of_its_synapses(tmp_path):
    """Nothing else has to be changed there: the step from which spikes count follows from it."""
    network = pair()
    x = examples_for(network, COUNT)
    folder = written(network, tmp_path / "network", **x, **targets_for(network, COUNT))
    script = folder / "simulate.py"
    text = script.read_text()
    before = "first_to_first.axonal_delay_steps = 2 "
    assert before in text
    script.write_text(text.replace(before, "first_to_first.axonal_delay_steps = 5 "))
    first, second = network.populations
    late = replace(first, inputs=(*first.inputs[:2], replace(first.inputs[2], delay=6)))
    expected = step_by_step(replace(network, populations=(late, second)), x, 16)
    result = load_script(script).build().run(x, timesteps=16, record=None)
    for name, spikes in result.spikes.items():
        np.testing.assert_array_equal(spikes, np.stack(expected[name], axis=1))


@pytest.mark.genn
def test_a_delay_that_is_too_small_in_simulate_py_is_refused(tmp_path):
    network = recurrent()
    x = examples_for(network, 1)
    folder = written(network, tmp_path / "network", **x, **targets_for(network, 1))
    script = folder / "simulate.py"
    script.write_text(script.read_text().replace("depth=0)", "depth=9)"))
    done = run_here(script, "--data", folder / "data.npz")
    assert done.returncode == 2
    assert "stem has depth 9, expected less than" in done.stderr


def test_reference_py_has_the_delays_that_the_document_has(tmp_path):
    network = recurrent()
    x = examples_for(network, COUNT)
    folder = written(network, tmp_path / "network", **x, **targets_for(network, COUNT))
    text = (folder / "reference.py").read_text()
    assert 'net.past("hidden", delay=4)' in text and "longest_part=1" in text
    _, found, _ = results(folder / "reference.py", folder / "data.npz", "--timesteps", 16)
    expected = step_by_step(network, x, 16)
    output = (0.5 * expected["classes"][-1] / 16).astype(np.float32)
    np.testing.assert_array_equal(found["output"], output)


def test_networks_without_delays_have_nothing_of_them():
    plan = lower(document_of(small_cnn()))
    assert plan.late == () and all(c.late == 0 for p in plan.populations for c in p.connections)


def test_each_connection_is_made_by_one_block_after_both_populations():
    plan = lower(document_of(recurrent()))
    made, known = [], set()
    for population in plan.populations:
        known.add(population.identifier)
        for connection in population.made_here:
            assert {connection.target_identifier} <= known
            assert connection.from_input or connection.source_identifier in known
            made.append(connection)
    every = [c for p in plan.populations for c in p.connections]
    assert sorted(c.identifier for c in made) == sorted(c.identifier for c in every)
    directions = [c.direction for c in made]
    assert "back to itself, 1 step late" in directions and "back to stem, 3 steps late" in directions
