"""The network that an argument names: a document, its folder, or either in a revision that git keeps."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from tgenn_gen.document import DOCUMENT, load, named_weights
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.git import git
from tgenn_gen.schema_check import schema_problems
from tgenn_gen.source import read_source
from tgenn_gen.spec import Network
from tgenn_gen.tensors import is_inside

HINT = "REV:path, as in HEAD~1:mnist, counts from the repository's top folder, REV:./path from this one"


def load_both(*names: str) -> list[Network]:
    """The networks of arguments, as load_named has them; all that is wrong with any of them, at once."""
    networks, found = [], list[Diagnostic]()
    for name in names:
        try:
            networks.append(load_named(name))
        except TgennError as error:
            found += error.diagnostics
    if found:
        raise TgennError(found)
    return networks


def load_named(name: str) -> Network:
    """Read the network of a path, or of a git revision, REV:path, if there is no such path.

    Raises TgennError with everything that is wrong, MissingEngineError without git.
    """
    if ":" not in name or os.path.exists(name):  # noqa: PTH110  (a name may be too long for Path.exists)
        return load(Path(name))
    document = _document(name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _load_copy(document, Path(folder) / DOCUMENT)
    except OSError as error:
        message = f"cannot be copied to {tempfile.gettempdir()}: {error.strerror}"
        raise TgennError(
            Diagnostic(Location(document), "T604", message, "see the free space there")
        ) from None


def _load_copy(document: str, copy: Path) -> Network:
    copy.write_bytes(_content(document))
    try:
        _copy_weights(document, copy)
        return load(copy)
    except TgennError as error:  # the user knows nothing of the copy
        raise TgennError(_renamed(d, str(copy), document) for d in error.diagnostics) from None


def _document(name: str) -> str:
    """REV:path of the document: what `name` says, or the one in that folder."""
    inside = f"{name}{'' if name.endswith((':', '/')) else '/'}{DOCUMENT}"
    try:
        git("cat-file", "-e", "--", inside, place=inside, hint=HINT)
    except TgennError:
        if git("cat-file", "-t", "--", name, place=name, hint=HINT).strip() == b"tree":
            raise
        return name
    return inside


def _content(name: str) -> bytes:
    """The file as a checkout would have it: through the filters of .gitattributes, such as Git LFS."""
    return git("cat-file", "--filters", "--", name, place=name, hint=HINT)


def _copy_weights(document: str, copy: Path) -> None:
    """The weights that a document names, into the folder of its copy; what a broken one lacks, load says."""
    data = read_source(copy).data
    broken = bool(schema_problems(data))
    populations = data.get("populations") if isinstance(data, dict) else None
    beside = document[: max(document.rfind("/"), document.find(":")) + 1]
    found: list[Diagnostic] = []
    for file in {file for file, _ in named_weights(populations) if is_inside(file)}:
        try:
            content = _content(f"{beside}{file}")
        except TgennError as error:
            found += () if broken else error.diagnostics
        else:
            path = copy.parent / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if found:
        raise TgennError(found)


def _renamed(diagnostic: Diagnostic, old: str, new: str) -> Diagnostic:
    location = diagnostic.location
    return replace(diagnostic, location=replace(location, file=new)) if location.file == old else diagnostic
