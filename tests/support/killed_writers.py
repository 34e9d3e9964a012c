"""Kills processes while they write a folder, and looks at what they left: `killed_writers.py FOLDER OLD NEW`.

20 times, half of them at a random time and half before steps from the first to the last. FOLDER has the
exported network OLD in it, or is not there where OLD is "none"; NEW replaces it. After each kill the folder
is judged (`judged`) and mended. Prints the findings, counted. Run by itself, since it forks.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from sample_networks import small_cnn

from tgenn_gen.cli.main import main
from tgenn_gen.codegen.stamps import SCRIPTS
from tgenn_gen.document.reading import load
from tgenn_gen.network.model import Connection, Network
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.project.writing import export_files, write_folder

KILLS = 20
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock"}

Files = dict[str, bytes]


@cache
def networks() -> dict[str, Network]:
    """Networks a, b and c: b has a file less than a, another one more; b and c differ in numbers alone."""
    start = small_cnn()
    return {"a": start, "b": _changed(start, "b", 2), "c": _changed(start, "c", 4)}


def _changed(network: Network, name: str, factor: int) -> Network:
    conv1, conv2, dense, classes = network.populations
    kernel = classes.inputs[0].through[0].tensors["kernel"]
    through = (Dense(Tensor(kernel.file, factor * kernel.values)),)
    more = Tensor("weights/classes.bias.npy", factor * kernel.values[0])
    populations = (
        replace(conv1, bias=None),
        replace(conv2, bias=Tensor(conv2.bias.file, factor * conv2.bias.values)),
        dense,
        replace(classes, inputs=(Connection("dense", through),), bias=more),
    )
    return replace(network, name=name, populations=populations)


@cache
def exported(name: str) -> Files:
    """All files of one of the networks; none of "none"."""
    return {} if name == "none" else export_files(networks()[name])


def files_in(folder: Path) -> Files:
    paths = [p for p in folder.rglob("*") if p.is_file() or p.is_symlink()]
    return {str(p.relative_to(folder)): b"link" if p.is_symlink() else p.read_bytes() for p in paths}


def is_temporary(name: str) -> bool:
    return re.fullmatch(r"\.tgenn-[0-9a-f]{8}-.+", Path(name).name) is not None


def judged(folder: Path, old: str, new: str, foreign: Files) -> str:
    """Which of two networks a folder holds, or else what `tgenn check` says of it.

    Fails for half a file, for a file of somebody else's that is not as it was, and for a mixture of which
    nothing is said.
    """
    found = {name: content for name, content in files_in(folder).items() if not is_temporary(name)}
    versions = {old: exported(old), new: exported(new)}
    for name, files in versions.items():
        if found == {**files, **foreign}:
            return name
    for name, content in found.items():
        assert content in (foreign.get(name), *(files.get(name) for files in versions.values())), name
    assert found.items() >= foreign.items()
    status, said = check(folder)
    if status == 2:
        return " ".join(sorted(set(re.findall(r"T[0-9]{3}", said))))
    (version,) = [name for name in versions if name != "none" and load(folder) == networks()[name]]
    told = re.search(r"scripts were generated from another document \((.+)\)", said)
    for script in set(found) & set(SCRIPTS):
        is_told = told is not None and script in told[1].split(", ")
        assert is_told == (found[script] != versions[version][script]), said
    return f"{version}, with other scripts"


def check(folder: Path) -> tuple[int, str]:
    """The status of `tgenn check`, and what it says on stderr."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        return main(["check", str(folder)]), said.getvalue()


def mend(folder: Path, version: str, foreign: Files) -> None:
    """Export a network into the folder, whatever a killed process left: nothing of it is there then."""
    write_folder(folder, exported(version), force=True)
    assert files_in(folder) == {**exported(version), **foreign}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


steps, last_step = 0, -1


def _step(event: str, _: Any) -> None:
    """An audit hook: counts steps, and kills this process before one of them."""
    global steps
    if event in STEPS:
        if steps == last_step:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1


def killed(folder: Path, files: Files, seconds: float | None, step: int) -> None:
    """Write in another process, which is killed after so long or before that step."""
    global steps, last_step
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(go, b"x")
        steps, last_step = 0, step
        write_folder(folder, files, force=True)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready), os.close(go)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def findings(folder: Path, old: str, new: str) -> Counter[str]:
    """What was found after each kill, counted."""
    foreign = {name: content for name, content in files_in(folder).items() if name not in exported(old)}
    third = next(name for name in networks() if name not in (old, new))
    sys.addaudithook(_step)
    before, started = steps, time.perf_counter()
    write_folder(folder, exported(new), force=True)
    duration, count = time.perf_counter() - started, steps - before
    random.seed(0)
    found: Counter[str] = Counter()
    for number in range(KILLS):
        if old == "none":
            shutil.rmtree(folder)
        else:
            mend(folder, old, foreign)
        if number % 2:
            killed(folder, exported(new), seconds=random.uniform(0, duration), step=-1)
        else:
            killed(folder, exported(new), seconds=None, step=count * number // KILLS)
        found[judged(folder, old, new, foreign)] += 1
        mend(folder, third, foreign)
    return found


if __name__ == "__main__":
    print(json.dumps(findings(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
