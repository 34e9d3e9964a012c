"""Converts documents of format tgenn/1 to the current format, with hashes in weights/SHA256SUMS."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tgenn_gen.document.canonical_text import FORMAT, SCHEMA, SCHEMA_MARK
from tgenn_gen.document.schema_check import schema_text
from tgenn_gen.document.weight_files import WeightFolder, read_current, read_hashes
from tgenn_gen.document.weight_hashes import SUMS, hashes_text
from tgenn_gen.document.yaml_source import Source
from tgenn_gen.editing.text_edits import weight_references
from tgenn_gen.errors import Diagnostic, TgennError
from tgenn_gen.files.file_writing import content_of

_DEFAULTS = {"dt": 1.0, "timesteps": 16}  # for a tgenn/1 document without `simulation`


def is_of_old_format(source: Source) -> bool:
    return isinstance(source.data, dict) and source.data.get("format") == "tgenn/1"


def migrated(source: Source, files: WeightFolder) -> tuple[Any, dict[str, bytes]]:
    """(data, files): the data of a tgenn/1 document in the current format; {path: bytes} of files to write.

    Raises TgennError: T118 a reference without a sha256, T301 to T307 weights that cannot be read or differ
    from the document, T603 a weights/SHA256SUMS with other hashes exists.
    """
    data = deepcopy(source.data)
    data["format"] = FORMAT
    data.setdefault("simulation", _DEFAULTS)
    _add_data_range(data)
    found: list[Diagnostic] = []
    hashes: dict[str, str] = {}
    for path, reference in weight_references(data):
        file, place = reference["file"], source.location(path)
        dtype, sha256 = reference.pop("dtype", None), reference.pop("sha256", None)
        try:
            if dtype != "float32" or not isinstance(sha256, str):
                message = f"{file}: expected dtype: float32 and a sha256, as format tgenn/1 requires"
                raise TgennError.at(place, "T118", message, "add both; the command sha256sum prints the hash")
            if file not in hashes:
                hashes[file] = read_current(files, file, place).sha256
            if hashes[file] != sha256:
                message = f"{file}: has sha256 {hashes[file]}, the document says {sha256}"
                hint = "restore the file; if it was changed on purpose, correct the sha256 in the document"
                raise TgennError.at(place, "T307", message, hint)
        except TgennError as error:
            found += error.diagnostics
    old = (
        read_hashes(files).hashes if (files.path / SUMS).exists() else {}
    )  # another document's of this folder
    if any(old.get(file, sha256) != sha256 for file, sha256 in hashes.items()):
        message = f"has other hashes than {source.file}"
        found.append(Diagnostic.at(files.name(SUMS), "T603", message, "move it to another folder"))
    if found:
        raise TgennError(found)
    written = {}
    if hashes.items() - old.items():
        written[SUMS] = hashes_text({**old, **hashes}).encode()
    if SCHEMA_MARK.encode() in (content_of(files.path / SCHEMA) or b"")[:1000]:
        written[SCHEMA] = schema_text().encode()
    return data, written


def _add_data_range(data: dict[str, Any]) -> None:
    """Set data_range of the only input from the calibration in `provenance`, if the document has both."""
    match data:
        case {
            "inputs": [{**network_input}],
            "provenance": {
                "calibration": {"smallest": int() | float() as low, "largest": int() | float() as high}
            },
        }:
            data["inputs"] = [{**network_input, "data_range": [float(low), float(high)]}]
