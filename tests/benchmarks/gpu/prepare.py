"""Collects what gpu/run needs on a machine with a GPU and without internet, in a folder to copy there.

    GENN_PATH=GENN python tests/benchmarks/gpu/prepare.py FOLDER [--python 3.12] [--golden-only]

FOLDER gets: run and what it starts; GeNN's source (a git checkout in $GENN_PATH, tag 5.4.0); wheels for
Python 3.12; libffi, for machines without its headers; the golden projects; MNIST, ResNet-8 and a VGG-16, each
as a rate code and with few-spike neurons, and the peers' networks. About 65 MiB. What an earlier call left
there is removed. It needs TensorFlow and the data. The machine there needs Python of that version with its
headers and venv with pip, a C++ compiler, make and, for the GPU, nvcc.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from networks import ROOT, MissingDataError, Network, tgenn

HERE = Path(__file__).parent
BENCHMARKS = HERE.parent
GENN_TAG = "5.4.0"
WHEELS = "numpy psutil pybind11 pkgconfig setuptools wheel packaging".split()
SOURCE = "include src pygenn setup.py pyproject.toml version.txt Makefile README.md LICENSE".split()
GOLDEN_EXAMPLES = 150  # more than a batch of 128, so that there is a smaller one too
STEPS = {"few_spike": 8, "low_latency": 8}
EXAMPLES = {"mnist": 10_000, "resnet8": 4_096}  # as in `run`
VGG_EXAMPLES = 2_048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="Python's version there (default: 3.12)")
    parser.add_argument("--golden-only", action="store_true", help="leave out the trained networks")
    arguments = parser.parse_args()
    if not os.environ.get("GENN_PATH"):
        parser.error("GENN_PATH is not set: set it to a git checkout of GeNN that has the tag " + GENN_TAG)
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("run", "compare.py"):
        shutil.copy(HERE / file, folder)
    (folder / "peers").mkdir(exist_ok=True)
    for file in ("serving.py", "peers/worker.py", "peers/torch_network.py"):
        shutil.copy(BENCHMARKS / file, folder / file)
    for name in ("genn", "wheels", "golden", "speed"):  # those of an earlier call would be mixed with these
        shutil.rmtree(folder / name, ignore_errors=True)
    genn(folder)
    wheels(folder / "wheels", arguments.python)
    libffi(folder / "libffi")
    golden(folder)
    if not arguments.golden_only:
        trained(folder)
        vgg16(folder)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{folder}: {size / 2**20:.1f} MiB")


def genn(folder: Path) -> None:
    """GeNN's source, as it is at the tag."""
    archive = ["git", "-C", os.environ["GENN_PATH"], "archive", GENN_TAG, *SOURCE]
    target = folder / "genn"
    target.mkdir()
    with subprocess.Popen(archive, stdout=subprocess.PIPE) as process:
        subprocess.run(["tar", "-x", "-C", str(target)], stdin=process.stdout, check=True)


def wheels(folder: Path, python: str) -> None:
    """What building and running PyGeNN needs, and SpikingJelly without the packages that it needs."""
    folder.mkdir()
    download = [sys.executable, "-m", "pip", "download", "-q", "--dest", str(folder), "--no-deps"]
    platforms = [f"--platform=manylinux_{v}_x86_64" for v in ("2_17", "2_28")] + [
        "--platform=manylinux2014_x86_64"
    ]
    which = ["--only-binary=:all:", f"--python-version={python}", *platforms]
    subprocess.run([*download, *which, *WHEELS, "spikingjelly==2.0.0"], check=True)


def libffi(folder: Path) -> None:
    """libffi's headers and library, for a machine that has neither."""
    for name, pattern in (("include", "ffi*.h"), ("lib", "libffi.so*")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        base = Path("/usr/include" if name == "include" else "/usr/lib")
        for file in [*base.glob(pattern), *base.glob(f"x86_64-linux-gnu/{pattern}")]:
            shutil.copy(file, folder / name)
        if not any((folder / name).iterdir()):
            sys.exit(f"found no {pattern} in {base}: install libffi's headers (libffi-dev) and run it again")


def golden(folder: Path) -> None:
    """The golden projects, with examples: multiples of 1/16 in 0..1; 0 and 1 where the input is spikes."""
    import yaml

    for project in sorted((ROOT / "generated").iterdir()):
        target = folder / "golden" / project.name
        shutil.copytree(project, target, ignore=shutil.ignore_patterns("__pycache__", "*_CODE*"))
        rng, found = np.random.default_rng(0), {}
        for network_input in yaml.safe_load((project / "network.yaml").read_text())["inputs"]:
            x = rng.integers(0, 17, (GOLDEN_EXAMPLES, *network_input["shape"])) / 16
            binary = network_input["encoding"]["kind"] == "spikes"
            found[network_input["name"]] = np.float32(x > 0.5 if binary else x)
        np.savez_compressed(
            target / "examples.npz", **(found if len(found) > 1 else {"x": next(iter(found.values()))})
        )


def trained(folder: Path) -> None:
    """MNIST and ResNet-8: two exports of each, and the network for PyTorch."""
    for name, count in EXAMPLES.items():
        target = folder / "speed" / name
        target.mkdir(parents=True, exist_ok=True)
        try:
            network = Network(name, target / "made")
        except MissingDataError as error:
            print(f"{name}: left out, because {error}", file=sys.stderr)
            continue
        x, y = network.test_images
        np.savez_compressed(target / "examples.npz", x=x[:count], y=y[:count])
        for method, steps in STEPS.items():
            shutil.copytree(network.export(method, steps), target / method)
        shutil.copy(network.for_torch, target / "torch.npz")
        shutil.rmtree(target / "made")


def vgg16(folder: Path) -> None:
    """A VGG-16 with random weights, packed: 8 bits a weight and a step for each channel; `run` unpacks it."""
    target = folder / "speed/vgg16"
    target.mkdir(parents=True, exist_ok=True)
    code = "import sys; from exports import vgg16; vgg16().save(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{BENCHMARKS}"}
    model = target / "vgg16.keras"
    subprocess.run([sys.executable, "-c", code, str(model)], check=True, env=environment, capture_output=True)
    rng = np.random.default_rng(0)
    np.savez(target / "calibration.npz", x=rng.integers(0, 256, (256, 32, 32, 3), np.uint8))
    x, y = rng.integers(0, 256, (VGG_EXAMPLES, 32, 32, 3), np.uint8), rng.integers(0, 10, VGG_EXAMPLES)
    np.savez_compressed(target / "examples.npz", x=x, y=y)
    for method, steps in STEPS.items():
        options = [
            "--preset",
            method,
            "--timesteps",
            str(steps),
            "--no-check",
            "--output",
            str(target / method),
        ]
        tgenn("export", str(model), "--calibration", str(target / "calibration.npz"), *options)
        for file in (target / method / "weights").glob("*.kernel.npy"):
            pack(file)
    model.unlink()
    (target / "calibration.npz").unlink()


def pack(file: Path) -> None:
    """Replace a kernel by 8-bit integers and the value of one of them, for each channel of the last axis."""
    kernel = np.load(file)
    step = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1))) / 127
    step[step == 0] = 1
    np.savez_compressed(
        file.with_suffix(".packed.npz"), integers=np.int8(np.rint(kernel / step)), step=np.float32(step)
    )
    file.unlink()


if __name__ == "__main__":
    main()
