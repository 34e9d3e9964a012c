"""The latency of a network is what the clocks of the generated simulate.py say."""

from __future__ import annotations

import re

import pytest
from golden import GENERATED, golden_networks


@pytest.mark.parametrize("name", ["small_cnn", "few_spike", "mixed_inputs", "signed_poisson", "branched"])
def test_the_answer_comes_after_the_last_local_step_of_the_outputs(name):
    network = golden_networks()[name]
    script = (GENERATED / name / "simulate.py").read_text()
    outputs = {output.population for output in network.outputs}
    clocks = re.findall(r'add_neuron_population\(\s*"(\w+)",.*?net\.clock\(depth=(\d+)\)', script, re.S)
    depth = max(int(depth) for population, depth in clocks if population in outputs)
    for steps in (1, 7):
        first = depth * (steps if network.few_spike else 1)  # the global step of the local step 0
        last = first + steps - 1
        assert network.latency(steps) == last + 1
    assert network.latency() == network.latency(network.simulation.timesteps)
