"""A verification as a table, a verdict and JSON: of figures that are given."""

from __future__ import annotations

import json
from dataclasses import fields
from math import inf, nan

import pytest
from sample_networks import small_cnn

from tgenn_gen.analysis.verification import LayerAgreement, Verification
from tgenn_gen.analysis.verification_report import verdict, verification_data, verification_table


def verification(**figures) -> Verification:
    """Of one population, with figures of 0 but these."""
    zeros = {field.name: 0.0 for field in fields(LayerAgreement)} | {"name": "conv1", "departs": ""}
    return Verification("n", "m.keras", 5, 8, 0.075, (LayerAgreement(**zeros | figures),))


def test_figures_of_an_ann_that_is_silent_are_null_in_json_and_a_dash_in_the_table():
    found = verification(relative_error=inf, weights_error=inf, gain=nan)
    data = json.loads(json.dumps(verification_data(found), allow_nan=False))["layers"][0]
    assert (data["relative_error"], data["weights_error"], data["gain"], data["bias"]) == (
        None,
        None,
        None,
        0,
    )
    assert "inf" not in verification_table(found) and "nan" not in verification_table(found)


@pytest.mark.parametrize(
    ("weights", "channel", "text"),
    [
        (0.03, 0.08, "by 3.0 %, with a gain of"),  # below the tolerance: that of corrected weights
        (0.1, 0.2, "by 10.0 %, with a gain of"),
        (0.1, 0.9, "by 90.0 % in channel 3"),
        (0.01, 0.06, "by 6.0 % in channel 3"),
    ],
)
def test_the_verdict_says_whether_one_channel_or_the_whole_current_differs(weights, channel, text):
    found = verification(weights_error=weights, channel_error=channel, worst_channel=3, departs="weights")
    assert text in verdict(found, small_cnn())


@pytest.mark.parametrize(
    ("v_init", "advice"),
    [(0.0, "set v_init to 0.5, or convert"), (0.5, "Convert with more `timesteps`, or with")],
)
def test_neurons_that_do_not_start_halfway_to_the_threshold_are_told_to(v_init, advice):
    network = small_cnn().with_values({"conv1.neuron.v_init": v_init, "conv1.neuron.threshold": 1.0})
    assert advice in verdict(verification(neuron_error=0.2, departs="neurons"), network)


def test_a_verification_shows_itself_in_a_line_and_suggests_names():
    found = verification(departs="weights")
    assert repr(found) == (
        "<Verification n: failed, conv1 is the first population that departs; "
        "5 examples, 8 time steps, compared with m.keras>"
    )
    with pytest.raises(KeyError, match="there is no population 'conv2'; did you mean 'conv1'"):
        found["conv2"]
