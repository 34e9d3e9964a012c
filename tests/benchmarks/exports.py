"""Time and memory of exports, and of a VGG-16 on GeNN's CPU backend.

Each case runs in a process of its own; seconds are those after TensorFlow's import, also of CPU time, which
other programs change less; the memory is the process's peak less what it had before.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from networks import tgenn
from results import Run

from tgenn_gen.codegen.network_table import population_extents, total_extent
from tgenn_gen.document.reading import load

# {case: the maker of the model, examples, their shape, corrections}. Weights and data are random: the time
# does not depend on them.
CASES: dict[str, tuple[str, int, tuple[int, ...], tuple[str, ...]]] = {
    "mnist": ("mnist", 60_000, (28, 28, 1), ()),
    "mnist, `--correct bias,potential`": ("mnist", 60_000, (28, 28, 1), ("bias", "potential")),
    "resnet20": ("resnet20", 2_000, (32, 32, 3), ()),
    "resnet20, `--correct bias,potential`": ("resnet20", 2_000, (32, 32, 3), ("bias", "potential")),
    "vgg16": ("vgg16", 256, (32, 32, 3), ()),
}
VGG_EXAMPLES = 2
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

# Runs its arguments; prints the most memory, in KiB, that a process had which it or its children started.
MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def _mnist() -> Any:
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


def vgg16() -> Any:
    """15 million weights; of a size (He) that keeps about the same share of neurons active in all layers."""
    import keras
    from keras import layers

    stack: list[Any] = [keras.Input((32, 32, 3))]
    how = {"activation": "relu", "kernel_initializer": "he_normal"}
    for block in BLOCKS:
        stack += [layers.Conv2D(filters, 3, padding="same", **how) for filters in block]
        stack.append(layers.MaxPooling2D())
    stack += [layers.Flatten(), layers.Dense(512, **how), layers.Dense(10, activation="softmax")]
    return keras.Sequential(stack, name="vgg16")


def make(maker: str, count: int, shape: tuple[int, ...], folder: Path) -> None:
    """model.keras with random weights, and data.npz."""
    import keras

    keras.utils.set_random_seed(0)
    {"mnist": _mnist, "resnet20": _resnet20, "vgg16": vgg16}[maker]().save(folder / "model.keras")
    x = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    np.savez(folder / "data.npz", x=x)


def _export(folder: Path, corrections: tuple[str, ...]) -> None:
    """Export, and write figures.json."""
    import keras  # noqa: F401 - its import is not part of the time

    from tgenn_gen.conversion.convert import convert
    from tgenn_gen.conversion.methods import PRESETS
    from tgenn_gen.project.writing import export_files, write_folder

    method = replace(PRESETS["low_latency"], corrections=corrections)
    before, started, used = _peak(), time.perf_counter(), time.process_time()
    network = convert(folder / "model.keras", folder / "data.npz", method, check=False)
    write_folder(folder / "exported", export_files(network), force=False)
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - used,
        "beyond_tensorflow_mib": _peak() - before,
    }
    (folder / "figures.json").write_text(json.dumps(figures))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def export(run: Run, name: str, folder: Path) -> None:
    """Add a row with the time and memory of an export."""
    maker, count, shape, corrections = CASES[name]
    folder = folder / name.replace("`", "").replace(" ", "")
    shutil.rmtree(folder, ignore_errors=True)  # that of an earlier run
    folder.mkdir(parents=True)
    spawned = multiprocessing.get_context("spawn")
    for step, arguments in ((make, (maker, count, shape, folder)), (_export, (folder, corrections))):
        process = spawned.Process(target=step, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"{name}: {step.__name__} failed")
    run.add(part="export", case=name, n=count, **json.loads((folder / "figures.json").read_text()))


def memory(run: Run, folder: Path) -> None:
    """Add a row for each way to store the synapses of the VGG-16, on GeNN's CPU backend.

    It takes a few GiB, and minutes.
    """
    folder = folder / "vgg16-on-genn"
    shutil.rmtree(folder, ignore_errors=True)  # that of an earlier run
    folder.mkdir(parents=True)
    spawned = multiprocessing.get_context("spawn")
    process = spawned.Process(target=make, args=("vgg16", 256, (32, 32, 3), folder))
    process.start()
    process.join()
    model, data, project = folder / "model.keras", folder / "data.npz", folder / "exported"
    options = ["--preset", "low_latency", "--no-check", "--output", str(project)]
    tgenn("export", str(model), "--calibration", str(data), *options)
    np.savez(data, x=np.random.default_rng(1).random((VGG_EXAMPLES, 32, 32, 3), np.float32))
    network = load(project)
    extent = total_extent(network, population_extents(network))
    for connectivity in ("sparse", "toeplitz"):
        report = folder / f"{connectivity}.json"
        arguments = ("--data", data, "--connectivity", connectivity, "--json", report)
        command = [sys.executable, "-c", MEASURED, sys.executable, project / "simulate.py", *arguments]
        done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(report.read_text())
        steps = found["timesteps"] * (found["n"] + 2)  # windows until the last example has left the pipeline
        run.add(
            part="memory",
            case=connectivity,
            synapses_mib=getattr(extent, connectivity) / 2**20,
            peak_mib=int(done.stdout) // 1024,
            build_seconds=found["build_seconds"],
            seconds_per_step=found["seconds"] / steps,
            spikes_per_step=sum(found["spikes_per_example"].values()) / found["timesteps"],
        )
