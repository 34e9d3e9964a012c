"""Generated simulate.py on GeNN's CPU backend against reference.py, spike for spike."""

from __future__ import annotations

from math import lcm

import numpy as np
import pytest
from sample_networks import (
    autoencoder,
    branched,
    dyadic_examples,
    every_op,
    examples_for,
    leaky_pair,
    of_all_kinds,
    pooled_dense,
    recurrent,
    recurrent_maximum,
    small_cnn,
    targets_for,
    with_frames,
    with_several,
)
from scripts import assert_equal_arrays, assert_equal_scores, results, run_script, written

from tgenn_gen import simulate
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron

pytestmark = pytest.mark.genn

NETWORKS = {
    "membrane": small_cnn(),
    "zero": small_cnn(IntegrateAndFireNeuron(threshold=1.5, reset="zero", v_init=0.25)),
    "spike_count": small_cnn(readout="spike_count"),
    "pooled_dense": pooled_dense(),  # GeNN sorts its connections by name and wants kernels of one rank
    "branched": branched(),  # sources of unequal depth, the input at depth 2
    "every_op": every_op(),  # all linear maps, on images and on steps
    "autoencoder": autoencoder(),
    "recurrent": recurrent(),
    "recurrent_maximum": recurrent_maximum(),
    **with_several(),  # inputs and outputs, at unequal depths, with unequal readouts and shapes
    **with_frames(),  # inputs that change within an example
    **of_all_kinds(),  # every encoding, neuron and readout, behind branches of unequal depth
}
OFTEN = "mixed_inputs frames few_spike signed_maximum recurrent".split()
EXAMPLES = 6


@pytest.fixture(
    scope="module",
    params=[n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS],
)
def project(request, tmp_path_factory):
    """A generated folder with data beside it, and its network."""
    network = NETWORKS[request.param]
    examples = examples_for(network, EXAMPLES)
    for x in examples.values():
        x[2] = 0  # what a silent example shows is what leaked from the one before
    folder = tmp_path_factory.mktemp(request.param) / "network"
    return written(network, folder, **examples, **targets_for(network, EXAMPLES)), network


def possible(network, timesteps: int) -> int:
    """The number of time steps nearest to `timesteps` that the network allows."""
    most = 16 if network.few_spike else timesteps
    least = max(*(o.start + 1 for o in network.outputs), min(timesteps, most))
    frames = lcm(*(i.frames for i in network.inputs))
    return -(-least // frames) * frames


def assert_last_line_is_the_first_outputs_score(network, run) -> None:
    result, _, stdout = run
    if "mean_squared_error" in result:
        said = f"mean squared error: {result['mean_squared_error']:.4g} ("
    else:
        said = f"accuracy: {result['accuracy']:.4f} ("
    assert stdout.splitlines()[-1].removeprefix(f"{network.outputs[0].population}: ").startswith(said)


@pytest.mark.parametrize(
    "timesteps", [7, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (1, 2, 64))]
)
def test_genn_and_numpy_agree_spike_for_spike_over_consecutive_examples(project, timesteps):
    """Recorded spikes, of the first example, are looked at where there are 7 steps."""
    folder, network = project
    steps = possible(network, timesteps)
    options = ["--timesteps", steps, "--seed", 5]
    if timesteps == 7:
        options += ["--record", ",".join(network.spiking), "--plot", folder / "raster.png"]
    on_genn, in_numpy = (
        results(folder / script, folder / "data.npz", *options) for script in ("simulate.py", "reference.py")
    )
    assert_equal_arrays(on_genn[1], in_numpy[1])
    assert_equal_scores(on_genn[0], in_numpy[0])
    assert on_genn[0]["spikes_per_example"] == in_numpy[0]["spikes_per_example"]
    assert on_genn[0]["backend"] == "single_threaded_cpu" and in_numpy[0]["backend"] == "numpy"
    assert_last_line_is_the_first_outputs_score(network, on_genn)
    if timesteps == 7:
        for name in network.spiking:
            assert len(in_numpy[1][f"spikes/{name}"]) == in_numpy[1][f"spike_counts/{name}"][0].sum()
        assert (folder / "raster.png").read_bytes().startswith(b"\x89PNG")
    if steps > 7:
        spiking = [name for name in in_numpy[1] if name.startswith("spike_counts/")]
        assert all(in_numpy[1][name].any() for name in spiking), "a silent population shows nothing"

    with np.load(folder / "data.npz") as data:
        x = {i.name: data[i.name] for i in network.inputs}
    engine = simulate(network, x, timesteps=steps, seed=5)
    for name, output in engine.outputs.items():
        key = "output" if len(engine.outputs) == 1 else f"output/{name}"
        np.testing.assert_array_equal(output, in_numpy[1][key])


def test_an_example_gives_the_same_result_whatever_comes_before_it(project):
    """With 7 steps, as in the test above, so that GeNN need not build the model again."""
    folder, network = project
    steps = possible(network, 7)
    with np.load(folder / "data.npz") as data:
        arrays = dict(data)
    others = {name: np.concatenate([a[::-1][:3], a[3:]]) for name, a in arrays.items()}
    np.savez(folder / "others.npz", **others)
    np.savez(folder / "reversed.npz", **{name: a[::-1] for name, a in arrays.items()})
    forward, others, backward = (
        results(folder / "simulate.py", folder / f"{name}.npz", "--timesteps", steps, "--seed", 5)[1]
        for name in ("data", "others", "reversed")
    )
    for found in (forward, others, backward):
        np.testing.assert_array_equal(found.pop("examples"), np.arange(len(next(iter(arrays.values())))))
    draws = "net.draw(" in (folder / "simulate.py").read_text()  # which go by the place of the example
    for name, array in forward.items():
        np.testing.assert_array_equal(array[3:], others[name][3:], err_msg=name)
        if not draws:
            np.testing.assert_array_equal(array, backward[name][::-1], err_msg=name)


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_leaky_neurons_that_drive_each_other_spike_as_in_numpy_whatever_the_frames(tmp_path, frames):
    network = leaky_pair(frames)
    x = examples_for(network, EXAMPLES)
    folder = written(network, tmp_path / "n", **x, **targets_for(network, EXAMPLES))
    for steps in (8, 16):
        on_genn, in_numpy = (
            results(folder / script, folder / "data.npz", "--timesteps", steps)
            for script in ("simulate.py", "reference.py")
        )
        assert_equal_arrays(on_genn[1], in_numpy[1])
        for name in ("excited", "inhibiting"):
            assert in_numpy[1][f"spike_counts/{name}"].any(axis=1).all(), "a silent population shows nothing"
        engine = simulate(network, x, timesteps=steps)
        np.testing.assert_array_equal(engine.spike_counts["excited"], in_numpy[1]["spike_counts/excited"])


@pytest.mark.slow
def test_runs_at_the_same_time_do_not_disturb_each_other(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    folder = written(pooled_dense(), tmp_path / "n", x=dyadic_examples((8, 12, 1), 3), y=[0, 1, 2])
    arguments = (folder / "simulate.py", "--data", folder / "data.npz")
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: run_script(*arguments), range(3)))
    assert [run.returncode for run in runs] == [0, 0, 0], [run.stderr for run in runs]
    assert len({run.stdout for run in runs}) == 1
