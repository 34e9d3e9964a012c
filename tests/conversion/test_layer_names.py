"""The names of Keras layers in the document: letters of other alphabets, names that collide."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import tries

from tgenn_gen import Method, convert, generate, load, save, simulate
from tgenn_gen.conversion.folding_state import identifier, population_names
from tgenn_gen.document.schema_check import fits
from tgenn_gen.keras_reader.keras_model import KerasLayer


def names_of(*layers: tuple[str, str]) -> list[str]:
    names, _ = population_names(tuple(KerasLayer(name, kind, {}) for name, kind in layers))
    return list(names.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dense_1", "dense_1"),
        ("block/conv 1", "block_conv_1"),
        ("_", "_"),
        ("", "_"),
        ("-x", "_x"),
        ("Schicht_äöü", "Schicht_aou"),
        ("größe 1", "grosse_1"),
        ("Ærø_Łódź", "AEro_Lodz"),
        ("couche d'entrée", "couche_d_entree"),
        ("ｃｏｎｖ２", "conv2"),
        ("слой_1", "dense_1"),
        ("слой_conv", "conv"),
        ("层1", "dense_1"),
        ("层", "dense"),
        ("层_2_块_3", "dense_2__3"),
        ("😀", "dense"),
        ("conv_σ", "conv"),
    ],
)
def test_a_name_keeps_what_can_be_read(name, expected):
    assert identifier(name, "Dense") == expected
    assert fits("name", expected)


def test_where_no_letter_is_left_a_layer_is_called_after_its_class():
    kinds = ["InputLayer", "Conv2D", "MaxPooling2D", "BatchNormalization", "ReLU"]
    expected = ["input_layer", "conv2d", "max_pooling2d", "batch_normalization", "re_lu"]
    assert [identifier("层", kind) for kind in kinds] == expected
    assert names_of(("层", "Dense"), ("слой", "Dense"), ("層", "Dense")) == ["dense", "dense_2", "dense_3"]


def test_a_layer_that_can_keep_its_name_keeps_it():
    """Whatever comes before it; names that differ in case alone count as one, as their weight files would."""
    assert names_of(("层1", "Dense"), ("dense_1", "Dense")) == ["dense_1_2", "dense_1"]
    assert names_of(("größe 1", "Dense"), ("Grosse_1", "Dense")) == ["grosse_1_2", "Grosse_1"]
    assert names_of(("a", "Dense"), ("A", "Dense"), ("ä", "Dense")) == ["a", "A_2", "a_3"]


@given(st.lists(st.text(st.sampled_from("aAäÄß1_ ./層слой-😀ø"), max_size=6), unique=True, max_size=8))
@tries(300)
def test_names_are_valid_different_and_always_the_same(layers):
    found, notes = population_names(tuple(KerasLayer(name, "Dense", {}) for name in layers))
    assert list(found) == layers and len({name.lower() for name in found.values()}) == len(layers)
    assert all(fits("name", name) for name in found.values())
    assert (found, notes) == population_names(tuple(KerasLayer(name, "Dense", {}) for name in layers))
    assert len(notes) == sum(new != old for old, new in found.items())
    kept = [name for name in layers if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name)]
    alone = [name for name in kept if [k.lower() for k in kept].count(name.lower()) == 1]
    assert all(found[name] == name for name in alone)


@pytest.mark.keras
def test_a_model_with_names_in_other_alphabets_becomes_a_project(tmp_path):
    keras = pytest.importorskip("keras", reason="TensorFlow is not installed")
    x = keras.Input((4,), name="вход")
    y = keras.layers.Dense(3, activation="relu", name="Schicht_äöü")(x)
    y = keras.layers.Dense(3, activation="relu", name="слой_1")(y)
    model = keras.Model(x, keras.layers.Dense(2, name="层2")(y), name="модель")
    network = convert(model, method=Method(normalize="model"))
    assert [p.name for p in network.populations] == ["Schicht_aou", "dense_1", "dense_2"]
    assert (network.name, network.inputs[0].name) == ("model", "input_layer")
    assert [note for note in network.provenance["changes"] if "is called" in note] == [
        "layer 'вход' is called input_layer in the document",
        "layer 'Schicht_äöü' is called Schicht_aou in the document",
        "layer 'слой_1' is called dense_1 in the document",
        "layer '层2' is called dense_2 in the document",
    ]
    save(network, tmp_path / "n")
    generate(network, tmp_path / "n")
    data = np.random.default_rng(0).random((3, 4), np.float32)
    np.testing.assert_array_equal(simulate(load(tmp_path / "n"), data).output, simulate(network, data).output)
    again = tmp_path / "again.keras"
    model.save(again)
    assert [p.name for p in convert(again, method=Method(normalize="model")).populations] == [
        p.name for p in network.populations
    ]
