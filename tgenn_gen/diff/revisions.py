"""Loads the network that an argument names: a document or its folder, on disk or in a git revision."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.reading import load, load_source
from tgenn_gen.document.yaml_source import MAX_BYTES, source_of
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.files.git import git, git_file
from tgenn_gen.files.paths import is_inside
from tgenn_gen.network.model import Network

HINT = (
    "in REV:PATH, such as HEAD~1:mnist, PATH starts at the repository's top folder; "
    "REV:./PATH starts at the current folder"
)

# REV, which may have colons between braces, as in HEAD^{/fix: it}, or none and a stage of the index; the path
_NAME = re.compile(r"(:[0-3]:|(?:\{[^}]*\}|[^:{])*:)(.*)", re.DOTALL)


def load_both(*names: str, allow_outside: bool = False) -> list[Network]:
    """Load several networks with load_named. Raises TgennError with the errors of all of them."""
    networks, found = [], list[Diagnostic]()
    for name in names:
        try:
            networks.append(load_named(name, allow_outside=allow_outside))
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    return networks


def load_named(name: str, *, allow_outside: bool = False) -> Network:
    """Read the network of a path, or of a git revision, REV:path, if there is no such path.

    allow_outside: also read weights outside of the document's folder; for a revision, in its repository.
    Raises TgennError with all errors; MissingEngineError if git is not installed.
    """
    if ":" not in name or os.path.exists(name):  # noqa: PTH110  (a name may be too long for Path.exists)
        return load(Path(name), allow_outside=allow_outside)
    document = _document(name)
    with _content(document) as file:
        source = source_of(file.read(MAX_BYTES + 1), document)
    return load_source(source, _Revision(document, allow_outside))


@dataclass(frozen=True)
class _Revision:
    """The files below the folder of a document REV:path; with `allow_outside` all files of the revision."""

    document: str
    allow_outside: bool

    def name(self, file: str) -> str:
        """REV:path of a file."""
        revision, path = _parts(self.document)
        return f"{revision}{posixpath.join(posixpath.dirname(path), file)}"

    def open(self, file: str, place: Location) -> BinaryIO:
        """Open a file as a checkout has it. Raises TgennError: T301 outside of the repository, T604, T607."""
        revision, path = _parts(self.document)
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        if path.startswith(("./", "../")) and not file.startswith("/"):  # git counts from the current folder
            joined = f"./{joined}"
        elif not is_inside(joined):
            message = "is outside of the repository, so the revision does not have it"
            hint = "check the revision out, and give the path of that folder"
            raise TgennError.at(place, "T301", f"{file}: {message}", hint)
        return _content(f"{revision}{joined}")


def _parts(name: str) -> tuple[str, str]:
    """Split REV:path into "REV:" and "path"."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2]) if found else ("", name)


def _document(name: str) -> str:
    """REV:path of the document: `name`, or its network.yaml if `name` is a folder."""
    inside = f"{name}{'' if name.endswith((':', '/')) else '/'}{DOCUMENT}"
    try:
        git("cat-file", "-e", "--", inside, place=inside, hint=HINT)
    except TgennError:
        if git("cat-file", "-t", "--", name, place=name, hint=HINT).strip() == b"tree":
            raise
        return name
    return inside


def _content(name: str) -> BinaryIO:
    """The file as a checkout would have it: through the filters of .gitattributes, such as Git LFS."""
    return git_file("cat-file", "--filters", "--", name, place=name, hint=HINT)
