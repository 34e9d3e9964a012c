"""The neurons: one module for each kind.

A module imports only those above it:

    neuron                     the interface
    few_spike
    integrate
    integrate_and_fire
    leaky_integrate_and_fire
    maximum
    plugin_neuron              kinds that plugins declare
    signed_integrate_and_fire
"""

from tgenn_gen.network.neurons import (
    few_spike,
    integrate,
    integrate_and_fire,
    leaky_integrate_and_fire,
    maximum,
    signed_integrate_and_fire,
)
from tgenn_gen.network.neurons.neuron import Neuron

NEURONS: dict[str, type[Neuron]] = {  # plugins add theirs
    cls.kind: cls
    for cls in (
        few_spike.FewSpikeNeuron,
        integrate.IntegrateNeuron,
        integrate_and_fire.IntegrateAndFireNeuron,
        leaky_integrate_and_fire.LeakyIntegrateAndFireNeuron,
        maximum.MaximumNeuron,
        signed_integrate_and_fire.SignedIntegrateAndFireNeuron,
    )
}
