"""simulate.py as a module, on GeNN: `run` against reference.py, `step` against loops written here."""

from __future__ import annotations

import subprocess
import sys
from math import lcm
from pathlib import Path

import numpy as np
import pytest
from golden import golden_networks
from sample_networks import dyadic_examples, examples_for, pooled_dense
from scripts import written

from tgenn_gen import TgennError, simulate
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.projects import load_script

OFTEN = "small_cnn few_spike signed_poisson".split()
FIELDS = "outputs outputs_per_step spike_counts net_counts spikes v".split()


def assert_equal_results(found, expected) -> None:
    for field in FIELDS:
        arrays, others = getattr(found, field), getattr(expected, field)
        assert sorted(arrays) == sorted(others), field
        for name, array in others.items():
            assert arrays[name].dtype == array.dtype, (field, name)
            np.testing.assert_array_equal(arrays[name], array, err_msg=f"{field} of {name}")


def with_v(network: Network) -> list[str]:
    """The populations whose V is the same; GeNN's begins anew where one is read from a later step on."""
    later = [o.population for o in network.outputs if o.start and o.readout == "membrane"]
    return [p.name for p in network.populations if p.name not in later]


@pytest.fixture(
    scope="module",
    params=[n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in golden_networks()],
)
def built(request, tmp_path_factory):
    """A golden network: itself, on GeNN, in NumPy, and five examples."""
    network = golden_networks()[request.param]
    folder = written(network, tmp_path_factory.mktemp(request.param) / "network")
    on_genn, in_numpy = (load_script(folder / f"{s}.py").build(seed=3) for s in ("simulate", "reference"))
    return network, on_genn, in_numpy, examples_for(network, 5)


@pytest.mark.genn
def test_run_gives_what_reference_gives_however_often_it_is_called(built):
    network, on_genn, in_numpy, x = built
    recorded = {"record": None, "record_v": with_v(network)}
    expected = in_numpy.run(x, **recorded)
    assert expected.v and all(expected.spike_counts[name].any() for name in network.spiking)
    for _ in range(2):
        assert_equal_results(on_genn.run(x, **recorded), expected)
    assert_equal_results(on_genn.run(x), in_numpy.run(x))


@pytest.mark.genn
def test_other_timesteps_need_no_new_build_but_for_few_spikes(built):
    network, on_genn, in_numpy, x = built
    frames = lcm(*(i.frames for i in network.inputs))
    timesteps = -(-(3 + max(o.start for o in network.outputs)) // frames) * frames
    if network.few_spike:
        with pytest.raises(ValueError, match=f"^timesteps {timesteps}: this network was built for 7$"):
            on_genn.run(x, timesteps=timesteps)
        timesteps = 7
    options = {"timesteps": timesteps, "record": [network.spiking[0]]}
    assert_equal_results(on_genn.run(x, **options), in_numpy.run(x, **options))


@pytest.mark.genn
def test_unknown_names_are_refused_where_something_is_recorded(built):
    _, on_genn, in_numpy, x = built
    for net in (on_genn, in_numpy):
        for option in ("record", "record_v"):
            with pytest.raises(ValueError, match=f"^{option} nobody: expected populations of "):
                net.run(x, **{option: ["nobody"]})


@pytest.mark.genn
def test_each_step_shows_what_run_gives_as_much_later_as_a_population_is_deep(built):
    """The same example, and so the same spikes, for as many steps as all populations need."""
    network, on_genn, in_numpy, x = built
    first = {name: array[:1] for name, array in x.items()}
    steps, names = on_genn.timesteps, with_v(network)
    expected = in_numpy.run(first, record=None, record_v=names)
    assert_equal_results(on_genn.run(first, record=None, record_v=names), expected)  # in between: no traces
    begin = {}
    for name, group in on_genn.populations.items():
        depth = int(group.params["depth"].value)
        emits_later = network.few_spike and name in expected.spikes
        begin[name] = depth * steps + emits_later * (steps - 1) if network.few_spike else depth
    for step in range(max(begin.values()) + steps):
        on_genn.step(
            {
                i.name: first[i.name] if i.frames == 1 else first[i.name][:, step % steps * i.frames // steps]
                for i in network.inputs
            }
        )
        for name, start in begin.items():
            local = step - start
            if not 0 <= local < steps:
                continue
            if name in names:
                v = on_genn.values(name, "V")[0]
                np.testing.assert_array_equal(v, expected.v[name][0, local], err_msg=f"{name}, step {step}")
            if name in expected.spikes:
                counts = on_genn.values(name, "spike_count")[0]
                emitted = (expected.spikes[name][0, : local + 1] != 0).sum(axis=0)
                np.testing.assert_array_equal(counts, emitted, err_msg=f"{name}, step {step}")


STEPS = 5
W = {
    name: np.random.default_rng(seed).integers(-6, 13, shape).astype(np.float32) / 16
    for seed, (name, shape) in enumerate({"to_a": (3, 4), "a_to_b": (4, 2), "to_b": (3, 2)}.items())
}


def two_layers() -> Network:
    """x to a and to b, a to b."""

    def dense(name: str) -> tuple[Dense]:
        return (Dense(Tensor(f"weights/{name}.npy", W[name])),)

    return Network(
        "two_layers",
        (Input("x", (3,), ConstantCurrentInput()),),
        (
            Population("a", (4,), IntegrateAndFireNeuron(v_init=0.0), (Connection("x", dense("to_a")),)),
            Population(
                "b",
                (2,),
                IntegrateNeuron(),
                (Connection("a", dense("a_to_b")), Connection("x", dense("to_b"))),
            ),
        ),
        (Output("b", "membrane"),),
        Simulation(1.0, STEPS),
    )


@pytest.fixture(scope="module")
def stepped(tmp_path_factory):
    return load_script(written(two_layers(), tmp_path_factory.mktemp("n") / "n") / "simulate.py").build()


@pytest.mark.genn
def test_an_input_that_changes_every_step_reaches_each_population_at_its_depth(stepped):
    episodes = 3
    x = dyadic_examples((3,), episodes * STEPS, 4)
    a, spikes, b = np.zeros((len(x), 4)), np.zeros((len(x), 4), int), np.zeros((len(x), 2))
    for k in range(len(x)):
        new = k % STEPS == 0
        v = (np.zeros(4) if new else a[k - 1]) + x[k] @ W["to_a"]
        spikes[k] = v >= 1
        a[k] = v - spikes[k]
        b[k] = (0 if new else b[k - 1]) + spikes[k] @ W["a_to_b"] + x[k] @ W["to_b"]
    assert spikes.sum() > 5
    for step in range(len(x)):
        stepped.step(x[step : step + 1])
        np.testing.assert_array_equal(stepped.values("a", "V")[0], a[step])
        so_far = spikes[step - step % STEPS : step + 1].sum(axis=0)
        np.testing.assert_array_equal(stepped.values("a", "spike_count")[0], so_far)
        if step:
            np.testing.assert_array_equal(stepped.values("b", "V")[0], b[step - 1])


@pytest.mark.genn
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros(3), r"an example has shape \(\), the network takes \(3,\)"),
        (np.zeros((1, 4)), r"an example has shape \(4,\), the network takes \(3,\)"),
        (np.zeros((2, 3)), "2 examples in a step, expected 1"),
        (np.zeros((0, 3)), "holds no examples"),
        ({"y": np.zeros((1, 3))}, r"expected an array for each input \(x\), got y"),
        (np.full((1, 3), np.nan), "example 0 holds NaN or infinity"),
    ],
)
def test_step_refuses_what_the_network_cannot_take(stepped, x, words):
    with pytest.raises(ValueError, match=words):
        stepped.step(x)


@pytest.mark.genn
def test_simulate_gives_the_same_with_both_engines():
    network = pooled_dense()
    x = examples_for(network, 3)
    names = [p.name for p in network.populations]
    on_genn, in_numpy = (
        simulate(network, x, engine=engine, record=None, record_v=names) for engine in ("genn", "numpy")
    )
    assert sorted(on_genn.spikes) == sorted(network.spiking)
    assert_equal_results(on_genn, in_numpy)
    for engine in ("genn", "numpy"):
        with pytest.raises(TgennError, match="record nobody: expected populations of"):
            simulate(network, x, engine=engine, record=["nobody"])


NO_PYGENN = "PyGeNN cannot be imported (No module named 'pygenn'): install it as https://"


@pytest.fixture
def without_pygenn(tmp_path):
    """A project, and how Python runs there without PyGeNN."""
    folder = written(two_layers(), tmp_path / "n", x=dyadic_examples((3,), 2))
    (tmp_path / "pygenn.py").write_text("raise ModuleNotFoundError(\"No module named 'pygenn'\")\n")

    def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=folder,
            env={"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return python


def test_without_pygenn_simulate_says_so_in_a_line_and_reference_runs(without_pygenn):
    done = without_pygenn("simulate.py", "--data", "data.npz")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"simulate.py: error: {NO_PYGENN}") and done.stderr.count("\n") == 1
    assert "reference.py, which gives the same results without it" in done.stderr
    assert without_pygenn("reference.py", "--data", "data.npz").returncode == 0


def test_without_pygenn_importing_simulate_is_an_import_error_that_says_so(without_pygenn):
    code = "try:\n    import simulate\nexcept ImportError as error:\n    print(error)"
    assert without_pygenn("-c", code).stdout.startswith(NO_PYGENN)
