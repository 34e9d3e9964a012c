"""Small networks for tests, with dyadic weights (multiples of 1/16): their sums are exact in any order."""

from __future__ import annotations

import numpy as np

from tgenn_gen.encodings.constant_current import ConstantCurrent
from tgenn_gen.encodings.integrate_and_fire import IntegrateAndFireInput
from tgenn_gen.encodings.poisson import Poisson
from tgenn_gen.encodings.spikes import Spikes
from tgenn_gen.neurons.few_spike import FewSpike
from tgenn_gen.neurons.integrate import Integrate
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
from tgenn_gen.neurons.signed_integrate_and_fire import SignedIntegrateAndFire
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.reshape import Reshape
from tgenn_gen.ops.scale import Scale
from tgenn_gen.spec import Connection, Encoding, Input, Network, Neuron, Output, Population, Simulation
from tgenn_gen.tensors import Tensor


class Weights:
    """Dyadic tensors from a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, file: str, *shape: int, low: int = -8, high: int = 9) -> Tensor:
        return Tensor(f"weights/{file}.npy", self.rng.integers(low, high, shape) / 16)


def dyadic_examples(shape: tuple[int, ...], count: int, seed: int = 1) -> np.ndarray:
    """Examples in 0..1, multiples of 1/16."""
    return np.random.default_rng(seed).integers(0, 17, (count, *shape)).astype(np.float32) / 16


def small_cnn(neuron: IntegrateAndFire | None = None, readout: str = "membrane") -> Network:
    """Non-square, strided, even kernels, padding of both kinds, biases a channel and a neuron."""
    neuron, w = neuron or IntegrateAndFire(), Weights()
    last = Integrate() if readout == "membrane" else neuron
    return Network(
        name="small_cnn",
        inputs=(Input("image", (7, 10, 2), ConstantCurrent()),),
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
    """Unequal depths, the input seen by a deep population, every op; awkward names."""
    neuron, w = IntegrateAndFire(threshold=0.75, reset="zero", v_init=0.25), Weights(2)
    return Network(
        name="class",
        inputs=(Input("in-put", (4, 6, 1), ConstantCurrent(), uint8_divisor=16.0),),
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
    neuron, w = IntegrateAndFire(), Weights(3)
    pool = AvgPool2D((2, 2), (2, 2), "valid")
    return Network(
        name="lenet",
        inputs=(Input("image", (8, 12, 1), ConstantCurrent()),),
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
            Population("fc2", (4,), Integrate(), (Connection("fc1", (Dense(w("fc2.kernel", 5, 4)),)),)),
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
    last = Integrate(neuron.few_spike) if readout == "membrane" else neuron
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


def identities() -> Network:
    """Spikes added without any map between, names that look alike, an output that is not last."""
    w, neuron = Weights(6), IntegrateAndFire()
    same = tuple(Connection("x") for _ in range(3))
    return Network(
        name="identities",
        inputs=(Input("x", (4,), Spikes(), uint8_divisor=1.0),),
        populations=(
            Population("x_to_y", (4,), neuron, (Connection("x", (Dense(w("a", 4, 4)),)),)),
            Population("y_neurons", (4,), IntegrateAndFire(2.5), same),
            Population(
                "y",
                (4,),
                Integrate(),
                (Connection("x_to_y"), Connection("y_neurons"), Connection("x", (Scale(w("b", 4)),))),
            ),
            Population("late", (2, 2), neuron, (Connection("y_neurons", (Reshape((4,), (2, 2)),)),)),
        ),
        outputs=(Output("y", "membrane"),),
        simulation=Simulation(1.0, 5),
    )


def of_all_kinds() -> dict[str, Network]:
    """A network for each encoding, neuron and readout, in combinations that make sense."""
    w = Weights(5)
    physical = IntegrateAndFire(-57.0, "to_rest", "uniform", -60.0, 0.25)
    potentials = w("stem.v_init", 3, 5, 3, low=0, high=17)
    networks = (
        residual("signed", ConstantCurrent(), SignedIntegrateAndFire(), start=2),
        residual("signed_poisson", Poisson(signed=True), SignedIntegrateAndFire(), "spike_count", start=1),
        residual("few_spike", ConstantCurrent(), FewSpike()),
        residual(
            "few_spike_count", ConstantCurrent(), FewSpike(), "spike_count", first=FewSpike(v_init=potentials)
        ),
        residual("few_spike_first", ConstantCurrent(), FewSpike(), "first_spike"),
        residual(
            "poisson", Poisson(), IntegrateAndFire(), "first_spike", first=IntegrateAndFire(v_init=potentials)
        ),
        residual(
            "physical",
            IntegrateAndFireInput(-57.0, "to_rest", "uniform", -60.0, 0.25, 2.0),
            physical,
            "spike_count",
        ),
        residual(
            "binary",
            Spikes(),
            IntegrateAndFire(),
            start=3,
            first=SignedIntegrateAndFire(1.0, -0.5, potentials),
        ),
        residual("regular", IntegrateAndFireInput(), IntegrateAndFire(reset="zero"), "first_spike", start=2),
    )
    return {network.name: network for network in (*networks, identities())}


def examples_for(network: Network, count: int) -> np.ndarray:
    """Dyadic examples with values that the network's encoding takes."""
    x = dyadic_examples(network.inputs[0].shape, count)
    encoding = network.inputs[0].encoding
    if encoding.binary:
        return (x > 0.5).astype(np.float32)
    return 2 * x - 1 if encoding.low < 0 else x
