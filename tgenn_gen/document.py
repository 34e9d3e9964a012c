"""network.yaml: a Network to canonical text and back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tgenn_gen.encodings import ENCODINGS
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.folders import restore
from tgenn_gen.intact import intact_part
from tgenn_gen.meaning import file_problems, meaning_problems
from tgenn_gen.names import name_problems
from tgenn_gen.neurons import NEURONS
from tgenn_gen.ops import OPS
from tgenn_gen.paths import is_inside
from tgenn_gen.schema_check import fits, other_format, schema_problems, schema_text
from tgenn_gen.source import MAX_PROBLEMS, PathInDocument, Source, parse_scalar, read_source
from tgenn_gen.spec import FORMAT, Connection, Input, Network, Output, Population, Simulation
from tgenn_gen.tensors import Tensor
from tgenn_gen.weight_files import WeightFiles, WeightFolder, read_tensor

DOCUMENT = "network.yaml"
SCHEMA = "network.schema.json"  # beside each document: editors find it there with no network
# What is not seen, or turns around what is: only text in double quotes has it, and it is escaped there.
_INVISIBLE = re.compile(
    "[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
HEADER = f"# yaml-language-server: $schema={SCHEMA}\n"


def document_path(path: Path) -> Path:
    """The network.yaml that `path` names: itself, or the one in that folder.

    Raises TgennError (T604, T605) where a killed process left the folder without its name, and it stays so.
    """
    restore(path)
    restore(path.parent)
    return path / DOCUMENT if path.is_dir() else path


def load(path: Path, *, allow_outside: bool = False) -> Network:
    """Read a document and its weights; with `allow_outside` also those that are not below its folder.

    Raises TgennError with everything that is wrong.
    """
    path = document_path(path)
    return load_source(read_source(path), WeightFolder(path.parent, allow_outside))


def load_source(source: Source, files: WeightFiles) -> Network:
    """The network that a document's text says, with its weights from `files`. Raises TgennError."""
    if other := other_format(source.data):  # what else is in it says nothing then
        raise TgennError(source.diagnostics(other))
    departures = schema_problems(source.data)
    found = source.diagnostics([*departures, *name_problems(source.data)])
    if len(departures) > MAX_PROBLEMS:  # what is behind them may be wrong, too
        raise TgennError(found)
    tensors, unread = _read_tensors(source, files)
    found += unread
    part = intact_part(source, departures) if departures else source
    if part is None:
        raise TgennError(found)
    if departures:  # its places are others
        tensors, _ = _read_tensors(part, files)
    network = _network(part.data, tensors)
    found += part.diagnostics(meaning_problems(network))
    if found:
        raise TgennError(found)
    return network


def require_valid(network: Network) -> None:
    """Raise TgennError for a network built in memory that no document could hold, or that has no meaning."""
    data = document_data(network)
    problems = schema_problems(data) or [
        *name_problems(data),
        *meaning_problems(network),
        *file_problems(network),
    ]
    if problems:
        raise TgennError(Source(f"network '{network.name}'", data).diagnostics(problems))


def document_files(network: Network) -> dict[str, bytes]:
    """network.yaml, its schema and weights, {path: bytes}.

    Raises TgennError: it has no meaning, T301 weights that are not below the folder (see load).
    """
    require_valid(network)
    if outside := [file for file in sorted(network.tensors) if not is_inside(file)]:
        place, message = Location(f"network '{network.name}'"), "is not below the folder that is written"
        hint = "give its Tensor a file like weights/dense.kernel.npy"
        raise TgennError([Diagnostic(place, "T301", f"{file}: {message}", hint) for file in outside])
    weights = {f: t.npy() for f, t in sorted(network.tensors.items())}
    return {DOCUMENT: document_text(network).encode(), SCHEMA: schema_text().encode(), **weights}


def document_hash(network: Network) -> str:
    """The sha256 of the canonical document, and with it of all weights."""
    return hashlib.sha256(document_text(network).encode()).hexdigest()


# Values to data. The keys are the dataclasses' fields, but for `from` (source), `op` and `kind`.


def _data(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.reference()
    if isinstance(value, tuple | list):
        return [_data(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _data(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__dataclass_fields__"):
        data = {
            f.name: _data(v)
            for f in fields(value)
            if (v := getattr(value, f.name)) is not None and not ("rarely" in f.metadata and v == f.default)
        }
        for discriminator in ("op", "kind"):
            if hasattr(type(value), discriminator):
                data = {discriminator: getattr(type(value), discriminator), **data}
        if isinstance(value, Connection):
            data = {"from": data.pop("source"), **data}
        return data
    return value


def document_data(network: Network) -> dict[str, Any]:
    """The network as plain data, keys in the document's order."""
    data = {
        "format": FORMAT,
        "name": network.name,
        "provenance": _data(network.provenance),
        "simulation": _data(network.simulation),
        "inputs": _data(network.inputs),
        "populations": [
            {
                k: v
                for k in ("name", "shape", "neuron", "scale", "bias", "max_value", "inputs")
                if (v := d.get(k)) is not None
            }
            for d in _data(network.populations)
        ],
        "outputs": _data(network.outputs),
    }
    return {k: v for k, v in data.items() if v != {}}


def document_text(network: Network) -> str:
    """The canonical text: the same network gives the same bytes."""
    node = _node(document_data(network))
    text: str = yaml.serialize(node, Dumper=_Dumper, width=2**30, allow_unicode=True, explicit_start=False)
    return HEADER + _INVISIBLE.sub(lambda c: c[0].encode("unicode_escape").decode(), text)


class _Dumper(yaml.SafeDumper):
    """Indents the items of a list below its key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _node(data: Any, flow: bool = False) -> yaml.Node:
    if isinstance(data, dict):
        flow = flow or all(_is_leaf(v) for v in data.values())
        entries = [(_node(k), _node(v, flow)) for k, v in data.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", entries, flow_style=flow)
    if isinstance(data, list):
        flow = flow or not any(
            isinstance(v, dict | list) or " " in str(v) for v in data
        )  # sentences: one a line
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(v, flow) for v in data], flow_style=flow)
    if isinstance(data, str):
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*|[0-9a-f]{64}", data) and parse_scalar(data) == data
        ambiguous = data.lower() in ("yes", "no", "on", "off", "y", "n")  # YAML 1.1
        style = None if plain and not ambiguous else '"'
        return yaml.ScalarNode("tag:yaml.org,2002:str", data, style=style)
    if data is None:
        return yaml.ScalarNode("tag:yaml.org,2002:null", "null")
    if isinstance(data, bool):
        return yaml.ScalarNode("tag:yaml.org,2002:bool", "true" if data else "false")
    kind = "float" if isinstance(data, float) else "int"
    return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", _number(data))


def _is_leaf(value: Any) -> bool:
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(v, dict | list) for v in value)
    )


def _number(value: float) -> str:
    """Shortest text that reads back the same, as a float in YAML 1.1 and 1.2 (1.0e-05, not 1e-05)."""
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text


# Data to values.


def named_weights(data: object) -> Iterator[tuple[str, object]]:
    """The weights that data names, which may be anything: file, and the sha256 given with it."""
    if isinstance(data, dict):
        if isinstance(data.get("file"), str):
            yield data["file"], data.get("sha256")
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from named_weights(item)


def _read_tensors(
    source: Source, files: WeightFiles
) -> tuple[dict[PathInDocument, Tensor], list[Diagnostic]]:
    """All tensors by the path of their reference; of a document with other mistakes, those that are whole."""
    tensors: dict[PathInDocument, Tensor] = {}
    read: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}  # a file that is named twice is read once
    found: list[Diagnostic] = []

    def visit(data: Any, path: PathInDocument) -> None:
        if isinstance(data, dict):
            if "file" in data and fits("tensor", data):
                key = (data["file"], data["sha256"], tuple(data["shape"]))
                try:
                    if key not in read:
                        read[key] = read_tensor(files, data, source.location(path))
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
        visit(source.data.get("populations"), ("populations",))
    return tensors, found


def _network(data: dict[str, Any], tensors: dict[PathInDocument, Tensor]) -> Network:
    def build(cls: Any, data: dict[str, Any], path: PathInDocument) -> Any:
        values = {f.name: value(f, data[f.name], (*path, f.name)) for f in fields(cls) if f.name in data}
        return cls(**values)

    def value(field: Field[Any], data: Any, path: PathInDocument) -> Any:
        if path in tensors:
            return tensors[path]
        if str(field.type).startswith("float") and not isinstance(data, str):
            return float(data)
        return tuple(data) if isinstance(data, list) else data

    def population(data: dict[str, Any], path: PathInDocument) -> Population:
        inputs = []
        for index, item in enumerate(data["inputs"]):
            through = tuple(
                build(OPS[op["op"]], op, (*path, "inputs", index, "through", position))
                for position, op in enumerate(item.get("through", []))
            )
            inputs.append(Connection(item["from"], through))
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
        simulation=build(Simulation, data.get("simulation", {}), ("simulation",)),
        provenance=data.get("provenance", {}),
    )
