"""Reads a document and its weights into a Network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from tgenn_gen.document.canonical_text import DOCUMENT, Document, named_weights
from tgenn_gen.document.name_check import elements, name_problems
from tgenn_gen.document.plugins import load_installed_plugins
from tgenn_gen.document.schema_check import fits, other_format, schema_problems
from tgenn_gen.document.valid_part import valid_part
from tgenn_gen.document.weight_files import WeightFiles, WeightFolder, read_hashes, read_tensor
from tgenn_gen.document.weight_hashes import WeightHashes
from tgenn_gen.document.yaml_source import MAX_PROBLEMS, Source, read_source
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.network.argument_checks import file_path, require
from tgenn_gen.network.checks import meaning_problems
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.model import Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.ops import OPS
from tgenn_gen.network.problems import PathInDocument
from tgenn_gen.network.tensors import Tensor


def document_path(path: Path) -> Path:
    """`path` itself, or its network.yaml if `path` is a folder."""
    return path / DOCUMENT if path.is_dir() else path


def load(path: str | Path, *, allow_outside: bool = False) -> Network:
    """Read a network.yaml and its weights.

    Args:
        path: A network.yaml, or the folder it is in.
        allow_outside: Also read weights outside of its folder, such as those that several documents share.

    Returns:
        The network, with its weights as NumPy arrays.

    Raises:
        TgennError: T1xx text and schema, T2xx meaning, T3xx weights; all errors that are found. T503 where
            `path` is not a path.
    """
    require("load", "T503", file_path("path", path))
    return read_document(path, allow_outside=allow_outside).network


def read_document(path: str | Path, *, allow_outside: bool = False) -> Document:
    """Read a network and keep the text of its document. Arguments and errors are those of load."""
    path = document_path(Path(path))
    source = read_source(path)
    return Document(load_source(source, WeightFolder(path.parent, allow_outside)), source.text)


def load_source(source: Source, files: WeightFiles) -> Network:
    """The network of a parsed document, with weights read from `files`. Raises TgennError as load does."""
    if other := other_format(source.data):  # the rules below are those of the current format
        raise TgennError(source.diagnostics(other))
    if _unknown_kinds(source.data):
        load_installed_plugins()
    departures = schema_problems(source.data)
    found = source.diagnostics([*departures, *name_problems(source.data)])
    if len(departures) > MAX_PROBLEMS:  # the rest was not checked, and may be invalid
        raise TgennError(found)
    hashes = read_hashes(files) if any(named_weights(source.data)) else WeightHashes()
    tensors, unread = _read_tensors(source, files, hashes)
    found += [*hashes.problems, *unread]
    part = valid_part(source, departures) if departures else source
    if part is None:
        raise TgennError(found)
    if departures:  # paths in the part differ from those in the whole document
        tensors, _ = _read_tensors(part, files, hashes)
    network = network_of(part.data, tensors)
    found += part.diagnostics(meaning_problems(network))
    if found:
        raise TgennError(found)
    return network


def _unknown_kinds(data: Any) -> bool:
    """Whether a population has neurons of an unknown kind, which a plugin may declare."""
    neurons = [population.get("neuron") for _, population in elements(data, "populations")]
    return any(isinstance(n, dict) and n.get("kind") not in (None, *NEURONS) for n in neurons)


def _read_tensors(
    source: Source, files: WeightFiles, hashes: WeightHashes
) -> tuple[dict[PathInDocument, Tensor], list[Diagnostic]]:
    """{path of a reference: its tensor}, and errors. References that violate the schema are left out."""
    tensors: dict[PathInDocument, Tensor] = {}
    read: dict[tuple[str, tuple[int, ...]], Tensor] = {}  # a file that is named twice is read once
    found: list[Diagnostic] = []

    def visit(data: Any, path: PathInDocument) -> None:
        if isinstance(data, dict):
            if "file" in data and fits("tensor", data):
                key = (data["file"], tuple(data["shape"]))
                try:
                    if key not in read:
                        read[key] = read_tensor(files, data, hashes, source.location(path))
                    tensors[path] = read[key]
                except TgennError as error:
                    found.extend(error.diagnostics)
                    tensors[path] = Tensor.placeholder(data["file"], tuple(data["shape"]))
                return
            for key, value in data.items():
                visit(value, (*path, key))
        elif isinstance(data, list):
            for index, value in enumerate(data):
                visit(value, (*path, index))

    if isinstance(source.data, dict):
        visit(source.data.get("inputs"), ("inputs",))
        visit(source.data.get("populations"), ("populations",))
    return tensors, found


def network_of(data: dict[str, Any], tensors: Mapping[PathInDocument, Tensor]) -> Network:
    """The network of a document's data, which fits the schema. tensors: {path of a reference: its tensor}."""

    def build(cls: Any, data: dict[str, Any], path: PathInDocument) -> Any:
        values = {f.name: value(f, data[f.name], (*path, f.name)) for f in fields(cls) if f.name in data}
        return cls(**values)

    def value(field: Field[Any], data: Any, path: PathInDocument) -> Any:
        if path in tensors:
            return tensors[path]
        if str(field.type).startswith("float") and not isinstance(data, str):
            return float(data)
        if str(field.type).startswith("tuple[float"):
            return tuple(map(float, data))
        return tuple(data) if isinstance(data, list) else data

    def population(data: dict[str, Any], path: PathInDocument) -> Population:
        inputs = []
        for index, item in enumerate(data["inputs"]):
            through = tuple(
                build(OPS[op["op"]], op, (*path, "inputs", index, "through", position))
                for position, op in enumerate(item.get("through", []))
            )
            inputs.append(Connection(item["from"], through, item.get("delay", 0)))
        neuron = build(NEURONS[data["neuron"]["kind"]], data["neuron"], (*path, "neuron"))
        return build(Population, {**data, "inputs": tuple(inputs), "neuron": neuron}, path)

    def network_input(data: dict[str, Any], path: PathInDocument) -> Input:
        encoding = build(ENCODINGS[data["encoding"]["kind"]], data["encoding"], (*path, "encoding"))
        return build(Input, {**data, "encoding": encoding}, path)

    return Network(
        name=data["name"],
        inputs=tuple(network_input(d, ("inputs", i)) for i, d in enumerate(data["inputs"])),
        populations=tuple(population(d, ("populations", i)) for i, d in enumerate(data["populations"])),
        outputs=tuple(build(Output, d, ()) for d in data["outputs"]),
        simulation=build(Simulation, data["simulation"], ("simulation",)),
        provenance=data.get("provenance", {}),
    )
