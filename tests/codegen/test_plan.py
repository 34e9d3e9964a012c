"""The plan that templates print: documented, versioned, and shown by `tgenn plan`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields

import jinja2
import pytest
from golden import GENERATED, golden_networks

from tgenn_gen.cli.main import main
from tgenn_gen.codegen.lowering import lower
from tgenn_gen.codegen.plan import CLASSES, PLAN_VERSION
from tgenn_gen.document.canonical_text import document_of
from tgenn_gen.document.reading import read_document


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_field_of_the_plan_is_documented(cls):
    entries = re.findall(r"^    (\w+(?:, \w+)*)  +\S", cls.__doc__, re.MULTILINE)
    assert [name for entry in entries for name in entry.split(", ")] == [f.name for f in fields(cls)]


PLAN_2 = """
    Plan: plan_version name identifier document_sha256 dt timesteps few_spike latency delayed signed inputs
        neuron_models populations genn_populations outputs random synapses sparse_bytes largest_population
        genn_imports numpy_imports genn_lines numpy_lines
    InputPlan: name identifier shape spikes uint8_divisor values_cpp data_range lines numpy_lines
    WeightPlan: identifier file shape lines
    NeuronModelPlan: identifier params variables sim_code threshold reset
    PopulationPlan: name identifier shape size description activation comments depth stream weights bias
        neuron_model neuron_params variables tensors spikes counts driven driving driving_parameters
        current_lines params_lines variables_lines neurons_lines last_read connections output
    ConnectionPlan: identifier source source_identifier source_size description lines from_input matrix
        matrix_python assigned not_toeplitz kernel kernel_name kernel_line signed row_build_code
        diagonal_build_code sparse_bytes kernel_size fan_out delay
    OutputPlan: scale start variable weights function read genn_lines numpy_lines
"""


def test_what_version_2_of_the_plan_has_stays_while_that_is_its_version():
    """A field that goes, or gets another name: PLAN_VERSION goes up, and its fields stand here."""
    assert PLAN_VERSION == 2
    there = {cls.__name__: {f.name for f in fields(cls)} for cls in CLASSES}
    promised = re.findall(r"(\w+):([\w\s]+?)(?=\s+\w+:|\s*$)", PLAN_2)
    assert len(promised) == len(CLASSES)
    for name, names in promised:
        assert set(names.split()) <= there[name], name


def test_plan_prints_expressions_that_give_their_values_in_a_template(capsys):
    assert main(["plan", str(GENERATED / "branched")]) == 0
    lines = capsys.readouterr().out.splitlines()
    plan = lower(read_document(GENERATED / "branched"))
    assert (
        f"plan.populations[1].connections[0].kernel = {plan.populations[1].connections[0].kernel!r}" in lines
    )
    environment = jinja2.Environment()
    for line in lines:
        expression, value = line.split(" = ", 1)
        found = repr(environment.compile_expression(expression)(plan=plan))
        assert found == value or (value.endswith("...") and found.startswith(value[:-3])), expression


def test_plan_prints_all_of_it_as_json(capsys):
    assert main(["plan", str(GENERATED / "few_spike" / "network.yaml"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["plan_version"] == PLAN_VERSION
    assert printed == json.loads(json.dumps(asdict(lower(document_of(golden_networks()["few_spike"])))))
