"""Generated simulate.py on GeNN's CPU backend against reference.py, spike for spike."""

from __future__ import annotations

import numpy as np
import pytest
from sample_networks import branched, dyadic_examples, examples_for, of_all_kinds, pooled_dense, small_cnn
from scripts import results, run_script

from tgenn_gen import generate, simulate
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire

pytestmark = pytest.mark.genn

NETWORKS = {
    "membrane": small_cnn(),
    "zero": small_cnn(IntegrateAndFire(threshold=1.5, reset="zero", v_init=0.25)),
    "spike_count": small_cnn(readout="spike_count"),
    "pooled_dense": pooled_dense(),  # GeNN sorts its connections by name and wants kernels of one rank
    "branched": branched(),  # sources of unequal depth, the input at depth 2, every op
    **of_all_kinds(),  # every encoding, neuron and readout, behind branches of unequal depth
}
EXAMPLES = 6


@pytest.fixture(scope="module", params=NETWORKS)
def project(request, tmp_path_factory):
    """A generated folder with data beside it, and its network."""
    network = NETWORKS[request.param]
    folder = tmp_path_factory.mktemp(request.param) / "network"
    network.save(folder)
    generate(network, folder)
    x = examples_for(network, EXAMPLES)
    x[2] = 0  # what a silent example shows is what leaked from the one before
    np.savez(
        folder / "data.npz",
        x=x,
        y=np.arange(EXAMPLES) % network.population(network.outputs[0].population).size,
    )
    return folder, network


def possible(network, timesteps: int) -> int:
    """The number of time steps nearest to `timesteps` that the network allows."""
    most = 16 if network.few_spike else timesteps
    return max(network.outputs[0].start + 1, min(timesteps, most))


@pytest.mark.parametrize("timesteps", [1, 2, 7, 64])
def test_genn_and_numpy_agree_spike_for_spike_over_consecutive_examples(project, timesteps):
    folder, network = project
    timesteps = possible(network, timesteps)
    on_genn, in_numpy = (
        results(folder / script, folder / "data.npz", "--timesteps", timesteps, "--seed", 5)
        for script in ("simulate.py", "reference.py")
    )
    assert sorted(on_genn[1]) == sorted(in_numpy[1])
    for name, array in in_numpy[1].items():
        np.testing.assert_array_equal(on_genn[1][name], array, err_msg=name)
    assert on_genn[0]["accuracy_per_step"] == in_numpy[0]["accuracy_per_step"]
    assert on_genn[0]["spikes_per_example"] == in_numpy[0]["spikes_per_example"]
    assert on_genn[0]["backend"] == "single_threaded_cpu" and in_numpy[0]["backend"] == "numpy"
    if timesteps > 7:
        spiking = [name for name in in_numpy[1] if name.startswith("spike_counts/")]
        assert all(in_numpy[1][name].any() for name in spiking), "a silent population shows nothing"

    with np.load(folder / "data.npz") as data:
        engine = simulate(network, data["x"], timesteps=timesteps, seed=5)
    np.testing.assert_array_equal(engine.output, in_numpy[1]["output"])


def test_an_example_gives_the_same_result_whatever_comes_before_it(project):
    folder, network = project
    steps = possible(network, 2)
    with np.load(folder / "data.npz") as data:
        x, y = data["x"], data["y"]
    np.savez(folder / "others.npz", x=np.concatenate([x[::-1][:3], x[3:]]), y=y)
    np.savez(folder / "reversed.npz", x=x[::-1], y=y[::-1])
    forward, others, backward = (
        results(folder / "simulate.py", folder / f"{name}.npz", "--timesteps", steps)[1]
        for name in ("data", "others", "reversed")
    )
    draws = "random_keys" in (folder / "simulate.py").read_text()  # which go by the place of the example
    for name, array in forward.items():
        np.testing.assert_array_equal(array[3:], others[name][3:], err_msg=name)
        if not draws:
            np.testing.assert_array_equal(array, backward[name][::-1], err_msg=name)


def test_recorded_spikes_are_those_of_the_first_example(project):
    folder, network = project
    spiking = network.spiking
    arguments = (
        "--timesteps",
        possible(network, 3),
        "--record",
        ",".join(spiking),
        "--plot",
        folder / "raster.png",
    )
    on_genn, in_numpy = (
        results(folder / script, folder / "data.npz", *arguments)[1]
        for script in ("simulate.py", "reference.py")
    )
    for name in spiking:
        np.testing.assert_array_equal(on_genn[f"spikes/{name}"], in_numpy[f"spikes/{name}"], err_msg=name)
        assert len(in_numpy[f"spikes/{name}"]) == in_numpy[f"spike_counts/{name}"][0].sum()
    assert (folder / "raster.png").read_bytes().startswith(b"\x89PNG")


def test_the_cpu_backend_takes_one_example_at_a_time(project):
    folder, _ = project
    done = run_script(folder / "simulate.py", "--data", folder / "data.npz", "--batch-size", 2)
    assert done.returncode == 2
    assert done.stderr == (
        "simulate.py: error: --batch-size: backend single_threaded_cpu simulates one example at a time\n"
    )


def test_an_unknown_backend_is_refused_with_those_there_are(project):
    folder, _ = project
    done = run_script(folder / "simulate.py", "--data", folder / "data.npz", "--backend", "cudo")
    assert done.returncode == 2
    assert done.stderr.startswith("simulate.py: error: --backend cudo: PyGeNN here has ")


def test_the_last_line_of_stdout_is_the_accuracy(project):
    folder, _ = project
    result, _, stdout = results(folder / "simulate.py", folder / "data.npz")
    assert stdout.splitlines()[-1].startswith(f"accuracy: {result['accuracy']:.4f} (")


def test_runs_at_the_same_time_do_not_disturb_each_other(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    network = pooled_dense()
    network.save(tmp_path / "n")
    generate(network, tmp_path / "n")
    np.savez(tmp_path / "data.npz", x=dyadic_examples((8, 12, 1), 3), y=[0, 1, 2])
    arguments = (tmp_path / "n/simulate.py", "--data", tmp_path / "data.npz")
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: run_script(*arguments), range(3)))
    assert [run.returncode for run in runs] == [0, 0, 0], [run.stderr for run in runs]
    assert len({run.stdout for run in runs}) == 1
