"""weights/SHA256SUMS: one line for each weight file of a document, in the format of `sha256sum -c`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from tgenn_gen.document.yaml_source import MAX_PROBLEMS
from tgenn_gen.errors import Diagnostic, Location

SUMS = "weights/SHA256SUMS"  # the paths in it are relative to the folder of network.yaml
MAX_SUMS_BYTES = 2**22  # more than the lines of all files that a document of 1 MiB can name
REWRITE = "run tgenn lock, which writes this file again"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")  # sha256sum marks files that it read as binary with *


@dataclass(frozen=True)
class WeightHashes:
    """The content of SHA256SUMS: {file: hash}, {file: line number}, and the errors in it.

    Lines for files that the document does not name are ignored: two documents may share a folder.
    """

    hashes: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()


def parsed_hashes(raw: bytes, name: str) -> WeightHashes:
    """Parse the bytes of the SHA256SUMS `name`. Errors (T309) are in `problems`. Line ends: \\n or \\r\\n."""
    if len(raw) > MAX_SUMS_BYTES:
        message = f"larger than {MAX_SUMS_BYTES // 2**20} MiB"
        return WeightHashes(problems=(Diagnostic.at(name, "T309", message, REWRITE),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return WeightHashes(problems=(Diagnostic.at(name, "T309", "not UTF-8 text", REWRITE),))
    hashes: dict[str, str] = {}
    lines: dict[str, int] = {}
    found: list[Diagnostic] = []
    for number, line in enumerate(text.replace("\r\n", "\n").removesuffix("\n").split("\n"), 1):
        place = Location(name, number, 1)
        if not (match := _LINE.fullmatch(line)):
            if line:
                message = "expected a sha256 (64 digits, 0-9 and a-f), two spaces and a path"
                found.append(Diagnostic.at(place, "T309", message, REWRITE))
        elif match[2] in hashes:
            message = f"{match[2]} has a second line; the first is line {lines[match[2]]}"
            found.append(Diagnostic.at(place, "T309", message, REWRITE))
        else:
            hashes[match[2]], lines[match[2]] = match[1], number
    return WeightHashes(hashes, lines, tuple(islice(found, MAX_PROBLEMS)))


def hashes_text(hashes: Mapping[str, str]) -> str:
    """The text of a SHA256SUMS with {file: hash}, sorted by file."""
    return "".join(f"{hashes[file]}  {file}\n" for file in sorted(hashes))
