"""Parameters of neurons set by hand: the same as in an edited document, and no reason to build anew."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden import golden_networks
from sample_networks import examples_for, pooled_dense
from scripts import assert_equal_arrays, results, run_here, written

from tgenn_gen import generate, save
from tgenn_gen.network.model import Network
from tgenn_gen.runtime.neuron_settings import NeuronSettings
from tgenn_gen.runtime.projects import load_script

SETTINGS = {
    "few_spike": {"branch": {"threshold": 1.5, "v_init": 0.25}, "sum": {"threshold": 0.5}},
    "signed_maximum": {"stem": {"threshold": 0.75, "negative_threshold": -0.5, "v_init": 0.25}},
    "leaky": {"branch": {"threshold": 0.75}, "sum": {"v_init": 0.5}, "classes": {"v_rest": -61.0}},
    "physical": {"image": {"threshold": -56.0, "v_rest": -61.0}, "stem": {"threshold": -58.0}},
}


def edited(network: Network, settings: dict[str, dict[str, float]]) -> Network:
    """The network with other parameters in its document."""

    def neuron_of(population):
        return replace(population.neuron, **settings.get(population.name, {}))

    return replace(
        network,
        inputs=tuple(
            replace(i, encoding=replace(i.encoding, **settings.get(i.name, {}))) for i in network.inputs
        ),
        populations=tuple(replace(p, neuron=neuron_of(p)) for p in network.populations),
    )


def library_state(folder: Path) -> tuple[int, int]:
    (library,) = folder.glob("*_CODE/librunner.so")
    return library.stat().st_ino, library.stat().st_mtime_ns


def as_options(settings: dict[str, dict[str, float]]) -> list[str]:
    values = [f"{name}.{key}={value}" for name, given in settings.items() for key, value in given.items()]
    return [text for value in values for text in ("--set", value)]


@pytest.mark.genn
@pytest.mark.parametrize(
    "name",
    [
        "signed_maximum",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("few_spike", "leaky", "physical")),
    ],
)
def test_set_gives_what_an_edited_document_gives_and_neither_is_built_anew(tmp_path, name):
    network, settings = golden_networks()[name], SETTINGS[name]
    examples = examples_for(network, 4)
    folder = written(network, tmp_path / "n", **examples)
    first = results(folder / "simulate.py", folder / "data.npz")[1]
    state = library_state(folder)
    on_genn, in_numpy = (
        results(folder / f"{script}.py", folder / "data.npz", *as_options(settings))[1]
        for script in ("simulate", "reference")
    )
    changed = edited(network, settings)
    save(changed, folder, force=True)
    generate(changed, folder)
    by_document = results(folder / "simulate.py", folder / "data.npz")[1]
    assert library_state(folder) == state
    assert_equal_arrays(on_genn, by_document)
    assert_equal_arrays(in_numpy, by_document)
    assert any(
        (by_document[key] != array).any() for key, array in first.items() if key.startswith("spike_counts")
    )


@pytest.mark.genn
def test_what_follows_from_time_constants_is_set_by_its_own_name(tmp_path):
    network = golden_networks()["leaky"]
    folder = written(network, tmp_path / "n", **examples_for(network, 4))
    settings = {"branch": {"syn_decay": 1 - 1 / 4}, "sum": {"decay": np.exp(-1 / 3), "refractory_steps": 1}}
    on_genn, in_numpy = (
        results(folder / f"{script}.py", folder / "data.npz", *as_options(settings))[1]
        for script in ("simulate", "reference")
    )
    changed = edited(network, {"branch": {"tau_syn": 4.0}, "sum": {"tau": 3.0, "refractory": 1.0}})
    by_document = results(written(changed, tmp_path / "changed") / "reference.py", folder / "data.npz")[1]
    assert_equal_arrays(on_genn, by_document)
    assert_equal_arrays(in_numpy, by_document)


@pytest.mark.genn
def test_set_in_python_holds_for_later_runs_and_can_be_set_back(tmp_path):
    network = pooled_dense()
    x = examples_for(network, 3)
    name = network.spiking[0]
    folder = written(network, tmp_path / "n")
    on_genn, in_numpy = (load_script(folder / f"{script}.py").build() for script in ("simulate", "reference"))
    first = on_genn.run(x).spike_counts
    counts = []
    for threshold in (1.5, 1.0):
        for net in (on_genn, in_numpy):
            net.set(name, threshold=threshold)
            counts.append(net.run(x).spike_counts)
    for population, array in first.items():
        np.testing.assert_array_equal(counts[0][population], counts[1][population])
        np.testing.assert_array_equal(counts[2][population], array)
        np.testing.assert_array_equal(counts[3][population], array)
    assert (counts[0][name] != first[name]).any()
    for wrong in ({"threshold": -1.0}, {"thresholt": 1.0}, {"threshold": "high"}, {"threshold": True}):
        with pytest.raises(ValueError, match=f"^set {name}.threshol[dt]="):
            on_genn.set(name, **wrong)
    np.testing.assert_array_equal(on_genn.run(x).spike_counts[name], first[name])  # as before the errors


ERRORS = {
    "nobody.threshold=1": "--set nobody.threshold=1: expected one of image, stem, branch, sum, classes",
    "stem.treshold=1": "--set stem.treshold=1: expected one of threshold, v_rest, gain",
    "stem.threshold=-61": "--set stem.threshold=-61: expected a threshold above v_rest, -60",
    "stem.v_rest=-50": "--set stem.threshold=-57: expected a threshold above v_rest, -50",
    "stem.threshold=nan": "--set stem.threshold=nan: expected a number",
    "stem.threshold=1e40": "--set stem.threshold=1e+40: expected a number",
    "stem.threshold=high": "argument --set: expected a number after =, got 'stem.threshold=high'",
    "stem=1": "argument --set: expected POPULATION.NAME=VALUE, such as conv2d.threshold=0.9, got 'stem=1'",
}


@pytest.fixture(scope="module")
def physical(tmp_path_factory):
    network = golden_networks()["physical"]
    return written(network, tmp_path_factory.mktemp("physical") / "n", **examples_for(network, 1))


@pytest.mark.parametrize("script", [pytest.param("simulate.py", marks=pytest.mark.genn), "reference.py"])
@pytest.mark.parametrize(("setting", "message"), ERRORS.items(), ids=ERRORS)
def test_wrong_settings_are_errors_that_say_what_is_possible(physical, script, setting, message):
    done = run_here(physical / script, "--data", physical / "data.npz", "--set", setting)
    assert done.returncode == 2 and done.stderr.splitlines()[-1] == f"{script}: error: {message}"
    assert not re.search("Traceback", done.stderr)


@pytest.mark.parametrize("script", [pytest.param("simulate", marks=pytest.mark.genn), "reference"])
def test_wrong_settings_of_leaky_neurons_are_errors(tmp_path, script):
    network = golden_networks()["leaky"]
    net = load_script(written(network, tmp_path / "n") / f"{script}.py").build()
    for population, name, value, expected in [
        ("stem", "decay", 1.5, "expected a number from 0 to 1"),
        ("branch", "syn_decay", -0.1, "expected a number from 0 to 1"),
        ("sum", "refractory_steps", 1.5, "expected a whole number from 0 to 100000"),
        ("sum", "refractory_steps", -1, "expected a whole number from 0 to 100000"),
        ("stem", "tau", 5, "expected one of threshold, decay"),
    ]:
        with pytest.raises(ValueError, match=f"^set {population}.{name}={value}: ") as caught:
            net.set(population, **{name: value})
            net.run(examples_for(network, 1))
        assert expected in str(caught.value)
        net.settings = NeuronSettings()


@pytest.mark.parametrize("script", [pytest.param("simulate", marks=pytest.mark.genn), "reference"])
@pytest.mark.parametrize(("name", "population"), [("signed_maximum", "pool2x2"), ("signed_poisson", "image")])
def test_whether_spikes_have_signs_is_no_parameter(tmp_path, name, population, script):
    network = golden_networks()[name]
    net = load_script(written(network, tmp_path / "n") / f"{script}.py").build()
    with pytest.raises(ValueError, match=f"^set {population}.signed=0: has no parameters"):
        net.set(population, signed=0)
        net.run(examples_for(network, 1))


@pytest.mark.genn
def test_a_population_that_a_user_adds_needs_neither_parameters_nor_variables_as_in_pygenn():
    from tgenn_gen.runtime.genn_building import GeNNModel, pygenn

    model = GeNNModel("float", "own", backend="single_threaded_cpu")
    silent = pygenn.create_neuron_model("silent")
    assert model.add_neuron_population("added", 3, silent).num_neurons == 3


def test_a_population_without_parameters_has_none_to_set(tmp_path):
    network = pooled_dense()
    folder = written(network, tmp_path / "n", **examples_for(network, 1))
    name = network.outputs[0].population
    options = ("--data", folder / "data.npz", "--set", f"{name}.threshold=1")
    assert (
        f"--set {name}.threshold=1: has no parameters\n" in run_here(folder / "reference.py", *options).stderr
    )
