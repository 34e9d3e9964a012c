"""Changes of simulate.py by hand, as docs/how-to/change_a_neuron.md shows them, do what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_networks import Weights

from tgenn_gen import generate, save
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.runtime.projects import load_script

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "change_a_neuron.md"
DIFFS = re.findall(r"```diff title=\"plain/simulate.py\"\n(.+?)```\n", PAGE.read_text(), re.S)

pytestmark = pytest.mark.genn


def tutorial_network() -> Network:
    """The page's network, with weights that are multiples of 1/16."""
    w = Weights()

    def population(name: str, shape: tuple[int, ...], source: str, *chain: LinearMap) -> Population:
        bias = w(f"{name}.bias", shape[-1], low=0, high=4)
        return Population(name, shape, IntegrateAndFireNeuron(), (Connection(source, chain),), 1.0, bias)

    def kernel(name: str, *shape: int):
        return w(f"{name}.kernel", *shape, low=-1, high=2)

    return Network(
        name="sequential",
        inputs=(Input("input_layer", (28, 28, 1), ConstantCurrentInput(), data_range=(0.0, 1.0)),),
        populations=(
            population(
                "conv2d", (24, 24, 16), "input_layer", Conv2D((1, 1), "valid", kernel("conv2d", 5, 5, 1, 16))
            ),
            population(
                "conv2d_1",
                (12, 12, 8),
                "conv2d",
                AvgPool2D((2, 2), (2, 2), "valid"),
                Conv2D((1, 1), "same", kernel("conv2d_1", 5, 5, 16, 8)),
            ),
            population("dense", (128,), "conv2d_1", Flatten((12, 12, 8)), Dense(kernel("dense", 1152, 128))),
            Population(
                "dense_1",
                (10,),
                IntegrateNeuron(),
                (Connection("dense", (Dense(kernel("dense_1", 128, 10)),)),),
            ),
        ),
        outputs=(Output("dense_1", "membrane"),),
        simulation=Simulation(1.0, 16),
    )


@pytest.fixture
def changed(tmp_path):
    """Generates the network, makes the page's changes in which these words stand, and loads simulate.py."""

    def make(words: str):
        save(tutorial_network(), tmp_path)
        generate(tutorial_network(), tmp_path)
        script = tmp_path / "simulate.py"
        text = script.read_text()
        for diff in (diff for diff in DIFFS if words in diff):
            lines = diff.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            assert text.count(old) == 1, old
            text = text.replace(old, "".join(line[1:] for line in lines if line[0] in " +"))
        script.write_text(text)
        return load_script(script)

    return make


def examples(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 17, (count, 28, 28, 1)).astype(np.float32) / 16


def test_a_bound_holds_v(changed, tmp_path):
    net = changed("fmax(-0.5").build(timesteps=6)
    result = net.run(examples(2), record=["conv2d"], record_v=["conv2d"])
    v, spikes = result.v["conv2d"], result.spikes["conv2d"]
    kernel = np.load(tmp_path / "weights" / "conv2d.kernel.npy").astype(np.float64)
    bias = np.load(tmp_path / "weights" / "conv2d.bias.npy")
    runtime = sys.modules["tgenn_gen.runtime.linear_maps"]
    current = runtime.conv2d(examples(2).astype(np.float64), kernel, (1, 1), "valid") + bias
    current = current.astype(np.float32).reshape(2, -1)
    expected = np.full(current.shape, 0.5, np.float32)
    for step in range(6):
        expected = np.maximum(np.float32(-0.5), expected + current)
        np.testing.assert_array_equal(spikes[:, step], expected >= 1)
        expected -= expected >= 1
        np.testing.assert_array_equal(v[:, step], expected)
    assert spikes.any() and (v == -0.5).any()


def test_another_input_is_a_current_into_the_population(changed):
    net = changed("context").build()
    context = np.zeros((2, 128), np.float32)
    context[1, 4] = 100.0
    result = net.run({"input_layer": np.repeat(examples(1), 2, axis=0), "context": context})
    before, after = result.spike_counts["dense"].astype(int)
    assert before[4] < 16
    before[4] = 16  # a spike at every step
    np.testing.assert_array_equal(after, before)


def test_stdp_changes_the_weights_as_traces_of_the_spikes_say(changed, tmp_path):
    net = changed("stdp").build(timesteps=30)
    counts = {"conv2d_1": np.zeros(1152, int), "dense": np.zeros(128, int)}
    traces = {name: np.zeros(len(count), np.float32) for name, count in counts.items()}
    spikes = {name: np.zeros(len(count), bool) for name, count in counts.items()}
    g = np.load(tmp_path / "weights" / "dense.kernel.npy").copy()
    total = 0
    for _ in range(30):
        net.step(examples(1))
        # spikes of the step before arrive, and meet the traces that the step before left
        g -= np.outer(spikes["conv2d_1"], np.float32(0.01) * traces["dense"])
        g += np.outer(np.float32(0.01) * traces["conv2d_1"], spikes["dense"])
        for name, count in counts.items():
            now = net.values(name, "spike_count")[0].astype(int)
            spikes[name] = now != np.where(now < count, 0, count)
            traces[name] = np.float32(0.9) * traces[name] + spikes[name]
            counts[name], total = now, total + spikes[name].sum()
    assert total > 20
    variable = net.model.synapse_populations["conv2d_1_to_dense"].vars["g"]
    variable.pull_from_device()
    np.testing.assert_allclose(variable.current_values.reshape(1152, 128), g, rtol=1e-4, atol=1e-5)
