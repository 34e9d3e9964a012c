"""The spiking maximum against sliding maxima written out with loops, its scales, and the largest on GeNN."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_map_cases import paddings, sizes, strides, window_elements, windows
from profiles import tries
from sample_networks import Weights, examples_for, of_all_kinds, with_population
from scripts import assert_equal_arrays, results, written

from tgenn_gen import TgennError, simulate
from tgenn_gen.conversion.activation_statistics import measure
from tgenn_gen.conversion.calibration import open_calibration
from tgenn_gen.conversion.corrections import corrected
from tgenn_gen.conversion.methods import Method
from tgenn_gen.conversion.normalization import find_scales, rescale
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.document.weight_file_names import with_weight_names
from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.engine.evaluation import relu_outputs
from tgenn_gen.engine.simulation import made
from tgenn_gen.network.checks import meaning_problems
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.maximum import MaximumNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.ops.windows import Windows
from tgenn_gen.network.tensors import Tensor


def sliding_maximum(values, window, stride, padding):
    """The largest of values (height, width, channels) in each window; what is beyond them counts as 0."""
    for (r, c), shape, elements in window_elements(values, window, stride, padding):
        if (r, c) == (0, 0):
            largest = np.zeros((*shape, values.shape[2]))
        inside = [v for _, _, v in elements]
        beyond = [np.zeros(values.shape[2])] * (prod(window) > len(inside))
        largest[r, c] = np.max([*inside, *beyond], axis=0)
    return largest


@st.composite
def pooling(draw):
    """(window, stride, padding, shape of an image that the window fits)."""
    height, width, window, padding = draw(sizes), draw(sizes), draw(windows), draw(paddings)
    if padding == "valid":
        window = (min(window[0], height), min(window[1], width))
    return window, draw(strides), padding, (height, width, draw(st.integers(1, 3)))


def run(neuron, spikes, window, stride, padding):
    """What maxima over windows of spikes (timesteps, batch, height, width, channels) emit."""
    current = Windows(window, stride, padding).apply(spikes)
    return made(neuron.call(1.0), np.zeros(1, np.uint32), ()).run(current, len(spikes))


@given(pooling(), st.booleans(), st.integers(1, 9), st.integers(0, 99))
@tries(80)
def test_after_every_step_the_sum_of_spikes_is_the_largest_of_the_inputs_sums(case, signed, steps, seed):
    window, stride, padding, shape = case
    rng = np.random.default_rng(seed)
    spikes = (
        rng.integers(-1, 2, (steps, 2, *shape), np.int8) if signed else rng.random((steps, 2, *shape)) < 0.4
    )
    emitted = run(MaximumNeuron(prod(window), signed), spikes, window, stride, padding)
    assert emitted.dtype == (np.int8 if signed else bool)
    sums = np.cumsum(spikes, axis=0, dtype=int)
    for step, example in product(range(steps), range(2)):
        np.testing.assert_array_equal(
            emitted[: step + 1, example].sum(axis=0, dtype=int),
            sliding_maximum(sums[step, example], window, stride, padding),
        )


@given(pooling(), st.integers(1, 16), st.integers(0, 99))
@tries(60)
def test_few_spikes_give_the_largest_of_the_values_that_the_inputs_stand_for(case, steps, seed):
    window, stride, padding, shape = case
    values = np.random.default_rng(seed).integers(0, 2**steps, (1, 2, *shape), np.uint16)
    emitted = run(MaximumNeuron(prod(window), few_spike=True), values, window, stride, padding)
    for example in range(2):
        np.testing.assert_array_equal(
            emitted[0, example], sliding_maximum(values[0, example], window, stride, padding)
        )


def test_a_part_of_the_time_steps_goes_on_where_the_one_before_ended():
    spikes = np.random.default_rng(0).integers(-1, 2, (9, 2, 4, 3), np.int8)
    whole, parts = (
        made(MaximumNeuron(3, signed=True).call(1.0), np.zeros(1, np.uint32), (4,)) for _ in range(2)
    )
    in_parts = np.concatenate([parts.run(spikes[:4], 4), parts.run(spikes[4:], 5)])
    np.testing.assert_array_equal(whole.run(spikes, 9), in_parts)


def test_a_later_leader_counts_from_its_start():
    """Where a gate that follows the leader would emit 4 spikes: 2 of the first, and 2 of the second."""
    spikes = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0]], bool).T[:, None]
    neurons = made(MaximumNeuron(2).call(1.0), np.zeros(1, np.uint32), ())
    assert neurons.run(spikes, 6)[:, 0].tolist() == [1, 1, 0, 0, 1, 0]


def of_input() -> Network:
    """A maximum over 15 signed Poisson spike trains, and the same trains a step later."""
    w = Weights(8)
    return Network(
        "of_input",
        (Input("image", (5, 3, 2), PoissonInput(signed=True), uint8_divisor=1.0),),
        (
            Population(
                "pool",
                (1, 1, 2),
                MaximumNeuron(15, signed=True),
                (Connection("image", (Windows((5, 3), (1, 1), "valid"),)),),
            ),
            Population(
                "classes",
                (3,),
                IntegrateNeuron(),
                (
                    Connection("pool", (Flatten((1, 1, 2)), Dense(w("a", 2, 3)))),
                    Connection("image", (Flatten((5, 3, 2)), Dense(w("b", 30, 3)))),
                ),
            ),
        ),
        (Output("classes", "membrane"),),
        Simulation(1.0, 20),
    )


@pytest.mark.genn
def test_genn_tells_fifteen_signed_trains_apart(tmp_path):
    network = of_input()
    x = np.random.default_rng(0).uniform(-1, 1, (40, 5, 3, 2)).astype(np.float32)
    folder = written(network, tmp_path / "n", x=x, y=np.arange(40) % 3)
    on_genn, in_numpy = (
        results(folder / script, folder / "data.npz", "--seed", 3)[1]
        for script in ("simulate.py", "reference.py")
    )
    assert_equal_arrays(on_genn, in_numpy)
    assert in_numpy["spike_counts/pool"].all()


# Its scale is its source's, and nothing that a conversion measures or corrects is of it.


def folded(neuron, max_value=None, through=()) -> Network:
    """Convolution, maximum, dense; weights of no special kind, scales 1."""
    rng = np.random.default_rng(3)
    through = through or (Windows((3, 2), (2, 1), "same"),)
    shape = through[-1].output_shape((3, 5, 4) if len(through) == 1 else (3, 10, 2))
    return Network(
        "folded",
        (Input("image", (6, 5, 2), ConstantCurrentInput()),),
        (
            Population(
                "conv",
                (3, 5, 4),
                neuron,
                (
                    Connection(
                        "image",
                        (Conv2D((2, 1), "same", Tensor("weights/k.npy", rng.normal(size=(2, 3, 2, 4)))),),
                    ),
                ),
                bias=Tensor("weights/b.npy", rng.normal(size=4)),
                max_value=max_value,
            ),
            Population(
                "pool",
                shape[:-1],
                MaximumNeuron(6, neuron.signed, neuron.few_spike),
                (Connection("conv", through),),
            ),
            Population(
                "out",
                (3,),
                IntegrateNeuron(neuron.few_spike),
                (
                    Connection(
                        "pool",
                        (
                            Flatten(shape[:-1]),
                            Dense(Tensor("weights/d.npy", rng.normal(size=(prod(shape[:-1]), 3)))),
                        ),
                    ),
                ),
            ),
        ),
        (Output("out", "membrane"),),
    )


def written_out(network: Network, x: np.ndarray) -> np.ndarray:
    """The ANN's output for one example: ReLU, sliding maximum, dense."""
    conv, _, out = network.populations
    activation = np.maximum(conv.current({"image": x[None]})[0], 0)
    if conv.max_value is not None:
        activation[activation > conv.max_value] = conv.max_value
    pooled = sliding_maximum(activation, (3, 2), (2, 1), "same")
    return pooled.reshape(-1) @ out.inputs[0].through[-1].kernel.values


NEURONS = [IntegrateAndFireNeuron(), SignedIntegrateAndFireNeuron(threshold=0.5), FewSpikeNeuron()]


def relu_output(network, x):
    """The output of a network with one input and one output, with the ANN's activations for neurons."""
    (output,) = relu_outputs(network, {network.inputs[0].name: x}).values()
    return output


METHODS = ["none", "model", "data", "percentile:90", "mse", "ltb", "spike_norm"]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: n.kind)
@pytest.mark.parametrize("normalization", METHODS)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("max_value", [None, 0.75])
def test_a_maximum_has_its_sources_scale_and_the_ann_is_kept(neuron, normalization, per_channel, max_value):
    network = folded(neuron, max_value)
    x = np.random.default_rng(1).random((60, 6, 5, 2), np.float32)
    data = open_calibration(x, network.inputs)
    method = Method(normalization, per_channel, neuron, timesteps=8)
    measured = measure(network, data, per_channel, sample=60)
    assert list(measured.histograms) == ["conv"]
    scales, _ = find_scales(network, method, measured, data)
    normalized = rescale(network, scales)
    conv, pool, _ = normalized.populations
    np.testing.assert_array_equal(*np.broadcast_arrays(pool.scales, conv.scales))
    assert pool.inputs == network.populations[1].inputs
    if max_value is not None:
        assert (conv.scales <= max_value).all()
        assert measured.histograms["conv"].largest.max() == max_value
    require_valid(with_weight_names(normalized))
    expected = [written_out(network, example) for example in x]
    *_, (_, output) = ann_currents(network, {network.inputs[0].name: x})
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(relu_output(normalized, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: n.kind)
def test_given_time_the_spiking_network_is_the_ann(neuron):
    network = folded(neuron)
    x = np.random.default_rng(2).random((5, 6, 5, 2), np.float32)
    steps = 12 if neuron.few_spike else 3000
    measured = measure(network, open_calibration(x, network.inputs), per_channel=True)
    scales, _ = find_scales(network, Method("data", True, neuron), measured)
    found = simulate(with_weight_names(rescale(network, scales)), x, timesteps=steps).output
    np.testing.assert_allclose(found, [written_out(network, example) for example in x], atol=0.01)


def test_spikes_of_unequal_scales_are_not_compared():
    mixed = (Reshape((3, 5, 4), (3, 10, 2)), Windows((3, 2), (2, 1), "same"))
    network = folded(IntegrateAndFireNeuron(), through=mixed)
    scales = {"conv": np.array([1.0, 2.0, 3.0, 4.0]), "out": np.ones(1)}
    with pytest.raises(TgennError) as caught:
        rescale(network, scales)
    assert str(caught.value) == (
        "options: error[T410]: 'pool' (maximum) compares spikes of channels of different scales\n"
        "  hint: use one scale per population: `per_channel=False`"
    )
    same = rescale(network, {**scales, "conv": np.array([2.0])})
    assert same.population("pool").scale == 2
    apart = rescale(network, {**scales, "conv": np.array([2.0, 3.0, 2.0, 3.0])})  # channel c and c + 2 meet
    np.testing.assert_array_equal(apart.population("pool").scales, [2, 3])


def test_sources_of_other_channels_keep_their_scales():
    """What a Concatenate becomes: each source has channels of its own."""
    network = folded(IntegrateAndFireNeuron())
    conv, pool, _ = network.populations
    windows = pool.inputs[0].through
    wide = replace(
        pool,
        shape=(*pool.shape[:2], 8),
        inputs=(
            Connection("conv", (Pad((0, 0, 0), (0, 0, 4)), *windows)),
            Connection("again", (Pad((0, 0, 4), (0, 0, 0)), *windows)),
        ),
    )
    network = replace(network, populations=(conv, replace(conv, name="again"), wide))
    scales = {"conv": np.array([1.0, 2.0, 3.0, 4.0]), "again": np.array([0.3])}
    normalized = rescale(network, scales)
    np.testing.assert_allclose(normalized.population("pool").scales, [1, 2, 3, 4, *[0.3] * 4])
    assert not meaning_problems(normalized)


def test_the_ann_of_a_maximum_that_is_read_is_the_largest_activation():
    network = of_all_kinds()["maximum"]
    (x,) = examples_for(network, 6).values()
    values = {
        p.name: p.activation(current) for p, current in ann_currents(network, {network.inputs[0].name: x})
    }
    expected = np.maximum(values["dense"][:, ::2], values["dense"][:, 1::2])
    np.testing.assert_allclose(relu_output(network, x), 0.5 * expected, rtol=1e-5)


def test_corrections_leave_a_maximum_alone():
    network = folded(IntegrateAndFireNeuron())
    x = np.random.default_rng(1).random((60, 6, 5, 2), np.float32)
    measured = measure(network, open_calibration(x, network.inputs))
    scales, _ = find_scales(network, Method("percentile:90"), measured)
    normalized = rescale(network, scales)
    found = corrected(normalized, network, {network.inputs[0].name: x}, ("bias", "potential"))
    assert found.population("pool") == normalized.population("pool")
    assert found.population("conv") != normalized.population("conv")
    require_valid(with_weight_names(found))


def test_activations_are_clipped_where_the_ann_clips_them():
    network = folded(IntegrateAndFireNeuron(), max_value=0.5)
    x = np.random.default_rng(1).random((9, 6, 5, 2), np.float32)
    values = {p.name: current for p, current in ann_currents(network, {network.inputs[0].name: x})}
    assert values["conv"].max() > 0.5
    assert values["pool"].max() == 0.5


# What is refused.


def changed(population: str, network: Network | None = None, **changes) -> Network:
    return with_population(network or of_all_kinds()["maximum"], population, **changes)


def from_(source, *through):
    return (Connection(source, through),)


POOL = Windows((2, 2), (2, 2), "valid")
REFUSED = {
    "a chain that makes no windows": (
        changed("pool2x2", inputs=from_("stem")),
        "T205",
        "the chain from 'stem' gives [6, 5, 3], 'pool2x2' (maximum of 4) needs [3, 2, 3, 4]",
    ),
    "windows of another size": (
        changed("pool2x2", neuron=MaximumNeuron(9)),
        "T205",
        "the chain from 'stem' gives [3, 2, 3, 4], 'pool2x2' (maximum of 9) needs [3, 2, 3, 9]",
    ),
    "windows for other neurons": (
        changed("pool2x2", neuron=IntegrateAndFireNeuron()),
        "T205",
        "the chain from 'stem' gives [3, 2, 3, 4], 'pool2x2' has shape [3, 2, 3]",
    ),
    "too large a window": (
        changed(
            "pool2x2",
            neuron=MaximumNeuron(20),
            shape=(2, 1, 3),
            inputs=from_("stem", Windows((4, 5), (2, 1), "valid")),
        ),
        "T217",
        "expected a window of at most 15, got 20: float32 cannot tell more apart",
    ),
    "weights on the way": (
        changed("pool2x2", inputs=from_("stem", Scale(Tensor("weights/f.npy", np.ones(3))), POOL)),
        "T217",
        "scale has weights, 'pool2x2' (maximum) needs spikes without weights",
    ),
    "means on the way": (
        changed("pool2x2", shape=(2, 1, 3), inputs=from_("stem", AvgPool2D((2, 2), (1, 2), "same"), POOL)),
        "T217",
        "avg_pool2d has weights, 'pool2x2' (maximum) needs spikes without weights",
    ),
    "a current": (
        changed("stem", shape=(3, 2, 2), neuron=MaximumNeuron(4), bias=None, inputs=from_("image", POOL)),
        "T217",
        "'stem' (maximum) needs spikes, 'image' gives a current",
    ),
    "two sources for one element": (
        changed("pool2x2", inputs=from_("stem", POOL) * 2),
        "T217",
        "an element of a window of 'pool2x2' gets spikes from more than one source",
    ),
    "signs that it does not know of": (
        changed("pool2x2", of_all_kinds()["signed_maximum"], neuron=MaximumNeuron(4)),
        "T218",
        "'pool2x2' has signed: false, but 'stem' emits signed spikes",
    ),
    "signs that there are not": (
        changed("pool2x2", neuron=MaximumNeuron(4, signed=True)),
        "T218",
        "'pool2x2' has signed: true, but 'stem' emits no signed spikes",
    ),
    "a bias": (
        changed("pool2x2", bias=Tensor("weights/x.npy", np.ones(3))),
        "T219",
        "'pool2x2' (maximum) cannot have a bias",
    ),
    "a clipped maximum": (
        changed("pool2x2", max_value=6.0),
        "T219",
        "'pool2x2' (maximum) does not use max_value",
    ),
    "a rate code among few spikes": (
        changed("pool2x2", of_all_kinds()["few_spike_maximum"], neuron=MaximumNeuron(4)),
        "T213",
        "'pool2x2' uses a rate code, 'stem' uses the few-spike code",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_maximum_cannot_take_is_refused(case):
    network, code, message = REFUSED[case]
    with pytest.raises(TgennError) as caught:
        require_valid(network)
    found = [(d.code, d.message.split(": ", 1)[1]) for d in caught.value.diagnostics]
    assert (code, message) in found  # and what follows from it for later populations
