"""The README's MNIST table: accuracy of the network of 2019 by normalization and time steps.

    python tests/benchmarks/mnist_2019.py

Needs mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data, and TensorFlow. Takes a few minutes on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from mnist import mnist_file, network_of_2019

from tgenn_gen import convert
from tgenn_gen.keras_import import import_keras
from tgenn_gen.writer import export_files, write_folder

METHODS = ("percentile:99.9", "data", "model", "none")
STEPS = (4, 8, 16, 32, 64)


def ann_accuracy(model_file: Path, data: Path) -> float:
    """Of the Keras model on the 10,000 test images."""
    with np.load(data) as arrays:
        x, y = arrays["x_test"][..., None] / np.float32(255), arrays["y_test"]
    model = import_keras().saving.load_model(model_file)
    return float((model.predict(x, verbose=0).argmax(axis=1) == y).mean())


def snn_accuracies(model_file: Path, data: Path, method: str, folder: Path) -> dict[str, object]:
    """reference.py's results for the longest run; it has the accuracy after each step."""
    network = convert(model_file, data if method not in ("model", "none") else None, normalize=method)
    write_folder(folder, export_files(network), force=False)
    command = [sys.executable, folder / "reference.py", "--data", data, "--json", folder / "r.json"]
    command += ["--timesteps", max(STEPS)]
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "r.json").read_text())


def main() -> None:
    data = mnist_file()
    if data is None:
        sys.exit("there is no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    model_file = network_of_2019(data)
    print("| normalization | " + " | ".join(f"T = {t}" for t in STEPS) + " | spikes per image at T = 64 |")
    print("|---|" + "---|" * (len(STEPS) + 1))
    print(f"| ANN | {100 * ann_accuracy(model_file, data):.2f} % |" + " |" * len(STEPS))
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            result = snn_accuracies(model_file, data, method, Path(folder) / method.replace(":", "_"))
            row = [f"{100 * result['accuracy_per_step'][t - 1]:.2f}" for t in STEPS]
            spikes = sum(result["spikes_per_example"].values())
            print(f"| `{method}` | " + " | ".join(row) + f" | {spikes:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
