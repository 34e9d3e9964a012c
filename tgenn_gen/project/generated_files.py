"""The generated files in a project's folder: which of them tgenn wrote, and which were edited since."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tgenn_gen.codegen.runtime_files import RUNTIME, RUNTIME_SUMS
from tgenn_gen.codegen.stamps import SCRIPTS, edit, is_generated
from tgenn_gen.files.checksums import checksums
from tgenn_gen.files.file_writing import content_of


def own_generated_files(folder: Path) -> set[str]:
    """The generated files there that tgenn wrote, whatever was done to them since."""
    names = (*SCRIPTS, *_runtime_hashes(folder), RUNTIME_SUMS)
    return {name for name in names if is_own(folder, name)}


def is_own(folder: Path, name: str) -> bool:
    """Whether tgenn wrote a generated file of that name, whatever was done to it since."""
    content = content_of(folder / name)
    if content is None:
        return False
    if name.startswith(f"{RUNTIME}/"):
        return name in _runtime_hashes(folder) or (
            name == RUNTIME_SUMS and bool(checksums(content.decode(errors="replace")))
        )
    return is_generated(content)


def edit_of(folder: Path, name: str) -> str:
    """What was done by hand to a generated file that tgenn wrote; "" for nothing."""
    content = content_of(folder / name)
    if content is None or not is_own(folder, name) or name == RUNTIME_SUMS:
        return ""
    if name.startswith(f"{RUNTIME}/"):
        intact = hashlib.sha256(content).hexdigest() == _runtime_hashes(folder)[name]
        return "" if intact else "was edited by hand"
    return edit(content)


def _runtime_hashes(folder: Path) -> dict[str, str]:
    """{file of tgenn_runtime/: the sha256 that it was written with}."""
    content = content_of(folder / RUNTIME_SUMS) or b""
    hashes = checksums(content.decode(errors="replace"))
    return {name: sha256 for name, sha256 in hashes.items() if Path(name).parent == Path(RUNTIME)}
