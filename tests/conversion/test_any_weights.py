"""Random models with weights of 1e-6 to 1e6 and inputs of any mean: the network computes what Keras does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from profiles import tries

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from random_graphs import model_of, recipes  # noqa: E402

from tgenn_gen import Method, TgennError, convert  # noqa: E402
from tgenn_gen.engine.evaluation import relu_outputs  # noqa: E402
from tgenn_gen.keras_reader.loading import predict  # noqa: E402

pytestmark = pytest.mark.keras


@given(recipes())
@tries(40)
def test_any_model_computes_what_keras_does_or_is_refused(recipe):
    model, x = model_of(recipe), recipe.data()
    expected = predict(model, [x])
    for method, tolerance in ((Method("none"), 1e-4), (Method("data", True), 1e-4)):
        try:
            network = convert(model, x, method)
        except TgennError as error:
            assert "bug" not in str(error)
            continue
        found = relu_outputs(network, {"image": x})
        for values, wanted in zip(found.values(), expected, strict=True):
            assert np.abs(values - wanted).max() <= tolerance * np.abs(wanted).max() + 1e-30
