"""Random models with weights of 1e-6 to 1e6 and inputs of any mean: the network computes what Keras does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from profiles import tries

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from random_graphs import exact_outputs, model_of, recipes  # noqa: E402

from tgenn_gen import Method, TgennError, convert  # noqa: E402
from tgenn_gen.engine.evaluation import relu_outputs  # noqa: E402
from tgenn_gen.keras_reader.loading import predict  # noqa: E402

pytestmark = pytest.mark.keras


def nearly_equal(network, recipe, model, expected):
    """The network computes the same to 1e-4 of the largest output, or as nearly as float32 allows Keras.

    Keras rounds too: the layers behind a mean of 1000 standard deviations are 1e-4 from what they would be.
    """
    found, exact = relu_outputs(network, {"image": recipe.data()}), None
    for index, (values, wanted) in enumerate(zip(found.values(), expected, strict=True)):
        difference = np.abs(values - wanted).max()
        if not difference <= 1e-4 * np.abs(wanted).max():
            exact = exact or exact_outputs(recipe, model)
            assert difference <= 3 * np.abs(wanted - exact[index]).max()


def converted_or_refused(recipe, method):
    model, x = model_of(recipe), recipe.data()
    try:
        network = convert(model, x, method)
    except TgennError as error:
        assert "bug" not in str(error)  # says what cancels, or what is not supported
    else:
        nearly_equal(network, recipe, model, predict(model, [x]))


@given(recipes())
@tries(40)
def test_any_model_computes_what_keras_does_or_is_refused(recipe):
    converted_or_refused(recipe, Method("none"))


@pytest.mark.slow
@given(recipes())
@settings(max_examples=40, deadline=None)  # others in each run of CI, as in the test above
def test_any_model_with_scales_computes_what_keras_does_or_is_refused(recipe):
    converted_or_refused(recipe, Method("data", per_channel=True))
