"""Updates the shapes in a document and the hashes in weights/SHA256SUMS from the weight files."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tgenn_gen.document.schema_check import fits
from tgenn_gen.document.weight_files import CurrentFile, WeightFolder, read_current, read_hashes
from tgenn_gen.document.weight_hashes import SUMS, hashes_text
from tgenn_gen.document.yaml_source import Source
from tgenn_gen.editing.text_edits import weight_references
from tgenn_gen.errors import Location, TgennError
from tgenn_gen.files.paths import behind_links, is_inside


def locked(source: Source, files: WeightFolder) -> tuple[Any, dict[str, bytes], list[str]]:
    """(data, files, changes): the document's data with the shapes of the weight files; {path: bytes} of files
    to write; a line for each change.

    The files are weights/SHA256SUMS, and arrays converted from other float types or orders to float32 in C
    order. A reference need not have a shape yet. Raises TgennError with all files that cannot be read or
    converted (T301 to T308).
    """
    data, old = deepcopy(source.data), read_hashes(files)
    current: dict[str, CurrentFile] = {}
    changes: dict[str, str] = {}
    found = [d for d in old.problems if d.code == "T301"]  # tgenn lock would write outside of the folder
    for path, reference in weight_references(data):
        file = reference["file"]
        try:
            if file not in current:
                current[file] = _current(files, file, source.location(path))
        except TgennError as error:
            found += error.diagnostics
            continue
        if change := _change(reference, old.hashes.get(file), current[file]):
            changes.setdefault(file, f"{file}: {change}")
        reference["shape"] = list(current[file].shape)
    if found:
        raise TgennError(found)
    kept = {file: sha256 for file, sha256 in old.hashes.items() if not _is_gone(files, file)}
    for file in sorted(old.hashes.keys() - kept.keys()):
        changes[file] = f"{file}: the file is missing, its line in {SUMS} is removed"
    hashes = {**kept, **{file: now.sha256 for file, now in current.items()}}
    written = {file: now.content for file, now in current.items() if now.content}
    if hashes != old.hashes or (old.problems and hashes):
        written[SUMS] = hashes_text(hashes).encode()
        changes = changes or {SUMS: f"{SUMS}: written again"}
    return data, written, list(changes.values())


def _current(files: WeightFolder, file: str, place: Location) -> CurrentFile:
    """Read a weight file. Raises TgennError (T304) if it must be converted but is not in the folder."""
    current = read_current(files, file, place)
    if current.content and behind_links(files.path, file)[0] != files.path.resolve() / file:
        message = f"{file}: holds {current.cast_from}, expected float32 in C order"
        hint = "save it as float32: tgenn lock converts only files in the document's folder, no links"
        raise TgennError.at(place, "T304", message, hint)
    return current


def _is_gone(files: WeightFolder, file: str) -> bool:
    """Whether the file of a line in SHA256SUMS is missing. Existing files may belong to other documents."""
    return fits("file", file) and is_inside(file) and not (files.path / file).exists()


def _change(reference: dict[str, Any], old_hash: str | None, now: CurrentFile) -> str:
    shape, before = list(now.shape), reference.get("shape")
    change = (
        f"new, {shape}" if old_hash is None else "" if old_hash == now.sha256 else f"other values, {shape}"
    )
    if before not in (None, shape):
        change = f"{before} -> {shape}"
    elif before is None:
        change = f"new, {shape}"
    conversion = f"{now.cast_from} converted to float32 in C order" if now.cast_from else ""
    return "; ".join(filter(None, (conversion, change)))
