"""The engine compiled by numba: the same spikes as with NumPy alone, which also runs without numba."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from golden import golden_networks
from hypothesis import given
from hypothesis import strategies as st
from linear_map_cases import chains, dilations, drawn_window
from profiles import tries

from tgenn_gen import load, save, simulate
from tgenn_gen.engine import simulation
from tgenn_gen.engine.numpy_engines import Engine, fastest
from tgenn_gen.network.model import Connection, Population
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime.neuron_updates import (
    FewSpike,
    IntegrateAndFire,
    LeakyIntegrateAndFire,
    SignedIntegrateAndFire,
)
from tgenn_gen.runtime.numpy_batch import spike_counts

numba = pytest.importorskip("numba", reason="numba is not installed")

from tgenn_gen.engine import compilation, compiled_maps, compiled_neurons  # noqa: E402

GOLDEN = golden_networks()
KINDS = {"bool": bool, "signed": np.int8, "values": np.uint16, "float": np.float32, "constant": np.float64}


def in_numpy(monkeypatch, network, x, **options):
    with monkeypatch.context() as patch:
        patch.setattr(simulation, "fastest", Engine)
        return simulate(network, x, **options)


def examples(network, count=5):
    rng = np.random.default_rng(0)
    return {
        i.name: rng.integers(0, 17, (count, *i.example_shape)).astype(np.float32) / 16
        if not i.encoding.binary
        else rng.integers(0, 2, (count, *i.example_shape)).astype(np.float32)
        for i in network.inputs
    }


def some_spikes(rng, kind, shape):
    """Values of which half are 0."""
    x = rng.integers(1, 8, shape) * (rng.random(shape) < 0.5)
    if kind == "signed":
        return (np.sign(x) * rng.choice([-1, 1], shape)).astype(np.int8)
    return x.astype(KINDS[kind]) / (KINDS[kind](8) if kind in ("float", "constant") else 1)


def of_population(chains_in, shape, bias):
    """The current of a population with these chains in NumPy, and compiled: functions of {source: values}."""
    inputs = tuple(Connection(f"source{n}", chain) for n, chain in enumerate(chains_in))
    population = Population("p", shape, IntegrateAndFireNeuron(), inputs)
    compiled = compiled_maps.current_function(population, bias)
    return (
        lambda values: population.mapped(values) + (0 if bias is None else bias),
        compiled and (lambda values: compiled([values[c.source] for c in inputs])),
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_networks_spike_exactly_as_with_numpy(monkeypatch, name):
    network, x = GOLDEN[name], examples(GOLDEN[name])
    expected = in_numpy(monkeypatch, network, x, record=None)
    found = simulate(network, x, record=None)
    for part in ("spikes", "spike_counts", "net_counts", "logits", "logits_per_step"):
        wanted, got = getattr(expected, part), getattr(found, part)
        assert wanted.keys() == got.keys()
        for key in wanted:
            np.testing.assert_array_equal(got[key], wanted[key])
            assert got[key].dtype == wanted[key].dtype


@pytest.mark.parametrize("name", ["small_cnn", "few_spike"])
def test_recorded_potentials_are_those_of_numpy(monkeypatch, name):
    network, x = GOLDEN[name], examples(GOLDEN[name])
    names = [p.name for p in network.populations]
    expected, found = in_numpy(monkeypatch, network, x, record_v=names), simulate(network, x, record_v=names)
    for key in names:
        np.testing.assert_array_equal(found.v[key], expected.v[key])


@pytest.mark.parametrize("name", ["small_cnn", "branched", "signed_maximum", "few_spike"])
def test_with_weights_of_any_value_few_spikes_differ(monkeypatch, name):
    rng = np.random.default_rng(1)

    def changed(value):
        if isinstance(value, Tensor):
            return replace(value, values=value.values * rng.normal(1, 0.1, value.values.shape))
        return value

    network = GOLDEN[name]
    populations = tuple(
        replace(
            p,
            inputs=tuple(
                replace(
                    c,
                    through=tuple(
                        replace(m, **{k: changed(t) for k, t in m.tensors.items()}) for m in c.through
                    ),
                )
                for c in p.inputs
            ),
        )
        for p in network.populations
    )
    network = replace(network, populations=populations)
    x = {i.name: rng.random((40, *i.shape)).astype(np.float32) for i in network.inputs}
    expected, found = in_numpy(monkeypatch, network, x), simulate(network, x)
    for key, counts in expected.spike_counts.items():
        assert np.mean(counts != found.spike_counts[key]) <= 0.002


@given(st.data())
@tries(100)
def test_convolutions_are_those_of_numpy(data):
    rows, columns = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    groups = data.draw(st.integers(1, 2))
    members, filters = data.draw(st.integers(1, 10)), data.draw(st.sampled_from([3, 16, 80, 64]))
    dilation, strides = data.draw(dilations), data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    window, padding = drawn_window(data.draw, (rows, columns), dilation)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    kernel = rng.integers(-8, 9, (*window, members, groups * filters)) / 16
    m = Conv2D(strides, padding, Tensor("k.npy", kernel), dilation, groups)
    kind = data.draw(st.sampled_from(["bool", "signed", "float"]))
    x = some_spikes(rng, kind, (2, 3, rows, columns, groups * members))
    shape = m.output_shape(x.shape[2:])
    bias_shape = data.draw(st.sampled_from([None, shape[-1:], shape]))
    bias = None if bias_shape is None else rng.integers(-8, 9, bias_shape).astype(np.float32) / 16
    expected, found = of_population([(m,)], shape, bias)
    values = {"source0": x}
    np.testing.assert_array_equal(found(values), expected(values))


@pytest.mark.parametrize("kind", ["signed", "values", "constant"])
@given(case=chains(), seed=st.integers(0, 99), bias_axes=st.sampled_from([None, -1, 0]))
@tries(40)
def test_any_chain_is_that_of_numpy_up_to_rounding(kind, case, seed, bias_axes):
    shape, chain = case
    rng = np.random.default_rng(seed)
    if kind == "constant":
        values = {"source0": some_spikes(rng, kind, (1, 3, *shape))}
    else:
        values = {"source0": some_spikes(rng, kind, (4, 3, *shape))}
    out = Connection("source0", chain).apply(values["source0"]).shape[2:]
    values["source1"] = some_spikes(rng, "constant" if kind == "constant" else "signed", (4, 3, *out))
    if kind == "constant":
        values["source1"] = values["source1"][:1]
    bias = None if bias_axes is None else rng.normal(size=out[bias_axes:]).astype(np.float32)
    for inputs in ([chain], [chain, ()], [(), chain]):
        names = ["source0" if c is chain else "source1" for c in inputs]
        given_values = {f"source{n}": values[name] for n, name in enumerate(names)}
        expected, found = of_population(inputs, out, bias)
        if found is not None:
            wanted = expected(given_values)
            np.testing.assert_allclose(found(given_values), wanted, rtol=1e-5, atol=1e-5)
            assert found(given_values).dtype == np.result_type(wanted.dtype, np.float32)


@pytest.mark.parametrize("bias_shape", [None, (16,), (2, 5, 16)])
@pytest.mark.parametrize("units", [3, 16])
def test_dense_layers_on_several_axes_take_any_bias(units, bias_shape):
    rng = np.random.default_rng(0)
    m = Dense(Tensor("k.npy", rng.integers(-8, 9, (4, units)) / 16))
    bias = None if bias_shape is None else rng.integers(-8, 9, (*bias_shape[:-1], units)) / np.float32(16)
    expected, found = of_population([(m,)], (2, 5, units), bias)
    values = {"source0": some_spikes(rng, "bool", (4, 3, 2, 5, 4))}
    np.testing.assert_array_equal(found(values), expected(values))


@pytest.mark.parametrize("kind", ["signed", "float", "constant"])
@pytest.mark.parametrize("pool, strides, padding", [((3, 3), (2, 1), "same"), ((5, 2), (1, 3), "valid")])
def test_means_over_windows_are_those_of_numpy_bit_for_bit(kind, pool, strides, padding):
    rng = np.random.default_rng(0)
    m = AvgPool2D(pool, strides, padding)
    x = some_spikes(rng, kind, (4, 3, 7, 6, 5))
    if kind == "constant":
        x = x * rng.random(x.shape)
    expected, found = of_population(
        [(m, Scale(Tensor("f.npy", np.ones(1))))], m.output_shape(x.shape[2:]), None
    )
    np.testing.assert_array_equal(found({"source0": x}), expected({"source0": x}))


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize(
    "cls, arguments",
    [
        (IntegrateAndFire, {"threshold": 0.7, "reset": "subtract", "v_init": 0.35}),
        (IntegrateAndFire, {"threshold": -50, "reset": "to_rest", "v_init": -60, "v_rest": -60, "gain": 3.3}),
        (IntegrateAndFire, {"threshold": -50, "reset": "subtract", "v_init": -60, "v_rest": -60}),
        (LeakyIntegrateAndFire, {"decay": 0.9, "threshold": 0.7, "reset": "subtract", "v_init": 0.35}),
        (
            LeakyIntegrateAndFire,
            {"decay": 0.7, "threshold": 0.9, "reset": "zero", "v_init": 0, "syn_decay": 0.6},
        ),
        (
            LeakyIntegrateAndFire,
            {
                "decay": 0.8,
                "threshold": -50,
                "reset": "subtract",
                "v_init": -60,
                "v_rest": -60,
                "gain": 3.3,
                "refractory_steps": 2,
                "syn_decay": 0.9,
            },
        ),
        (SignedIntegrateAndFire, {"threshold": 0.7, "negative_threshold": -0.01, "v_init": 0.35}),
        (FewSpike, {"threshold": 0.7, "v_init": 0.35}),
        (
            FewSpike,
            {"threshold": 1.0, "v_init": np.linspace(0, 1, 13 * 100, dtype=np.float32).reshape(13, 100)},
        ),
    ],
)
def test_neurons_are_those_of_numpy_bit_for_bit(cls, arguments, steps):
    rng = np.random.default_rng(0)
    scale = 3 if cls is FewSpike else 1
    expected, found = cls(**arguments), fastest().neurons[cls](**arguments)
    for constant in (False, True, False):  # parts of one example: the state is kept
        current = rng.normal(0.2, scale, (1 if constant or cls is FewSpike else steps, 4, 13, 100))
        current = current.astype(np.float32)
        wanted, got = expected.run(current, steps), found.run(current, steps)
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype
        counts = spike_counts(wanted.reshape(len(wanted), 4, -1))
        for a, b in zip(counts, compiled_neurons.spike_counts(got.reshape(len(got), 4, -1)), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    if cls is not FewSpike:
        np.testing.assert_array_equal(found.v, expected.v)


@pytest.mark.parametrize("case", ["absent", "broken", "switched off"])
def test_without_numba_numpy_alone_simulates(monkeypatch, tmp_path, case):
    network, x = GOLDEN["small_cnn"], examples(GOLDEN["small_cnn"])
    expected = simulate(network, x)
    if case == "absent":
        monkeypatch.setitem(sys.modules, "numba", None)  # cannot be imported
    elif case == "broken":
        (tmp_path / "numba.py").write_text("raise OSError('Could not find/load shared object file')")
        monkeypatch.delitem(sys.modules, "numba")
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    fastest.cache_clear()
    try:
        found = simulate(network, x)
        assert fastest() == Engine()
    finally:
        fastest.cache_clear()
    for key, logits in expected.logits.items():
        np.testing.assert_array_equal(found.logits[key], logits)


def test_where_nothing_can_be_kept_functions_are_compiled_in_memory(monkeypatch):
    def no_folder(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(compilation, "njit", no_folder)
    double = compilation.compiled(lambda x: 2 * x)
    assert double(3) == 6


def test_numba_is_imported_only_to_simulate(tmp_path):
    save(GOLDEN["small_cnn"], tmp_path / "saved")
    code = (
        "import sys, tgenn_gen.engine.evaluation, tgenn_gen.cli.main\n"
        f"tgenn_gen.load({str(tmp_path / 'saved')!r})\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert load(tmp_path / "saved").name == GOLDEN["small_cnn"].name
