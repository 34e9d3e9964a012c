"""Finds the generated files in a project's folder: which ones tgenn wrote, and which were edited since.

Scripts have their hash in the last line. Copied files (runtime and plugins) have theirs in the SHA256SUMS of
their folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from tgenn_gen.codegen.runtime_files import RUNTIME
from tgenn_gen.codegen.stamps import SCRIPTS, edit, is_generated
from tgenn_gen.document.plugins import PLUGINS
from tgenn_gen.document.weight_hashes import parsed_hashes
from tgenn_gen.files.file_writing import content_of, temporary_files, with_unix_line_ends

COPIED = (RUNTIME, PLUGINS)


def own_generated_files(folder: Path) -> set[str]:
    """The generated files in the folder that tgenn wrote, edited or not."""
    copied = [name for inside in COPIED for name in (*_hashes(folder, inside), f"{inside}/SHA256SUMS")]
    return {name for name in (*SCRIPTS, *copied) if is_own(folder, name)}


def is_copied(name: str) -> bool:
    """Whether a file of that name is copied, not made from a template."""
    return PurePosixPath(name).parts[0] in COPIED


def is_own(folder: Path, name: str) -> bool:
    """Whether tgenn wrote the generated file of that name, edited or not."""
    content = content_of(folder / name)
    if content is None:
        return False
    if not is_copied(name):
        return is_generated(content)
    hashes = _hashes(folder, PurePosixPath(name).parts[0])
    return name in hashes or (name.endswith("/SHA256SUMS") and bool(hashes))


def edit_of(folder: Path, name: str) -> str:
    """The message if a generated file that tgenn wrote was edited; "" if not."""
    content = content_of(folder / name)
    if content is None or not is_own(folder, name) or name.endswith("/SHA256SUMS"):
        return ""
    if not is_copied(name):
        return edit(content)
    written = _hashes(folder, PurePosixPath(name).parts[0])[name]
    return "" if hashlib.sha256(with_unix_line_ends(content)).hexdigest() in written else "was edited by hand"


def _hashes(folder: Path, inside: str) -> dict[str, set[str]]:
    """{file: its possible sha256} for a folder of copied files.

    If a process was killed while it wrote, a file may also have the hash in the SHA256SUMS that the process
    left under a temporary name.
    """
    hashes: dict[str, set[str]] = {}
    for path in (folder / inside / "SHA256SUMS", *temporary_files(folder / inside, "SHA256SUMS")):
        for name, sha256 in parsed_hashes(content_of(path) or b"", inside).hashes.items():
            if PurePosixPath(name).parts[:-1] == (inside,):
                hashes.setdefault(name, set()).add(sha256)
    return hashes
