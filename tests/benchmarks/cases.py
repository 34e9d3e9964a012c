"""Accuracy after every time step of one export: the cases of the tables in docs/results.md that are read so.

Each case is exported by `tgenn export` with the training examples as calibration data, and run by
`tgenn evaluate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from anns import examples_file, images_file, trained
from networks import MissingDataError, tgenn
from results import Run

# Weights that are corrected for 16 steps are not meant for the other numbers of steps in these rows.
LOW_LATENCY = "--preset low_latency --correct none"
TENSOR_GENN_CIFAR = (
    "--preset tensor_genn --threshold -58 --timesteps 3750 --dense-capacitance 0.1 --capacitance 0.01 "
    "--input-gain 0.01"
)
# A threshold 2 mV above rest and 0.5 nF: 1 nA makes a spike in one step of 1 ms, as in Diehl et al.
DIEHL_CIFAR = (
    "--preset tensor_genn --threshold -58 --timesteps 3750 --dense-capacitance 0.5 --capacitance 0.5 "
    "--input-gain 0.3"
)


@dataclass(frozen=True)
class Case:
    """An ANN and the options that convert it; `steps` are those of the table, the last one is simulated.

    label: in the table; seeds: of the random numbers; trainings: of the ANN.
    """

    label: str
    ann: str
    options: str
    steps: tuple[int, ...]
    images: int = 10000
    seeds: tuple[int, ...] = (0,)
    trainings: tuple[int, ...] = (1,)


LOW = (4, 8, 16, 32, 64)
_MNIST_STEPS, _CIFAR_STEPS = (50, 100, 200, 350), (500, 1000, 2000, 3750)
_BATCH_NORM = "CIFAR-10, 6 convolutions with bias and BatchNormalization"
CASES = {
    "mnist-low-latency": Case(
        "MNIST, TensorGeNN's network, no bias", "mnist_2019", LOW_LATENCY, LOW, trainings=(1, 2, 3)
    ),
    "cifar10-low-latency": Case(
        "CIFAR-10, 3 convolutions, average pooling, no bias, `--timesteps 32`",
        "cifar10_pooled",
        f"{LOW_LATENCY} --timesteps 32",
        LOW,
    ),
    "cifar10-few-spike": Case(
        "the same, `--neuron few_spike --timesteps 8`",
        "cifar10_pooled",
        "--neuron few_spike --timesteps 8",
        (8,),
    ),
    "batch-norm-low-latency": Case(
        f"{_BATCH_NORM}, `--timesteps 32`", "cifar10_batch_norm", f"{LOW_LATENCY} --timesteps 32", LOW
    ),
    "batch-norm-few-spike": Case(
        "the same, `--neuron few_spike --timesteps 8`",
        "cifar10_batch_norm",
        "--neuron few_spike --timesteps 8",
        (8,),
    ),
    "batch-norm-plain": Case(
        "the same, `--preset plain --timesteps 32`",
        "cifar10_batch_norm",
        "--preset plain --timesteps 32",
        LOW,
        1000,
    ),
    "resnet8": Case("CIFAR-10, ResNet-8, trained for 7 epochs", "cifar10_resnet8", LOW_LATENCY, LOW, 2000),
    "resnet20": Case("CIFAR-10, ResNet-20, 6 epochs", "cifar10_resnet20", LOW_LATENCY, LOW, 1000),
    "mobilenet": Case(
        "CIFAR-10, MobileNet (depthwise convolutions, ReLU6), 6 epochs",
        "cifar10_mobilenet",
        LOW_LATENCY,
        LOW,
        1000,
    ),
    "vgg": Case("CIFAR-10, VGG with max-pooling, 6 epochs", "cifar10_vgg", LOW_LATENCY, LOW, 1000),
    "two-inputs": Case(
        "MNIST, the halves of a digit as two inputs, concatenated", "mnist_halves", LOW_LATENCY, LOW
    ),
    "series": Case("time series (cylinder, bell, funnel), Conv1D", "series", LOW_LATENCY, LOW, 4000),
    "autoencoder": Case(
        "MNIST, autoencoder with Conv2DTranspose, mean squared error",
        "mnist_autoencoder",
        LOW_LATENCY,
        LOW,
        2000,
    ),
    "mnist-tensor-genn-500": Case(
        "MNIST, 350 steps, with its normalization",
        "mnist_2019",
        "--preset tensor_genn",
        _MNIST_STEPS,
        500,
        (0, 1, 2),
    ),
    "mnist-tensor-genn": Case("the same, one seed", "mnist_2019", "--preset tensor_genn", _MNIST_STEPS),
    "mnist-as-trained-500": Case(
        "MNIST, 350 steps, weights as trained",
        "mnist_2019",
        "--preset tensor_genn --normalize as_trained",
        _MNIST_STEPS,
        500,
        (0, 1, 2),
    ),
    "mnist-as-trained": Case(
        "the same, one seed", "mnist_2019", "--preset tensor_genn --normalize as_trained", _MNIST_STEPS
    ),
    "cifar10-diehl": Case(
        "CIFAR-10, 3,750 steps, capacitances of 0.5 nF (1 nA makes a spike), with its normalization, "
        "one seed",
        "cifar10_pooled",
        DIEHL_CIFAR,
        _CIFAR_STEPS,
        500,
    ),
    "cifar10-tensor-genn": Case(
        "CIFAR-10, 3,750 steps, its capacitances of 0.1 and 0.01 nF, with its normalization, one seed",
        "cifar10_pooled",
        TENSOR_GENN_CIFAR,
        _CIFAR_STEPS,
        500,
    ),
}
PUBLISHED = {  # TensorGeNN's own figures (2019), 500 images
    "mnist-tensor-genn-500": "98.0, 97.2, 96.6",
    "mnist-tensor-genn": "",
    "mnist-as-trained-500": "97.8, 96.8, 96.8",
    "mnist-as-trained": "",
    "cifar10-diehl": "77.0 of 77.29, another network",
    "cifar10-tensor-genn": "77.0 of 77.29, another network",
}


def curves(run: Run, name: str, folder: Path, most: int) -> None:
    """Add a row for each training and seed: accuracy in %, or the mean squared error, at the case's steps.

    most: images at most
    """
    case = CASES[name]
    data = examples_file(case.ann)
    if data is None:
        raise MissingDataError("there is no mnist.npz or cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    count = min(most, case.images)
    for training in case.trainings:
        model = trained(case.ann, images_file(case.ann), training)
        document, report = folder / f"{name}-{training}", folder / f"{name}.json"
        if not document.exists():
            files = ("--calibration", str(data), "--output", str(document))
            tgenn("export", str(model), *files, *case.options.split())
        for seed in case.seeds:
            about = ("--data", str(data), "--model", str(model), "--limit", str(count), "--seed", str(seed))
            tgenn(
                "evaluate", str(document), *about, "--timesteps", str(case.steps[-1]), "--json", str(report)
            )
            found = json.loads(report.read_text())
            (ann,), (spiking,) = found["ann"].values(), found["networks"][0]["outputs"].values()
            key, factor = ("accuracy", 100.0) if "accuracy" in spiking else ("mean_squared_error", 1.0)
            at = {str(t): round(factor * spiking[f"{key}_per_step"][t - 1], 5) for t in case.steps}
            about_row = {"part": "curves", "case": name, "training": training, "seed": seed, "n": count}
            spikes = found["networks"][0]["spikes_per_example"]
            run.add(**about_row, ann=factor * ann[key], at=at, spikes=spikes)
