"""Streams: networks whose neurons keep V from an example to the next; `step`, one input after the other."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sample_networks import (
    branched,
    dyadic_examples,
    examples_for,
    small_cnn,
    streams,
    targets_for,
    with_frames,
)
from scripts import assert_equal_arrays, assert_equal_scores, results, run_script, written

from tgenn_gen import TgennError, evaluate, simulate
from tgenn_gen.network.model import Simulation
from tgenn_gen.runtime.projects import load_script

STEPS = 8


def stream(network):
    return replace(network, simulation=Simulation(1.0, STEPS, "never"))


@pytest.mark.parametrize("network", [small_cnn(readout="spike_count"), branched()], ids=lambda n: n.name)
def test_a_stream_of_examples_is_one_long_example_with_frames(network):
    """Its counts are of each example, which the long one has as differences."""
    x = dyadic_examples(network.inputs[0].shape, 5) / 8
    shown = replace(network.inputs[0], frames=5)
    long = simulate(
        replace(network, inputs=(shown,), simulation=Simulation(1.0, 5 * STEPS)), x[None], record=None
    )
    found = simulate(stream(network), x, record=None)
    anew = simulate(replace(network, simulation=Simulation(1.0, STEPS)), x, record=None)
    for name, spikes in long.spikes.items():
        of_each = spikes.reshape(found.spikes[name].shape)
        np.testing.assert_array_equal(found.spikes[name], of_each)
        np.testing.assert_array_equal(found.spike_counts[name], of_each.astype(int).sum(axis=1))
    assert any((found.spikes[name] != spikes).any() for name, spikes in anew.spikes.items())
    for name, v in simulate(stream(network), x, record_v=[network.populations[-1].name]).v.items():
        if network.population(name).neuron.kind == "integrate":  # the readout of each example starts at 0
            scale = network.population(name).scales
            np.testing.assert_allclose(found.logits[name], scale * v[:, -1] / STEPS, rtol=1e-6)


def test_signed_neurons_take_back_spikes_of_the_same_example_only():
    """The sum of spikes, which must be above 0 for a spike of -1, is that of the example."""
    network = streams()["stream_of_signed_poisson"]
    counts = simulate(network, examples_for(network, 8), seed=3).net_counts
    assert all(net.min() >= 0 for name, net in counts.items() if name != network.inputs[0].name)


@pytest.mark.genn
@pytest.mark.parametrize(
    "name", [n if n == "stream" else pytest.param(n, marks=pytest.mark.slow) for n in streams()]
)
def test_genn_and_numpy_agree_spike_for_spike_over_a_stream(tmp_path, name):
    network = streams()[name]
    x, y = examples_for(network, 6), targets_for(network, 6)
    folder = written(network, tmp_path / "n", **x, **y)
    on_genn, in_numpy = (
        results(folder / script, folder / "data.npz", "--seed", 5)
        for script in ("simulate.py", "reference.py")
    )
    assert_equal_arrays(on_genn[1], in_numpy[1])
    assert_equal_scores(on_genn[0], in_numpy[0])
    engine = simulate(network, x, seed=5)
    for population, counts in engine.spike_counts.items():
        flat = in_numpy[1][f"spike_counts/{population}"]
        np.testing.assert_array_equal(flat.reshape(counts.shape), counts)


@pytest.mark.genn
def test_each_run_on_genn_begins_a_new_stream(tmp_path):
    network = streams()["stream"]
    x = examples_for(network, 3)
    net = load_script(written(network, tmp_path / "n", **x) / "simulate.py").build()
    first, second = net.run(x), net.run(x)
    for name, counts in first.spike_counts.items():
        np.testing.assert_array_equal(counts, second.spike_counts[name])


@pytest.mark.genn
@pytest.mark.parametrize("timesteps", [3, 1])
def test_spikes_from_before_a_stream_are_ignored_in_all_examples_that_a_delay_reaches(tmp_path, timesteps):
    network = streams()["stream_of_recurrent"]  # with delays of up to 4 steps
    folder = written(network, tmp_path / "stream")
    x = examples_for(network, 4)
    on_genn, in_numpy = (load_script(folder / f"{name}.py").build() for name in ("simulate", "reference"))
    on_genn.run(x)
    found, expected = (net.run(x, timesteps=timesteps) for net in (on_genn, in_numpy))
    assert found.spike_counts["stem"].any()
    for name, counts in expected.spike_counts.items():
        np.testing.assert_array_equal(found.spike_counts[name], counts)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--shard", "0/2"], "--shard: leave it out: the examples are a stream"),
        (["--batch-size", "2"], "--batch-size 2: expected 1, because the examples are a stream"),
    ],
)
def test_options_that_share_the_examples_of_a_stream_are_refused(tmp_path, options, message):
    network = streams()["stream"]
    folder = written(network, tmp_path / "n", **examples_for(network, 3))
    done = run_script(folder / "reference.py", "--data", folder / "data.npz", *options)
    assert done.returncode == 2 and message in done.stderr, done.stderr


def test_a_part_of_a_stream_cannot_go_on_but_a_whole_one_need_not_run_again(tmp_path):
    """So sweeps, which resume all tasks, take streams."""
    network = streams()["stream"]
    folder = written(network, tmp_path / "n", **examples_for(network, 3))
    command = (
        folder / "reference.py",
        "--data",
        folder / "data.npz",
        "--json",
        tmp_path / "r.json",
        "--resume",
    )
    assert [run_script(*command).returncode for _ in range(2)] == [0, 0]
    result = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "r.json").write_text(json.dumps({**result, "n": 2}))
    done = run_script(*command)
    assert done.returncode == 2 and "has a part of the results, with which nothing can go on" in done.stderr


def test_processes_do_not_share_the_examples_of_a_stream():
    class Communicator:
        rank, size = 0, 2

    network = streams()["stream"]
    x = examples_for(network, 4)
    y = np.zeros(4, int)
    with pytest.raises(TgennError, match="they are a stream"):
        evaluate(network, x, {"classes": y}, communicator=Communicator())


def test_the_few_spike_code_has_no_streams():
    from sample_networks import of_all_kinds

    with pytest.raises(TgennError, match="expected reset example with the few-spike code, got never"):
        of_all_kinds()["few_spike"].with_values({"simulation.reset": "never"})


@pytest.mark.parametrize("script", ["reference.py", pytest.param("simulate.py", marks=pytest.mark.genn)])
@pytest.mark.parametrize("reset", ["example", "never"])
@pytest.mark.parametrize("name", ["frames", "frames_of_currents", "frames_of_regular", "frames_of_signed"])
def test_steps_give_the_outputs_of_a_run_each_after_its_delay(tmp_path, name, reset, script):
    network = with_frames()[name]
    network = replace(
        network,
        inputs=tuple(replace(i, frames=8) for i in network.inputs),
        simulation=Simulation(1.0, 8, reset),
    )
    x = examples_for(network, 4)
    net = load_script(written(network, tmp_path / "n", **x) / script).build()
    expected = simulate(network, x).outputs_per_step  # (steps, n, *shape)
    steps = {n: np.concatenate([*values]) for n, values in x.items()}
    latest = max(net.delays.values())
    found = {o.population: [] for o in network.outputs}
    for step in range(4 * 8 + latest):
        shown = {n: values[min(step, 31)][None] for n, values in steps.items()}
        for output, answer in net.step(shown).items():
            assert (answer is None) == (step < net.delays[output])
            if answer is not None:
                found[output].append(answer[0])
    for output, answers in found.items():
        by_step = np.array(answers[:32]).reshape(4, 8, *answers[0].shape)
        np.testing.assert_array_equal(by_step.swapaxes(0, 1), expected[output])


def test_the_delay_is_the_depth_on_genn_and_0_in_numpy(tmp_path):
    network = branched()
    folder = written(network, tmp_path / "n", **examples_for(network, 2))
    assert set(load_script(folder / "reference.py").build().delays.values()) == {0}


@pytest.mark.genn
def test_the_delay_on_genn_is_the_depth(tmp_path):
    network = branched()
    folder = written(network, tmp_path / "n", **examples_for(network, 2))
    depths = {o.population: network.depths[o.population] for o in network.outputs}
    assert load_script(folder / "simulate.py").build().delays == depths


def test_a_run_ends_a_stream_of_steps(tmp_path):
    network = stream(small_cnn())
    x = dyadic_examples((7, 10, 2), 3) / 8
    net = load_script(written(network, tmp_path / "n", image=x) / "reference.py").build()
    first = [net.step(x[:1])["classes"] for _ in range(11)]
    net.run(x)
    again = [net.step(x[:1])["classes"] for _ in range(11)]
    np.testing.assert_array_equal(first, again)


def test_a_step_in_numpy_takes_the_same_number_of_examples_as_before(tmp_path):
    x = dyadic_examples((7, 10, 2), 3)
    net = load_script(written(small_cnn(), tmp_path / "n", image=x) / "reference.py").build()
    net.step(x)
    with pytest.raises(ValueError, match="2 examples in a step, expected 3"):
        net.step(x[:2])


def test_a_step_refuses_what_a_run_refuses(tmp_path):
    x = dyadic_examples((7, 10, 2), 1)
    build = load_script(written(small_cnn(), tmp_path / "n", image=x) / "reference.py").build
    with pytest.raises(ValueError, match="expected at least 1"):
        build(timesteps=0).step(x)
    net = build()
    net.set("nonsense", threshold=0.5)
    with pytest.raises(ValueError, match="nonsense"):
        net.step(x)
