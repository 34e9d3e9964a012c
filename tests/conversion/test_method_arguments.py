"""Methods as people write them in notebooks: names of presets and kinds, NumPy's numbers, wrong types."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries

from tgenn_gen import PRESETS, Method, TgennError, convert
from tgenn_gen.conversion.method_check import check_method
from tgenn_gen.conversion.methods import method_named
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron

KINDS = [kind for kind, cls in NEURONS.items() if not cls.relays]


def said(method: object) -> list[str]:
    """The errors of a method, as convert finds them."""
    with pytest.raises(TgennError) as caught:
        check_method(method_named(method), has_data=True)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_given_by_its_name(name):
    assert method_named(name) is PRESETS[name]


def test_an_unknown_preset_is_named_with_those_that_there_are():
    names = ", ".join(["auto", *PRESETS])
    assert said("low-latency") == [
        "options: error[T408]: unknown preset 'low-latency'",
        f"  hint: did you mean 'low_latency'? presets: {names}",
    ]
    assert said("x")[1] == f"  hint: presets: {names}"
    for method, what in (
        (None, "None"),
        (Method, "the class Method"),
        ({}, "a dict"),
        (np.ones(3), "a ndarray"),
    ):
        assert said(method) == [
            f"options: error[T408]: method is {what}, expected a Method or the name of a preset",
            f"  hint: presets: {names}",
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_neurons_can_be_given_by_their_names(kind):
    neuron = NEURONS[kind]()
    if kind == "leaky_integrate_and_fire":
        neuron = replace(neuron, v_init=0.5)  # as other kinds have it, and not as a document
    assert Method(neuron=kind) == Method(neuron=neuron)
    assert replace(PRESETS["plain"], dense_neuron=kind).dense_neuron == neuron


@pytest.mark.parametrize("kind", ENCODINGS)
def test_encodings_can_be_given_by_their_names(kind):
    assert Method(encoding=kind) == Method(encoding=ENCODINGS[kind]())


def test_numbers_of_numpy_and_lists_are_those_of_python():
    method = Method(
        timesteps=np.int64(16),
        dt=np.float32(0.5),
        per_channel=np.bool_(True),
        corrections=["bias"],
        normalize="mse",
    )
    assert method == Method("mse", True, timesteps=16, dt=0.5, corrections=("bias",))
    assert (type(method.timesteps), type(method.dt), type(method.per_channel)) == (int, float, bool)
    assert type(Method(dt=2).dt) is float
    check_method(method, has_data=True)
    assert hash(method)


WRONG = {
    "text": ({"timesteps": "16"}, "timesteps is '16', expected a whole number", "write 16"),
    "a fraction": ({"timesteps": 16.5}, "timesteps is 16.5, expected a whole number", ""),
    "a float": ({"timesteps": np.float64(8)}, "timesteps is 8.0, expected a whole number", "write 8"),
    "a truth value": ({"timesteps": True}, "timesteps is True, expected a whole number", ""),
    "a negative number": ({"dt": -1.0}, "dt is -1.0, expected a number above 0", ""),
    "no number": ({"timesteps": None}, "timesteps is None, expected a whole number", ""),
    "0": ({"timesteps": 0}, "timesteps is 0, expected at least 1", ""),
    "a start below 0": ({"readout_start": -1}, "readout_start is -1, expected at least 0", ""),
    "no dt": ({"dt": None}, "dt is None, expected a number above 0", ""),
    "dt as text": ({"dt": "0.5"}, "dt is '0.5', expected a number above 0", "write 0.5"),
    "dt of 0": ({"dt": 0}, "dt is 0.0, expected a number above 0", ""),
    "an infinite dt": ({"dt": np.inf}, "dt is inf, expected a number above 0", ""),
    "a misspelt kind": ({"neuron": "few_spikes"}, "neuron is 'few_spikes', expected a kind of neuron", "did you mean 'few_spike'?"),
    "a kind that needs more": ({"neuron": "maximum"}, "neuron is 'maximum', expected a kind of neuron", "known here: few_spike"),
    "a class": ({"neuron": FewSpikeNeuron}, "neuron is the class FewSpikeNeuron, expected an object of it", "write FewSpikeNeuron()"),
    "an encoding as neuron": ({"neuron": ENCODINGS["poisson"]()}, "neuron is a PoissonInput, expected a kind of neuron", "known here: few_spike, integrate"),
    "no neuron": ({"neuron": None}, "neuron is None, expected a kind of neuron", "known here: few_spike, integrate"),
    "a misspelt encoding": ({"encoding": "poison"}, "encoding is 'poison', expected a kind of encoding", "did you mean 'poisson'?"),
    "another dense neuron": ({"dense_neuron": 3}, "dense_neuron is 3, expected a kind of neuron", "known here: few_spike"),
    "no normalization": ({"normalize": None}, "normalize is None, expected a name", ""),
    "a readout": ({"readout": ["membrane"]}, "readout is ['membrane'], expected a name", ""),
    "one correction": ({"corrections": "bias"}, "corrections is 'bias', expected a list of names", "write ['bias']"),
    "no corrections": ({"corrections": None}, "corrections is None, expected a list of names", ""),
    "corrections that are no names": ({"corrections": (1,)}, "corrections has 1, expected names", ""),
    "per_channel": ({"per_channel": "yes"}, "per_channel is 'yes', expected True or False", ""),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message", "hint"), WRONG.values(), ids=WRONG)
def test_a_field_of_a_wrong_type_is_named_with_what_was_expected(changes, message, hint):
    first, *hints = said(Method(**changes))
    assert first == f"options: error[T408]: {message}"
    assert hints == [f"  hint: {hint}"] if hint and not hint.startswith("known") else hint in "".join(hints)


def test_all_wrong_fields_are_named_at_once():
    method = Method(normalize=1, neuron="x", encoding=2, pooling=3, corrections=4, timesteps="5", dt="6")
    lines = [line for line in said(method) if line.startswith("options")]
    assert len(lines) == 7


anything = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 99), st.floats(), st.text(max_size=9), st.binary(max_size=3),
    st.lists(st.integers(), max_size=2), st.just(IntegrateAndFireNeuron), st.just(IntegrateAndFireNeuron()),
    st.just(object()), st.just(np.zeros(3)), st.sampled_from(KINDS), st.just({}), st.just(1j),
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([f.name for f in fields(Method)]), anything, max_size=4), st.booleans()
)
@tries(300)
def test_no_value_of_any_field_gives_another_error_than_tgenns(changes, has_data):
    try:
        check_method(Method(**changes), has_data)
    except TgennError as error:
        assert {d.code for d in error.diagnostics} == {"T408"}


@pytest.mark.keras
def test_convert_takes_names_and_refuses_wrong_types():
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(2)]
    )
    x = np.random.default_rng(0).random((40, 4), np.float32)
    by_name = convert(model, x, "low_latency")
    assert by_name == convert(model, x, PRESETS["low_latency"])
    assert (
        convert(model, x.tolist(), Method(neuron="few_spike", timesteps=np.int64(8))).simulation.timesteps
        == 8
    )
    for arguments, message in (
        ((model, x, "low_latensy"), "unknown preset 'low_latensy'"),
        ((model, [["a"] * 4], "plain"), "calibration array: error[T504]: examples have dtype <U1, expected numbers"),
        ((model, object(), "plain"), "calibration array: error[T503]: x is an object, which is not an array of numbers"),
        ((5, x), "T402]: int is neither a Sequential nor a functional Keras model"),
        ((None, x), "T402]: NoneType is neither a Sequential nor a functional Keras model"),
    ):  # fmt: skip
        with pytest.raises(TgennError) as caught:
            convert(*arguments)
        assert message in str(caught.value)
    for divisor in ("255", 0, -1.0, True):
        with pytest.raises(TgennError) as caught:
            convert(model, x, uint8_divisor=divisor)
        assert f"uint8_divisor is {divisor!r}, expected a number above 0" in str(caught.value)
    with pytest.raises(TgennError) as caught:
        convert(model, x, name=5)
    assert "name is 5, expected text" in str(caught.value)
