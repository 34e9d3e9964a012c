"""Finds the differences between two networks: parts added, removed and renamed, fields, and weights.

Networks are compared as the data of their documents, with the hashes of weights (in provenance, null counts
as missing; a field that is left out has its default). Inputs, populations and outputs are matched by name,
connections by their source, and maps by their op; the second map with the same op is called `op#2`. A removed
part counts as renamed if an added part has the same weights or, without weights, the same fields; else if it
has the same kind, shape and place: Keras gives the layers of a model other numbers when it is built again.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
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
    changes = {key: _part_changes(*pair, names) for key, pair in sections.items()}
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


class _Fields(dict[str, Any]):
    """A mapping of a document, and the defaults of the fields that it leaves out."""

    defaults: Data

    def with_(self, **changes: Any) -> _Fields:
        """A copy with other values."""
        fields = _Fields({**self, **changes})
        fields.defaults = self.defaults
        return fields


def _data_with_hashes(network: Network) -> Data:
    """The data of a network's document, with the hash of each weight file beside its name."""

    def visit(data: Any, whole: Any) -> Any:
        if isinstance(data, list):
            return [visit(*items) for items in zip(data, whole, strict=True)]
        if isinstance(data, dict) and "file" in data:
            return {**data, "sha256": tensors[data["file"]].sha256}
        if isinstance(data, dict):
            fields = _Fields({key: visit(item, whole[key]) for key, item in data.items()})
            fields.defaults = {key: item for key, item in whole.items() if key not in data}
            return fields
        return data

    data, tensors = document_data(network), network.tensors
    whole = document_data(network, defaults=True)
    return {**data, **{key: visit(data[key], whole[key]) for key in LABELS}}


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
    if names := _only_names(old, new):
        return names
    names = {}
    for key in ("inputs", "populations"):  # in this order: populations are known by what they read
        rules = (_contents, _structures, _places)
        while pairs := next(filter(None, (_pairs(old[key], new[key], names, rule) for rule in rules)), {}):
            names |= pairs
    return names


def _only_names(old: Data, new: Data) -> dict[str, str]:
    """The renamed parts if nothing but names differs: then two parts may also have changed names. Else {}."""
    parts = ([*data["inputs"], *data["populations"]] for data in (old, new))
    names = {a["name"]: b["name"] for a, b in zip(*parts, strict=False)}
    before, after = _labelled(old, names), _labelled(new, {})
    for key in ("inputs", "populations"):
        changes = _part_changes(before[key], after[key], names)
        if before[key].keys() != after[key].keys() or any(changes.values()):
            return {}
    return {a: b for a, b in names.items() if a != b}


_Keys = Callable[[list[Data], Mapping[str, str], Container[str]], Iterator[str]]


def _pairs(old: list[Data], new: list[Data], names: Mapping[str, str], keys: _Keys) -> dict[str, str]:
    """More renamed parts, now that `names` are known: those of one key, in their order."""
    kept = {item["name"] for item in old} & {item["name"] for item in new}
    come = defaultdict(list)
    for item, key in zip(new, keys(new, {}, {*kept, *names.values()}), strict=True):
        if item["name"] not in kept and item["name"] not in names.values():
            come[key].append(item["name"])
    found = {}
    for item, key in zip(old, keys(old, names, {*kept, *names}), strict=True):
        if come[key] and item["name"] not in kept and item["name"] not in names:
            found[item["name"]] = come[key].pop(0)
    return found


# Keys of parts, under the names of the second network as far as they are known.


def _contents(items: list[Data], names: Mapping[str, str], _: Container[str]) -> Iterator[str]:
    """The weights of each part, or all its fields if it has none."""
    for item in items:
        weights = [sha256 for _, sha256 in named_weights([item.get("inputs"), item.get("bias")])]
        inputs = [{**c, "from": names.get(c["from"], c["from"])} for c in item.get("inputs", ())]
        yield _text(weights or {**item, "name": "", "inputs": inputs})


def _structures(items: list[Data], names: Mapping[str, str], _: Container[str]) -> Iterator[str]:
    """The kind and the shape of each part, and what it reads."""
    for item in items:
        yield _text([*_kind(item), [names.get(c["from"], c["from"]) for c in item.get("inputs", ())]])


def _places(items: list[Data], names: Mapping[str, str], known: Container[str]) -> Iterator[str]:
    """The kind and the shape of each part, and the last part before it that is `known` in both networks."""
    last = ""
    for item in items:
        yield _text([*_kind(item), last])
        last = names.get(item["name"], item["name"]) if item["name"] in known else last


def _kind(item: Data) -> tuple[str, list[int]]:
    return item["neuron" if "neuron" in item else "encoding"]["kind"], item["shape"]


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

    def renamed(item: _Fields, key: str) -> _Fields:
        return item.with_(**{key: names.get(item[key], item[key])})

    def connection(item: _Fields) -> _Fields:
        return renamed(item, "from").with_(through=_listed(item["through"], "op"))

    def population(item: _Fields) -> _Fields:
        return item.with_(inputs=_listed(map(connection, item["inputs"]), "from"))

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


def _part_changes(before: _Listed, after: _Listed, names: Mapping[str, str]) -> dict[str, list[FieldChange]]:
    """The changes of each part that both have; weight files may be renamed as the parts are."""
    return {
        name: [c for c in _changes(before[name], after[name]) if not _follows(c, names)]
        for name in after
        if name in before
    }


def _follows(change: FieldChange, names: Mapping[str, str]) -> bool:
    """Whether a weight file only has the new names of its population and of what that reads."""
    if not (names and change.field.endswith(".file")):
        return False
    old = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    name = re.compile(
        rf"(?<=[/.])({old})(?=\.)"
    )  # weights/POPULATION.FIELD.npy or /POPULATION.SOURCE.FIELD.npy
    return change.after in (name.sub(lambda m: names[m[1]], change.before, count) for count in (1, 2))


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
            yield from _changes(_value(before, key), _value(after, key), inner)
    elif _text(_plain(before)) != _text(_plain(after)):
        yield FieldChange(field, _plain(before), _plain(after))


def _value(data: Data, key: str) -> Any:
    """The value, its default if a document leaves it out, or None."""
    return data.get(key, data.defaults.get(key) if isinstance(data, _Fields) else None)


def _order(before: Data, after: Data, field: str) -> Iterator[FieldChange]:
    """The change of the order of those parts that both have, if it differs."""
    old, new = [key for key in before if key in after], [key for key in after if key in before]
    if old != new:
        yield FieldChange(f"{field}.order", old, new)
