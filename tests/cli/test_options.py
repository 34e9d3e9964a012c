"""tgenn export's options, and the method they make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tgenn_gen import PRESETS, Method, TgennError
from tgenn_gen.cli.main import parser
from tgenn_gen.cli.method_options import methods_of_options
from tgenn_gen.conversion.method_check import check_method
from tgenn_gen.conversion.methods import automatic, tensor_genn
from tgenn_gen.network.encodings.integrate_and_fire_input import IntegrateAndFireInput
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.neurons.signed_integrate_and_fire import SignedIntegrateAndFireNeuron


def methods(*options: str) -> tuple[Method, ...]:
    return methods_of_options(parser().parse_args(["export", "m.keras", "--output", "d", *options]))


def method(*options: str) -> Method:
    """The only method, or the first of --preset auto."""
    return methods(*options)[0]


def test_a_preset_is_what_its_name_says():
    for name, preset in PRESETS.items():
        assert methods("--preset", name) == (preset,)


def test_the_default_is_low_latency_and_then_few_spike_with_the_options_that_are_given():
    assert methods() == methods("--preset", "auto") == automatic(PRESETS["low_latency"])
    few_spike = replace(PRESETS["few_spike"], max_pool="average")
    assert methods("--timesteps", "32", "--max-pool", "average") == (
        replace(PRESETS["low_latency"], timesteps=32, max_pool="average"),
        few_spike,
        replace(few_spike, timesteps=10),
    )


@pytest.mark.parametrize("options", ["--neuron few_spike", "--threshold 2", "--encoding poisson"])
def test_options_about_neurons_and_spiking_inputs_leave_no_choice(options):
    assert len(methods(*options.split())) == 1


def test_tensor_genn_takes_its_parameters_as_options():
    """The settings of TensorGeNN's CIFAR-10 results."""
    options = "--threshold -58 --dense-capacitance 0.1 --capacitance 0.01 --timesteps 3750 --input-gain 0.02"
    expected = tensor_genn(-58.0, 0.1, 0.01, 3750, 0.02)
    assert method("--preset", "tensor_genn", *options.split()) == expected
    assert expected.neuron == IntegrateAndFireNeuron(-58.0, "to_rest", "uniform", -60.0, 0.01)
    assert expected.dense_neuron == IntegrateAndFireNeuron(-58.0, "to_rest", "uniform", -60.0, 0.1)
    assert expected.encoding == IntegrateAndFireInput(-58.0, "to_rest", "uniform", -60.0, 0.01, 0.02)


OTHER = {"corrections": ()}  # those of a preset are for its neurons


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--neuron few_spike --timesteps 8", {"neuron": FewSpikeNeuron(), "timesteps": 8, **OTHER}),
        (
            "--neuron integrate_and_fire --reset zero --v-init 0.25",
            {"neuron": IntegrateAndFireNeuron(reset="zero", v_init=0.25), **OTHER},
        ),
        (
            "--neuron integrate_and_fire --threshold 2",
            {"neuron": IntegrateAndFireNeuron(2.0, v_init=1.0), **OTHER},
        ),
        (
            "--neuron leaky_integrate_and_fire --tau 5",
            {"neuron": LeakyIntegrateAndFireNeuron(tau=5.0, v_init=0.5), **OTHER},
        ),
        (
            "--neuron leaky_integrate_and_fire --threshold=-57 --v-rest=-60 --capacitance 0.2",
            {
                "neuron": LeakyIntegrateAndFireNeuron(-57.0, v_init=-58.5, v_rest=-60.0, capacitance=0.2),
                **OTHER,
            },
        ),
        ("--negative-threshold=-1", {"neuron": SignedIntegrateAndFireNeuron(negative_threshold=-1.0)}),
        ("--encoding poisson --signed", {"encoding": PoissonInput(True)}),
        ("--normalize mse --per-channel", {"normalize": "mse", "per_channel": True}),
        ("--normalize none", {"normalize": "none", "per_channel": False, "corrections": ()}),
        ("--correct bias,potential", {"corrections": ("bias", "potential")}),
        ("--correct none", {"corrections": ()}),
        (
            "--neuron integrate_and_fire --v-rest=-1",
            {"neuron": IntegrateAndFireNeuron(v_init=0.0, v_rest=-1.0), **OTHER},
        ),
        (
            "--encoding integrate_and_fire --threshold 2 --input-gain 3",
            {
                "neuron": SignedIntegrateAndFireNeuron(2.0, v_init=1.0),
                "encoding": IntegrateAndFireInput(2.0, v_init=1.0, gain=3.0),
            },
        ),
        ("--readout spike_count --readout-start 3", {"readout": "spike_count", "readout_start": 3}),
        ("--dt 0.5 --pooling spiking", {"dt": 0.5, "pooling": "spiking"}),
    ],
)
def test_an_option_changes_what_it_names_and_nothing_else(options, expected):
    from dataclasses import replace

    assert method(*options.split()) == replace(PRESETS["low_latency"], **expected)


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ("--neuron few_spike --reset zero", ["--reset is not for few_spike"]),
        (
            "--neuron few_spike --capacitance 1 --v-rest -60",
            ["--v-rest is not for few_spike", "--capacitance is not for few_spike"],
        ),
        (
            "--signed --input-gain 2",
            [
                "--signed is not for encoding constant_current",
                "--input-gain is not for encoding constant_current",
            ],
        ),
        (
            "--dense-capacitance 2",
            ["--dense-capacitance is not for signed_integrate_and_fire"],
        ),
        ("--tau 5", ["--tau is not for signed_integrate_and_fire"]),
        ("--neuron integrate_and_fire --tau 5", ["--tau is not for integrate_and_fire"]),
        ("--signed", ["--signed is not for encoding constant_current"]),
    ],
)
def test_options_that_do_not_go_together_are_refused_all_at_once(options, messages):
    with pytest.raises(TgennError) as caught:
        method(*options.split())
    assert sorted(d.message for d in caught.value.diagnostics) == sorted(messages)
    assert {d.code for d in caught.value.diagnostics} == {"T408"}


@pytest.mark.parametrize(
    "options",
    [
        "--threshold x",
        "--v-init nan",
        "--timesteps 0",
        "--capacitance -1",
        "--readout-start -1",
        "--dt 1e99",
        "--tau 0",
    ],
)
def test_numbers_out_of_range_are_refused_by_name(options, capsys):
    with pytest.raises(SystemExit) as caught:
        method(*options.split())
    assert caught.value.code == 2
    assert options.split()[0] in capsys.readouterr().err


def test_the_capacitance_of_dense_layers_stays_as_the_preset_has_it():
    found = method("--preset", "tensor_genn", "--capacitance", "0.5")
    assert found.neuron.capacitance == 0.5 and found.dense_neuron.capacitance == 1.0


@pytest.mark.parametrize(
    ("chosen", "messages"),
    [
        (Method("percent"), ["unknown normalization 'percent'"]),
        (Method("None"), ["unknown normalization 'None'"]),
        (Method("model", per_channel=True), ["normalization 'model' has one scale per layer"]),
        (Method("data", readout="last"), ["unknown readout 'last'"]),
        (
            Method("mse", neuron=IntegrateAndFireNeuron(reset="zero")),
            ["normalization 'mse' needs reset by subtraction"],
        ),
        (
            Method(neuron=FewSpikeNeuron(), encoding=PoissonInput()),
            ["few-spike neurons cannot take the rate code"],
        ),
        (
            Method(neuron=IntegrateAndFireNeuron(v_rest=2.0)),
            ["expected a threshold above v_rest (2)"],
        ),
        (Method(neuron=IntegrateAndFireNeuron(reset="zero", v_rest=-1.0)), ["reset: zero needs v_rest 0"]),
        (Method(neuron=IntegrateAndFireNeuron("a")), ['threshold is "a", expected']),
        (Method(neuron=SignedIntegrateAndFireNeuron(v_init="uniform")), ['v_init is "uniform", expected']),
        (
            Method(
                neuron=IntegrateAndFireNeuron(v_init="uniform"),
                corrections=("potential", "kernels"),
                pooling="max",
            ),
            ["unknown pooling 'max'", "correction 'potential' needs", "unknown correction 'kernels'"],
        ),
    ],
)
def test_a_method_that_cannot_be_used_is_refused_with_all_that_is_wrong(chosen, messages):
    with pytest.raises(TgennError) as caught:
        check_method(chosen, has_data=True)
    found = sorted(d.message for d in caught.value.diagnostics)
    assert len(found) == len(messages)
    assert all(text.startswith(message) for text, message in zip(found, sorted(messages), strict=True)), found


@pytest.mark.parametrize("readout", ["membrane", "first_spike"])
def test_an_offset_is_refused_where_spikes_are_not_counted(readout):
    """Where the first spike is read, all classes that an offset raises would spike at once."""
    with pytest.raises(TgennError) as caught:
        check_method(Method(readout=readout, corrections=("offset",)), has_data=True)
    assert caught.value.diagnostics[0].message == "correction 'offset' needs the readout spike_count"


def test_a_method_that_needs_data_is_refused_without():
    with pytest.raises(TgennError) as caught:
        check_method(Method("none", corrections=("bias",)), has_data=False)
    assert caught.value.diagnostics[0].message == "corrections need calibration data"
