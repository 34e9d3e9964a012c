"""Small networks for tests, with dyadic weights (multiples of 1/16): their sums are exact in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tgenn_gen.engine.ann import ann_currents
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.encodings.encoding import Encoding
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.encodings.spikes import SpikesInput
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.neurons.maximum import MaximumNeuron
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool1d import AvgPool1D
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv1d_transpose import Conv1DTranspose
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.network.ops.crop import Crop
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv1d import DepthwiseConv1D
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.ops.permute import Permute
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.ops.up_sampling import UpSampling
from tgenn_gen.network.ops.windows import Windows
from tgenn_gen.network.tensors import Tensor


class Weights:
    """Dyadic tensors from a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, file: str, *shape: int, low: int = -8, high: int = 9) -> Tensor:
        return Tensor(f"weights/{file}.npy", self.rng.integers(low, high, shape) / 16)


def dyadic_examples(shape: tuple[int, ...], count: int, seed: int = 1) -> np.ndarray:
    """Examples in 0..1, multiples of 1/16."""
    return np.random.default_rng(seed).integers(0, 17, (count, *shape)).astype(np.float32) / 16


def small_cnn(neuron: IntegrateAndFireNeuron | None = None, readout: str = "membrane") -> Network:
    """Non-square, strided, even kernels, padding of both kinds, biases a channel and a neuron."""
    neuron, w = neuron or IntegrateAndFireNeuron(), Weights()
    last = IntegrateNeuron() if readout == "membrane" else neuron
    return Network(
        name="small_cnn",
        inputs=(Input("image", (7, 10, 2), ConstantCurrentInput()),),
        populations=(
            Population(
                "conv1",
                (7, 5, 3),
                neuron,
                (Connection("image", (Conv2D((1, 2), "same", w("conv1.kernel", 4, 3, 2, 3)),)),),
                2.0,
                w("conv1.bias", 3),
            ),
            Population(
                "conv2",
                (2, 3, 4),
                neuron,
                (
                    Connection(
                        "conv1",
                        (
                            AvgPool2D((2, 2), (2, 2), "same"),
                            Conv2D((2, 1), "same", w("conv2.kernel", 2, 3, 3, 4, low=-4, high=12)),
                        ),
                    ),
                ),
                1.5,
                w("conv2.bias", 2, 3, 4, low=0),
            ),
            Population(
                "dense",
                (6,),
                neuron,
                (
                    Connection(
                        "conv2", (Flatten((2, 3, 4)), Dense(w("dense.kernel", 24, 6, low=-4, high=12)))
                    ),
                ),
            ),
            Population(
                "classes", (5,), last, (Connection("dense", (Dense(w("classes.kernel", 6, 5)),)),), 0.5
            ),
        ),
        outputs=(Output("classes", readout),),
        simulation=Simulation(1.0, 7),
    )


def branched() -> Network:
    """Unequal depths, the input seen by a deep population; awkward names."""
    neuron, w = IntegrateAndFireNeuron(threshold=0.75, reset="zero", v_init=0.25), Weights(2)
    return Network(
        name="class",
        inputs=(Input("in-put", (4, 6, 1), ConstantCurrentInput(), uint8_divisor=16.0),),
        populations=(
            Population(
                "1st",
                (4, 6, 2),
                neuron,
                (Connection("in-put", (Conv2D((1, 1), "same", w("a.kernel", 2, 2, 1, 2)),)),),
            ),
            Population(
                "a.b",
                (4, 6, 2),
                neuron,
                (Connection("1st", (Scale(w("a.b.factor", 2, low=4)),)),),
                bias=w("a.b.bias", 2, low=0),
            ),
            Population(
                "a-b",
                (2, 3, 2),
                neuron,
                (
                    Connection("a.b", (AvgPool2D((2, 2), (2, 2), "valid"),)),
                    Connection("1st", (Conv2D((2, 2), "valid", w("a-b.kernel", 2, 2, 2, 2)),)),
                    Connection(
                        "in-put",
                        (AvgPool2D((2, 2), (2, 2), "same"), Conv2D((1, 1), "valid", w("c", 1, 1, 1, 2))),
                    ),
                ),
                bias=w("a-b.bias", 2, 3, 2),
            ),
            Population("for", (3, 4), neuron, (Connection("a-b", (Reshape((2, 3, 2), (3, 4)),)),)),
            Population(
                "out",
                (4,),
                neuron,
                (
                    Connection("for", (Flatten((3, 4)), Dense(w("out.kernel", 12, 4, low=-2)))),
                    Connection(
                        "a-b",
                        (AvgPool2D((2, 3), (1, 1), "same"), Flatten((2, 3, 2)), Dense(w("out2", 12, 4))),
                    ),
                ),
            ),
        ),
        outputs=(Output("out", "spike_count"),),
        simulation=Simulation(0.5, 5),
    )


def pooled_dense() -> Network:
    """Like LeNet: pooling before a convolution and before a dense layer, in populations named conv and fc."""
    neuron, w = IntegrateAndFireNeuron(), Weights(3)
    pool = AvgPool2D((2, 2), (2, 2), "valid")
    return Network(
        name="lenet",
        inputs=(Input("image", (8, 12, 1), ConstantCurrentInput()),),
        populations=(
            Population(
                "conv1",
                (8, 12, 2),
                neuron,
                (Connection("image", (Conv2D((1, 1), "same", w("conv1.kernel", 3, 2, 1, 2)),)),),
            ),
            Population(
                "conv2",
                (4, 6, 3),
                neuron,
                (Connection("conv1", (pool, Conv2D((1, 1), "same", w("conv2.kernel", 2, 3, 2, 3, low=-4)))),),
            ),
            Population(
                "fc1",
                (5,),
                neuron,
                (Connection("conv2", (pool, Flatten((2, 3, 3)), Dense(w("fc1.kernel", 18, 5, low=-4)))),),
            ),
            Population("fc2", (4,), IntegrateNeuron(), (Connection("fc1", (Dense(w("fc2.kernel", 5, 4)),)),)),
        ),
        outputs=(Output("fc2", "membrane"),),
        simulation=Simulation(1.0, 7),
    )


def residual(
    name: str,
    encoding: Encoding,
    neuron: Neuron,
    readout: str = "membrane",
    start: int = 0,
    first: Neuron | None = None,
) -> Network:
    """Two branches of unequal depth from one population, tensors a channel and a neuron; any kinds.

    first: the neurons of the first population, where they are others.
    """
    w = Weights(4)
    last = IntegrateNeuron(neuron.few_spike) if readout == "membrane" else neuron
    conv = Conv2D((2, 1), "same", w("conv.kernel", 2, 3, 2, 3, low=-4, high=12))
    return Network(
        name=name,
        inputs=(Input("image", (6, 5, 2), encoding, uint8_divisor=1.0),),
        populations=(
            Population(
                "stem",
                (3, 5, 3),
                first or neuron,
                (Connection("image", (conv,)),),
                w("stem.scale", 3, low=8, high=32),
            ),
            Population(
                "branch",
                (3, 5, 3),
                neuron,
                (
                    Connection(
                        "stem", (Conv2D((1, 1), "same", w("branch.kernel", 3, 2, 3, 3, low=-6, high=10)),)
                    ),
                ),
                bias=w("branch.bias", 3),
            ),
            Population(
                "sum",
                (3, 5, 3),
                neuron,
                (
                    Connection("stem", (Scale(w("sum.factor", 3, low=2, high=8)),)),
                    Connection("branch", (Conv2D((1, 1), "same", w("sum.kernel", 1, 1, 3, 3)),)),
                ),
            ),
            Population(
                "classes",
                (5,),
                last,
                (Connection("sum", (Flatten((3, 5, 3)), Dense(w("classes.kernel", 45, 5)))),),
                0.5,
                w("classes.bias", 5, low=0),
            ),
        ),
        outputs=(Output("classes", readout, start),),
        simulation=Simulation(1.0, 7),
    )


def leaky() -> Network:
    """Leaky neurons: with each of their options, in units and without, and all options together."""
    v_init = Weights(9)("stem.v_init", 3, low=-4, high=12)
    synaptic = LeakyIntegrateAndFireNeuron(tau=4.0, tau_syn=2.5, integration="euler")
    all_options = LeakyIntegrateAndFireNeuron(
        -57.0, 9.0, "to_rest", "uniform", -60.0, 0.25, refractory=1.0, tau_syn=1.5
    )
    network = residual(
        "leaky",
        ConstantCurrentInput(),
        LeakyIntegrateAndFireNeuron(0.75, tau=6.0, v_init=0.25, refractory=2.0),
        "spike_count",
        first=LeakyIntegrateAndFireNeuron(tau=20.0, v_init=v_init),
    )
    network = with_population(network, "branch", neuron=synaptic)
    return with_population(network, "classes", neuron=all_options)


def pooled(name: str, neuron: Neuron, readout: str, start: int = 0) -> Network:
    """Maxima over windows that overlap, are cut off or leave elements out; a shorter branch; as output."""
    w = Weights(7)

    def maximum(window: int) -> MaximumNeuron:
        return MaximumNeuron(window, neuron.signed, neuron.few_spike)

    return Network(
        name=name,
        inputs=(Input("image", (6, 5, 2), ConstantCurrentInput(), uint8_divisor=1.0),),
        populations=(
            Population(
                "stem",
                (6, 5, 3),
                neuron,
                (Connection("image", (Conv2D((1, 1), "same", w("stem.kernel", 2, 3, 2, 3, low=-6)),)),),
                bias=w("stem.bias", 3),
            ),
            Population(
                "pool2x2",
                (3, 2, 3),
                maximum(4),
                (Connection("stem", (Windows((2, 2), (2, 2), "valid"),)),),
            ),
            Population(
                "pool3x3",
                (3, 3, 3),
                maximum(9),
                (Connection("stem", (Windows((3, 3), (2, 2), "same"),)),),
            ),
            Population(
                "sum",
                (3, 3, 3),
                neuron,
                (
                    Connection("stem", (AvgPool2D((2, 2), (2, 2), "same"),)),
                    Connection("pool3x3", (Conv2D((1, 1), "same", w("sum.kernel", 2, 1, 3, 3)),)),
                ),
            ),
            Population(
                "pool3x1",
                (1, 3, 3),
                maximum(3),
                (Connection("sum", (Windows((3, 1), (1, 1), "valid"),)),),
            ),
            Population(
                "dense",
                (10,),
                neuron,
                (
                    Connection("pool2x2", (Flatten((3, 2, 3)), Dense(w("narrow.kernel", 18, 10)))),
                    Connection("pool3x1", (Flatten((1, 3, 3)), Dense(w("tall.kernel", 9, 10)))),
                ),
                bias=w("dense.bias", 10, low=0),
            ),
            Population("classes", (5,), maximum(2), (Connection("dense", (Reshape((10,), (5, 2)),)),), 0.5),
        ),
        outputs=(Output("classes", readout, start),),
        simulation=Simulation(1.0, 7),
    )


def identities() -> Network:
    """Spikes added without any map between, names that look alike, an output that is not last."""
    w, neuron = Weights(6), IntegrateAndFireNeuron()
    same = tuple(Connection("x") for _ in range(3))
    return Network(
        name="identities",
        inputs=(Input("x", (4,), SpikesInput(), uint8_divisor=1.0),),
        populations=(
            Population("x_to_y", (4,), neuron, (Connection("x", (Dense(w("a", 4, 4)),)),)),
            Population("y_neurons", (4,), IntegrateAndFireNeuron(2.5), same),
            Population(
                "y",
                (4,),
                IntegrateNeuron(),
                (Connection("x_to_y"), Connection("y_neurons"), Connection("x", (Scale(w("b", 4)),))),
            ),
            Population("late", (2, 2), neuron, (Connection("y_neurons", (Reshape((4,), (2, 2)),)),)),
        ),
        outputs=(Output("y", "membrane"),),
        simulation=Simulation(1.0, 5),
    )


def every_op() -> Network:
    """Images, then steps: dilated, grouped, depthwise and transposed convolutions, branches side by side."""
    w = Weights(7)

    def population(name: str, shape: Shape, **sources: tuple[LinearMap, ...]) -> Population:
        inputs = tuple(Connection(source, through) for source, through in sources.items())
        return Population(name, shape, IntegrateAndFireNeuron(), inputs)

    def kernel(name: str, *shape: int, low: int = -4) -> Tensor:
        return w(f"{name}.kernel", *shape, low=low, high=8)

    grouped = Conv2D((1, 1), "same", kernel("grouped", 2, 3, 1, 4), (1, 2), 2)
    depthwise = DepthwiseConv2D((2, 2), "same", kernel("depthwise", 2, 3, 4, 2), (1, 1))
    dilated = DepthwiseConv2D((1, 1), "valid", kernel("dilated", 2, 2, 4, 1), (2, 3))
    transposed = Conv2DTranspose((2, 2), "same", kernel("transposed", 3, 2, 8, 3), (0, 1))
    causal = Conv1D(2, "causal", kernel("steps", 3, 15, 6), 2, 2)
    spread = Conv1DTranspose(2, "valid", kernel("spread", 3, 12, 4))
    return Network(
        name="every_op",
        inputs=(Input("image", (6, 8, 2), ConstantCurrentInput(), offset=Weights(8)("image.offset", 2)),),
        populations=(
            population("grouped", (6, 8, 4), image=(grouped,)),
            population("depthwise", (3, 4, 8), grouped=(depthwise,)),
            population("dilated", (4, 5, 4), grouped=(dilated,)),
            population(
                "transposed", (5, 7, 3), depthwise=(transposed,), grouped=(Crop((1, 0, 0), (0, 1, 1)),)
            ),
            population(
                "joined",
                (5, 7, 7),
                transposed=(Pad((0, 0, 0), (0, 0, 4)),),
                dilated=(Pad((0, 1, 3), (1, 1, 0)),),
            ),
            population(
                "steps",
                (4, 6),
                joined=(
                    Crop((0, 0, 1), (0, 0, 0)),
                    Permute((1, 0, 2)),
                    Reshape((7, 5, 6), (7, 30)),
                    causal,
                ),
            ),
            population("each", (4, 12), steps=(DepthwiseConv1D(1, "same", kernel("each", 2, 6, 2)),)),
            population(
                "spread",
                (9, 4),
                each=(spread,),
                steps=(UpSampling((2, 1)), Pad((1, 0), (0, 0)), Dense(kernel("last_axis", 6, 4))),
            ),
            population("windows", (4, 4, 2), spread=(Windows((2,), (2,), "valid"),)),
            population("images", (2, 3, 4, 4), dilated=(Windows((2, 2), (2, 2), "same"),)),
            population(
                "classes",
                (5,),
                windows=(Flatten((4, 4, 2)), Dense(kernel("of_windows", 32, 5, low=-7))),
                images=(Flatten((2, 3, 4, 4)), Dense(kernel("of_images", 96, 5, low=-7))),
                spread=(AvgPool1D(4, 3, "valid"), Flatten((2, 4)), Dense(kernel("of_means", 8, 5, low=-7))),
            ),
        ),
        outputs=(Output("classes", "spike_count"),),
        simulation=Simulation(1.0, 7),
    )


def of_all_kinds() -> dict[str, Network]:
    """A network for each encoding, neuron and readout, in combinations that make sense."""
    w = Weights(5)
    physical = IntegrateAndFireNeuron(-57.0, "to_rest", "uniform", -60.0, 0.25)
    potentials = w("stem.v_init", 3, 5, 3, low=0, high=17)
    networks = (
        residual("signed", ConstantCurrentInput(), SignedIntegrateAndFireNeuron(), start=2),
        residual(
            "signed_poisson",
            PoissonInput(signed=True),
            SignedIntegrateAndFireNeuron(),
            "spike_count",
            start=1,
        ),
        residual("few_spike", ConstantCurrentInput(), FewSpikeNeuron()),
        residual(
            "few_spike_count",
            ConstantCurrentInput(),
            FewSpikeNeuron(),
            "spike_count",
            first=FewSpikeNeuron(v_init=potentials),
        ),
        residual("few_spike_first", ConstantCurrentInput(), FewSpikeNeuron(), "first_spike"),
        residual(
            "poisson",
            PoissonInput(),
            IntegrateAndFireNeuron(),
            "first_spike",
            first=IntegrateAndFireNeuron(v_init=potentials),
        ),
        residual(
            "physical",
            IntegrateAndFireInput(-57.0, "to_rest", "uniform", -60.0, 0.25, 2.0),
            physical,
            "spike_count",
        ),
        residual(
            "binary",
            SpikesInput(),
            IntegrateAndFireNeuron(),
            start=3,
            first=SignedIntegrateAndFireNeuron(1.0, -0.5, potentials),
        ),
        pooled("maximum", IntegrateAndFireNeuron(), "first_spike"),
        pooled("signed_maximum", SignedIntegrateAndFireNeuron(), "spike_count", start=1),
        pooled("few_spike_maximum", FewSpikeNeuron(), "spike_count"),
        residual(
            "regular", IntegrateAndFireInput(), IntegrateAndFireNeuron(reset="zero"), "first_spike", start=2
        ),
    )
    return {network.name: network for network in (*networks, leaky(), identities())}


def with_several() -> dict[str, Network]:
    """Two inputs, one of them read deep in the network; outputs at unequal depths, images among them."""
    w, neuron = Weights(7), IntegrateAndFireNeuron()
    flat = (Flatten((2, 3, 2)), Dense(w("classes.left", 12, 4, low=-4)))
    populations = (
        Population(
            "stem",
            (2, 3, 2),
            neuron,
            (Connection("left", (Conv2D((2, 1), "same", w("stem.kernel", 3, 2, 1, 2, low=-4, high=12)),)),),
            1.5,
            w("stem.bias", 2, low=0),
        ),
        Population(
            "deep",
            (2, 3, 2),
            neuron,
            (
                Connection("stem", (Conv2D((1, 1), "same", w("deep.kernel", 2, 2, 2, 2, low=-4, high=12)),)),
                Connection("right", (Dense(w("deep.right", 5, 12, low=-4)), Reshape((12,), (2, 3, 2)))),
            ),
            bias=w("deep.bias", 2),
        ),
        Population(
            "early", (3,), neuron, (Connection("right", (Dense(w("early", 5, 3, low=-4, high=12)),)),)
        ),
        Population(
            "image",
            (2, 3, 2),
            IntegrateNeuron(),
            (Connection("stem", (Scale(w("image.factor", 2)),)),),
            w("image.scale", 2, low=8, high=32),
        ),
        Population(
            "classes",
            (4,),
            neuron,
            (Connection("deep", flat), Connection("early", (Dense(w("classes.early", 3, 4)),))),
        ),
    )
    outputs = (
        Output("classes", "spike_count", 1),
        Output("image", "membrane"),
        Output("early", "first_spike"),
    )
    kinds = {
        "two_currents": (ConstantCurrentInput(), ConstantCurrentInput(), outputs),
        "two_poisson": (PoissonInput(), PoissonInput(signed=True), outputs[1::-1]),
        "mixed_inputs": (
            ConstantCurrentInput(),
            SpikesInput(),
            (replace(outputs[1], activation="sigmoid"), Output("classes", "spike_count", 2, "softmax")),
        ),
    }
    return {
        name: Network(
            name,
            (
                Input("left", (4, 3, 1), left, uint8_divisor=16.0, offset=0.0 if left.spikes else 0.25),
                Input("right", (5,), right, offset=0.0 if right.spikes else Weights(8)("right.offset", 5)),
            ),
            populations,
            outputs,
            simulation=Simulation(1.0, 6),
        )
        for name, (left, right, outputs) in kinds.items()
    }


def with_frames() -> dict[str, Network]:
    """Inputs that change within an example: one of them, or both at unequal times, in every encoding."""
    several, kinds = with_several(), of_all_kinds()
    frames = {
        "frames": (several["mixed_inputs"], (2, 4)),
        "frames_of_currents": (several["two_currents"], (8, 1)),
        "frames_of_poisson": (several["two_poisson"], (4, 8)),
        "frames_of_regular": (kinds["regular"], (2,)),
        "frames_of_signed": (kinds["signed"], (8,)),
    }
    return {
        name: replace(
            network,
            name=name,
            inputs=tuple(replace(i, frames=f) for i, f in zip(network.inputs, counts, strict=True)),
            simulation=Simulation(1.0, 8),
        )
        for name, (network, counts) in frames.items()
    }


def streams() -> dict[str, Network]:
    """Networks whose neurons keep V from one example to the next."""
    networks = {
        "stream": with_frames()["frames"],
        "stream_of_recurrent": recurrent(),
        "stream_of_maxima": recurrent_maximum(),
        **{
            f"stream_of_{name}": of_all_kinds()[name]
            for name in ("regular", "physical", "leaky", "signed_poisson")
        },
    }
    return {
        name: replace(network, name=name, simulation=replace(network.simulation, reset="never"))
        for name, network in networks.items()
    }


def recurrent() -> Network:
    """Connections back, to itself and with a delay: dense, convolutional, signed; all of unequal depth."""
    w = Weights(11)

    def kernel(name: str, *shape: int) -> Tensor:
        return w(f"{name}.kernel", *shape, low=-6, high=7)

    def conv(name: str, *shape: int) -> Conv2D:
        return Conv2D((1, 1), "same", kernel(name, *shape))

    return Network(
        "recurrent",
        (Input("image", (4, 5, 2), ConstantCurrentInput()),),
        (
            Population(
                "stem",
                (4, 5, 3),
                IntegrateAndFireNeuron(),
                (
                    Connection("image", (conv("stem", 3, 2, 2, 3),)),
                    Connection("stem", (conv("itself", 1, 3, 3, 3),), 1),
                    Connection("signed", (conv("back", 3, 3, 2, 3),), 3),
                    Connection("hidden", (Dense(kernel("far_back", 6, 60)), Reshape((60,), (4, 5, 3))), 4),
                ),
                bias=w("stem.bias", 3, low=0),
            ),
            Population(
                "signed",
                (4, 5, 2),
                SignedIntegrateAndFireNeuron(),
                (
                    Connection("stem", (conv("now", 2, 2, 3, 2),)),
                    Connection("stem", (conv("before", 1, 1, 3, 2),), 2),
                ),
                bias=w("signed.bias", 2),
            ),
            Population(
                "hidden",
                (6,),
                IntegrateAndFireNeuron(reset="zero"),
                (
                    Connection(
                        "signed", (Flatten((4, 5, 2)), Dense(w("hidden.kernel", 40, 6, low=-3, high=7)))
                    ),
                    Connection("hidden", (Dense(kernel("each_other", 6, 6)),), 2),
                ),
            ),
            Population(
                "classes",
                (5,),
                IntegrateNeuron(),
                (
                    Connection("hidden", (Dense(kernel("classes", 6, 5)),)),
                    Connection(
                        "signed",
                        (AvgPool2D((4, 4), (4, 4), "valid"), Flatten((1, 1, 2)), Dense(kernel("mean", 2, 5))),
                        1,
                    ),
                ),
                0.5,
            ),
        ),
        (Output("classes", "membrane"),),
        Simulation(1.0, 8),
    )


def leaky_pair(frames: int) -> Network:
    """Leaky neurons with refractory times and a synaptic current that drive each other, shown frames."""
    w = Weights(13)
    excited = LeakyIntegrateAndFireNeuron(tau=8.0, refractory=2.0, integration="euler", v_init=0.5)
    inhibiting = LeakyIntegrateAndFireNeuron(
        tau=4.0, reset="to_rest", v_rest=0.25, refractory=1.0, tau_syn=2.0, integration="euler"
    )
    return Network(
        "leaky_pair",
        (Input("x", (6,), ConstantCurrentInput(), frames=frames),),
        (
            Population(
                "excited",
                (12,),
                excited,
                (
                    Connection("x", (Dense(w("in", 6, 12, low=-2, high=12)),)),
                    Connection("inhibiting", (Dense(w("back", 5, 12, low=-12, high=0)),), 2),
                ),
                bias=w("excited.bias", 12, low=0),
            ),
            Population(
                "inhibiting",
                (5,),
                inhibiting,
                (
                    Connection("excited", (Dense(w("forth", 12, 5, low=-2, high=10)),)),
                    Connection("inhibiting", (Dense(w("each_other", 5, 5, low=-6, high=3)),), 1),
                ),
            ),
            Population(
                "classes", (3,), IntegrateNeuron(), (Connection("excited", (Dense(w("classes", 12, 3)),)),)
            ),
        ),
        (Output("classes", "membrane"),),
        Simulation(1.0, 8),
    )


def recurrent_maximum() -> Network:
    """Delays of an input that spikes and of maxima; a population that only a recurrent connection drives."""
    w, neuron = Weights(12), IntegrateAndFireNeuron()
    populations = (
        Population(
            "stem",
            (4, 4, 2),
            SignedIntegrateAndFireNeuron(),
            (
                Connection("image", (Conv2D((1, 1), "same", w("stem.kernel", 2, 2, 1, 2, high=16)),)),
                Connection("image", (Conv2D((1, 1), "same", w("late.kernel", 1, 2, 1, 2)),), 3),
                Connection("alone", (Dense(w("from_alone.kernel", 3, 32)), Reshape((32,), (4, 4, 2))), 4),
            ),
        ),
        Population(
            "alone",
            (3,),
            neuron,
            (Connection("pool", (Flatten((2, 2, 2)), Dense(w("back", 8, 3, low=0))), 5),),
        ),
        Population(
            "pool",
            (2, 2, 2),
            MaximumNeuron(4, signed=True),
            (Connection("stem", (Windows((2, 2), (2, 2), "valid"),), 2),),
        ),
        Population(
            "classes",
            (4,),
            neuron,
            (
                Connection("pool", (Flatten((2, 2, 2)), Dense(w("classes.kernel", 8, 4, low=-4, high=12)))),
                Connection("classes", (), 1),
            ),
            bias=w("classes.bias", 4, low=0),
        ),
    )
    return Network(
        "recurrent_maximum",
        (Input("image", (4, 4, 1), SpikesInput(), uint8_divisor=1.0),),
        populations,
        (Output("classes", "spike_count"),),
        Simulation(1.0, 9),
    )


def autoencoder() -> Network:
    """A regression: one output, of the input's shape."""
    w, neuron = Weights(8), IntegrateAndFireNeuron()
    down, up = w("down", 24, 5, low=-4, high=12), w("up", 5, 24, low=-4)
    return Network(
        "autoencoder",
        (Input("image", (4, 6, 1), ConstantCurrentInput()),),
        (
            Population("code", (5,), neuron, (Connection("image", (Flatten((4, 6, 1)), Dense(down))),)),
            Population(
                "decoded",
                (4, 6, 1),
                IntegrateNeuron(),
                (Connection("code", (Dense(up), Reshape((24,), (4, 6, 1)))),),
            ),
        ),
        (Output("decoded", "membrane"),),
        Simulation(1.0, 6),
    )


def with_population(network: Network, name: str, **changes: object) -> Network:
    """The network with other fields of one population."""
    populations = (replace(p, **changes) if p.name == name else p for p in network.populations)
    return replace(network, populations=tuple(populations))


def targets_for(network: Network, count: int) -> dict[str, np.ndarray]:
    """For each output: class numbers, or values for one that is no vector."""
    shapes = [network.population(o.population).shape for o in network.outputs]
    return {
        o.population: np.arange(count) % shape[0] if len(shape) == 1 else dyadic_examples(shape, count, 9)
        for o, shape in zip(network.outputs, shapes, strict=True)
    }


def examples_for(network: Network, count: int) -> dict[str, np.ndarray]:
    """Dyadic examples with values that the encodings of the network's inputs take."""
    examples = {}
    for seed, network_input in enumerate(network.inputs, 1):
        x = dyadic_examples(network_input.example_shape, count, seed)
        if network_input.encoding.binary:
            x = (x > 0.5).astype(np.float32)
        elif network_input.encoding.low < 0:
            x = 2 * x - 1
        examples[network_input.name] = x
    return examples


def ann_of(network: Network, x: np.ndarray) -> Iterator[tuple[Population, np.ndarray]]:
    """The ANN's currents for examples of the network's only input."""
    return ann_currents(network, {network.inputs[0].name: x})
