"""Small networks for tests, with dyadic weights (multiples of 1/16): their sums are exact in any order."""

from __future__ import annotations

import numpy as np

from tgenn_gen.encodings.constant_current import ConstantCurrent
from tgenn_gen.neurons.integrate import Integrate
from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.reshape import Reshape
from tgenn_gen.ops.scale import Scale
from tgenn_gen.spec import Connection, Input, Network, Output, Population, Simulation
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
