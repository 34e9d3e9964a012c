"""Finds the differences between two networks: parts added, removed and renamed, fields, and weights.

Networks are compared as the data of their documents, with the hashes of weights (in provenance, null counts
as missing). Inputs, populations and outputs are matched by name, connections by their source, and maps by
their op; the second map with the same op is called `op#2`. A removed part counts as renamed if an added part
has the same weights or, without weights, the same fields.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.diff.array_summary import BLOCK, blocks, total
from tgenn_gen.document.canonical_text import document_data, named_weights
from tgenn_gen.network.model import Network
from tgenn_gen.network.tensors import Tensor

LABELS = {"inputs": "name", "populations": "name", "outputs": "population"}
Data = dict[str, Any]


@dataclass(frozen=True)
class FieldChange:
    """A field, such as `neuron.threshold`, and its values in the two documents; None: it is missing."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Section:
    """Changes of inputs, populations or outputs, by name in the second network (removed: in the first)."""

    added: Mapping[str, Any]  # their data
    removed: Mapping[str, Any]
    renamed: Mapping[str, str]  # the name after, by the one before
    changed: Mapping[str, tuple[FieldChange, ...]]


@dataclass(frozen=True)
class ValueChange:
    """How two arrays of one shape differ. Changes are absolute differences over all elements, in float64."""

    changed: int
    changed_share: float
    max_change: float
    max_index: tuple[int, ...]  # the first, in C order, of those that change the most
    before: float  # the element there
    after: float
    mean_change: float
    cosine: float | None  # None if one of the arrays is all zeros


@dataclass(frozen=True)
class WeightChange:
    """Weights that differ, with all places that use them. `values` is None if the shapes differ."""

    places: tuple[str, ...]
    before_file: str
    after_file: str
    before_shape: tuple[int, ...]
    after_shape: tuple[int, ...]
    values: ValueChange | None


@dataclass(frozen=True)
class NetworkDiff:
    """All differences. It is False if there are none."""

    fields: tuple[FieldChange, ...]  # of the network: name, simulation, provenance, orders
    inputs: Section
    populations: Section
    outputs: Section
    weights: tuple[WeightChange, ...]

    def __bool__(self) -> bool:
        sections = (self.inputs, self.populations, self.outputs)
        return any((self.fields, self.weights, *(part for s in sections for part in vars(s).values())))


def diff_networks(before: Network, after: Network) -> NetworkDiff:
    """The differences from `before` to `after`."""
    old, new = _data_with_hashes(before), _data_with_hashes(after)
    names = _renamed(old, new)
    old, new = _labelled(old, names), _labelled(new, {})
    sections = {key: (old.pop(key), new.pop(key)) for key in LABELS}
    fields = [
        *_changes(old, new),
        *(change for key, pair in sections.items() for change in _order(*pair, key)),
    ]
    changes = {
        key: {name: list(_changes(a[name], b[name])) for name in b if name in a}
        for key, (a, b) in sections.items()
    }
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, found in (*changes["inputs"].items(), *changes["populations"].items()):
        for change in filter(_is_of_weights, found):
            places[change.before["file"], change.after["file"]].append(f"{name}.{change.field}")
    tensors = (before.tensors, after.tensors)
    return NetworkDiff(
        fields=tuple(fields),
        weights=tuple(_weight_change(tensors[0][a], tensors[1][b], at) for (a, b), at in places.items()),
        **{key: _section(*pair, names, changes[key]) for key, pair in sections.items()},
    )


def _data_with_hashes(network: Network) -> Data:
    """The data of a network's document, with the hash of each weight file beside its name."""

    def visit(data: Any) -> Any:
        if isinstance(data, list):
            return [visit(item) for item in data]
        if isinstance(data, dict) and "file" in data:
            return {**data, "sha256": tensors[data["file"]].sha256}
        return {key: visit(item) for key, item in data.items()} if isinstance(data, dict) else data

    data, tensors = document_data(network), network.tensors
    return {**data, "inputs": visit(data["inputs"]), "populations": visit(data["populations"])}


def value_change(before: np.ndarray, after: np.ndarray) -> ValueChange:
    """How two arrays (float32, little-endian, C order) of one shape differ, bit by bit."""
    largest = []  # of each block: its largest change, and where
    sums = np.zeros(4)
    for number, (a, b) in enumerate(blocks(before, after)):
        change = np.abs(b - a)
        index = int(change.argmax())
        largest.append((float(change[index]), number * BLOCK + index))
        sums += [total(change), total(a * b), total(a * a), total(b * b)]
    max_change, at = max(largest, key=lambda found: found[0])
    changed = int(np.count_nonzero(before.view("<u4") != after.view("<u4")))
    summed, dot, square, other = sums.tolist()
    norms = math.sqrt(square) * math.sqrt(other)
    return ValueChange(
        changed=changed,
        changed_share=changed / before.size,
        max_change=max_change,
        max_index=tuple(int(i) for i in np.unravel_index(at, before.shape)),
        before=float(before.flat[at]),
        after=float(after.flat[at]),
        mean_change=summed / before.size,
        cosine=max(-1.0, min(dot / norms, 1.0)) if norms else None,
    )


def _weight_change(before: Tensor, after: Tensor, places: list[str]) -> WeightChange:
    shapes = (before.values.shape, after.values.shape)
    values = value_change(before.values, after.values) if shapes[0] == shapes[1] else None
    return WeightChange(tuple(places), before.file, after.file, *shapes, values)


def _section(
    before: _Listed, after: _Listed, names: Mapping[str, str], changes: Mapping[str, list[FieldChange]]
) -> Section:
    kept = {name: tuple(c for c in found if not _is_of_weights(c)) for name, found in changes.items()}
    return Section(
        added={name: _plain(item) for name, item in after.items() if name not in before},
        removed={name: _plain(item) for name, item in before.items() if name not in after},
        renamed={a: b for a, b in names.items() if "name" in after.get(b, ())},  # outputs have no names
        changed={name: found for name, found in kept.items() if found},
    )


# Names: a renamed population does not count as a change for the populations that read it.


def _renamed(old: Data, new: Data) -> dict[str, str]:
    """{old name: new name} of renamed inputs and populations."""
    names: dict[str, str] = {}
    for key in ("inputs", "populations"):  # in this order: populations are known by what they read
        while found := _pairs(old[key], new[key], names):
            names |= found
    return names


def _pairs(old: list[Data], new: list[Data], names: Mapping[str, str]) -> dict[str, str]:
    """More renamed parts, now that `names` are known; identical ones are paired in their order."""
    kept = {item["name"] for item in old} & {item["name"] for item in new}
    come = defaultdict(list)
    for item in new:
        if item["name"] not in kept and item["name"] not in names.values():
            come[_identity(item, {})].append(item["name"])
    found = {}
    for item in old:
        same = come[_identity(item, names)]
        if same and item["name"] not in kept and item["name"] not in names:
            found[item["name"]] = same.pop(0)
    return found


def _identity(item: Data, names: Mapping[str, str]) -> str:
    """What identifies a part under another name: its weights, or all its fields if it has none."""
    weights = [sha256 for _, sha256 in named_weights([item.get("inputs"), item.get("bias")])]
    inputs = [{**c, "from": names.get(c["from"], c["from"])} for c in item.get("inputs", ())]
    return _text(weights or {**item, "name": "", "inputs": inputs})


# Data: lists become mappings, so that matching parts have the same key.


class _Listed(dict[str, Any]):
    """The items of a list by their labels; the second of a label is `label#2`."""


def _listed(items: Iterable[Data], label: str) -> _Listed:
    counts: Counter[str] = Counter()
    listed = _Listed()
    for item in items:
        counts[item[label]] += 1
        count = counts[item[label]]
        listed[item[label] if count == 1 else f"{item[label]}#{count}"] = item
    return listed


def _labelled(data: Data, names: Mapping[str, str]) -> Data:
    """A network's data with lists as mappings by label, and with renamed parts under their new names."""

    def renamed(item: Data, key: str) -> Data:
        return {**item, key: names.get(item[key], item[key])}

    def connection(item: Data) -> Data:
        return {**renamed(item, "from"), "through": _listed(item["through"], "op")}

    def population(item: Data) -> Data:
        return {**item, "inputs": _listed(map(connection, item["inputs"]), "from")}

    populations = map(population, data["populations"])
    items = {**data, "populations": populations}
    return {
        **data,
        **{k: _listed((renamed(i, label) for i in items[k]), label) for k, label in LABELS.items()},
    }


def _plain(data: Any) -> Any:
    """The data in the form of a document."""
    if is_weight(data):
        return {key: value for key, value in data.items() if key != "sha256"}
    if isinstance(data, _Listed):
        return [_plain(item) for item in data.values()]
    return {key: _plain(item) for key, item in data.items()} if isinstance(data, dict) else data


def _text(data: Any) -> str:
    """Text that is equal only for equal data; 1, 1.0 and true differ."""
    return json.dumps(data, sort_keys=True)


# Changes.


def is_weight(data: Any) -> bool:
    """Whether data is a reference to a weight file, with or without a hash."""
    return isinstance(data, dict) and data.keys() - {"sha256"} == {"file", "shape"}


def _is_of_weights(change: FieldChange) -> bool:
    return is_weight(change.before) and is_weight(change.after)


def _changes(before: Any, after: Any, field: str = "") -> Iterator[FieldChange]:
    """All fields that differ; a reference to weights counts as one field."""
    if is_weight(before) and is_weight(after):
        if before["sha256"] != after["sha256"]:
            yield FieldChange(field, before, after)
        elif before["file"] != after["file"]:
            yield FieldChange(f"{field}.file", before["file"], after["file"])
    elif isinstance(before, dict) and isinstance(after, dict):
        listed = isinstance(before, _Listed)
        if listed:
            yield from _order(before, after, field)
        for key in {**before, **after}:
            inner = f"{field}[{key}]" if listed else f"{field}.{key}" if field else key
            yield from _changes(before.get(key), after.get(key), inner)
    elif _text(_plain(before)) != _text(_plain(after)):
        yield FieldChange(field, _plain(before), _plain(after))


def _order(before: Data, after: Data, field: str) -> Iterator[FieldChange]:
    """The change of the order of those parts that both have, if it differs."""
    old, new = [key for key in before if key in after], [key for key in after if key in before]
    if old != new:
        yield FieldChange(f"{field}.order", old, new)
