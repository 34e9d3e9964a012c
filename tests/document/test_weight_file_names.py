"""Files for weights that have none: their names, and what keeps the one that it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tgenn_gen import Network, load, save
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Output, Population
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.tensors import Tensor


def unnamed(*shape: int) -> Tensor:
    return Tensor.unnamed(np.random.default_rng(len(shape)).uniform(0.5, 1, shape))


def network() -> Network:
    """A population of one input, with every tensor that it can have, and one of several inputs."""
    neuron = IntegrateAndFireNeuron(v_init=unnamed(3))
    chain = (Scale(unnamed(4)), Scale(unnamed(4)), Dense(unnamed(4, 3)))
    several = (
        Connection("conv", (Dense(unnamed(3, 2)),)),
        Connection("conv", (Dense(unnamed(3, 2)),)),
        Connection("image", (Dense(unnamed(4, 2)),)),
    )
    return Network(
        "unnamed",
        (Input("image", (4,), ConstantCurrentInput()),),
        (
            Population("conv", (3,), neuron, (Connection("image", chain),), unnamed(3), unnamed(3)),
            Population("add", (2,), IntegrateNeuron(), several, bias=unnamed(2)),
        ),
        (Output("add", "membrane"),),
    )


def test_weights_are_named_after_population_source_and_field():
    assert set(with_weight_names(network()).tensors) == {
        "weights/conv.v_init.npy",
        "weights/conv.scale.npy",
        "weights/conv.bias.npy",
        "weights/conv.factor.npy",
        "weights/conv.factor_2.npy",
        "weights/conv.kernel.npy",
        "weights/add.conv.kernel.npy",
        "weights/add.conv.kernel_2.npy",
        "weights/add.image.kernel.npy",
        "weights/add.bias.npy",
    }


def test_names_change_nothing_else_and_the_network_can_be_saved(tmp_path):
    named = with_weight_names(network())
    for before, after in zip(network().populations, named.populations, strict=True):
        for old, new in zip(before.tensors, after.tensors, strict=True):
            np.testing.assert_array_equal(old.values, new.values)
    save(named, tmp_path / "saved")
    assert load(tmp_path / "saved") == named
    assert with_weight_names(named) == named


def test_weights_keep_the_files_that_they_have_and_no_other_gets_these():
    first, add = network().populations
    bias = Tensor("weights/add.image.kernel.npy", add.bias.values)
    given = replace(network(), populations=(first, replace(add, bias=bias)))
    found = with_weight_names(given).population("add")
    assert found.bias == bias
    assert found.inputs[2].through[0].kernel.file == "weights/add.image.kernel_2.npy"
