"""The memory that tgenn show names: against what GeNN allocates, and what processes really use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden import GENERATED, golden_networks
from sample_networks import small_cnn
from scripts import written

from tgenn_gen.cli.main import main
from tgenn_gen.codegen.lowering import lower
from tgenn_gen.codegen.memory import genn_bytes, memory_data
from tgenn_gen.document.canonical_text import document_of
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.tensors import Tensor

MIB = 2**20
ALLOCATED = """
import sys

sys.path.insert(0, sys.argv[1])
import simulate
from pygenn import _genn

net = simulate.build(connectivity=sys.argv[2])
net.model.build(sys.argv[3])
quiet, all = _genn.PlogSeverity.WARNING, _genn.PlogSeverity.DEBUG
_genn.init_logging(quiet, quiet, all, all)  # the runtime names each array with its size
net.model.load()
for synapses in net.model.synapse_populations.values():
    for kernel in synapses.vars["g"].extra_global_params.values():
        print("kernel bytes", kernel.view.nbytes)  # it is allocated later
"""
PEAK = """
import os, re, runpy, sys

sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
print("peak KiB", re.search("VmHWM:\\\\s+([0-9]+)", open("/proc/self/status").read())[1])
"""
NUMBERS = {"float", "uint32_t", "int32_t"}  # GeNN's types of 4 bytes
QUICK = ["binary", "few_spike"]  # signed spikes, delays and start values; queues of many steps
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="the peak memory of a process is read from /proc, which only Linux has",
)


def of(network: Network) -> dict:
    return memory_data(network, lower(document_of(network)))


@pytest.mark.genn
@pytest.mark.parametrize("connectivity", ["toeplitz", "sparse"])
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in golden_networks()]
)
def test_genn_allocates_so_many_bytes(name, connectivity, tmp_path):
    command = [sys.executable, "-c", ALLOCATED, GENERATED / name, connectivity, tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    arrays = re.findall(r"Array '\w+' = (\d+) \* (\w+)", said)
    assert {kind for _, kind in arrays} <= NUMBERS
    found = 4 * sum(int(count) for count, _ in arrays)
    found += sum(map(int, re.findall(r"kernel bytes (\d+)", said)))
    plan = lower(document_of(golden_networks()[name]))
    assert genn_bytes(plan, 1, sparse=connectivity == "sparse", gpu=False) == found


def test_variables_are_there_for_each_example_of_a_batch_and_weights_once():
    plan = lower(document_of(small_cnn()))
    # Each neuron has I_const, V, spike_count and last_spike_count; classes I_const, V and last_V. Of each
    # connection there is the input of its target, of each population that it leaves the list of spikes and
    # their number.
    variables = 4 * (105 + 24 + 6) + 3 * 5
    each = variables + (24 + 6 + 5) + (105 + 1) + (24 + 1) + (6 + 1)
    weights = (2 * 2) * (2 * 3 * 3 * 4) + 24 * 6 + 6 * 5
    for batch in (1, 32, 100):
        assert genn_bytes(plan, batch) == 4 * (weights + batch * each)


def test_on_a_gpu_synapses_from_signed_neurons_are_sparse():
    network = golden_networks()["signed_poisson"]
    assert all(c.source in network.signed for p in network.populations for c in p.inputs)
    plan = lower(document_of(network))
    assert genn_bytes(plan, 8) == genn_bytes(plan, 8, sparse=True)
    assert genn_bytes(plan, 8, gpu=False) < genn_bytes(plan, 8)


def random_network(neuron: Neuron, timesteps: int) -> Network:
    """Convolutions of some size with a residual connection, then a large full matrix."""
    rng = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> Tensor:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
        return Tensor(f"weights/{name}.npy", values)

    whole = (32, 32, 32)
    populations = (
        Population(
            "a",
            whole,
            neuron,
            (Connection("image", (Conv2D((1, 1), "same", weights("a", 3, 3, 3, 32)),)),),
            bias=weights("a.bias", 32),
        ),
        Population(
            "b",
            whole,
            neuron,
            (Connection("a", (DepthwiseConv2D((1, 1), "same", weights("b", 3, 3, 32, 1)),)),),
        ),
        Population(
            "c",
            whole,
            neuron,
            (Connection("b", (Conv2D((1, 1), "same", weights("c", 3, 3, 32, 32)),)), Connection("a")),
        ),
        Population(
            "d",
            (512,),
            neuron,
            (
                Connection(
                    "c",
                    (
                        AvgPool2D((2, 2), (2, 2), "valid"),
                        Flatten((16, 16, 32)),
                        Dense(weights("d", 8192, 512)),
                    ),
                ),
            ),
        ),
        Population(
            "e",
            (10,),
            IntegrateNeuron(few_spike=neuron.few_spike),
            (Connection("d", (Dense(weights("e", 512, 10)),)),),
        ),
    )
    inputs = (Input("image", (32, 32, 3), ConstantCurrentInput()),)
    return Network("random", inputs, populations, (Output("e", "membrane"),), Simulation(1.0, timesteps))


NETWORKS = {  # and several batches of reference.py
    "rate": (random_network(IntegrateAndFireNeuron(), 64), 8),
    "signed": (random_network(SignedIntegrateAndFireNeuron(), 16), 32),
    "few_spike": (random_network(FewSpikeNeuron(), 8), 256),
}


@pytest.fixture(scope="module", params=["signed", "few_spike", pytest.param("rate", marks=pytest.mark.slow)])
def project(request, tmp_path_factory):
    network, examples = NETWORKS[request.param]
    x = np.random.default_rng(1).integers(0, 256, (examples, 32, 32, 3), dtype=np.uint8)
    folder = tmp_path_factory.mktemp(request.param) / "network"
    return network, written(network, folder, x=x, y=np.arange(examples) % 10)


def peak_bytes(folder: Path, script: str, *options: object, threads: int = 1) -> int:
    """The largest memory of a process that runs a script with --json. Its children have their own."""
    files = ["--data", folder / "data.npz", "--json", folder / "result.json"]
    command = [sys.executable, "-c", PEAK, folder / script, *files, *map(str, options)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(re.search("peak KiB ([0-9]+)", done.stdout)[1]) * 1024


@needs_proc
@pytest.mark.parametrize("threads", [1, 2])
def test_reference_py_needs_no_more_than_estimated_and_not_much_less(project, threads):
    network, folder = project
    reference = of(network)["reference"]
    estimated = reference["process"] + threads * reference["thread"]
    assert 0.6 * estimated < peak_bytes(folder, "reference.py", threads=threads) <= estimated


@needs_proc
@pytest.mark.genn
@pytest.mark.parametrize("connectivity", ["toeplitz", "sparse"])
def test_simulate_py_on_a_cpu_needs_no_more_than_estimated_and_not_much_less(project, connectivity):
    network, folder = project
    estimated = of(network)["cpu"][connectivity]
    found = peak_bytes(folder, "simulate.py", "-n", 2, "--connectivity", connectivity)
    assert 0.75 * estimated < found <= estimated


@needs_proc
def test_saved_outputs_need_so_much_memory_for_each_example(tmp_path):
    network, _ = NETWORKS["signed"]
    folder = written(network, tmp_path / "network", x=np.zeros((128, 32, 32, 3), np.uint8))
    less, more = (
        peak_bytes(folder, "reference.py", "--save-outputs", folder / "outputs.npz", "-n", n)
        for n in (64, 128)
    )
    assert more - less == pytest.approx(64 * of(network)["saved_outputs"], rel=0.2)


def test_show_prints_the_memory_for_the_batch_sizes_that_it_is_given(capsys):
    path = str(GENERATED / "small_cnn")
    assert main(["show", path]) == 0
    assert re.search(
        "memory +batch size 1 +batch size 32 +batch size 128 +batch size 512\n", capsys.readouterr().out
    )
    assert main(["show", path, "--batch-size", "7", "--batch-size", "1000"]) == 0
    shown = capsys.readouterr().out
    assert main(["show", path, "--batch-size", "7", "--batch-size", "1000", "--json"]) == 0
    memory = json.loads(capsys.readouterr().out)["memory"]
    assert [b["batch_size"] for b in memory["batches"]] == [7, 1000]
    plan = lower(document_of(small_cnn()))
    sizes = [genn_bytes(plan, batch) for batch in (7, 1000)]
    assert [b["gpu"]["toeplitz"] for b in memory["batches"]] == sizes
    assert re.search(f"\nGPU +{sizes[0] / 1024:.1f} KiB +{sizes[1] / MIB:.1f} MiB\n", shown)
    assert f"simulate.py on a CPU: {memory['cpu']['toeplitz'] / MIB:.1f} MiB a process" in shown
