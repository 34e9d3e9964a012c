"""The generated files in a project's folder: which of them tgenn wrote, and which were edited since.

Scripts have their hash in the last line. Those that are copied, runtime and plugins, stand in the SHA256SUMS
of their folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from tgenn_gen.codegen.runtime_files import RUNTIME, runtime_files
from tgenn_gen.codegen.stamps import SCRIPTS, edit, is_generated
from tgenn_gen.document.plugins import PLUGINS
from tgenn_gen.document.weight_hashes import parsed_hashes
from tgenn_gen.files.file_writing import content_of

COPIED = (RUNTIME, PLUGINS)


def own_generated_files(folder: Path) -> set[str]:
    """The generated files there that tgenn wrote, whatever was done to them since."""
    copied = [name for inside in COPIED for name in (*_hashes(folder, inside), f"{inside}/SHA256SUMS")]
    return {name for name in (*SCRIPTS, *copied) if is_own(folder, name)}


def is_copied(name: str) -> bool:
    """Whether a file of that name is copied, and not made of templates."""
    return PurePosixPath(name).parts[0] in COPIED


def is_own(folder: Path, name: str) -> bool:
    """Whether tgenn wrote a generated file of that name, whatever was done to it since."""
    content = content_of(folder / name)
    if content is None:
        return False
    if not is_copied(name):
        return is_generated(content)
    hashes = _hashes(folder, PurePosixPath(name).parts[0])
    return name in hashes or (name.endswith("/SHA256SUMS") and bool(hashes))


def edit_of(folder: Path, name: str) -> str:
    """What was done by hand to a generated file that tgenn wrote; "" for nothing."""
    content = content_of(folder / name)
    if content is None or not is_own(folder, name) or name.endswith("/SHA256SUMS"):
        return ""
    if not is_copied(name):
        return edit(content)
    written = _hashes(folder, PurePosixPath(name).parts[0])[name]
    if hashlib.sha256(content).hexdigest() == written or content == runtime_files().get(name):
        return ""  # a process that was killed may have left files of this version, and the hashes of another
    return "was edited by hand"


def _hashes(folder: Path, inside: str) -> dict[str, str]:
    """{copied file: the sha256 that it was written with}, of one of the folders that are copied."""
    hashes = parsed_hashes(content_of(folder / inside / "SHA256SUMS") or b"", inside).hashes
    return {name: sha256 for name, sha256 in hashes.items() if PurePosixPath(name).parts[:-1] == (inside,)}
