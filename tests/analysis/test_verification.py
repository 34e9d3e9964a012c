"""tgenn_gen.verify: against Keras' activations and sums by hand; right conversions and planted faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from anns import resnet  # noqa: E402
from keras_models import MODELS, examples_of, randomized  # noqa: E402

from tgenn_gen import PRESETS, TgennError, convert, simulate, verify  # noqa: E402
from tgenn_gen.analysis.reference import keras_reference  # noqa: E402
from tgenn_gen.analysis.verification import ADDED_UP, Agreement  # noqa: E402
from tgenn_gen.analysis.verification_report import verdict  # noqa: E402
from tgenn_gen.conversion.methods import Method  # noqa: E402
from tgenn_gen.document.weight_file_names import with_weight_names  # noqa: E402
from tgenn_gen.engine.simulation import simulated_batches  # noqa: E402
from tgenn_gen.network.neurons.leaky_integrate_and_fire import (  # noqa: E402
    LeakyIntegrateAndFireNeuron,
)
from tgenn_gen.network.tensors import Tensor  # noqa: E402
from tgenn_gen.runtime.neuron_updates import few_spike_weights  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers
METHODS = {
    "low_latency, T = 64": replace(PRESETS["low_latency"], timesteps=64),
    "low_latency": PRESETS["low_latency"],
    "few_spike": PRESETS["few_spike"],
    "plain, T = 64": replace(PRESETS["plain"], timesteps=64),
    "leaky, T = 64": replace(PRESETS["plain"], timesteps=64, neuron="leaky_integrate_and_fire"),
}


def small(seed=0):
    """Layers whose outputs are a population's activations: BatchNormalization, Add, max-pooling, bias."""
    image = keras.Input((8, 6, 2))
    y = layers.Conv2D(3, (3, 2), padding="same", use_bias=False)(image)
    y = first = layers.ReLU(name="first")(layers.BatchNormalization()(y))
    y = layers.Conv2D(3, 3, padding="same", name="second")(y)
    y = layers.ReLU(name="added")(layers.Add()([y, first]))
    y = layers.MaxPooling2D((2, 3), name="pooled")(y)
    y = layers.Dense(7, "relu", name="hidden")(layers.Flatten()(y))
    return randomized(keras.Model(image, layers.Dense(4, "softmax", name="classes")(y)), seed)


def activations(model, x, *names):
    """{layer: what Keras computes}."""
    return {n: np.asarray(keras.Model(model.inputs, model.get_layer(n).output)(x)) for n in names}


def examples(n=40, seed=1):
    return np.random.default_rng(seed).random((n, 8, 6, 2), np.float32)


@pytest.fixture(scope="module", params=["low_latency, T = 64", "low_latency", "few_spike"])
def converted(request):
    model = small()
    return model, convert(model, examples(100, 2), METHODS[request.param], check=False)


def rates_of(network, x):
    """{population: its net rate, (n, *shape)}, from spikes one by one."""
    result = simulate(network, x, record=[p.name for p in network.populations if p.neuron.spikes])
    steps = network.simulation.timesteps
    weights = few_spike_weights(steps).astype(np.float64) if network.few_spike else np.ones(steps)
    return {name: np.tensordot(s, weights, (1, 0)) / weights.sum() for name, s in result.spikes.items()}


LAYERS = {"conv2d": "first", "add": "added", "pooled": "pooled", "hidden": "hidden"}  # of populations


def test_figures_are_those_of_keras_activations_and_of_spikes_one_by_one(converted):
    model, network = converted
    x = examples()
    found, counts = verify(network, x, model=model), simulate(network, x).spike_counts
    names = dict(zip([p.name for p in network.populations[:-1]], LAYERS.values(), strict=True))
    rates, in_keras = rates_of(network, x), activations(model, x, *LAYERS.values())
    assert [layer.name for layer in found.layers] == [*names, "classes"]
    for name, layer in names.items():
        r = rates[name]
        a, s = in_keras[layer].astype(np.float64), network.population(name).scales
        emitted, figures = s * r, found[name]
        assert figures.correlation == pytest.approx(np.corrcoef(a.ravel(), emitted.ravel())[0, 1], abs=1e-5)
        error = np.sqrt(((emitted - a) ** 2).sum() / (a**2).sum())
        assert figures.relative_error == pytest.approx(error, abs=1e-5)
        assert figures.bias == pytest.approx((emitted - a).mean(), abs=1e-5)
        assert figures.clipped == pytest.approx((a > s).mean(), abs=1e-3)
        assert figures.saturated == pytest.approx((np.abs(r) > 1 - 1e-9).mean())
        assert figures.silent == (counts[name] == 0).mean()
    assert np.isnan(found["classes"].silent)


def test_logits_of_an_output_are_compared_before_softmax(converted):
    model, network = converted
    x = examples()
    found = verify(network, x, model=model).layers[-1]
    hidden = activations(model, x, "hidden")["hidden"]
    kernel, bias = map(np.asarray, model.get_layer("classes").weights)
    a, emitted = hidden @ kernel + bias, simulate(network, x).logits["classes"]
    assert found.relative_error == pytest.approx(np.sqrt(((emitted - a) ** 2).sum() / (a**2).sum()), rel=1e-3)


def test_figures_do_not_depend_on_batches():
    model = small()
    network = convert(model, examples(100, 2), PRESETS["low_latency"], check=False)
    x = examples(30)
    whole = verify(network, x, model=model)
    given = {network.inputs[0].name: x}
    agreement = Agreement(network, keras_reference(network, model, given), 16)
    done = 0
    for batch in simulated_batches(network, given, 16, batch_size=7, record=agreement.record):
        size = len(batch.logits["classes"])
        agreement.add(batch, {name: v[done : done + size] for name, v in given.items()})
        done += size
    parts = agreement.result()
    assert parts.n == whole.n == 30
    for one, other in zip(parts.layers, whole.layers, strict=True):
        for name in ("correlation", "relative_error", "bias", "gain", "weights_error", "neuron_error"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_right_conversions_pass(name, method):
    model = randomized(MODELS[name]())
    network = convert(model, examples_of(model, 128), METHODS[method], check=False)
    found = verify(network, examples_of(model, 40, seed=2), model=model)
    assert found.passed and bool(found.notes) == (name == "max_of_negative")  # whose constants are not known
    assert [layer.name for layer in found.layers] == [p.name for p in network.populations]
    if "weights" not in METHODS[method].corrections:
        assert max(layer.weights_error for layer in found.layers) < 1e-3


@pytest.mark.parametrize(
    ("encoding", "timesteps"), [("poisson", 200), ("integrate_and_fire", 64)], ids=["poisson", "i&f"]
)
def test_inputs_that_spike_have_a_line_of_their_own(encoding, timesteps):
    model = small()
    method = Method("data", neuron="signed_integrate_and_fire", encoding=encoding, timesteps=timesteps)
    network = convert(model, examples(100, 2), method, check=False)
    x = examples()
    found = verify(network, x, model=model, seed=3)
    first = found.layers[0]
    assert first.name == network.inputs[0].name and first.weights_error == 0
    counts = simulate(network, x, seed=3).spike_counts[first.name]
    emitted = counts / timesteps * network.inputs[0].encoding.scale(1.0)
    error = np.sqrt(((emitted - x) ** 2).sum() / (x**2).sum())
    assert first.relative_error == pytest.approx(error, rel=1e-4)
    assert found.passed == (encoding == "poisson" or first.neuron_error < found.tolerance)


def changed(network, name, **values):
    populations = tuple(replace(p, **values) if p.name == name else p for p in network.populations)
    return with_weight_names(replace(network, populations=populations))


def with_kernels(population, change, names=("kernel",)):
    """The inputs of a population with changed tensors of its maps."""

    def changed_map(m):
        found = {k: Tensor.unnamed(change(t.values)) for k, t in m.tensors.items() if k in names}
        return replace(m, **found) if found else m

    return tuple(replace(c, through=tuple(map(changed_map, c.through))) for c in population.inputs)


def recorded_scale(network, name, factor=1.1):
    """Only the record: the scale that rates are read with."""
    p = network.population(name)
    scale = Tensor.unnamed(p.scales * factor) if isinstance(p.scale, Tensor) else p.scale * factor
    return changed(network, name, scale=scale)


def normalization(network, name, factor=1.1):
    """The weights and the bias: what rescaling with another scale would have changed."""
    p = network.population(name)
    bias = p.bias and Tensor.unnamed(p.bias.values * factor)
    return changed(
        network, name, inputs=with_kernels(p, lambda k: k * factor, ("kernel", "factor")), bias=bias
    )


def activity(network, name):
    """The mean of what a population emits, one for each channel; of an input its number of channels."""
    if name == network.inputs[0].name:
        return np.ones(network.inputs[0].shape[-1])
    emitted = rates_of(network, examples())[name] * network.population(name).scales
    return emitted.mean(axis=0)


def output_channel(network, name):
    active = activity(network, name)
    silenced = active.reshape(-1, active.shape[-1]).mean(axis=0).argmax()
    p = network.population(name)
    kept = np.arange(active.shape[-1]) != silenced
    bias = p.bias and Tensor.unnamed(p.bias.values * kept)
    return changed(network, name, inputs=with_kernels(p, lambda k: k * kept, ("kernel", "factor")), bias=bias)


def input_channel(network, name):
    p = network.population(name)

    def zeroed(kernel):
        active = activity(network, p.inputs[0].source)
        silenced = active.reshape(-1, kernel.shape[-2]).mean(axis=0).argmax()
        return kernel * (np.arange(kernel.shape[-2]) != silenced)[:, None]

    return changed(network, name, inputs=with_kernels(p, zeroed))


def bias(network, name):
    return changed(network, name, bias=None)


def threshold(network, name):
    neuron = network.population(name).neuron
    return changed(network, name, neuron=replace(neuron, threshold=2 * neuron.threshold))


def smaller_normalization(network, name):
    return normalization(network, name, 0.9)


FAULTS = [
    recorded_scale,
    normalization,
    smaller_normalization,
    output_channel,
    bias,
    threshold,
    input_channel,
]
PLACES = {"first": 0, "middle": 1, "last": -1}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_as_the_first_departure(converted, fault, place):
    model, network = converted
    spiking = [p.name for p in network.populations if p.neuron.spikes and not p.neuron.relays]
    name = spiking[PLACES[place]]
    assert verify(network, examples(), model=model).passed
    found = verify(fault(network, name), examples(), model=model)
    assert found.first_departure == name and not found.passed
    assert found[name].departs == "weights"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["low_latency, T = 64", "few_spike"])
def test_a_scale_changed_by_10_percent_in_any_layer_of_a_resnet_8_is_named(method):
    model = randomized(resnet(1, "resnet8"))
    images = np.random.default_rng(0).random((88, 32, 32, 3), np.float32)
    network = convert(model, images[:64], METHODS[method], check=False)
    assert verify(network, images[64:], model=model).passed
    for population in [p.name for p in network.populations if p.neuron.spikes]:
        for fault in (recorded_scale, normalization):
            found = verify(fault(network, population), images[80:], model=model)
            assert found.first_departure == population


@pytest.mark.parametrize("channel", [0, 2])
def test_the_channel_that_differs_is_named(converted, channel):
    model, network = converted
    name = network.populations[1].name
    kept = np.ones(network.shapes[name][-1], np.float32)
    kept[channel] = 5
    p = network.population(name)
    many = changed(network, name, inputs=with_kernels(p, lambda k: k * kept, ("kernel", "factor")))
    assert verify(many, examples(), model=model)[name].worst_channel == channel


def test_a_fault_of_10_percent_shows_as_the_gain_of_the_population(converted):
    model, network = converted
    name = network.populations[1].name
    before = verify(network, examples(), model=model)[name].gain
    for fault in (recorded_scale, normalization):
        gain = verify(fault(network, name), examples(), model=model)[name].gain
        assert gain == pytest.approx(1.1 * before, abs=0.02)


def negative():
    """Max-pooling of values below 0, which a conversion raises, twice; the second one reads the first."""
    image = keras.Input((8, 6, 2))
    y = layers.MaxPooling2D(2, padding="same", name="max")(layers.Conv2D(4, 3, name="raised")(image))
    y = layers.MaxPooling2D((1, 2), name="max2")(layers.Conv2D(3, (1, 1), name="raised2")(y))
    y = layers.Conv2D(4, (2, 1), activation="relu", name="reader")(y)
    return randomized(keras.Model(image, layers.Dense(3, name="out")(layers.Flatten()(y))))


@pytest.mark.parametrize("method", ["few_spike", "plain, T = 64"])
def test_constants_of_shifts_are_exactly_those_of_the_conversion(method):
    model = negative()
    network = convert(model, examples(60, 2), METHODS[method], check=False)
    found = verify(network, examples(), model=model)
    assert any("raised, raised2 are not recorded" in note for note in found.notes)
    assert found.passed and max(layer.weights_error for layer in found.layers) < 1e-4
    for name in ("raised", "raised2", "reader", "out"):
        fault = verify(normalization(network, name, 1.04), examples(), model=model)
        assert fault.first_departure == name


@pytest.mark.parametrize("method", ["few_spike", "low_latency"])
def test_figures_of_shifted_max_pooling_do_not_depend_on_the_order_of_examples(method):
    model = negative()
    network = convert(model, examples(100, 2), METHODS[method], check=False)
    x = examples(60)
    x = x[np.argsort(x.mean(axis=(1, 2, 3)))]
    found, other = (verify(network, given, model=model) for given in (x, x[::-1]))
    assert found.passed
    for one, two in zip(found.layers, other.layers, strict=True):
        for name in ("relative_error", "gain", "weights_error", "channel_error", "neuron_error"):
            assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-6)


def test_a_wrong_bias_of_a_shifted_population_shows_at_the_first_reader_that_is_not_shifted():
    model = negative()
    network = convert(model, examples(60, 2), METHODS["few_spike"], check=False)
    for name in ("raised", "raised2"):
        values = network.population(name).bias.values
        fault = changed(network, name, bias=Tensor.unnamed(1.5 * values))
        assert verify(fault, examples(), model=model).first_departure == "reader"


LEAKY = LeakyIntegrateAndFireNeuron(tau=20.0, v_init=0.5)


def test_leaky_neurons_are_compared_with_what_does_not_leak_out():
    model = small()
    method = Method("data", neuron=LEAKY, timesteps=64)
    network = convert(model, examples(100, 2), method, check=False)
    found = verify(network, examples(), model=model)
    assert found.passed and max(layer.weights_error for layer in found.layers) < 1e-4
    (note,) = [note for note in network.provenance["changes"] if "leaks out" in note]
    assert "tau 20 ms" in note and "by the current of 0.0244 spikes per step" in note


def test_a_leak_that_nothing_makes_up_for_is_a_bias_that_differs():
    model = small()
    network = convert(model, examples(100, 2), Method("data", timesteps=64), check=False)
    leaky = changed(network, "hidden", neuron=replace(LEAKY, tau=5.0))
    found = verify(leaky, examples(), model=model)
    assert found.first_departure == "hidden" and found["hidden"].departs == "weights"


def test_a_short_time_constant_is_named_as_what_makes_neurons_depart():
    model = small()
    method = Method("data", neuron=replace(LEAKY, tau=1.0), timesteps=16)
    network = convert(model, examples(100, 2), method, check=False)
    found = verify(network, examples(), model=model)
    assert "They leak: convert with a longer `tau`" in verdict(found, network)
    assert max(layer.weights_error for layer in found.layers) < 1e-4


def test_neurons_that_lose_are_told_from_wrong_weights():
    model = small()
    method = Method("data", neuron=replace(Method().neuron, reset="zero"), timesteps=16)
    network = convert(model, examples(100, 2), method, check=False)
    found = verify(network, examples(), model=model)
    assert found.layers[0].departs == "neurons"
    assert max(layer.weights_error for layer in found.layers) < 1e-3
    alone = verify(network, examples())
    assert alone.first_departure == found.first_departure


def test_errors_of_rounding_alone_that_add_up_depart_at_the_output():
    hidden = [layers.Dense(24, "relu") for _ in range(9)]
    model = randomized(keras.Sequential([keras.Input((12,)), *hidden, layers.Dense(3)]))
    x = np.random.default_rng(0).random((100, 12), np.float32)
    network = convert(model, x, replace(PRESETS["plain"], timesteps=3), check=False)
    found = verify(network, x, model=model, tolerance=10.0)
    assert found.layers[-1].relative_error > ADDED_UP
    assert found.first_departure == network.populations[-1].name and found.layers[-1].departs == "added up"


def test_without_a_model_the_document_with_relus_is_the_ann():
    model = small()
    network = convert(model, examples(100, 2), METHODS["few_spike"], check=False)
    found, beside = verify(network, examples()), verify(network, examples(), model=model)
    assert found.ann == "the document with ReLUs" and found.passed
    for one, other in zip(found.layers, beside.layers, strict=True):
        assert one.relative_error == pytest.approx(other.relative_error, abs=1e-4)
        assert one.weights_error == 0
    faulty = normalization(network, network.populations[0].name, 2.0)
    assert verify(faulty, examples()).layers[0].weights_error == 0
    assert any("weights are not verified" in note for note in found.notes)
    corrected = convert(model, examples(100, 2), METHODS["low_latency"], check=False)
    assert any("is not the ANN" in note for note in verify(corrected, examples()).notes)


def test_a_model_of_other_layers_is_an_error_that_names_the_first_difference():
    network = convert(small(), examples(100, 2), METHODS["few_spike"], check=False)
    other = keras.Sequential([keras.Input((8, 6, 2)), layers.Flatten(), layers.Dense(4)])
    with pytest.raises(
        TgennError, match=r"T507\]: is converted to 1 populations, expected \d, as in network.yaml"
    ):
        verify(network, examples(), model=other)
    wider = keras.Input((8, 6, 2))
    y = layers.Dense(9, "relu", name="hidden")(layers.Flatten()(wider))
    narrow = keras.Model(wider, layers.Dense(4)(y))
    network = convert(narrow, examples(100, 2), METHODS["few_spike"], check=False)
    y = layers.Dense(8, "relu", name="hidden")(layers.Flatten()(wider))
    with pytest.raises(TgennError, match=r"its layer hidden has shape \[8\], expected \[9\] as hidden"):
        verify(network, examples(), model=keras.Model(wider, layers.Dense(4)(y)))


def test_populations_of_other_names_are_compared_in_order_with_a_note():
    model = small()
    network = convert(model, examples(100, 2), METHODS["few_spike"], check=False)
    other = small()
    for layer in other.layers[1:]:
        layer._name = f"{layer.name}_x" if hasattr(layer, "_name") else layer.name
    renamed = replace(
        network,
        populations=tuple(
            replace(
                p,
                name=f"p_{p.name}",
                inputs=tuple(
                    replace(c, source=c.source if c.source == network.inputs[0].name else f"p_{c.source}")
                    for c in p.inputs
                ),
            )
            for p in network.populations
        ),
        outputs=tuple(replace(o, population=f"p_{o.population}") for o in network.outputs),
    )
    found, same = verify(renamed, examples(), model=model), verify(network, examples(), model=model)
    assert found.passed and "compared in order" in found.notes[0]
    assert [x.relative_error for x in found.layers] == [x.relative_error for x in same.layers]


def test_average_pooling_in_place_of_max_pooling_is_compared_with_itself_and_noted():
    model = small()
    method = replace(METHODS["few_spike"], max_pool="average")
    network = convert(model, examples(100, 2), method, check=False)
    found = verify(network, examples(), model=model)
    assert found.passed and "average pooling" in found.notes[0]
    unknown = replace(network, provenance={})  # written by hand: each way of pooling is tried
    assert verify(unknown, examples(), model=model).passed


@pytest.mark.parametrize(
    "provenance",
    [{"pooling": ["folded"]}, {"max_pool": 3}, {"corrections": None}, {"corrections": 2}],
    ids=str,
)
def test_provenance_that_a_user_wrote_is_no_error(provenance):
    model = randomized(keras.Sequential([keras.Input((9,)), layers.Dense(12, "relu"), layers.Dense(4)]))
    x = np.random.default_rng(0).random((40, 9), np.float32)
    network = replace(convert(model, x, METHODS["few_spike"], check=False), provenance=provenance)
    assert verify(network, x, model=model).passed


@pytest.mark.parametrize("readout", ["spike_count", "first_spike"])
def test_outputs_that_spike_and_were_raised_are_verified(readout):
    model = randomized(keras.Sequential([keras.Input((9,)), layers.Dense(12, "relu"), layers.Dense(4)]))
    x = np.random.default_rng(0).random((120, 9), np.float32)
    corrections = ("offset",) if readout == "spike_count" else ()
    method = replace(METHODS["low_latency, T = 64"], readout=readout, corrections=corrections)
    network = convert(model, x, method, check=False)
    found = verify(network, x[:50], model=model)
    assert found.passed and [network.populations[-1].name in n for n in found.notes] == [True] * len(
        corrections
    )
    assert found.layers[-1].weights_error < 1e-4
    fault = normalization(network, network.populations[-1].name, 1.3)
    assert verify(fault, x[:50], model=model).first_departure == network.populations[-1].name


def test_wrong_arguments_are_errors():
    network = convert(small(), examples(20, 2), METHODS["few_spike"], check=False)
    for arguments, message in (
        ({"tolerance": 0}, "tolerance is 0"),
        ({"tolerance": "1"}, "tolerance is '1'"),
        ({"timesteps": 99}, "at most 16"),
    ):
        with pytest.raises(TgennError, match=message):
            verify(network, examples(3), **arguments)


@pytest.mark.parametrize("n", [1, 19, 20])
def test_a_note_says_how_many_examples_are_few(n):
    network = convert(small(), examples(100, 2), METHODS["few_spike"], check=False)
    notes = [note for note in verify(network, examples(n)).notes if "rough" in note]
    expected = [f"only {n} examples are verified, the figures are rough: give about 200"]
    assert notes == (expected if n < 20 else [])


def test_one_example_is_enough_for_weights():
    model = small()
    network = convert(model, examples(100, 2), METHODS["few_spike"], check=False)
    assert verify(network, examples(1), model=model).passed
    fault = normalization(network, network.populations[0].name)
    assert verify(fault, examples(1), model=model).first_departure == network.populations[0].name
