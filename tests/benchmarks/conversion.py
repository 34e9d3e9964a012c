"""The README's results: accuracies of converted networks against their ANNs, in Markdown.

    python tests/benchmarks/conversion.py [NAME ...]

Needs mnist.npz and cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data, and TensorFlow; trains the ANNs that
are not in ~/.cache/tgenn-models yet (an hour on two cores). All cases take some two hours; NAMEs choose some.
Each case is exported by tgenn-export with the training images as calibration data, and run by reference.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from anns import data_file, images, trained

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
    "mnist-low-latency": Case("mnist_2019", "", _LOW, anns=(1, 2, 3)),
    "cifar10-low-latency": Case("cifar10_pooled", "--timesteps 32", _LOW),
    "cifar10-few-spike": Case("cifar10_pooled", "--neuron few_spike --timesteps 8", (8,)),
    "batch-norm-low-latency": Case("cifar10_batch_norm", "--timesteps 32", _LOW),
    "batch-norm-few-spike": Case("cifar10_batch_norm", "--neuron few_spike --timesteps 8", (8,)),
    "batch-norm-plain": Case("cifar10_batch_norm", "--preset plain --timesteps 32", _LOW, 1000),
    "mnist-tensor-genn-500": Case("mnist_2019", "--preset tensor_genn", _MNIST_STEPS, 500, (0, 1, 2)),
    "mnist-as-trained-500": Case(
        "mnist_2019", "--preset tensor_genn --normalize as_trained", _MNIST_STEPS, 500, (0, 1, 2)
    ),
    "mnist-tensor-genn": Case("mnist_2019", "--preset tensor_genn", _MNIST_STEPS),
    "mnist-as-trained": Case("mnist_2019", "--preset tensor_genn --normalize as_trained", _MNIST_STEPS),
    "cifar10-tensor-genn": Case("cifar10_pooled", TENSOR_GENN_CIFAR, _CIFAR_STEPS, 500),
    "cifar10-diehl": Case("cifar10_pooled", DIEHL_CIFAR, _CIFAR_STEPS, 500),
}


def ann_accuracy(model_file: Path, data: Path, limit: int) -> float:
    """Of the Keras model on the first `limit` test images."""
    from tgenn_gen.conversion import ann_accuracy

    x, y = images(data, "test")
    return ann_accuracy(model_file, x[:limit], y[:limit], 255.0)


def run(case: Case, name: str) -> list[str]:
    """The rows of the table for one case: a row for each training and seed."""
    data = data_file("cifar10.npz" if case.ann.startswith("cifar10") else "mnist.npz")
    if data is None:
        sys.exit("there is no mnist.npz or cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    rows = []
    for ann_seed in case.anns:
        model_file = trained(case.ann, data, ann_seed)
        ann = 100 * ann_accuracy(model_file, data, case.images)
        with tempfile.TemporaryDirectory() as folder:
            export = [str(Path(sys.executable).with_name("tgenn-export")), model_file]
            export += ["--calibration", data, "--output", Path(folder) / "n", *case.options.split()]
            subprocess.run(
                [*map(str, export)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            for seed in case.seeds:
                script, report = Path(folder) / "n/reference.py", Path(folder) / "r.json"
                command = [sys.executable, script, "--data", data, "--limit", case.images, "--seed", seed]
                command += ["--timesteps", case.steps[-1], "--json", report]
                subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
                result = json.loads(report.read_text())
                accuracies = [100 * result["accuracy_per_step"][t - 1] for t in case.steps]
                shown = ", ".join(f"{a:.2f} ({t})" for a, t in zip(accuracies, case.steps, strict=True))
                spikes = sum(result["spikes_per_example"].values())
                label = f"{name}, training {ann_seed}, seed {seed}"
                rows.append(
                    f"| {label} | {case.images:,} | {ann:.2f} | {shown} | {ann - accuracies[-1]:+.2f} "
                    f"| {spikes:,.0f} | {result['seconds']:.0f} s |"
                )
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    names = sys.argv[1:] or list(CASES)
    print("| case | images | ANN | accuracy in % (steps) | loss at the last | spikes per image | time |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in names:
        run(CASES[name], name)


if __name__ == "__main__":
    main()
