"""Cost: against NeuroBench's own figures, and against explicit matrices of synapses."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cost_cases import CASES, TIMESTEPS
from hypothesis import given
from linear_map_cases import chains
from profiles import tries
from sample_networks import dyadic_examples, every_op, examples_for, of_all_kinds, small_cnn

from tgenn_gen import TgennError, cost, simulate
from tgenn_gen.analysis.cost import CostCounter
from tgenn_gen.analysis.devices import DEVICES, Device
from tgenn_gen.codegen.matrix_types import synapses
from tgenn_gen.engine.simulation import checked, simulated_batches
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.encodings.spikes import SpikesInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.tensors import Tensor

NEUROBENCH = json.loads((Path(__file__).parent / "neurobench.json").read_text())["costs"]


def network_of(case) -> Network:
    """The network of a case of cost_cases."""
    source, shape, populations = "x", case["x"].shape[1:], []
    few_spike = case["neuron"] == "few_spike"
    for number, layer in enumerate(case["layers"]):
        kernel, through, last = layer["kernel"], [], number == len(case["layers"]) - 1
        tensor = Tensor(f"weights/{number}.kernel.npy", kernel)
        if kernel.ndim == 4:
            if "pool" in layer:
                through.append(AvgPool2D(layer["pool"], layer["pool"], "valid"))
            padding = "same" if "padding" in layer else "valid"
            through.append(Conv2D(layer.get("strides", (1, 1)), padding, tensor))
        else:
            through += [Flatten(shape)] if len(shape) > 1 else []
            through.append(Dense(tensor))
        neuron = IntegrateNeuron(few_spike=few_spike) if last else NEURONS[case["neuron"]]()
        bias = None if layer["bias"] is None else Tensor(f"weights/{number}.bias.npy", layer["bias"])
        for linear_map in through:
            shape = linear_map.output_shape(shape)
        connections = (Connection(source, tuple(through)),)
        populations.append(Population(str(number), shape, neuron, connections, bias=bias))
        source = str(number)
    inputs = (Input("x", case["x"].shape[1:], ConstantCurrentInput()),)
    return Network(
        "case", inputs, tuple(populations), (Output(source, "membrane"),), Simulation(1.0, TIMESTEPS)
    )


@pytest.mark.parametrize("name", CASES)
def test_every_figure_is_that_of_neurobench_on_the_network_in_pytorch(name):
    expected, found = NEUROBENCH[name], cost(network_of(CASES[name]), CASES[name]["x"])
    figures, ann = found.neurobench, expected["ANN"]
    assert figures["SynapticOperations"] == pytest.approx(expected["SynapticOperations"], rel=1e-12)
    assert figures["MembraneUpdates"] == pytest.approx(expected["MembraneUpdates"], rel=1e-12)
    assert figures["Footprint"] == ann["Footprint"]
    assert round(figures["ConnectionSparsity"], 4) == ann["ConnectionSparsity"]
    calls = 2 if "few_spike" in name else 1  # of its neurons at each step: they read, then they emit
    of_layers = {"": figures["ActivationSparsity"], **figures["ActivationSparsityByLayer"]}
    for layer, sparsity in {
        "": expected["ActivationSparsity"],
        **expected["ActivationSparsityByLayer"],
    }.items():
        assert 1 - of_layers[layer] == pytest.approx(calls * (1 - sparsity), rel=1e-9)
    assert found.total.ann_macs == ann["SynapticOperations"]["Dense"]
    assert found.total.ann_effective_macs == pytest.approx(
        ann["SynapticOperations"]["Effective_MACs"], rel=1e-12
    )
