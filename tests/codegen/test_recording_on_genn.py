"""V and I on GeNN: those of reference.py, from a build that keeps I; other builds do not change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from golden import golden_networks
from sample_networks import dyadic_examples, examples_for, small_cnn
from scripts import assert_equal_arrays, run_script, written

from tgenn_gen import simulate
from tgenn_gen.runtime.projects import load_script

pytestmark = pytest.mark.genn

OFTEN = "small_cnn signed_maximum physical mixed_inputs".split()
RATES = [name for name, network in golden_networks().items() if not network.few_spike]


@pytest.mark.parametrize(
    "name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in RATES]
)
def test_v_and_i_are_those_of_reference(tmp_path, name):
    """Inputs that spike, too: I is then the example."""
    network = golden_networks()[name]
    folder, x = written(network, tmp_path / "n"), examples_for(network, 5)
    on_genn = load_script(folder / "simulate.py").build(seed=3, keep_i=True)
    in_numpy = load_script(folder / "reference.py").build(seed=3)
    later = [o.population for o in network.outputs if o.start and o.readout == "membrane"]
    names = [p.name for p in network.populations if p.neuron.kind != "maximum"] + network.spiking_inputs
    v = [p.name for p in network.populations if p.name not in later]
    options = {"record": None, "record_v": v, "record_i": names}
    expected = in_numpy.run(x, **options)
    assert all(np.ptp(i) > 0 for i in expected.i.values())
    for _ in range(2):
        found = on_genn.run(x, **options)
        if name == "branched":  # means over three neurons are rounded in another order, before a reset to 0
            np.testing.assert_allclose(found.i.pop("out"), expected.i["out"], atol=1e-6)
            found.i["out"] = expected.i["out"]
        for field in ("v", "i", "spikes"):
            assert_equal_arrays(getattr(found, field), getattr(expected, field))
        assert found.thresholds == pytest.approx(expected.thresholds)
    for p in network.populations:
        if p.neuron.kind == "maximum":
            with pytest.raises(ValueError, match=f"^record_i {p.name}: its neurons have no current"):
                on_genn.run(x, record_i=[p.name])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return written(small_cnn(), tmp_path_factory.mktemp("n") / "n", x=dyadic_examples((7, 10, 2), 7))


def test_a_build_without_i_says_how_to_get_it(project):
    net, x = load_script(project / "simulate.py").build(), dyadic_examples((7, 10, 2), 1)
    with pytest.raises(ValueError, match=r"^record_i needs a network that keeps I: build\(keep_i=True\)$"):
        net.run(x, record_i=["conv1"])
    with pytest.raises(
        ValueError, match=r"^neurons 24: conv2 has 24 neurons, expected numbers from 0 to 23$"
    ):
        net.run(x, record_v=["conv2"], neurons=range(20, 25))
    assert not [*project.glob("*_CODE")]


def test_only_what_is_asked_of_the_recorded_example_is_pulled(project, monkeypatch):
    net = load_script(project / "simulate.py").build(keep_i=True)
    module = type(net).batches.__globals__  # of the project's own runtime
    pulled: Counter[tuple[str, str]] = Counter()
    values_of = module["values_of"]

    def counted(group, variable):
        pulled[group.name, variable] += 1
        return values_of(group, variable)

    monkeypatch.setitem(module, "values_of", counted)
    recording = module["Recording"](["conv1"], ["conv2"], ["dense"], np.arange(2), example=3, details=False)
    x = {"image": dyadic_examples((7, 10, 2), 6)}
    batches = [*net.batches(x, range(6), 7, recording)]
    assert len(batches) == 6
    traced = {("conv1", "spike_count"), ("conv2", "V"), ("dense", "recorded_I")}
    assert {key: count for key, count in pulled.items() if not key[1].startswith("last_")} == dict.fromkeys(
        traced, 7
    )


@pytest.mark.parametrize("options", [(), ("--jobs", 2)], ids=["a process", "jobs"])
def test_scripts_save_the_same_as_reference(project, options):
    recorded = (
        "--record",
        "conv1",
        "--record-v",
        "conv2,classes",
        "--record-i",
        "conv1,dense",
        "--neurons",
        "4,0:2",
    )
    outcomes = []
    for script in ("reference.py", "simulate.py"):
        saved = project / f"{script}.npz"
        own = options if script == "simulate.py" else ()
        what = ("--data", project / "data.npz", "--save-outputs", saved, "--example", 5, *recorded, *own)
        done = run_script(project / script, *what, "--plot", project / "p.svg")
        assert done.returncode == 0, done.stderr
        with np.load(saved) as arrays:
            outcomes.append({name: arrays[name] for name in arrays.files if name != "run"})
    assert {"v/conv2", "v/classes", "i/conv1", "i/dense", "neurons/dense"} <= {*outcomes[0]}
    assert_equal_arrays(*outcomes)


def test_a_build_that_keeps_i_has_a_folder_of_its_own_and_others_know_no_i(project):
    x = dyadic_examples((7, 10, 2), 1)
    for keep_i in (False, True):
        load_script(project / "simulate.py").build(keep_i=keep_i).run(x)
    code = {
        folder.name: "".join(file.read_text() for file in sorted(folder.glob("*.cc")))
        for folder in project.glob("*_CODE")
    }
    assert {name.endswith("_i_CODE"): "recorded_I" in text for name, text in code.items()} == {
        False: False,
        True: True,
    }


def test_simulate_builds_what_it_needs():
    network, x = small_cnn(), dyadic_examples((7, 10, 2), 3)
    options = {"record_v": ["classes"], "record_i": ["conv2", "classes"]}
    on_genn, in_numpy = (simulate(network, x, engine=engine, **options) for engine in ("genn", "numpy"))
    assert on_genn.i["conv2"].shape == (3, 7, 2, 3, 4)
    assert_equal_arrays(on_genn.i, in_numpy.i)
    assert_equal_arrays(on_genn.v, in_numpy.v)
