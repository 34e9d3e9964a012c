"""Cost: against NeuroBench's own figures, and against explicit matrices of synapses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cost_cases import CASES, TIMESTEPS
from hypothesis import given
from linear_map_cases import chains
from profiles import tries
from sample_networks import (
    dyadic_examples,
    examples_for,
    of_all_kinds,
    recurrent,
    small_cnn,
    with_several,
)
from synapse_matrices import synapse_matrices

from tgenn_gen import TgennError, cost, save, simulate
from tgenn_gen.analysis.cost import CostCounter
from tgenn_gen.analysis.devices import DEVICES, Device
from tgenn_gen.cli.main import main
from tgenn_gen.engine.simulation import checked, simulated_batches
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.spikes import SpikesInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.windows import Windows
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.results import Result

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


def with_zeros(linear_map, rng):
    """The map with a third of its weights 0, and no other that is 0."""
    zeroed = {
        name: Tensor.unnamed(np.where(rng.random(t.values.shape) < 1 / 3, 0, np.abs(t.values) + 1))
        for name, t in linear_map.tensors.items()
    }
    return replace(linear_map, **zeroed)


@given(chains())
@tries(200)
def test_operations_are_those_of_explicit_matrices_of_synapses(case):
    """Any chain: a spike costs the paths of weights that are not 0; the ANN's MACs, map by map."""
    shape, through = case
    rng = np.random.default_rng(len(through))
    through = tuple(with_zeros(m, rng) for m in through)
    through_size, steps, n, out, matrices = np.prod(shape), 5, 3, shape, []
    x = rng.integers(0, 2, (n, *shape)).astype(np.float32)
    for linear_map in through:
        one_each = np.eye(int(np.prod(out))).reshape(-1, *out)
        matrices.append(linear_map.apply(one_each).reshape(len(one_each), -1) != 0)
        out = linear_map.output_shape(out)
    counts = rng.integers(0, steps + 1, (n, through_size)).astype(np.uint32)
    population = Population("p", out, IntegrateNeuron(), (Connection("x", through),))
    network = Network(
        "n",
        (Input("x", shape, SpikesInput()),),
        (population,),
        (Output("p", "membrane"),),
        Simulation(1.0, steps),
    )
    counter = CostCounter(network, {"x": x}, steps)
    counter.add(Result({"p": np.zeros((n, *out))}, {}, {"x": counts}, {}))
    row = counter.result().populations[-1]
    paths = np.linalg.multi_dot([np.eye(through_size), *matrices, np.ones((int(np.prod(out)), 1))])
    weighted = any(not m.routing for m in through)
    assert row.effective_acs * n == pytest.approx(float((counts @ paths).sum()) * weighted, rel=1e-12)
    assert row.effective_macs == 0
    macs, values = 0, x.reshape(n, -1)
    for linear_map, matrix, before in zip(through, matrices, shapes_before(shape, through), strict=True):
        if linear_map.has_kernel:
            macs += int(((values != 0) @ matrix.astype(int)).sum())
        values = linear_map.apply(values.reshape(n, *before)).reshape(n, -1)
    assert row.ann_effective_macs * n == pytest.approx(macs, rel=1e-12)


def shapes_before(shape, through):
    for linear_map in through:
        yield shape
        shape = linear_map.output_shape(shape)


@pytest.mark.parametrize(
    ("strides", "padding", "kernel"), [((1, 1), "same", (3, 3)), ((2, 1), "same", (2, 4))]
)
def test_a_spike_at_the_border_costs_fewer_operations(strides, padding, kernel):
    """By counting, for each pixel, the windows that cover it."""
    height, width = 5, 6
    convolution = Conv2D(strides, padding, Tensor.unnamed(np.ones((*kernel, 1, 2))))
    operations = []
    for row in range(height):
        for column in range(width):
            image = np.zeros((height, width, 1))
            image[row, column] = 1
            operations.append(Connection("x", (convolution,)).paths(image).sum())
    rows, columns = (
        [windows_over(i, size, window, stride) for i in range(size)]
        for size, window, stride in zip((height, width), kernel, strides, strict=True)
    )
    assert operations == [2 * r * c for r in rows for c in columns]


def windows_over(i: int, size: int, window: int, stride: int) -> int:
    """How many windows along an axis with padding "same" cover element i."""
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + window - size, 0) // 2
    return sum(0 <= i - (o * stride - before) < window for o in range(outputs))


RATE_CODED = [n for n in (small_cnn(), *of_all_kinds().values(), *with_several().values()) if not n.few_spike]


@pytest.mark.parametrize("network", RATE_CODED, ids=lambda n: n.name)
def test_membrane_updates_are_the_changes_of_recorded_v(network):
    x = examples_for(network, 4)
    found = cost(network, x)
    with_v = [r.name for r in found.populations if r.neurons]
    recorded = simulate(network, x, record_v=with_v).v
    for row in (row for row in found.populations if row.neurons):
        v = recorded[row.name].reshape(4, found.timesteps, -1)
        changes = (v[:, 1:] != v[:, :-1]).sum() + v[:, 0].size
        assert row.membrane_updates == changes / 4, row.name


def test_membrane_updates_go_on_over_blocks_of_64_steps():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 2)
    recorded = simulate(network, x, timesteps=130, record_v=["conv2"]).v["conv2"].reshape(2, 130, -1)
    found = {r.name: r for r in cost(network, x, timesteps=130).populations}["conv2"]
    assert found.membrane_updates == ((recorded[:, 1:] != recorded[:, :-1]).sum() + 2 * 24) / 2


def test_the_batches_do_not_matter():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 7)
    examples, steps = checked("cost", network, x, None, 0)
    counter = CostCounter(network, examples, steps)
    for batch in simulated_batches(network, examples, steps, batch_size=3, count_updates=True):
        counter.add(batch)
    assert counter.result() == cost(network, x)


def test_a_constant_current_costs_macs_once_and_acs_if_it_is_binary():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 3)
    short, long = (cost(network, x, timesteps=t).populations[0] for t in (4, 8))
    assert short.effective_macs == long.effective_macs > 0
    assert short.dense == long.dense == short.ann_macs
    binary = cost(network, (x > 0.5).astype(np.float32)).populations[0]
    assert binary.effective_macs == 0 and binary.effective_acs > 0


def test_spikes_that_pass_without_weights_cost_nothing():
    maximum = Population(
        "max", (2, 2, 1), NEURONS["maximum"](4), (Connection("x", (Windows((2, 2), (2, 2), "valid"),)),)
    )
    dense = Population(
        "y",
        (3,),
        IntegrateNeuron(),
        (Connection("max", (Flatten((2, 2, 1)), Dense(Tensor("weights/k.npy", np.ones((4, 3)))))),),
    )
    network = Network(
        "n",
        (Input("x", (4, 4, 1), SpikesInput(), uint8_divisor=1.0),),
        (maximum, dense),
        (Output("y", "membrane"),),
        Simulation(1.0, 6),
    )
    x, pooled, y = cost(network, np.ones((2, 4, 4, 1), np.float32)).populations
    assert (x.spikes, x.neurons, x.activation_sparsity) == (16 * 6, 0, None)
    assert (pooled.effective_acs, pooled.dense, pooled.spikes) == (0, 0, 4 * 6)
    assert (y.effective_acs, y.dense, y.ann_macs) == (12 * 6, 12 * 6, 12)


def test_energy_is_the_sum_over_operations_and_neuron_updates():
    found = cost(small_cnn(), dyadic_examples((7, 10, 2), 3))
    total = found.total
    device, no_macs = Device("a", 2.0, 3.0, 5.0), Device("b", 2.0, 3.0)
    with_macs, without = found.energy([device, no_macs])
    accumulates = 2 * total.effective_acs + 3 * total.neuron_updates
    assert with_macs.joules == pytest.approx(accumulates + 5 * total.effective_macs)
    assert with_macs.ann_joules == 5 * total.ann_macs
    assert without.joules == pytest.approx(accumulates + 2 * total.effective_macs)
    assert without.ann_joules is None
    assert all(device.source for device in DEVICES)


def test_few_spike_neurons_are_updated_while_they_read_and_while_they_emit():
    case = CASES["dense few_spike"]
    rows = cost(network_of(case), case["x"]).populations
    assert [row.neuron_updates for row in rows] == [2 * 8 * 10, 2 * 8 * 7, 8 * 4]


FEW_SPIKE = [n for n in (*of_all_kinds().values(), *with_several().values()) if n.few_spike]


@pytest.mark.parametrize("network", FEW_SPIKE, ids=lambda n: n.name)
def test_v_of_few_spike_neurons_changes_at_each_spike(network):
    """For maximum neurons only then; others also change it while they read."""
    for row in cost(network, examples_for(network, 3)).populations:
        if row.neurons and row.activation_sparsity is not None:
            after_reading = round(3 * (row.membrane_updates - row.spikes)) / 3
            relays = network.population(row.name).neuron.relays
            most = row.neurons if relays else row.neurons * network.simulation.timesteps
            assert row.neurons <= after_reading <= most


def test_updates_that_were_not_counted_are_not_given():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 3)
    examples, steps = checked("cost", network, x, None, 0)
    counter = CostCounter(network, examples, steps)
    for batch in simulated_batches(network, examples, steps):
        counter.add(batch)
    assert counter.result().total.membrane_updates is None


def test_examples_that_do_not_fit_are_refused():
    with pytest.raises(TgennError) as caught:
        cost(small_cnn(), np.zeros((2, 3, 3, 2)))
    assert [d.code for d in caught.value.diagnostics] == ["T503"]


@pytest.fixture
def evaluated(tmp_path):
    save(small_cnn(), tmp_path / "net")
    x = dyadic_examples((7, 10, 2), 6)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(6) % 5)
    return ["evaluate", str(tmp_path / "net"), "--data", str(tmp_path / "data.npz")]


def test_evaluate_prints_the_cost_where_asked_and_writes_it_as_json(evaluated, tmp_path, capsys):
    assert main([*evaluated, "-q"]) == 0
    alone = capsys.readouterr().out
    assert "Effective_ACs" not in alone
    result = tmp_path / "r.json"
    assert main([*evaluated, "-q", "--cost", "--device", "chip=1e-12,2e-12", "--json", str(result)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(alone)
    assert "estimates of arithmetic only" in printed
    assert {"total", "chip", "loihi"} <= {line.split(" | ")[0].strip("| ") for line in printed.splitlines()}
    found = json.loads(result.read_text())["networks"][0]["cost"]
    expected = cost(small_cnn(), dyadic_examples((7, 10, 2), 6))
    assert found["neurobench"] == expected.neurobench
    assert found["total"]["ann_macs"] == expected.total.ann_macs
    updates = expected.total.neuron_updates
    assert f"two for a few-spike neuron: {tmp_path / 'net'} {updates:,}\n" in printed
    assert [e["device"]["name"] for e in found["energy"]] == [*(d.name for d in DEVICES), "chip"]


@pytest.mark.parametrize("text", ["chip", "chip=1", "=1,2", "chip=1,x", "chip=1,-2", "chip=1,2,3,4"])
def test_a_device_that_is_no_device_is_refused(evaluated, text, capsys):
    with pytest.raises(SystemExit):
        main([*evaluated, "--device", text])
    assert "expected NAME=SYNOP,NEURON" in capsys.readouterr().err


def test_a_cost_shows_itself_in_a_line():
    case = CASES["dense few_spike"]
    counted = NEUROBENCH["dense few_spike"]["SynapticOperations"]
    line = repr(cost(network_of(case), case["x"]))
    assert (
        line.startswith(f"<Cost case: {len(case['x'])} examples, {TIMESTEPS} time steps; ")
        and "\n" not in line
    )
    assert f"{counted['Effective_ACs']:,.0f} ACs, {counted['Effective_MACs']:,.0f} MACs per example>" in line


def test_operations_of_recurrent_connections_count_and_there_is_no_ann():
    network = recurrent()
    x, matrices = examples_for(network, 4), synapse_matrices(network)
    found, counts = cost(network, x), simulate(network, x).spike_counts
    rows = {row.name: row for row in found.populations}
    synapses = [matrices[name] != 0 for name in ("stem_to_stem", "_signed_to_stem", "hidden_to_stem")]
    spikes = [counts[name].sum(axis=0).ravel() / 4 for name in ("stem", "signed", "hidden")]
    expected = sum((n @ s).sum() for n, s in zip(spikes, synapses, strict=True))
    assert rows["stem"].effective_acs == pytest.approx(expected)
    assert found.total.ann_macs is None and found.total.ann_effective_macs is None
    assert all(energy.ann_joules is None for energy in found.energy())
