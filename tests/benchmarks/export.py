"""Time and memory of exports with calibration data: convert, and writing the project.

    python tests/benchmarks/export.py [NAME ...]

Random weights and random data of the shapes of MNIST and CIFAR-10: what takes time does not depend on them.
Needs TensorFlow. Each case runs in a process of its own; seconds are those after TensorFlow's import, also of
CPU time, which other programs change less; the peak is the process's, TensorFlow's part (before) included.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))


def _mnist_cnn() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 5, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(8, 5, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist_cnn",
    )


def _resnet20() -> Any:
    from anns import resnet

    return resnet(3, "resnet20")


# The maker of the model, examples, their shape, corrections.
CASES = {
    "mnist": (_mnist_cnn, 60_000, (28, 28, 1), ()),
    "mnist_corrected": (_mnist_cnn, 60_000, (28, 28, 1), ("bias", "potential")),
    "resnet20": (_resnet20, 2_000, (32, 32, 3), ()),
    "resnet20_corrected": (_resnet20, 2_000, (32, 32, 3), ("bias", "potential")),
}


def make(name: str, folder: Path) -> None:
    """A case's model.keras and data.npz."""
    import keras

    model, count, shape, _ = CASES[name]
    keras.utils.set_random_seed(0)
    model().save(folder / "model.keras")
    x = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    np.savez(folder / "data.npz", x=x)


def run(name: str, folder: Path) -> None:
    """Print a line with the case's time and memory."""
    import keras  # noqa: F401 - its import is not part of the time

    from tgenn_gen.conversion.convert import convert
    from tgenn_gen.conversion.methods import PRESETS
    from tgenn_gen.project.writing import export_files, write_folder

    method = replace(PRESETS["low_latency"], corrections=CASES[name][3])
    before, started, used = _peak(), time.perf_counter(), time.process_time()
    network = convert(folder / "model.keras", folder / "data.npz", method, check=False)
    write_folder(folder / "exported", export_files(network), force=False)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    print(f"{name:20} {seconds:6.1f} s, CPU {cpu:6.1f} s, peak {_peak()} MiB ({before} before)", flush=True)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    spawned = multiprocessing.get_context("spawn")
    for name in sys.argv[1:] or list(CASES):
        with tempfile.TemporaryDirectory() as folder:
            for step in (make, run):
                process = spawned.Process(target=step, args=(name, Path(folder)))
                process.start()
                process.join()
                if process.exitcode:
                    sys.exit(f"{name}: {step.__name__} failed")


if __name__ == "__main__":
    main()
