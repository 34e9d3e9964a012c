"""Looks for input of strangers that ends in anything but a diagnostic: fuzzing, steered by coverage.

    python tests/benchmarks/fuzz.py document|npy|npz|keras [--seconds 600] [--corpus FOLDER]

Needs atheris (pip install atheris). Seeds are the documents of tests/document and generated/, and small
arrays, archives and models made here; FOLDER keeps what was found to reach new code, for the next time.
An input may take 10 s, and 1 GiB above what the process has at the start. A find ends the run and is
written to crash-*, timeout-* or oom-* in the present folder; `fuzz.py TARGET FILE` shows it again.

`keras` reads the archive and its configuration, as `tgenn export` does before TensorFlow is imported; HDF5,
which has a process of its own there, is left out. Archives are mutated inside their entries as well,
documents line by line too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

try:
    import atheris
except ImportError:
    sys.exit("fuzz.py: error: atheris is not installed: pip install atheris")

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

with atheris.instrument_imports(include=["tgenn_gen", "yaml"]):
    from tgenn_gen import TgennError, load
    from tgenn_gen.conversion.calibration import open_calibration
    from tgenn_gen.diff.array_summary import array_data
    from tgenn_gen.document.weight_files import WeightFolder, read_current, read_tensor
    from tgenn_gen.document.weight_hashes import WeightHashes
    from tgenn_gen.document.yaml_source import read_source
    from tgenn_gen.editing.formatting import formatted
    from tgenn_gen.editing.lock_weights import locked
    from tgenn_gen.errors import Location
    from tgenn_gen.keras_reader.model_file import open_model_file, refuse_code
    from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
    from tgenn_gen.network.model import Input
    from tgenn_gen.runtime.data import read_data
    from tgenn_gen.runtime.messages import RunError

SECONDS, MEMORY = 10, 1024  # of an input; MiB
VALUES = (
    "0 -1 1e400 1e-320 null true ~ [] {} '' .nan 99999999999999999999 [1] {op: dense} &a *a !!str".split()
)
Mutator = Callable[[bytes, int, int], bytes]


def document(folder: Path, data: bytes) -> None:
    (folder / "network.yaml").write_bytes(data)
    with contextlib.suppress(TgennError):
        locked(read_source(folder / "network.yaml"), WeightFolder(folder))
    with contextlib.suppress(TgennError):
        formatted(read_source(folder / "network.yaml"), WeightFolder(folder))
    load(folder)


def npy(folder: Path, data: bytes) -> None:
    path = folder / "x.npy"
    path.write_bytes(data)
    with contextlib.suppress(TgennError):
        array_data(path)
    current = read_current(WeightFolder(folder), path.name, Location("x"))
    hashes = WeightHashes({path.name: current.sha256}, {path.name: 1})
    read_tensor(
        WeightFolder(folder), {"file": path.name, "shape": list(current.shape)}, hashes, Location("x")
    )


def npz(folder: Path, data: bytes) -> None:
    path = folder / "x.npz"
    path.write_bytes(data)
    with contextlib.suppress(TgennError):
        list(open_calibration(path, (Input("image", (4,), ConstantCurrentInput()),)).batches(10))
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.suppress(RunError):
        read_data(
            path,
            {"image": {"shape": (4,), "frames": 1, "uint8_divisor": 255.0}},
            {"y": {"shape": (5,)}},
            None,
        )
    if said.getvalue().count("\n") > 1:
        raise ValueError(f"more than one line: {said.getvalue()!r}")


def keras(folder: Path, data: bytes) -> None:
    path = folder / "x.keras"
    path.write_bytes(data)
    with contextlib.suppress(Exception):  # load_model makes a diagnostic of any; time and memory count here
        refuse_code(open_model_file(path))


def documents() -> list[bytes]:
    found = [
        p
        for f in ("tests/document/invalid", "tests/document/formats", "generated")
        for p in (ROOT / f).rglob("*.yaml")
    ]
    return [p.read_bytes() for p in found]


def arrays() -> list[bytes]:
    found = [p.read_bytes() for p in (ROOT / "tests" / "invalid").rglob("*.npy")]
    for array in (
        np.zeros((2, 4), "<f4"),
        np.asfortranarray(np.ones((3, 4))),
        np.arange(3),
        np.zeros(3, "c8"),
    ):
        for version in ((1, 0), (2, 0)):
            file = io.BytesIO()
            np.lib.format.write_array(file, array, version=version)
            found.append(file.getvalue())
    return found


def archives() -> list[bytes]:
    x, y = np.random.default_rng(0).random((6, 4), np.float32), np.arange(6) % 5
    found = []
    for save in (np.savez, np.savez_compressed):
        for names in ({"x": x, "y": y}, {"image_train": x * 9, "y_train": y}, {"x": x[:, :2], "z": y}):
            file = io.BytesIO()
            save(file, **names)
            found.append(file.getvalue())
    return found


def models() -> list[bytes]:
    layers = [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {"batch_shape": [None, 4], "name": "i"},
        },
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "name": "d"}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
    ]
    found = []
    for kept in (layers[:2], layers):
        inner = {"name": "m", "layers": kept}
        config = json.dumps({"module": "keras", "class_name": "Sequential", "config": inner})
        for version in ("3.15.1", "2.15.0"):
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr("metadata.json", json.dumps({"keras_version": version}))
                file.writestr("config.json", config)
            found.append(archive.getvalue())
    return found


def by_line(data: bytes, size: int, seed: int) -> bytes:
    """A document with a line moved, or another value behind a colon; or other bytes."""
    numbers, lines = random.Random(seed), data.split(b"\n")
    at = numbers.randrange(len(lines))
    kind = numbers.randrange(5)
    if kind == 0:
        lines.insert(numbers.randrange(len(lines)), lines[at])
    elif kind == 1:
        del lines[at]
    elif kind == 2 and b": " in lines[at]:
        parts = lines[at].split(b": ")
        parts[numbers.randrange(1, len(parts))] = numbers.choice(VALUES).encode()
        lines[at] = b": ".join(parts)
    else:
        return atheris.Mutate(data, size)
    return b"\n".join(lines)[:size]


def by_entry(data: bytes, size: int, seed: int) -> bytes:
    """An archive with other bytes in one of its entries, packed anew; or other bytes of its own."""
    numbers = random.Random(seed)
    if numbers.random() < 0.5:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = [(i, archive.read(i)) for i in archive.infolist() if i.file_size < 2**16]
            changed = numbers.randrange(len(entries))
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for index, (entry, content) in enumerate(entries):
                    new = atheris.Mutate(content, len(content) + 64) if index == changed else content
                    archive.writestr(entry.filename, new, entry.compress_type)
        except Exception:  # no archive any more
            return atheris.Mutate(data, size)
        if len(file.getvalue()) <= size:
            return file.getvalue()
    return atheris.Mutate(data, size)


def by_byte(data: bytes, size: int, seed: int) -> bytes:
    return atheris.Mutate(data, size)


TARGETS: dict[str, tuple[Callable[[Path, bytes], None], Callable[[], list[bytes]], Mutator]] = {
    "document": (document, documents, by_line),
    "npy": (npy, arrays, by_byte),
    "npz": (npz, archives, by_entry),
    "keras": (keras, models, by_entry),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("file", nargs="?", type=Path, help="an input to run once")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--corpus", type=Path)
    arguments = parser.parse_args()
    run, seeds, mutator = TARGETS[arguments.target]
    with tempfile.TemporaryDirectory() as there:
        folder, corpus = Path(there, "n"), arguments.corpus or Path(there, "corpus")
        shutil.copytree(ROOT / "tests" / "invalid" / "valid", folder)
        corpus.mkdir(exist_ok=True, parents=True)
        Path(there, "seeds").mkdir()
        for index, seed in enumerate(seeds()):
            Path(there, "seeds", str(index)).write_bytes(seed)

        def once(data: bytes) -> None:
            with contextlib.suppress(TgennError):
                run(folder, data)

        if arguments.file:
            once(arguments.file.read_bytes())
            return
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEMORY + pages * 4096 // 2**20}"]
        limits += [f"-malloc_limit_mb={MEMORY}", f"-max_total_time={arguments.seconds}", "-max_len=65536"]
        command = [sys.argv[0], *limits, "-print_final_stats=1", str(corpus), str(Path(there, "seeds"))]
        atheris.Setup(command, once, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
