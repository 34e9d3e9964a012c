"""A network as the canonical text of its document: the same network gives the same bytes.

The keys are the fields of the dataclasses, but for `from` (source), `op` and `kind`.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import yaml

from tgenn_gen.document.name_check import name_problems
from tgenn_gen.document.schema_check import schema_problems, schema_text
from tgenn_gen.document.weight_hashes import SUMS, hashes_text
from tgenn_gen.document.yaml_source import Source, parse_scalar
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.files.paths import is_inside
from tgenn_gen.network.checks import file_problems, meaning_problems
from tgenn_gen.network.model import Connection, Network
from tgenn_gen.network.tensors import Tensor

FORMAT = "tgenn/2"
DOCUMENT = "network.yaml"
SCHEMA = "network.schema.json"  # beside each document: editors find it there with no network
SCHEMA_MARK = "urn:tgenn:network:"  # how the $id of every schema starts, of whatever version
COLUMNS = 120  # that a line has at most, where its value can be broken
# Mappings with one field a line: editors complete fields there, and git shows a changed field as one line.
BLOCKS = ("encoding", "neuron")
# What is not seen, or turns around what is: only text in double quotes has it, and it is escaped there.
_INVISIBLE = re.compile(
    "[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
HEADER = f"# yaml-language-server: $schema={SCHEMA}\n"


def _data(value: Any, defaults: bool = False) -> Any:
    if isinstance(value, Tensor):
        return value.reference()
    if isinstance(value, tuple | list):
        return [_data(v, defaults) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _data(v, defaults) for k, v in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__dataclass_fields__"):
        data = {
            f.name: _data(v, defaults)
            for f in fields(value)
            if (v := getattr(value, f.name)) is not None
            and (defaults or not ("rarely" in f.metadata and v == f.default))
        }
        for discriminator in ("op", "kind"):
            if hasattr(type(value), discriminator):
                data = {discriminator: getattr(type(value), discriminator), **data}
        if isinstance(value, Connection):
            first = {"from": data.pop("source"), "delay": data.pop("delay", None)}
            data = {k: v for k, v in first.items() if v is not None} | data
        return data
    return value


def document_data(network: Network, *, defaults: bool = False) -> dict[str, Any]:
    """The network as plain data, keys in the document's order.

    defaults: also the fields that a document leaves out, because they have their default.
    """
    data = {
        "format": FORMAT,
        "name": network.name,
        "provenance": _data(network.provenance),
        "simulation": _data(network.simulation, defaults),
        "inputs": _data(network.inputs, defaults),
        "populations": [
            {
                k: v
                for k in ("name", "shape", "neuron", "scale", "bias", "max_value", "inputs")
                if (v := d.get(k)) is not None
            }
            for d in _data(network.populations, defaults)
        ],
        "outputs": _data(network.outputs, defaults),
    }
    return {k: v for k, v in data.items() if v != {}}


def document_text(network: Network) -> str:
    """The canonical text: the same network gives the same bytes."""
    return HEADER + _serialized(_node(document_data(network)), COLUMNS)


def flow_text(data: Any) -> str:
    """A value as canonical text has it within brackets, on one line."""
    return _serialized(_node([data], flow=True), 2**30)[1:-2]


def _serialized(node: yaml.Node, columns: int) -> str:
    text: str = yaml.serialize(node, Dumper=_Dumper, width=columns, allow_unicode=True, explicit_start=False)
    return text


class _Dumper(yaml.SafeDumper):
    """Indents the items of a list below its key; breaks text in quotes at spaces, where it is too long."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        column, stream = self.column, self.stream
        self.stream = io.StringIO()
        super().write_double_quoted(text, split=False)
        quoted = _INVISIBLE.sub(lambda c: c[0].encode("unicode_escape").decode(), self.stream.getvalue())
        self.stream = stream
        if split:
            quoted = _broken(quoted, self.best_width, column, self.indent or 0)
        stream.write(quoted)


def _broken(quoted: str, columns: int, column: int, indent: int) -> str:
    """Text in quotes that begins at a column, on lines of so many: YAML reads a line end as a space."""
    first, *others = re.split(r'(?<=[^ "\\]) (?=[^ "])', quoted)
    lines = [first]
    for word in others:
        start = column if len(lines) == 1 else indent
        if start + len(lines[-1]) + 1 + len(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return f"\n{' ' * indent}".join(lines)


def _node(data: Any, flow: bool = False, indent: int = 0) -> yaml.Node:
    """The node of a value: lists and mappings of plain values in brackets where they fit on their line.

    Mappings named in BLOCKS are in brackets only where what they belong to is.
    indent: of the lines of a block.
    """
    if isinstance(data, dict):
        entries = [(_node(k), _value_node(k, v, flow, indent)) for k, v in data.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", entries, flow_style=flow or not data)
    if isinstance(data, list):
        items = [_fitting(v, flow, indent + 2, indent + 2) for v in data]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=flow or not data)
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


def _value_node(key: str, value: Any, flow: bool, indent: int) -> yaml.Node:
    if key in BLOCKS and isinstance(value, dict):
        return _node(value, flow, indent + 2)
    return _fitting(value, flow, indent + 2, indent + len(flow_text(key)) + 2)


def _fitting(value: Any, flow: bool, indent: int, column: int) -> yaml.Node:
    """The node of a value that begins at a column, or on the next line, indented, if it is a block."""
    if not flow and isinstance(value, dict | list) and _is_flat(value):
        flow = column + len(flow_text(value)) <= COLUMNS
    return _node(value, flow, indent)


def _is_flat(value: Any) -> bool:
    """Whether a mapping or a list has no other mappings in it; lists of sentences have one a line."""
    if isinstance(value, dict):
        return all(map(_is_leaf, value.values()))
    return not any(isinstance(v, dict | list) or " " in str(v) for v in value)


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


@dataclass(frozen=True)
class Document:
    """A valid network, just read or checked by document_of, and the text of its network.yaml."""

    network: Network
    text: str

    @cached_property
    def sha256(self) -> str:
        """Of its text, whatever the line ends: generated scripts know by it whether it was edited since."""
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()

    def files(self) -> dict[str, bytes]:
        """Its weights, the schema, network.yaml and, as the last one, the hashes of weights: {path: bytes}.

        Raises TgennError (T301) for weights that are not below the folder (see load).
        """
        tensors = dict(sorted(self.network.tensors.items()))
        place, hint = f"network '{self.network.name}'", "give its Tensor a file like weights/dense.kernel.npy"
        if outside := [file for file in tensors if not is_inside(file)]:
            message = "is not below the folder that is written"
            raise TgennError([Diagnostic.at(place, "T301", f"{file}: {message}", hint) for file in outside])
        files = {file: tensor.npy() for file, tensor in tensors.items()}
        files |= {SCHEMA: schema_text().encode(), DOCUMENT: self.text.encode()}
        if tensors:  # sha256sum takes an empty file for a mistake
            files[SUMS] = hashes_text({file: t.sha256 for file, t in tensors.items()}).encode()
        return files


def document_of(network: Network) -> Document:
    """The document of a network built in memory. Raises TgennError as require_valid does."""
    require_valid(network)
    return Document(network, document_text(network))


def named_weights(data: object) -> Iterator[tuple[str, object]]:
    """The weights that data names, which may be anything: file, and the sha256 with it, if there is one."""
    if isinstance(data, dict):
        if isinstance(data.get("file"), str):
            yield data["file"], data.get("sha256")
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from named_weights(item)
