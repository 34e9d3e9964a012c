"""The pages in docs/: their code runs, and their changes of generated scripts do what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden import GENERATED

from tgenn_gen.runtime.projects import load_script

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "generated_project.md").read_text()
DIFFS = re.findall(r"<!-- diff -->\n```diff\n(.+?)```\n", PAGE, re.S)


@pytest.fixture
def project(tmp_path):
    """Copies of golden projects; the path of small_cnn."""
    for name in ("small_cnn", "branched"):
        shutil.copytree(GENERATED / name, tmp_path / name)
    return tmp_path / "small_cnn"


@pytest.mark.genn
@pytest.mark.parametrize("code", re.findall(r"<!-- run: .+? -->\n```python\n(.+?)```\n", PAGE, re.S))
def test_code_in_the_page_on_generated_projects_runs_and_prints_what_it_says(code, project):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"# (\([\d, ]+\))", code)
    assert done.stdout.split("\n")[:-1] == said


def change(script: Path, *diffs: str) -> int:
    """Make the changes of these diffs, wherever they apply; the lines that were removed or are new."""
    text, lines = script.read_text(), 0
    for diff in diffs:
        old = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in " -")
        new = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in " +")
        assert old in text, old
        lines += text.count(old) * sum(line[0] == "+" for line in diff.splitlines())
        text = text.replace(old, new)
    script.write_text(text)
    return lines


def diff_of(words: str) -> list[str]:
    """The diffs of the page in which the words stand."""
    return [diff for diff in DIFFS if words in diff]


def examples(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 17, (count, 7, 10, 2)).astype(np.float32) / 16


@pytest.mark.genn
def test_leaky_neurons_by_hand_leak(project):
    assert change(project / "simulate.py", *diff_of("0.9 * V")) == 2
    changed = load_script(project / "simulate.py").build(timesteps=6)
    result = changed.run(examples(2), record=["conv1"], record_v=["conv1"])
    v, spikes = result.v["conv1"], result.spikes["conv1"]
    kernel = np.load(project / "weights" / "conv1.kernel.npy").astype(np.float64)
    bias = np.load(project / "weights" / "conv1.bias.npy")
    runtime = sys.modules["tgenn_gen.runtime.linear_maps"]
    current = runtime.conv2d(examples(2).astype(np.float64), kernel, (1, 2), "same") + bias
    current = current.astype(np.float32).reshape(2, -1)
    expected = np.full(current.shape, 0.5, np.float32)
    for step in range(6):
        expected = np.float32(0.9) * expected + current
        np.testing.assert_array_equal(spikes[:, step], expected >= 1)
        expected -= expected >= 1
        np.testing.assert_array_equal(v[:, step], expected)


@pytest.mark.genn
def test_another_input_by_hand_is_a_current_into_the_population(project):
    assert change(project / "simulate.py", *diff_of("context")) == 2
    net = load_script(project / "simulate.py").build()
    context = np.zeros((2, 6), np.float32)
    context[1, 4] = 1.0
    result = net.run({"image": np.zeros((2, 7, 10, 2), np.float32), "context": context})
    before = result.spike_counts["dense"][0].astype(int)
    np.testing.assert_array_equal(result.spike_counts["dense"][1] - before, [0, 0, 0, 0, 7 - before[4], 0])


@pytest.mark.genn
def test_stdp_by_hand_changes_the_weights_as_traces_of_the_spikes_say(project):
    diffs = diff_of("stdp")
    model, named = (sum(line[0] == "+" and len(line) > 1 for line in diff.splitlines()) for diff in diffs)
    assert f"{model} lines of a weight update model" in PAGE and named == 7
    change(project / "simulate.py", *diffs)
    net = load_script(project / "simulate.py").build(timesteps=30)
    counts = {"conv2": np.zeros(24, int), "dense": np.zeros(6, int)}
    traces = {name: np.zeros(len(count), np.float32) for name, count in counts.items()}
    spikes = {name: np.zeros(len(count), bool) for name, count in counts.items()}
    g = np.load(project / "weights" / "dense.kernel.npy").copy()
    total = 0
    for _ in range(30):
        net.step(examples(1))
        # spikes of the step before arrive, and meet the traces that the step before left
        g -= np.outer(spikes["conv2"], np.float32(0.01) * traces["dense"])
        g += np.outer(np.float32(0.01) * traces["conv2"], spikes["dense"])
        for name, count in counts.items():
            now = net.values(name, "spike_count")[0].astype(int)
            spikes[name] = now != np.where(now < count, 0, count)
            traces[name] = np.float32(0.9) * traces[name] + spikes[name]
            counts[name], total = now, total + spikes[name].sum()
    assert total > 20
    variable = net.model.synapse_populations["conv2_to_dense"].vars["g"]
    variable.pull_from_device()
    np.testing.assert_allclose(variable.current_values.reshape(24, 6), g, rtol=1e-5)
