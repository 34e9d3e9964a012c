"""Every command in the README, as a person would give it. The two under "Try it" are run by .ci/run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from anns import data_file
from cpp_models import alone_with_genn

from tgenn_gen.cli.main import main

DATA = data_file("mnist.npz")
ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def block(name: str) -> str:
    """The code block after <!-- name -->."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n", README, re.S)
    assert found, name
    return found[1]


def run(command: list[str] | str, folder: Path) -> str:
    """Run a command with this interpreter's scripts first on the path; its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        shell=isinstance(command, str),
        env={**os.environ, "PATH": path, "CXX": "g++"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the README's training block has run, with MNIST from a file."""
    pytest.importorskip("keras", reason="TensorFlow is not installed")
    if DATA is None:
        pytest.skip("no mnist.npz in $TGENN_DATA or ~/.cache/tgenn-data")
    folder = tmp_path_factory.mktemp("readme")
    offline = (
        "import keras, numpy\n"
        f"d = numpy.load({str(DATA)!r})\n"
        "train, test = ((d[f'x_{k}'], d[f'y_{k}']) for k in ('train', 'test'))\n"
        "keras.datasets.mnist.load_data = lambda: (train, test)\n"
    )
    (folder / "train.py").write_text(offline + block("train"))
    run([sys.executable, "train.py"], folder)
    return folder


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
def test_the_mnist_example_runs_as_it_stands(folder):
    commands = block("export").splitlines()
    if find_spec("pygenn") is None:
        commands = [c for c in commands if "simulate.py" not in c]
    outputs = [run(command, folder) for command in commands]
    assert "mnist/simulate.py" in outputs[0]
    assert outputs[1].startswith("sequential: 16 steps")
    assert float(re.search(r"accuracy: ([0-9.]+)", outputs[2])[1]) > 0.96
    if len(outputs) > 3:
        assert float(re.search(r"accuracy: ([0-9.]+)", outputs[3])[1]) > 0.9
        assert (folder / "raster.png").exists()
    assert "valid: 4 populations" in run(block("edit"), folder)
    assert "can be converted: 4 populations" in run(block("check"), folder)
    *_, low_latency, few_spike = [run(command, folder) for command in block("evaluate").splitlines()][
        1
    ].splitlines()
    for row in (low_latency, few_spike):  # network, ANN, accuracies ..., spikes
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        steps = [cell for cell in cells[2:-1] if cell]
        assert float(cells[1]) > 96 and float(steps[-1]) > float(cells[1]) - 1
    assert (folder / "accuracy.png").exists()
    printed = run([sys.executable, "-c", block("python")], folder).splitlines()
    assert float(printed[-2]) > 0.9 and float(printed[-1]) > 0.5
    assert (folder / "from_python/simulate.py").read_bytes() == (folder / "mnist/simulate.py").read_bytes()


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
@pytest.mark.genn_cpp
def test_the_cpp_example_runs_as_it_stands(folder):
    if not (folder / "mnist").exists():
        run(block("export").splitlines()[0], folder)
    with alone_with_genn():
        said = run(block("cpp"), folder).splitlines()
    scores = [float(s) for line in said for s in re.findall(r"accuracy: ([0-9.]+) \(\d+ of 1000", line)]
    assert len(scores) == 2 and min(scores) > 0.96


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.data
def test_a_document_is_edited_compared_and_printed_as_it_stands(folder, tmp_path):
    if not (folder / "mnist").exists():
        run(block("export").splitlines()[0], folder)
    shutil.copytree(folder / "mnist", tmp_path / "mnist", ignore=shutil.ignore_patterns("*_CODE", "examples"))
    commit = "git -c user.name=n -c user.email=n@n commit --quiet --all --message"
    run(f"git init --quiet . && git add mnist && {commit} exported", tmp_path)
    assert "valid: 4 populations" in run(block("set"), tmp_path)
    run(f"{commit} edited", tmp_path)
    setup, diff, show = block("diff").splitlines()
    assert "diff.tgenn-npy.textconv: set" in run(setup, tmp_path)
    assert "neuron.threshold: 1.0 -> 0.8" in run(f"{diff} || test $? = 1", tmp_path)
    assert "[5, 5, 1, 16]" in run(show, tmp_path)
    effect_of_an_edit(tmp_path)
    assert run(block("generate"), tmp_path) == ""
    assert "all scripts are up to date" in run(block("templates"), tmp_path)
    assert "plan.populations[0]" in run(block("plan"), tmp_path)
    assert "nothing to migrate" in run(block("migrate"), tmp_path)


def effect_of_an_edit(folder: Path) -> None:
    """A threshold and a weight changed by hand show in git diff, check leads on, and both have an effect."""
    shutil.copy(DATA, folder / "mnist.npz")
    *_, simulate = block("by_hand").splitlines()
    before = float(re.search(r"accuracy: ([0-9.]+)", run(simulate, folder))[1])
    document = folder / "mnist/network.yaml"
    text = document.read_text()
    line = next(line for line in text.splitlines() if "threshold: 0.8" in line)
    edited = line.replace("threshold: 0.8", "threshold: 0.9") + "  # tried on a Monday"
    document.write_text(text.replace(line, edited))
    change, diff, check, lock, generate, simulate = block("by_hand").splitlines()
    run(change, folder)
    shown = run(diff, folder)
    assert re.search(r"^-\[7\] .*\n\+\[7\] +-100.0$", shown, re.M)
    assert f"\n-{line}\n+{edited}\n" in shown and "Binary files" not in shown
    said = run(f"{{ {check}\n}} 2>&1 || test $? = 2", folder)
    assert "error[T307]: weights/dense_1.bias.npy: has sha256" in said and "run tgenn lock" in said
    assert "weights/dense_1.bias.npy: other values, [10]" in run(lock, folder)
    assert edited in document.read_text()
    assert "simulate.py: written" in run(generate, folder)
    after = float(re.search(r"accuracy: ([0-9.]+)", run(simulate, folder))[1])
    with np.load(DATA) as data:
        sevens = np.mean(data["y_test"][:2000] == 7)
    assert sevens > 0.09 and after == pytest.approx(before - sevens, abs=0.02)


def test_results_in_the_readme_come_with_the_command_that_gives_them():
    command = re.search(r"`python (tests/benchmarks/\w+\.py)[^`]*`", README)[1]
    assert (ROOT / command).exists()


def test_the_table_of_layers_is_the_one_that_the_command_prints(capsys):
    assert main(["layers"]) == 0
    assert capsys.readouterr().out.strip() in README
