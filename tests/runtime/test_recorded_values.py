"""V and I that are recorded: against equations written here, for chosen neurons and examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from golden import GENERATED, golden_networks
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries
from sample_networks import dyadic_examples, examples_for, small_cnn
from scripts import run_here

from tgenn_gen import Network, TgennError, simulate
from tgenn_gen.engine import simulation
from tgenn_gen.engine.numpy_engines import Engine, fastest
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.projects import load_script
from tgenn_gen.runtime.recording import Recording, parsed_neurons

GOLDEN = golden_networks()
ENGINES = ["numpy", "numba"] if fastest().neurons else ["numpy"]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Each engine in NumPy takes its turn in `simulate`."""
    if request.param == "numpy":
        monkeypatch.setattr(simulation, "fastest", Engine)
    return request.param


def any_weights(network: Network) -> Network:
    """The same network with weights of any value, so that sums round."""
    rng = np.random.default_rng(1)

    def changed(tensor):
        return replace(tensor, values=tensor.values * rng.normal(1, 0.1, tensor.values.shape))

    def mapped(connection):
        through = tuple(
            replace(m, **{k: changed(v) for k, v in vars(m).items() if isinstance(v, Tensor)})
            for m in connection.through
        )
        return replace(connection, through=through)

    populations = tuple(
        replace(p, inputs=tuple(mapped(c) for c in p.inputs), bias=p.bias and changed(p.bias))
        for p in network.populations
    )
    return replace(network, populations=populations)


def with_current(network: Network) -> list[str]:
    return [p.name for p in network.populations if p.neuron.kind != "maximum"]


def reconstructed(neuron: Neuron, v0: np.ndarray, i: np.ndarray, spikes: np.ndarray | None) -> np.ndarray:
    """V after each step in float32, from V before the first, I and spikes (n, steps, neurons) alone."""
    gain = np.float32(neuron.gain(1.0)) if isinstance(neuron, IntegrateAndFireNeuron) else np.float32(1)
    v, found = np.array(v0, np.float32), np.empty_like(i)
    for k in range(i.shape[1]):
        v = v + (i[:, k] if gain == 1 else gain * i[:, k])
        if spikes is not None:
            rest, reset = np.float32(getattr(neuron, "v_rest", 0)), getattr(neuron, "reset", "subtract")
            fall = np.float32(neuron.threshold) - rest
            v = v - fall * spikes[:, k] if reset == "subtract" else np.where(spikes[:, k], rest, v)
        v = v.astype(np.float32)
        found[:, k] = v
    return found


@pytest.mark.parametrize("exact", [True, False], ids=["dyadic", "any weights"])
@pytest.mark.parametrize("name", ["small_cnn", "signed_maximum", "branched", "mixed_inputs", "every_op"])
def test_v_follows_from_recorded_i_and_spikes_bit_for_bit(engine, name, exact):
    network = GOLDEN[name] if exact else any_weights(GOLDEN[name])
    names, x = with_current(network), examples_for(network, 6)
    result = simulate(network, x, timesteps=70, batch_size=4, record=None, record_v=names, record_i=names)
    for p in (network.population(name) for name in names):
        v, i = (a[p.name].reshape(6, 70, -1) for a in (result.v, result.i))
        spikes = result.spikes[p.name].reshape(i.shape) if p.neuron.spikes else None
        assert v.dtype == i.dtype == np.float32 and np.ptp(i) > 0
        start = getattr(p.neuron, "v_init", 0.0)
        start = start.values.reshape(-1) if isinstance(start, Tensor) and start.values.ndim > 1 else start
        start = np.tile(start.values, p.size // start.values.size) if isinstance(start, Tensor) else start
        v0 = np.broadcast_to(np.float32(start), i[:, 0].shape)
        np.testing.assert_array_equal(v, reconstructed(p.neuron, v0, i, spikes), err_msg=p.name)


def test_v_in_mv_follows_from_i_by_the_gain(engine):
    """V starts at random: from the first step on."""
    network = GOLDEN["physical"]
    names, x = with_current(network), examples_for(network, 4)
    result = simulate(network, x, record=None, record_v=names, record_i=names)
    for p in network.populations:
        v, i, spikes = (a[p.name].reshape(4, 7, -1) for a in (result.v, result.i, result.spikes))
        assert p.neuron.gain(1.0) != 1
        found = reconstructed(p.neuron, v[:, 0], i[:, 1:], spikes[:, 1:])
        np.testing.assert_array_equal(v[:, 1:], found)


def two_layers() -> tuple[Network, dict[str, np.ndarray]]:
    """x to a, x and a to b, with biases; and its weights."""
    rng = np.random.default_rng(0)
    shapes = {"x_to_a": (3, 5), "a_to_b": (5, 2), "x_to_b": (3, 2), "a": (5,), "b": (2,)}
    w = {name: rng.integers(-6, 13, shape).astype(np.float32) / 16 for name, shape in shapes.items()}

    def dense(name: str) -> tuple[Dense]:
        return (Dense(Tensor(f"weights/{name}.npy", w[name])),)

    def bias(name: str) -> Tensor:
        return Tensor(f"weights/{name}.npy", w[name])

    a = Population("a", (5,), IntegrateAndFireNeuron(), (Connection("x", dense("x_to_a")),), 1.0, bias("a"))
    inputs = (Connection("a", dense("a_to_b")), Connection("x", dense("x_to_b")))
    b = Population("b", (2,), IntegrateNeuron(), inputs, 1.0, bias("b"))
    network = Network(
        "two_layers",
        (Input("x", (3,), ConstantCurrentInput()),),
        (a, b),
        (Output("b", "membrane"),),
        Simulation(1.0, 9),
    )
    return network, w


def test_i_is_bias_input_and_synapses_of_each_step(engine):
    network, w = two_layers()
    x = dyadic_examples((3,), 7)
    result = simulate(network, x, record=["a"], record_i=["a", "b"])
    of_a = x @ w["x_to_a"] + w["a"]
    np.testing.assert_array_equal(result.i["a"], np.repeat(of_a[:, None], 9, axis=1))
    of_b = result.spikes["a"] @ w["a_to_b"] + (x @ w["x_to_b"] + w["b"])[:, None]
    assert result.spikes["a"].any() and not result.spikes["a"].all()
    np.testing.assert_array_equal(result.i["b"], of_b)


@tries(40)
@given(st.data())
def test_chosen_neurons_are_columns_of_all(data):
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 5)
    timesteps, batch_size = data.draw(st.sampled_from([1, 7, 64, 67])), data.draw(st.integers(1, 6))
    some = st.lists(st.integers(0, 23), min_size=1, max_size=24, unique=True)
    neurons = data.draw(some | st.just(range(3, 9)) | some.map(np.array))
    options = {"timesteps": timesteps, "batch_size": batch_size}
    names = ["conv1", "conv2"]
    whole = simulate(network, x, **options, record_v=names, record_i=names)
    part = simulate(network, x, **options, record_v=names, record_i=["conv2"], neurons=neurons)
    for name in names:
        assert whole.v[name].shape == (5, timesteps, *network.shapes[name])
        expected = whole.v[name].reshape(5, timesteps, -1)[..., list(neurons)]
        np.testing.assert_array_equal(part.v[name], expected)
    np.testing.assert_array_equal(
        part.i["conv2"], whole.i["conv2"].reshape(5, timesteps, -1)[..., list(neurons)]
    )
    assert sorted(part.i) == ["conv2"] and part.neurons.tolist() == list(neurons)
    np.testing.assert_array_equal(part.output_per_step, whole.output_per_step)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 9)), min_size=1, max_size=6))
def test_a_text_of_neurons_is_the_numbers_and_ranges_in_it(parts):
    text = ",".join(str(start) if size == 1 else f"{start}:{start + size}" for start, size in parts)
    numbers = [n for start, size in parts for n in range(start, start + size)]
    if len(set(numbers)) < len(numbers):
        with pytest.raises(ValueError, match=r"^expected each neuron once, got"):
            parsed_neurons(text)
    else:
        assert parsed_neurons(text).tolist() == numbers


REFUSED = {
    "record_i pool2x2: its neurons have no current: those of maximum take several spike trains apart: exp": (
        "signed_maximum",
        {"record_i": ["pool2x2"]},
    ),
    "record_i nobody: expected populations of conv1, conv2, dense, classes": (
        "small_cnn",
        {"record_i": ["nobody", "conv1"]},
    ),
    "record_i stem: the few-spike code has no current of each step: NumPy adds up that of an example": (
        "few_spike",
        {"record_i": ["stem"]},
    ),
    "record_v image: expected populations of stem,": ("signed_poisson", {"record_v": ["image"]}),
    "neurons 6: dense has 6 neurons, expected numbers from 0 to 5": (
        "small_cnn",
        {"record_v": ["conv1"], "record_i": ["dense"], "neurons": [1, 6, 2]},
    ),
    "neurons needs record_v or record_i, whose neurons it chooses": ("small_cnn", {"neurons": [1]}),
    "neurons []: expected whole numbers, such as range(10) or [3, 7]": ("small_cnn", {"neurons": []}),
    "neurons 3: expected whole numbers": ("small_cnn", {"neurons": 3}),
    "neurons 'a': expected whole numbers": ("small_cnn", {"neurons": "a"}),
    "neurons [True]: expected whole numbers": ("small_cnn", {"neurons": [True]}),
    "neurons [[1], [1, 2]]: expected whole numbers": ("small_cnn", {"neurons": [[1], [1, 2]]}),
    "neurons [0, -1]: expected numbers of at least 0, got -1": ("small_cnn", {"neurons": [0, -1]}),
    "neurons [4, 4]: expected each neuron once, got 4 twice": ("small_cnn", {"neurons": [4, 4]}),
    "record_i is 'conv1', expected a list of names": ("small_cnn", {"record_i": "conv1"}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_recorded_is_refused_by_name(message):
    name, options = REFUSED[message]
    with pytest.raises(TgennError) as error:
        simulate(GOLDEN[name], examples_for(GOLDEN[name], 1), **options)
    assert message in str(error.value)


@pytest.mark.parametrize(("example", "batch"), [(0, 2), (3, 2), (4, 3)])
def test_scripts_save_v_and_i_of_the_chosen_example_and_neurons(tmp_path, example, batch):
    x = dyadic_examples((7, 10, 2), 5)
    np.savez(tmp_path / "x.npz", x=x)
    script = GENERATED / "small_cnn/reference.py"
    options = (
        "--record-v",
        "conv1,classes",
        "--record-i",
        "classes",
        "--neurons",
        "3,0:2",
        "--example",
        example,
    )
    saved = ("--save-outputs", tmp_path / "o.npz", "--plot", tmp_path / "p.png")
    done = run_here(script, "--data", tmp_path / "x.npz", "--batch-size", batch, *options, *saved)
    assert (done.returncode, done.stderr) == (0, "")
    names = {"record_v": ["conv1", "classes"], "record_i": ["classes"], "neurons": [3, 0, 1]}
    expected = load_script(script).build().run(x, **names)
    with np.load(tmp_path / "o.npz") as arrays:
        assert {n for n in arrays if n.startswith(("v/", "i/", "spikes/"))} == {
            "v/conv1",
            "v/classes",
            "i/classes",
        }
        for name in ("conv1", "classes"):
            np.testing.assert_array_equal(arrays[f"v/{name}"], expected.v[name][example])
            assert arrays[f"neurons/{name}"].tolist() == [3, 0, 1]
        np.testing.assert_array_equal(arrays["i/classes"], expected.i["classes"][example])
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", ["reference.py", pytest.param("simulate.py", marks=pytest.mark.genn)])
def test_nothing_is_kept_of_the_other_examples(tmp_path, script):
    build = load_script(GENERATED / "small_cnn" / script).build
    options = {"batch_size": 3} if script == "reference.py" else {"keep_i": True, "build_dir": tmp_path}
    net, x = build(**options), {"image": dyadic_examples((7, 10, 2), 8)}
    recording = Recording(None, ["conv2"], ["dense"], np.arange(4), example=25)
    batches = [*net.batches(x, range(10, 42, 4), 7, recording)]  # of a shard: 10, 14, 18, 22 and so on
    with_it = [batch for batch in batches if batch.v or batch.i or batch.spikes]
    assert with_it == []
    batches = [*net.batches(x, range(10, 42, 3), 7, recording)]
    (batch,) = [batch for batch in batches if batch.v or batch.i or batch.spikes]
    assert batch.v["conv2"].shape == batch.i["dense"].shape == (1, 7, 4)
    whole = net.run(x, record=None, record_v=["conv2"], record_i=["dense"])
    np.testing.assert_array_equal(batch.v["conv2"][0], whole.v["conv2"][5, :, :4])
    np.testing.assert_array_equal(batch.i["dense"][0], whole.i["dense"][5, :, :4])
    np.testing.assert_array_equal(batch.spikes["conv1"][0], whole.spikes["conv1"][5])
