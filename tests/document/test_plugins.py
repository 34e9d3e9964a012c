"""Neuron kinds of one's own, as docs/how-to/plugins.md shows them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from sample_networks import small_cnn
from scripts import results

from tgenn_gen import TgennError, generate, load, load_plugin, save, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.document import plugins
from tgenn_gen.document.schema_check import schema_changed
from tgenn_gen.network.neurons import NEURONS

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "plugins.md"


@pytest.fixture
def plugin(tmp_path):
    """leaky_refractory.py of the docs, known to no other test."""
    text = re.search(r"```python title=\"leaky_refractory.py\"\n(.+?)```\n", DOCS.read_text(), re.S)[1]
    path = tmp_path / "leaky_refractory.py"
    path.write_text(text)
    yield path
    NEURONS.pop("leaky_refractory", None)
    schema_changed()


def leaky(**parameters):
    """small_cnn, with neurons of the plugin's kind in two populations."""
    network = small_cnn()
    neuron = NEURONS["leaky_refractory"](**parameters)
    populations = [
        replace(p, neuron=neuron) if p.name in ("conv1", "dense") else p for p in network.populations
    ]
    return replace(network, populations=tuple(populations))


def examples(count):
    return np.random.default_rng(5).integers(0, 17, (count, 7, 10, 2)).astype(np.float32) / 16


def test_the_engine_runs_neurons_of_a_plugin_as_their_equations_say(plugin):
    load_plugin(plugin)
    network = leaky(threshold=0.75, tau=5.0, refractory=3)
    result = simulate(network, examples(4), timesteps=20, record=["conv1"])
    first = network.populations[0]
    current = first.current({"image": examples(4).astype(np.float64)})
    spikes, v, left = [], np.zeros(current.shape), np.zeros(current.shape)
    for _ in range(20):
        v = np.where(left > 0, 0, v * np.exp(-1 / 5) + current)
        spiked = v >= 0.75
        v, left = np.where(spiked, 0, v), np.where(spiked, 3, np.maximum(left - 1, 0))
        spikes.append(spiked)
    assert np.array(spikes).any()
    np.testing.assert_array_equal(result.spikes["conv1"], np.stack(spikes, axis=1))


@pytest.mark.genn
def test_all_targets_do_what_the_engine_does(plugin, tmp_path):
    load_plugin(plugin)
    network, x = leaky(tau=5.0), examples(5)
    folder = tmp_path / "project"
    save(network, folder)
    generate(network, folder)
    np.savez(tmp_path / "data.npz", x=x)
    expected = simulate(network, x)
    for script in ("reference.py", "simulate.py"):
        _, arrays, _ = results(folder / script, tmp_path / "data.npz")
        np.testing.assert_array_equal(arrays["output"], expected.output)
        np.testing.assert_array_equal(
            arrays["spike_counts/conv1"], expected.spike_counts["conv1"].reshape(5, -1)
        )


def test_a_project_with_a_plugin_runs_without_tgenn_and_the_document_says_its_kind(plugin, tmp_path):
    load_plugin(plugin)
    folder = tmp_path / "project"
    save(leaky(), folder)
    generate(leaky(), folder)
    np.savez(tmp_path / "data.npz", x=examples(3))
    arguments = [str(folder / "reference.py"), "--data", str(tmp_path / "data.npz")]
    script = f"""
import sys, runpy
sys.modules["tgenn_gen"] = None
sys.argv = {arguments!r}
sys.path.insert(0, {str(folder)!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in (folder / "network.yaml").read_text().splitlines()]
    first = lines.index("kind: leaky_refractory")
    assert lines[first + 1 : first + 4] == ["threshold: 1.0", "tau: 20.0", "refractory: 2"]
    assert (folder / "tgenn_plugins" / "leaky_refractory.py").read_bytes() == plugin.read_bytes()
    assert '"leaky_refractory"' in (folder / "network.schema.json").read_text()


def test_commands_take_a_plugin_and_without_it_say_which_kinds_are_known(plugin, tmp_path, capsys):
    load_plugin(plugin)
    folder = tmp_path / "project"
    save(leaky(), folder)
    NEURONS.pop("leaky_refractory")
    schema_changed()
    assert main(["check", str(folder)]) == 2
    assert 'kind is "leaky_refractory", expected few_spike, ' in capsys.readouterr().err
    assert main(["check", str(folder), "--plugin", str(plugin)]) == 0
    assert main(["generate", str(folder), "--plugin", str(plugin)]) == 0
    text = (folder / "network.yaml").read_text()
    (folder / "network.yaml").write_text(text.replace("tau: 20.0", "tau: -1.0", 1))
    assert main(["check", str(folder), "--plugin", str(plugin)]) == 2
    assert "tau is -1.0, expected more than 0" in capsys.readouterr().err


def test_a_loaded_document_has_the_parameters(plugin, tmp_path):
    load_plugin(plugin)
    save(leaky(tau=7.5), tmp_path / "project")
    assert load(tmp_path / "project").population("conv1").neuron.parameters == {
        "threshold": 1.0,
        "tau": 7.5,
        "refractory": 2,
    }


BROKEN = {
    "no file": (None, "is not a Python file"),
    "not Python": ("KIND = \n", "line"),
    "an error": ("import numpy\n1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
    "nothing in it": ("x = 1\n", "does not define KIND, PARAMETERS, NEURONS, genn_code"),
    "a kind that is built in": (
        'KIND = "integrate"\nPARAMETERS = {}\nNEURONS = genn_code = print\n',
        "is a built-in kind",
    ),
    "no default": (
        'KIND = "a"\nPARAMETERS = {"b": {"type": "number"}}\nNEURONS = genn_code = print\n',
        "PARAMETERS['b'] needs a default, and a type",
    ),
    "a default out of range": (
        'KIND = "a"\nPARAMETERS = {"b": {"type": "number", "minimum": 1, "default": 0}}\n'
        "NEURONS = genn_code = print\n",
        "0 is less than the minimum of 1",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_that_declares_no_kind_is_refused(case, tmp_path):
    text, message = BROKEN[case]
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TgennError, match=re.escape(message) if case != "not Python" else "T711") as caught:
        load_plugin(path)
    assert str(path) in str(caught.value) and "a" not in NEURONS


def test_an_installed_plugin_that_cannot_be_imported_is_named(tmp_path, monkeypatch, capsys):
    entry = EntryPoint("mine", "no_such_package.mine", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])
    save(small_cnn(), tmp_path / "n")
    text = (tmp_path / "n/network.yaml").read_text()
    (tmp_path / "n/network.yaml").write_text(text.replace("kind: integrate_and_fire", "kind: mine", 1))
    assert main(["check", str(tmp_path / "n")]) == 2
    assert capsys.readouterr().err == (
        "no_such_package.mine: error[T711]: ModuleNotFoundError: No module named 'no_such_package'\n"
        "  hint: install a version of the package that works, or uninstall it\n"
    )
