"""Edits of documents as people write them: what is not meant stays, to the character."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from handwriting import Hand
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_networks import autoencoder, branched, every_op, of_all_kinds, small_cnn, with_several

from tgenn_gen import Network, save
from tgenn_gen.document.canonical_text import document_data, document_text
from tgenn_gen.document.reading import load_source
from tgenn_gen.document.weight_files import WeightFolder
from tgenn_gen.document.yaml_source import parse_source
from tgenn_gen.editing.formatting import formatted
from tgenn_gen.editing.migration import migrated
from tgenn_gen.editing.set_values import edited
from tgenn_gen.editing.text_edits import edited_text, edits_towards, weight_references


@cache
def networks() -> dict[str, Network]:
    """By name; with notes that have what starts comments in them."""
    all_of_them = [small_cnn(), branched(), every_op(), autoencoder()]
    all_of_them += [*of_all_kinds().values(), *with_several().values()]
    notes = {"a # b": "'#' is no comment # here", "changes": ["x: #1", "# y", "z\n  # w"], "deep": {"k": "#"}}
    return {n.name: replace(n, provenance=notes) for n in all_of_them}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """The folder of each network's weights."""
    top = tmp_path_factory.mktemp("networks")
    for name, network in networks().items():
        save(network, top / name)
    return {name: top / name for name in networks()}


names = st.sampled_from(sorted(networks()))
hands = st.integers(0, 2**32 - 1).map(random.Random)
often = st.sampled_from([0, 0.05, 0.3, 0.9])


def scalars(text: str) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """Where each scalar starts and ends in a text, by its path, as PyYAML's own nodes have it."""
    found = {}

    def visit(node: yaml.Node, path: tuple[str | int, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                visit(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                visit(item, (*path, index))
        else:
            found[path] = node.start_mark.index, node.end_mark.index

    visit(yaml.compose(text, Loader=yaml.SafeLoader), ())
    return found


@given(names, hands, often)
@settings(deadline=None, max_examples=15)
def test_the_values_of_a_handwritten_document_become_canonical_and_all_else_stays(folders, name, rng, often):
    network, weights, hand = networks()[name], WeightFolder(folders[name]), Hand(rng, often)
    source = parse_source(hand.document(document_data(network)), "by_hand.yaml")
    assert load_source(source, weights) == network  # the hand wrote what it was given

    text = formatted(source, weights)
    again = parse_source(text, "formatted.yaml")
    assert load_source(again, weights) == network
    assert formatted(again, weights) == text

    def spelt(text: str) -> dict[tuple[str | int, ...], str]:
        return {path: text[start:end] for path, (start, end) in scalars(text).items()}

    assert spelt(text) == spelt(document_text(network))
    assert all(text.count(comment) == source.text.count(comment) for comment in hand.comments)
    lines, before = text.splitlines(), source.text.splitlines()
    assert [indent(line) for line in lines] == [indent(line) for line in before]


def indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


@given(
    names, hands, often, st.sampled_from(["0.25", "7", "true", "null", "word", '"two # words"', "1.0e-07"])
)
@settings(deadline=None, max_examples=15)
def test_a_value_is_set_in_a_handwritten_document_and_no_other_character_changes(name, rng, often, new):
    hand = Hand(rng, often)
    source = parse_source(hand.document(document_data(networks()[name])), "by_hand.yaml")
    places = scalars(source.text)
    path = rng.choice([p for p in places if not any("." in str(part) for part in p)])
    data, _ = edited(source, [f"{'.'.join(map(str, path))}={new}"])
    text = edited_text(source, edits_towards(source, data), data)
    start, end = places[path]
    assert text == source.text[:start] + new + source.text[end:]
    expected: Any = parse_source(source.text, "by_hand.yaml").data
    holder = expected
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = parse_source(new, "new").data
    assert parse_source(text, "by_hand.yaml").data == expected
    assert all(text.count(comment) == source.text.count(comment) for comment in hand.comments)


@given(names, hands, often)
@settings(deadline=None, max_examples=10)
def test_collections_are_replaced_and_keys_added_in_a_handwritten_document(name, rng, often):
    """Which comments stay depends on what is replaced; those of what is not do."""
    hand = Hand(rng, often)
    source = parse_source(hand.document(document_data(networks()[name])), "by_hand.yaml")
    population = rng.randrange(len(source.data["populations"]))
    data = {**source.data, "more": {"a": [1, 2.0], "b c": "#"}}
    data["populations"] = [*data["populations"]]
    neuron = {**data["populations"][population]["neuron"], "new": 1, "other": None}
    data["populations"][population] = {**data["populations"][population], "neuron": neuron}
    text = edited_text(source, edits_towards(source, data), data)
    assert all(text.count(comment) == source.text.count(comment) for comment in hand.comments)
    data["populations"][population]["neuron"] = {"new": [1, 2.0]}
    data["populations"][population]["shape"] = [1]
    data["inputs"] = {}
    edited_text(source, edits_towards(source, data), data)  # T123 unless the text has the data


@given(names, hands, often)
@settings(deadline=None, max_examples=20)
def test_a_handwritten_document_of_tgenn_1_is_migrated_and_keeps_its_comments(folders, name, rng, often):
    network, weights, hand = networks()[name], WeightFolder(folders[name]), Hand(rng, often)
    old = document_data(network)
    for _, reference in weight_references(old):
        reference |= {"dtype": "float32", "sha256": network.tensors[reference["file"]].sha256}
    source = parse_source(hand.document({**old, "format": "tgenn/1"}), "by_hand.yaml")
    data, _ = migrated(source, weights)
    text = edited_text(source, edits_towards(source, data), data)
    assert load_source(parse_source(text, "migrated.yaml"), weights) == network
    assert all(text.count(comment) == source.text.count(comment) for comment in hand.comments)
