"""Kills tgenn-export, the command itself, at any moment, and runs two at once; counts what is there then.

    python tests/benchmarks/killed_export.py [REPLACED NEW]

Needs TensorFlow. 20 exports that replace a folder are killed, and 10 into a new
one, or as many as are given. Half of the moments are anywhere in a run, half in the milliseconds in which
files are written. After each, the folder has the old network, file by file, or the new one, or `tgenn check`
names what is wrong, or else this ends with an error; and the next export leaves nothing of a killed one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from killed_writers import check, files_in, is_temporary

from tgenn_gen.cli.main import export_main
from tgenn_gen.keras_reader.libraries import import_keras

AT_ONCE = 3  # pairs of exports
FOREIGN = {"notes.txt": b"mine", "weights/mine.npy": b"mine"}
Hashes = dict[str, str]


@dataclass(frozen=True)
class Exports:
    """Two models, and the files that an export of each gives."""

    folder: Path
    hashes: dict[str, Hashes]

    def arguments(self, model: str, output: Path) -> list[str]:
        calibration = ("--calibration", str(self.folder / "train.npz"))
        return [str(self.folder / f"{model}.keras"), *calibration, "--output", str(output), "--force"]

    def process(self, model: str, output: Path) -> subprocess.Popen[str]:
        """The command, as a user gives it."""
        program = [sys.executable, "-c", "from tgenn_gen.cli.main import export_main; exit(export_main())"]
        command, pipe = [*program, *self.arguments(model, output)], subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)

    def export(self, model: str, output: Path) -> None:
        """The same here, where TensorFlow is loaded already."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = export_main(self.arguments(model, output))
        assert status == 0, said.getvalue()

    def found(self, output: Path) -> str:
        """The version that is there, whole, by the hashes of all files but the user's; or what check says."""
        kept = {n: h for n, h in hashes(output).items() if n not in FOREIGN and not is_temporary(n)}
        if version := [v for v, expected in {"nothing": {}, **self.hashes}.items() if kept == expected]:
            return version[0]
        for name, digest in kept.items():
            assert digest in [expected.get(name) for expected in self.hashes.values()], name
        status, said = check(output)
        assert status == 2 or "was made from another document" in said, sorted(kept)
        return " ".join(sorted(set(re.findall("T[0-9]{3}", said)))) or "scripts that check names"


def hashes(folder: Path) -> Hashes:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files_in(folder).items()}


def exports(folder: Path) -> Exports:
    """A CNN, and another one with files in common, changed ones, and some of its own."""
    keras = import_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    first = [keras.Input((12, 10, 1), name="image"), layers.Conv2D(8, 3, activation="relu", name="conv")]

    def model(middle: object) -> object:
        last = layers.Dense(10, "softmax", name="classes")
        return keras.Sequential([*first, middle, layers.Flatten(), last], name="digits")

    old = model(layers.AveragePooling2D((2, 2)))
    new = model(layers.Conv2D(4, 3, activation="relu", name="more"))
    old.save(folder / "old.keras")
    new.save(folder / "new.keras")
    np.savez(folder / "train.npz", x=np.random.default_rng(0).random((64, 12, 10, 1), np.float32))
    found = Exports(folder, {})
    for version in ("old", "new"):
        found.export(version, folder / version)
        found.hashes[version] = hashes(folder / version)
        shutil.rmtree(folder / version)
    return found


def is_writing(output: Path) -> bool:
    return any(is_temporary(path.name) for path in output.glob("**/.tgenn-*"))


def wait_for_writing(process: subprocess.Popen[str], output: Path) -> None:
    while process.poll() is None and not is_writing(output):
        pass


def timed(runs: Exports, output: Path) -> tuple[float, float]:
    """The seconds that an export takes, and those in which it writes the folder."""
    started = time.perf_counter()
    process = runs.process("new", output)
    wait_for_writing(process, output)
    writes = time.perf_counter()
    while process.poll() is None and is_writing(output):
        pass
    written = time.perf_counter()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return time.perf_counter() - started, written - writes


def killed(runs: Exports, output: Path, while_writing: bool, seconds: float) -> str:
    """Kill an export; what is there then."""
    process = runs.process("new", output)
    if while_writing:
        wait_for_writing(process, output)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return f"{'killed' if process.returncode < 0 else 'done'}, found {runs.found(output)}"


def moments(runs: Exports, output: Path, count: int, there: bool) -> None:
    """Kill exports into a folder that is there or not, and print what was found."""
    prepare(runs, output, there)
    total, writing = timed(runs, output)
    print(f"an export takes {total:.1f} s, and writes for {1000 * writing:.0f} ms", flush=True)
    found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for number in range(count):
        prepare(runs, output, there)
        while_writing = number % 2 == 0
        seconds = random.uniform(0, writing if while_writing else total)
        found[while_writing][killed(runs, output, while_writing, seconds)] += 1
        assert not there or files_in(output).items() >= FOREIGN.items()
    prepare(runs, output, there)
    for while_writing, outcomes in found.items():
        for outcome, times in sorted(outcomes.items()):
            when = "while it writes" if while_writing else "at any time"
            print(f"  {'replaced' if there else 'new'} folder, {when}: {times} x {outcome}", flush=True)


def prepare(runs: Exports, output: Path, there: bool) -> None:
    """The next export, of the old network, after which nothing is left of a killed one; or no folder."""
    runs.export("old", output)
    assert not is_writing(output)
    assert runs.found(output) == "old"
    for name, content in FOREIGN.items():
        (output / name).write_bytes(content)
    if not there:
        shutil.rmtree(output)


def two_at_once(runs: Exports, output: Path, there: bool) -> str:
    """Two exports into one folder: the last one's files, whole, or another one's that was the only writer."""
    prepare(runs, output, there)
    processes = {version: runs.process(version, output) for version in ("old", "new")}
    said = {version: process.communicate()[1] for version, process in processes.items()}
    status = {version: process.returncode for version, process in processes.items()}
    for version, code in status.items():
        assert code == 0 or f"{output}: error[T605]: another tgenn is writing this folder\n" in said[version]
    found = runs.found(output)
    assert status.get(found) == 0, (found, status)
    assert not is_writing(output)
    return f"{found} is there, whole; the statuses are {sorted(status.values())}"


def main() -> None:
    replaced, new = map(int, sys.argv[1:] or (20, 10))
    random.seed(0)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        runs = exports(Path(folder))
        moments(runs, Path(folder) / "replaced", replaced, there=True)
        moments(runs, Path(folder) / "fresh", new, there=False)
        pairs = Counter(two_at_once(runs, Path(folder) / "pair", bool(n % 2)) for n in range(AT_ONCE))
        for outcome, times in pairs.items():
            print(f"  two at once: {times} x {outcome}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
