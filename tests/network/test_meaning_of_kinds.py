"""What is refused of neurons, encodings and readouts that are each fine, and not together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sample_networks import examples_for, of_all_kinds, with_population

from tgenn_gen import TgennError, simulate
from tgenn_gen.document.canonical_text import require_valid
from tgenn_gen.network.encodings.poisson import PoissonInput
from tgenn_gen.network.model import Simulation
from tgenn_gen.network.neurons.few_spike import FewSpikeNeuron
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.leaky_integrate_and_fire import LeakyIntegrateAndFireNeuron
from tgenn_gen.network.tensors import Tensor


def changed(name, population=None, **changes):
    """A sample network with other fields: of one population, or of itself."""
    network = of_all_kinds()[name]
    return (
        replace(network, **changes) if population is None else with_population(network, population, **changes)
    )


def output(name, **changes):
    network = of_all_kinds()[name]
    return replace(network, outputs=(replace(network.outputs[0], **changes),))


CASES = {
    "a rate code among few spikes": (
        changed("few_spike", "branch", neuron=IntegrateAndFireNeuron()),
        "T213",
        "'branch' uses a rate code, 'stem' uses the few-spike code",
    ),
    "an output that does not know of the code": (
        changed("few_spike", "classes", neuron=IntegrateNeuron()),
        "T213",
        "'classes' uses a rate code, 'stem' uses the few-spike code",
    ),
    "few spikes from a rate-coded input": (
        changed(
            "few_spike", inputs=(replace(of_all_kinds()["few_spike"].inputs[0], encoding=PoissonInput()),)
        ),
        "T213",
        "'stem' uses the few-spike code, 'image' uses a rate code",
    ),
    "too many steps for few spikes": (
        changed("few_spike", simulation=Simulation(1.0, 17)),
        "T210",
        "expected at most 16 time steps with the few-spike code, got 17",
    ),
    "a late readout of few spikes": (
        output("few_spike", start=2),
        "T210",
        "expected start 0 with the few-spike code, got 2",
    ),
    "a readout that never starts": (
        output("signed", start=7),
        "T210",
        "expected a start below timesteps (7), got 7",
    ),
    "a readout of another neuron": (
        output("signed", readout="spike_count"),
        "T207",
        "has no readout spike_count",
    ),
    "a function of first spikes": (
        output("regular", activation="softmax"),
        "T207",
        "softmax of first_spike, which gives an order and no logits",
    ),
    "a threshold below rest": (
        changed("binary", "branch", neuron=IntegrateAndFireNeuron(-61.0, "to_rest", -60.0, -60.0)),
        "T211",
        "expected a threshold above v_rest (-60), both in float32, got -61",
    ),
    "a threshold that is 0 in float32": (
        changed("binary", "branch", neuron=IntegrateAndFireNeuron(1e-50)),
        "T211",
        "expected a threshold above v_rest (0), both in float32, got 1e-50",
    ),
    "a leaky rate code among few spikes": (
        changed("few_spike", "branch", neuron=LeakyIntegrateAndFireNeuron()),
        "T213",
        "'branch' uses a rate code, 'stem' uses the few-spike code",
    ),
    "a leaky threshold at rest": (
        changed("leaky", "branch", neuron=LeakyIntegrateAndFireNeuron(-60.0, v_rest=-60.0)),
        "T211",
        "expected a threshold above v_rest (-60), both in float32, got -60",
    ),
    "a refractory time between two steps": (
        changed("leaky", "branch", neuron=LeakyIntegrateAndFireNeuron(refractory=1.5)),
        "T211",
        "expected a refractory time of whole time steps (1 ms), got 1.5 ms",
    ),
    "a refractory time of too many steps": (
        changed("leaky", "branch", neuron=LeakyIntegrateAndFireNeuron(refractory=100001.0)),
        "T211",
        "expected a refractory time of at most 100000 dt, got 100001 dt",
    ),
    "Euler steps that are longer than the membrane's time constant": (
        changed("leaky", "branch", neuron=LeakyIntegrateAndFireNeuron(tau=0.5, integration="euler")),
        "T211",
        "expected tau >= dt (1 ms) with Euler integration, got 0.5 ms",
    ),
    "Euler steps that are longer than the synapses' time constant": (
        changed("leaky", "branch", neuron=LeakyIntegrateAndFireNeuron(tau_syn=0.9, integration="euler")),
        "T211",
        "expected tau_syn >= dt (1 ms) with Euler integration, got 0.9 ms",
    ),
    "a leaky gain out of range": (
        changed("leaky", "branch", neuron=LeakyIntegrateAndFireNeuron(tau=1e-20, capacitance=1e20)),
        "T211",
        "a current of 1 changes V by 1e-40 in one time step",
    ),
    "potentials of another shape": (
        changed("few_spike", "stem", neuron=FewSpikeNeuron(v_init=Tensor("weights/v.npy", np.zeros(5)))),
        "T206",
        "has shape [5], expected [3] or [3, 5, 3]",
    ),
    "scales of another shape": (
        changed("signed", "branch", scale=Tensor("weights/s.npy", np.ones(5))),
        "T206",
        "has shape [5], expected [3]",
    ),
    "a scale of 0": (
        changed("signed", "branch", scale=Tensor("weights/s.npy", np.array([1.0, 0.0, 1.0]))),
        "T212",
        "contains values that are 0 or negative, expected more than 0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_go_together_is_refused(case):
    network, code, message = CASES[case]
    with pytest.raises(TgennError) as caught:
        require_valid(network)
    first = caught.value.diagnostics[0]
    assert first.code == code and message in first.message


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("poisson", lambda x: -x, "the encoding takes 0 to 1, the input ranges from -1"),
        ("signed_poisson", lambda x: 2 * x, "the encoding takes -1 to 1, the input ranges from -2"),
        ("physical", lambda x: x + 1, "the encoding takes 0 to 1, the input ranges from 1"),
        ("binary", lambda x: x / 2, "the encoding takes only 0 and 1, the input has 0.5"),
    ],
)
def test_input_that_the_encoding_cannot_take_is_refused(name, change, message):
    network = of_all_kinds()[name]
    with pytest.raises(TgennError) as caught:
        simulate(network, change(examples_for(network, 8)["image"]))
    assert message in str(caught.value)
