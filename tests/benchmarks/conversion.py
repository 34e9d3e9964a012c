"""The figures of docs/results.md: accuracies of converted networks against their ANNs, in Markdown.

    python tests/benchmarks/conversion.py [NAME ...]

Needs mnist.npz and cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data, and TensorFlow; trains the ANNs that
are not in ~/.cache/tgenn-models yet (an hour on two cores). All cases take some two hours; NAMEs choose some.
Each case is exported by `tgenn export` with the training examples as calibration data, and run by
tgenn evaluate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from anns import examples_file, images_file, trained

LOW_LATENCY = "--preset low_latency"
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

    seeds: of the random numbers; anns: of the trainings.
    """

    ann: str
    options: str
    steps: tuple[int, ...]
    images: int = 10000
    seeds: tuple[int, ...] = (0,)
    anns: tuple[int, ...] = (1,)


_MNIST_STEPS, _CIFAR_STEPS, _LOW = (50, 100, 200, 350), (500, 1000, 2000, 3750), (4, 8, 16, 32, 64)
CASES = {
    "mnist-low-latency": Case("mnist_2019", LOW_LATENCY, _LOW, anns=(1, 2, 3)),
    "cifar10-low-latency": Case("cifar10_pooled", f"{LOW_LATENCY} --timesteps 32", _LOW),
    "cifar10-few-spike": Case("cifar10_pooled", "--neuron few_spike --timesteps 8", (8,)),
    "batch-norm-low-latency": Case("cifar10_batch_norm", f"{LOW_LATENCY} --timesteps 32", _LOW),
    "batch-norm-few-spike": Case("cifar10_batch_norm", "--neuron few_spike --timesteps 8", (8,)),
    "batch-norm-plain": Case("cifar10_batch_norm", "--preset plain --timesteps 32", _LOW, 1000),
    "mnist-tensor-genn-500": Case("mnist_2019", "--preset tensor_genn", _MNIST_STEPS, 500, (0, 1, 2)),
    "mnist-as-trained-500": Case(
        "mnist_2019", "--preset tensor_genn --normalize as_trained", _MNIST_STEPS, 500, (0, 1, 2)
    ),
    "mnist-tensor-genn": Case("mnist_2019", "--preset tensor_genn", _MNIST_STEPS),
    "mnist-as-trained": Case("mnist_2019", "--preset tensor_genn --normalize as_trained", _MNIST_STEPS),
    "cifar10-tensor-genn": Case("cifar10_pooled", TENSOR_GENN_CIFAR, _CIFAR_STEPS, 500),
    "resnet8": Case("cifar10_resnet8", LOW_LATENCY, _LOW, 2000),
    "resnet20": Case("cifar10_resnet20", LOW_LATENCY, _LOW, 1000),
    "mobilenet": Case("cifar10_mobilenet", LOW_LATENCY, _LOW, 1000),
    "vgg": Case("cifar10_vgg", LOW_LATENCY, _LOW, 1000),
    "two-inputs": Case("mnist_halves", LOW_LATENCY, _LOW),
    "series": Case("series", LOW_LATENCY, _LOW, 4000),
    "autoencoder": Case("mnist_autoencoder", LOW_LATENCY, _LOW, 2000),
    "cifar10-diehl": Case("cifar10_pooled", DIEHL_CIFAR, _CIFAR_STEPS, 500),
}


def run(case: Case, name: str) -> None:
    """Print the rows of the table for one case: a row for each training and seed."""
    data = examples_file(case.ann)
    if data is None:
        sys.exit("there is no mnist.npz or cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    for ann_seed in case.anns:
        model = trained(case.ann, images_file(case.ann), ann_seed)
        with tempfile.TemporaryDirectory() as folder:
            document, report = Path(folder) / "n", Path(folder) / "r.json"
            command(
                "tgenn", "export", model, "--calibration", data, "--output", document, *case.options.split()
            )
            for seed in case.seeds:
                started = time.perf_counter()
                common = ("--limit", case.images, "--timesteps", case.steps[-1], "--seed", seed)
                evaluate = ("tgenn", "evaluate", document, "--data", data, "--model", model)
                command(*evaluate, *common, "--json", report)
                label = f"{name}, training {ann_seed}, seed {seed}"
                print(
                    row(label, case, json.loads(report.read_text()), time.perf_counter() - started),
                    flush=True,
                )


def command(name: str, *arguments: object) -> None:
    """Run one of this package's commands."""
    program = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def row(label: str, case: Case, report: dict[str, Any], seconds: float) -> str:
    """A row of the table: accuracies in %, or mean squared errors."""
    ((ann, found),) = zip(report["ann"].values(), report["networks"][0]["outputs"].values(), strict=True)
    key, factor, digits = "accuracy", 100.0, ".2f"
    if key not in found:
        key, factor, digits = "mean_squared_error", 1.0, ".5f"
    per_step = [factor * found[f"{key}_per_step"][t - 1] for t in case.steps]
    shown = ", ".join(f"{value:{digits}} ({t})" for value, t in zip(per_step, case.steps, strict=True))
    best, spikes = factor * ann[key], report["networks"][0]["spikes_per_example"]
    loss = f"{best - per_step[-1]:+{digits}}"
    cells = (label, f"{case.images:,}", f"{best:{digits}}", shown, loss, f"{spikes:,.0f}", f"{seconds:.0f} s")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    names = sys.argv[1:] or list(CASES)
    print(
        "| case | examples | ANN | accuracy in %, or error (steps) | difference | spikes per example | time |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in names:
        run(CASES[name], name)


if __name__ == "__main__":
    main()
