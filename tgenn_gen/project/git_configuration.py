"""Configures git for a project: line ends, how .npy files are compared, and which files are generated."""

from __future__ import annotations

from pathlib import Path

from tgenn_gen.codegen.runtime_files import RUNTIME
from tgenn_gen.codegen.stamps import SCRIPTS
from tgenn_gen.document.canonical_text import DOCUMENT, SCHEMA
from tgenn_gen.document.plugins import PLUGINS
from tgenn_gen.errors import TgennError, printable
from tgenn_gen.files.file_writing import alone_in, replace_files
from tgenn_gen.files.git import git

DRIVER = "tgenn-npy"
ATTRIBUTES = (  # with their own line ends everywhere, for sha256sum, and so that a clone has the same bytes
    f"*.npy -text diff={DRIVER}",
    *(f"{name} text eol=lf" for name in ("SHA256SUMS", DOCUMENT, SCHEMA, *SCRIPTS)),
    f"**/{PLUGINS}/* text eol=lf",
    f"**/{RUNTIME}/* text eol=lf -diff linguist-generated",
)
IGNORED = ("*_CODE/", "*_CODE.lock", "__pycache__/")  # what GeNN and Python write beside simulate.py
# git runs this in a shell and appends the file's path. If it failed, the whole git diff would fail.
TEXTCONV = (
    'f() { tgenn show "$1" 2>/dev/null'
    ' || echo "not shown by tgenn show: $(git hash-object --no-filters -- "$1")"; }; f'
)


def set_up(folder: Path) -> list[str]:
    """Add missing lines to .gitattributes and .gitignore in `folder`, and to git's configuration.

    Returns lines that describe what was done. Raises TgennError: T604 a file cannot be read or written,
    T607 git fails.
    """
    git(
        "rev-parse",
        "--show-toplevel",
        place=str(folder),
        folder=folder,
        hint="run git init to create a repository",
    )
    added = [*_add(folder / ".gitattributes", ATTRIBUTES), *_add(folder / ".gitignore", IGNORED)]
    return [*added, *_configure(folder)]


def _add(path: Path, lines: tuple[str, ...]) -> list[str]:
    """Add those of `lines` that the file does not have."""
    try:
        old = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise TgennError.at(path, "T604", f"cannot be read: {error.strerror}") from None
    there = [line.split() for line in old.decode(errors="replace").splitlines()]
    missing = [line for line in lines if line.split() not in there]
    if not missing:
        return [f"{path}: nothing to add"]
    end = b"" if old.endswith(b"\n") or not old else b"\n"
    added = "".join(f"{line}\n" for line in missing).encode()
    with alone_in(path.parent):
        replace_files(path.parent, {path.name: old + end + added})
    return [f"{path}: {len(missing)} lines added; commit them:", *(f"  {line}" for line in missing)]


def _configure(folder: Path) -> list[str]:
    key = f"diff.{DRIVER}.textconv"

    def config(*arguments: str) -> str:
        said = git("config", "--local", *arguments, place=str(folder), folder=folder)
        return said.decode(errors="replace").strip()

    old = config("--default", "", "--get", key)
    if old == TEXTCONV:
        return [f"git config {key}: already set"]
    config("--replace-all", key, TEXTCONV)
    was = printable(f"; it was {old}") if old else ""
    return [f"git config {key}: set in this clone only{was}"]
