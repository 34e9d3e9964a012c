"""How much memory a run needs: simulate.py on a GPU or a CPU, and reference.py.

GeNN's arrays are those that the runtime of GeNN 5.4 allocates, to the byte; all their numbers have 4 bytes. A
GPU has them, and the host has a copy of each. The rest is estimated: the largest arrays that are there at a
time, and what a process takes before it has a network, as measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm, prod
from typing import Any

from tgenn_gen.codegen.matrix_types import WEIGHT_BYTES
from tgenn_gen.codegen.network_table import in_units
from tgenn_gen.codegen.plan import ConnectionPlan, Plan, PopulationPlan
from tgenn_gen.network.delays import longest_delays, longest_part
from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.shared.mixing import Mixing
from tgenn_gen.network.summary import text_table
from tgenn_gen.runtime.genn_driving import CURRENTS
from tgenn_gen.runtime.neuron_updates import time_blocks
from tgenn_gen.runtime.numpy_network import batch_size_that_fits

BATCH_SIZES = (1, 32, 128, 512)
MATRICES = {"toeplitz": False, "sparse": True}  # by --connectivity: whether it is sparse
MIB = 2**20
PYTHON = 40 * MIB  # Python with NumPy and tgenn_runtime; 37 MiB were measured
PYGENN = 70 * MIB  # the same with PyGeNN and GeNN's generated library; 64 MiB were measured
BLOCKS = 8 * MIB  # what NumPy's maps keep of a block of examples, in any network
FREED = 1.15  # the share that the allocator keeps of freed arrays, as measured


def memory_data(network: Network, plan: Plan, batch_sizes: Sequence[int] = BATCH_SIZES) -> dict[str, Any]:
    """All estimates in bytes, as JSON data.

    batches         for each batch size on a GPU: the memory of the GPU and of the host, by --connectivity
    cpu             of simulate.py on a CPU, a process, by --connectivity
    reference       of reference.py: the process, and each thread in addition
    saved_outputs   what --save-outputs needs in addition for each example
    """

    def simulate(batch: int, gpu: bool) -> dict[str, int]:
        return {
            name: simulate_bytes(network, plan, batch, sparse=sparse, gpu=gpu)
            for name, sparse in MATRICES.items()
        }

    process, thread = reference_bytes(network)
    batches = [
        {
            "batch_size": batch,
            "gpu": {name: genn_bytes(plan, batch, sparse=sparse) for name, sparse in MATRICES.items()},
            "host": simulate(batch, gpu=True),
        }
        for batch in batch_sizes
    ]
    return {
        "batches": batches,
        "cpu": simulate(1, gpu=False),
        "reference": {"process": process, "thread": thread},
        "saved_outputs": _saved_bytes(network),
    }


def memory_table(data: dict[str, Any]) -> str:
    """The numbers of memory_data, for a terminal."""
    rows = [("memory", *(f"batch size {b['batch_size']}" for b in data["batches"]))]
    for where, name in (("gpu", "GPU"), ("host", "host, with a GPU")):
        for matrix in MATRICES:
            label = name if matrix == "toeplitz" else "    --connectivity sparse"
            rows.append((label, *(in_units(b[where][matrix]) for b in data["batches"])))
    (head, *lines), rule = text_table(rows, 1)
    cpu, reference = data["cpu"], data["reference"]
    process, thread = in_units(reference["process"]), in_units(reference["thread"])
    return "\n".join(
        [
            head,
            rule,
            *lines,
            rule,
            f"simulate.py on a CPU: {in_units(cpu['toeplitz'])} a process; "
            f"with --connectivity sparse {in_units(cpu['sparse'])}",
            f"reference.py: {process}, and {thread} for each thread",
            f"--save-outputs: {in_units(data['saved_outputs'])} more for each example",
            "These are estimates, without the data and without what CUDA takes for itself.",
        ]
    )


def genn_bytes(plan: Plan, batch: int, *, sparse: bool = False, gpu: bool = True) -> int:
    """The bytes of the arrays that GeNN allocates for a batch.

    sparse: whether synapses that share weights are SPARSE; those from signed neurons always are on a gpu.
    """
    variables = {model.identifier: model.variables for model in plan.neuron_models}
    shared = each = 0  # numbers of all examples together, and of each example
    for p in plan.genn_populations:
        leaving = [c for c in plan.synapses if c.source == p.name]
        latency = int(plan.timesteps) if plan.few_spike else 1
        slots = 1 + latency * max((c.delay for c in leaving), default=0)
        for name, _, access, _ in variables[p.neuron_model]:
            copies = slots if name == "sign" and leaving else 1  # synapses read it when a spike arrives
            if access == "READ_ONLY":
                shared += p.size
            else:
                each += 1 if access == "READ_ONLY_SHARED_NEURON" else copies * p.size
        each += p.size * sum(not c.from_input for c in p.connections)  # the input of each connection
        if leaving:
            each += slots * (p.size + 1)  # which neurons spike, and how many
        shared += slots > 1  # a pointer into the queue
    shared += sum(_synapse_numbers(c, sparse or (gpu and c.signed)) for c in plan.synapses)
    return WEIGHT_BYTES * (shared + batch * each)


def _synapse_numbers(c: ConnectionPlan, sparse: bool) -> int:
    """How many numbers GeNN stores for the synapses of a connection."""
    if c.matrix == "DENSE":
        return c.source_size * c.fan_out
    if c.matrix == "EITHER" and not sparse:
        return c.kernel_size
    return c.source_size * (1 + 2 * c.fan_out) + c.kernel_size  # a row: its length, targets, weights


def simulate_bytes(
    network: Network, plan: Plan, batch: int, *, sparse: bool = False, gpu: bool = True
) -> int:
    """The host memory of a process of simulate.py with --json, without the data and without CUDA.

    Arguments as for genn_bytes.
    """
    weights, reading = _weights(network)
    kernels = sum(c.kernel_size * _number(c) for c in plan.synapses)  # flat copies, as start values
    named = sum(c.kernel_size * _number(c) for c in plan.synapses if c.kernel_line)
    building = weights + kernels + named + reading // 5
    counts = sum(p.size * p.counts.count('"') for p in plan.genn_populations)
    outputs = sum(p.size for p in plan.outputs) * int(plan.timesteps)
    running = kernels + genn_bytes(plan, batch, sparse=sparse, gpu=gpu)
    running += max(_current_bytes(plan, p, batch) for p in plan.genn_populations if p.driven)
    running += 3 * WEIGHT_BYTES * batch * (counts + outputs)  # of batches that are under way, or are scored
    return PYGENN + max(building, running)


def _number(c: ConnectionPlan) -> int:
    """The bytes of a weight in Python: the file's float32, or float64 where it is computed."""
    return WEIGHT_BYTES if c.kernel.isidentifier() else 8


def _current_bytes(plan: Plan, population: PopulationPlan, batch: int) -> int:
    """What simulate.py needs to compute the input currents of a population for a number of examples."""
    inputs = [i for i in plan.inputs if f'"{i.name}"' in population.driving]
    given, shown = sum(prod(i.shape) for i in inputs), sum(i.frames * prod(i.shape) for i in inputs)
    frames = lcm(*(i.frames for i in inputs))
    examples = batch * max(1, CURRENTS // (batch * max(given, population.size) * frames))
    # of all frames examples and currents in float32; of one both in float64, its current also without bias
    return examples * (4 * shown + 8 * given + 4 * (frames + 4) * population.size)


def _weights(network: Network) -> tuple[int, int]:
    """The bytes of all weights, and what reading the largest file needs in addition, to check it."""
    sizes = [WEIGHT_BYTES * tensor.values.size for tensor in network.tensors.values()]
    return sum(sizes), max(sizes, default=0) * 5 // 4


def reference_bytes(network: Network) -> tuple[int, int]:
    """The memory of reference.py with --json, without the data: of the process, and of each thread."""
    return PYTHON + sum(_weights(network)), _thread_bytes(network)


def _saved_bytes(network: Network) -> int:
    """What --save-outputs keeps of an example, twice while it is written: outputs, and counts of spikes."""
    spiking = sum(prod(network.shapes[name]) for name in network.spiking)
    outputs = sum(prod(network.shapes[o.population]) for o in network.outputs)
    return 2 * WEIGHT_BYTES * (2 * spiking + outputs)


def _thread_bytes(network: Network) -> int:
    """The memory of a thread of reference.py, which simulates a batch: what `populations` has at a time."""
    timesteps, few_spike = network.simulation.timesteps, network.few_spike
    shapes, last_read = network.shapes, network.last_read_by
    outputs = sum(prod(shapes[o.population]) for o in network.outputs) * timesteps
    of_a_frame = timesteps // lcm(*(i.frames for i in network.inputs))
    steps = 1 if few_spike else time_blocks(of_a_frame, longest_part(network))[0]
    batch = batch_size_that_fits(steps, network.largest, outputs)
    spike, number = (2 if few_spike else steps), WEIGHT_BYTES * steps
    constant = {i.name for i in network.inputs if not i.encoding.spikes}
    held = {i.name: prod(i.shape) * (8 if i.name in constant else spike) for i in network.inputs}
    frames = sum(WEIGHT_BYTES * i.frames * prod(i.shape) for i in network.inputs if i.frames > 1)
    held |= {  # what connections with a delay read, and the same with the next steps
        f"{name} before": prod(shapes[name]) * (2 * delay + steps)
        for name, delay in longest_delays(network).items()
    }
    peak = counts = current = 0  # current: what the variable of that name has, until it is assigned
    for p in network.populations:
        for c in p.inputs:
            shape, unit = shapes[c.source], 8 if c.source in constant else number
            mapped = 0
            for linear_map in c.through:
                size, shape = prod(shape), linear_map.output_shape(shape)
                if linear_map.in_order:
                    continue  # another view of the same array
                before = current if len(p.inputs) == 1 else current + mapped
                mapped = unit * prod(shape)
                copies = unit * _copied(linear_map, size, prod(shape))
                peak = max(peak, sum(held.values()) + before + mapped + copies)
                if len(p.inputs) == 1:
                    current = mapped
            if len(p.inputs) > 1:
                held[f"{c.source} to {p.name}"] = mapped
        emitted = p.size * (spike if p.neuron.spikes else number)
        peak = max(peak, sum(held.values()) + current + _updating(p, number) + emitted)
        counts += p.size * p.neuron.spikes * (8 if p.neuron.signed else 4)
        held[p.name] = emitted
        for name in (*last_read[p.name], *(f"{c.source} to {p.name}" for c in p.inputs)):
            held.pop(name, None)
    # the results of a batch wait while the thread simulates the next one
    return BLOCKS + int(FREED * batch * (peak + frames + 2 * counts + 5 * WEIGHT_BYTES * outputs))


def _copied(linear_map: LinearMap, size: int, result: int) -> int:
    """How many numbers a map keeps besides its result: copies of what it gets, and parts of sums."""
    if isinstance(linear_map, Conv1D | Conv2D):
        return 0  # it works on blocks of examples
    return size + result if isinstance(linear_map, Mixing) else max(size, result)


def _updating(p: Population, number: int) -> int:
    """The bytes of arrays that a population has while its neurons are updated, but for current and spikes."""
    size = prod(p.neuron.current_shape(p.shape))
    sums = 2 * (len(p.inputs) > 1) + 2 * (not p.neuron.spikes)  # of several currents, over the steps
    return size * (sums * number + 4 * WEIGHT_BYTES)
