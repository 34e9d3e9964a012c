"""VGG-16 for CIFAR-10 with random weights: time and memory of the export and of GeNN's CPU backend.

    python tests/benchmarks/vgg16.py [sparse] [toeplitz] [auto]

First the conversion, beyond TensorFlow's own start-up and loading: seconds, and the most resident memory.
Then, for each connectivity (sparse and toeplitz by default): the peak resident memory of simulate.py and of
the compilers that it starts, build seconds, and seconds a step. A few GiB, and minutes. Needs TensorFlow.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen import PRESETS, convert
from tgenn_gen.keras_reader.loading import load_model
from tgenn_gen.project.writing import export_files, write_folder

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
CALIBRATION = 256  # examples
EXAMPLES = 2

# Runs its arguments; prints the most memory, in KiB, that a process had which it or its children started.
MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def vgg16() -> Any:
    """15 million weights; of a size (He) that keeps about the same share of neurons active in all layers."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    stack: list[Any] = [keras.Input((32, 32, 3))]
    how = {"activation": "relu", "kernel_initializer": "he_normal"}
    for block in BLOCKS:
        stack += [layers.Conv2D(filters, 3, padding="same", **how) for filters in block]
        stack.append(layers.MaxPooling2D())
    stack += [layers.Flatten(), layers.Dense(512, **how), layers.Dense(10, activation="softmax")]
    return keras.Sequential(stack, name="vgg16")


class PeakMemory(threading.Thread):
    """The most resident memory, in MiB, that this process has while this runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    @staticmethod
    def now() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.005)


def export(folder: Path) -> None:
    """Convert, generate and write, and print what that took."""
    file = folder.with_suffix(".keras")
    vgg16().save(file)
    rng = np.random.default_rng(0)
    np.savez(folder.with_suffix(".npz"), x=rng.random((CALIBRATION, 32, 32, 3), np.float32))
    model = load_model(file)
    model(rng.random((16, 32, 32, 3), np.float32), training=False)
    memory = PeakMemory()
    before, started = memory.now(), time.perf_counter()
    memory.start()
    network = convert(model, folder.with_suffix(".npz"), PRESETS["low_latency"])
    write_folder(folder, export_files(network), force=False)
    weights = model.count_params() * 4 / 2**20
    peak = memory.peak - before
    print(
        f"export: {time.perf_counter() - started:.1f} s with {CALIBRATION} calibration images, "
        f"peak {peak:.0f} MiB beyond TensorFlow, {peak / weights:.2f} times the weights ({weights:.0f} MiB)",
        flush=True,
    )


def measure(folder: Path, connectivity: str) -> str:
    """Run simulate.py; what it took."""
    report = folder / f"{connectivity}.json"
    arguments = ("--data", folder / "data.npz", "--connectivity", connectivity, "--json", report)
    command = [sys.executable, "-c", MEASURED, sys.executable, folder / "simulate.py", *arguments]
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(report.read_text())
    steps = result["timesteps"] * (result["n"] + 2)  # windows until the last example has left the pipeline
    spikes = sum(result["spikes_per_example"].values()) / result["timesteps"]
    seconds = result["seconds"] / steps
    return (
        f"{connectivity} ({result['connectivity']}): peak {int(done.stdout) / 2**20:.2f} GiB, "
        f"built in {result['build_seconds']:.0f} s, {seconds:.3f} s a step of {spikes:.0f} spikes"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "vgg16"
        export(folder)
        np.savez(folder / "data.npz", x=np.random.default_rng(1).random((EXAMPLES, 32, 32, 3), np.float32))
        for connectivity in sys.argv[1:] or ("sparse", "toeplitz"):
            print(measure(folder, connectivity), flush=True)


if __name__ == "__main__":
    main()
