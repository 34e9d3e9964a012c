"""How GeNN keeps synapses: both ways make the same ones, counted right, and spikes as in NumPy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from connectivity_code import built_synapses, needs_compiler
from golden import GENERATED, golden_networks
from hypothesis import given
from hypothesis import strategies as st
from linear_map_cases import chains
from profiles import tries
from sample_networks import (
    Weights,
    every_op,
    examples_for,
    of_all_kinds,
    small_cnn,
)
from scripts import assert_equal_arrays, results, written
from synapse_matrices import synapse_matrices

from tgenn_gen.cli.main import main
from tgenn_gen.codegen.matrix_types import connectivity
from tgenn_gen.codegen.network_table import network_table
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.maximum import MaximumNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.permute import Permute
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.summary import WIDTH
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.projects import load_script


def kept(through: tuple[LinearMap, ...], shape: Shape, neuron: Neuron):
    return connectivity(
        Connection("x", through), shape, ("weight",) * len(through), neuron.fan_in(len(through))
    )


@needs_compiler
@given(chains(), st.booleans())
@tries(120)
def test_sparse_and_toeplitz_code_make_the_same_synapses_and_as_many_as_counted(
    tmp_path_factory, case, to_maxima
):
    shape, through = case
    connection = Connection("x", through)
    trains = connection.apply(np.zeros(shape, np.float32)).shape[-1]
    found = kept(through, shape, MaximumNeuron(trains) if to_maxima else IntegrateNeuron())
    folder = tmp_path_factory.mktemp("synapses")
    toeplitz, sparse = built_synapses(found.scatters, found.neurons, folder)
    assert sorted(toeplitz.tolist()) == sorted(sparse.tolist())
    assert len(sparse) == connection.synapses(shape)
    assert np.bincount(sparse[:, 0], minlength=1).max() <= found.fan_out


@given(chains(longest=1))
@tries(200)
def test_the_paths_through_a_map_are_the_inputs_that_each_output_depends_on(case):
    shape, through = case
    x = np.random.default_rng(0).integers(1, 9, shape).astype(np.float64)
    basis = np.eye(x.size).reshape(-1, *shape)
    for linear_map in through:
        depends = linear_map.apply(basis).reshape(x.size, -1) != 0
        np.testing.assert_array_equal(linear_map.paths(x).ravel(), x.ravel() @ depends)


def ones(*shape: int) -> Tensor:
    return Tensor("k.npy", np.ones(shape))


@pytest.mark.parametrize(
    ("shape", "through", "neuron", "dense"),
    [
        ((6,), (Dense(ones(6, 2)),), IntegrateNeuron(), True),
        ((3, 2), (Flatten((3, 2)), Dense(ones(6, 4)), Reshape((4,), (2, 2))), IntegrateNeuron(), True),
        ((1, 1, 6), (Conv2D((1, 1), "same", ones(1, 1, 6, 4)),), IntegrateNeuron(), True),
        ((3, 2), (Dense(ones(2, 4)),), IntegrateNeuron(), False),  # on the last axis
        ((3, 2), (Permute((1, 0)), Flatten((2, 3)), Dense(ones(6, 4))), IntegrateNeuron(), False),
        ((1, 1, 6), (Conv2D((1, 1), "same", ones(1, 1, 3, 4), groups=2),), IntegrateNeuron(), False),
        ((3, 1), (Flatten((3, 1)), Scale(ones(3)), Dense(ones(3, 4))), IntegrateNeuron(), False),
        ((6,), (Dense(ones(6, 4)), Reshape((4,), (2, 2))), MaximumNeuron(2), False),
        ((3, 2), (Flatten((3, 2)),), IntegrateNeuron(), False),
    ],
)
def test_dense_is_one_kernel_from_all_neurons_to_all(shape, through, neuron, dense):
    assert kept(through, shape, neuron).dense == dense


def convolutional(name: str, encoding: Encoding, neuron: Neuron) -> Network:
    """Strided, even, overlapping and delayed: all connections but the first can be TOEPLITZ."""
    w = Weights(7)

    def kernel(file: str, *shape: int):
        return w(file, *shape, low=-5, high=10)

    stem = Conv2D((1, 1), "same", kernel("stem", 2, 3, 2, 2))
    middle = Conv2D((2, 1), "same", kernel("middle", 4, 3, 2, 3))
    overlapping = AvgPool2D((2, 2), (1, 1), "same")
    after_pool = Conv2D((1, 2), "valid", kernel("pooled", 2, 2, 3, 4))
    late = Conv2D((1, 1), "same", kernel("late", 3, 2, 4, 4))
    delayed = (
        AvgPool2D((2, 2), (2, 2), "valid"),
        Conv2D((1, 1), "same", kernel("delayed", 3, 2, 2, 4)),
    )
    out = (AvgPool2D((4, 1), (4, 1), "valid"), Flatten((1, 3, 4)), Dense(kernel("out", 12, 5)))
    return Network(
        name=name,
        inputs=(Input("image", (9, 7, 2), encoding, uint8_divisor=1.0),),
        populations=(
            Population("stem", (9, 7, 2), neuron, (Connection("image", (stem,)),)),
            Population("middle", (5, 7, 3), neuron, (Connection("stem", (middle,)),)),
            Population("pooled", (4, 3, 4), neuron, (Connection("middle", (overlapping, after_pool)),)),
            Population(
                "late", (4, 3, 4), neuron, (Connection("pooled", (late,)), Connection("stem", delayed))
            ),
            Population("out", (5,), IntegrateNeuron(), (Connection("late", out),)),
        ),
        outputs=(Output("out", "membrane"),),
        simulation=Simulation(1.0, 9),
    )


CONVOLUTIONAL = {
    "convolutional": convolutional("convolutional", ConstantCurrentInput(), IntegrateAndFireNeuron()),
    "signed": convolutional("signed", PoissonInput(signed=True), SignedIntegrateAndFireNeuron()),
}


@pytest.mark.genn
@pytest.mark.parametrize("name", ["signed", pytest.param("convolutional", marks=pytest.mark.slow)])
def test_each_connectivity_gives_the_spikes_of_numpy(tmp_path, name):
    network = CONVOLUTIONAL[name]
    folder = written(network, tmp_path / name, **examples_for(network, 4))
    text = (folder / "simulate.py").read_text()
    matrix, synapses = ("net.signed_matrix", 6) if name == "signed" else ("net.matrix", 5)
    assert text.count(f"        {matrix},\n") == text.count("add_synapse_population") == synapses
    assert "axonal_delay_steps = 2" in text
    assert ("signed_pulse = " in text) == (name == "signed")
    _, expected, _ = results(folder / "reference.py", folder / "data.npz", "--seed", 3)
    assert all(expected[f"spike_counts/{population}"].any() for population in ("middle", "pooled", "late"))
    for matrix in ("sparse", "toeplitz"):
        result, found, _ = results(
            folder / "simulate.py", folder / "data.npz", "--seed", 3, "--connectivity", matrix
        )
        assert result["connectivity"] == matrix
        assert_equal_arrays(found, expected)


@pytest.mark.genn
@pytest.mark.slow
@pytest.mark.parametrize("name", ["every_op", "signed_maximum", "few_spike_maximum"])
def test_toeplitz_gives_the_spikes_of_numpy_with_every_map_and_with_maxima(tmp_path, name):
    network = {"every_op": every_op(), **of_all_kinds()}[name]
    folder = written(network, tmp_path / name, **examples_for(network, 4))
    _, expected, _ = results(folder / "reference.py", folder / "data.npz", "--seed", 3)
    _, found, _ = results(
        folder / "simulate.py", folder / "data.npz", "--seed", 3, "--connectivity", "toeplitz"
    )
    assert_equal_arrays(found, expected)


def test_auto_is_toeplitz_except_for_signed_spikes_on_a_gpu(fake_genn, monkeypatch):
    np.savez(fake_genn, **synapse_matrices(small_cnn()))
    script = load_script(GENERATED / "small_cnn" / "simulate.py")
    runtime = script.GeNNNetwork.__init__.__globals__
    monkeypatch.setitem(runtime, "backend_modules", ("single_threaded_cpu", "cuda", "hip"))
    for backend, signed in (("single_threaded_cpu", "TOEPLITZ"), ("cuda", "SPARSE"), ("hip", "SPARSE")):
        net = script.build(backend=backend)
        assert (net.matrix, net.signed_matrix) == ("TOEPLITZ", signed)
        for chosen in ("sparse", "toeplitz"):
            assert script.build(backend=backend, connectivity=chosen).matrix == chosen.upper()


def test_show_as_json_holds_exact_numbers(capsys):
    assert main(["show", "--json", str(GENERATED / "small_cnn")]) == 0
    data = json.loads(capsys.readouterr().out)
    # conv2: 7 x 5 x 3 neurons; each is in one pool, which is in up to 3 columns of the kernel, for 4 filters.
    # Of the 3 pooled columns, the outer ones feed 2 columns: 2 wide (2 neurons) and 1 wide; the middle one 3.
    pairs = 7 * 3 * (2 * 2 + 2 * 3 + 1 * 2) * 4
    assert data["populations"]["conv2"] == {
        "neurons": 24,
        "synapses": pairs,
        "weights": 2 * 3 * 3 * 4 + 24,
        "bytes": 4 * (2 * 3 * 3 * 4 + 24),
        "sparse": 105 * 3 * 4 * 8,
        "toeplitz": (2 * 2) * (2 * 3 * 3 * 4) * 4,
    }
    assert data["populations"]["conv1"]["synapses"] == 0  # the host computes its current
    assert data["populations"]["dense"]["sparse"] == data["populations"]["dense"]["toeplitz"] == 24 * 6 * 4
    assert data["total"]["neurons"] == 105 + 24 + 6 + 5


def test_show_counts_kernels_and_biases_but_neither_scales_nor_potentials():
    network = golden_networks()["binary"]
    assert "scale" in str(sorted(network.tensors)) and "v_init" in str(sorted(network.tensors))
    counted = [
        t.values.size for f, t in network.tensors.items() if not f.endswith(("stem.scale.npy", "v_init.npy"))
    ]
    (total,) = (line for line in network_table(network).splitlines() if line.startswith("total"))
    assert f"{sum(counted) * 4 / 1024:.1f} KiB" in total


@pytest.mark.parametrize("network", [small_cnn(), *golden_networks().values()], ids=lambda n: n.name)
def test_the_table_is_not_wide_and_names_the_encoding(network):
    table = network_table(network)
    assert max(map(len, table.splitlines())) <= WIDTH
    assert network.inputs[0].encoding.describe() in table
