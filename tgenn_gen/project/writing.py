"""A network's files to disk: never over something that the tool did not write."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tgenn_gen.codegen.rendering import render
from tgenn_gen.codegen.stamps import TARGETS, content_of, edit, is_generated
from tgenn_gen.document.canonical_text import (
    DOCUMENT,
    FORMAT,
    SCHEMA,
    document_files,
    document_hash,
    named_weights,
)
from tgenn_gen.document.schema_check import fits
from tgenn_gen.document.source import read_source
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.files.folders import alone_in, replace_files, unwritable, write_whole
from tgenn_gen.files.paths import behind_links, is_inside
from tgenn_gen.network.model import Network

SCHEMA_MARK = "urn:tgenn:network:"  # how the $id of every schema starts, of whatever version


def save(network: Network, folder: str | Path, *, force: bool = False) -> None:
    """Write network.yaml and weights/ into `folder`, new or empty unless `force`. Raises TgennError."""
    write_folder(Path(folder), document_files(network), force=force)


def generate(
    network: Network,
    folder: str | Path,
    targets: tuple[str, ...] = tuple(TARGETS),
    templates: str | Path | None = None,
    *,
    force: bool = False,
) -> list[Path]:
    """Write the network's scripts into `folder`, beside its network.yaml; the paths of those that changed.

    targets: of "pygenn" (simulate.py), "cpp" (model.cc) and "numpy" (reference.py). templates: a folder of
    templates that override the built-in ones of their names. force: also over what was edited by hand.
    Raises TgennError, and nothing is written: T603 a file of that name was not generated, T604 the folder
    cannot be written, T605 another process writes it, T606 a script was edited by hand, T70x what is wrong
    with templates.
    """
    folder = Path(folder)
    files = _scripts(network, targets, templates)
    changed = [name for name, content in files.items() if content_of(folder / name) != content]
    _require_replaceable(folder, changed, force=force)
    if changed:
        with alone_in(folder):
            write_whole(folder, {name: files[name] for name in changed})
    return [folder / name for name in changed]


def stale_scripts(
    network: Network, folder: Path, targets: tuple[str, ...], templates: Path | None
) -> dict[Path, str]:
    """The scripts that are not what the network, and the templates, give, and why."""
    scripts, sha256 = _scripts(network, targets, templates), document_hash(network)
    return {
        folder / name: _staleness(folder / name, sha256)
        for name, content in scripts.items()
        if content_of(folder / name) != content
    }


def _scripts(network: Network, targets: tuple[str, ...], templates: str | Path | None) -> dict[str, bytes]:
    folder = None if templates is None else Path(templates)
    return {name: text.encode() for name, text in render(network, targets, folder).items()}


def _staleness(path: Path, document_sha256: str) -> str:
    content = content_of(path)
    if content is None:
        return "is missing"
    if not is_generated(content):
        return "was not written by tgenn"
    if edited := edit(content):
        return edited
    if document_sha256.encode() not in content:
        return "was made from another document"
    return "was made by another version of tgenn, or from other templates"


def export_files(network: Network, templates: Path | None = None) -> dict[str, bytes]:
    """All files of an exported network: the document, its weights, the scripts. Raises TgennError (T70x)."""
    return {**document_files(network), **_scripts(network, tuple(TARGETS), templates)}


def write_new_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` ({relative path: bytes}) into a folder, new or not, that has none of them.

    Raises TgennError: T603 something of that name is there, T604 cannot be written.
    """
    try:
        real = folder.resolve()
        in_the_way = {folder / _in_the_way(real, name) for name in files if _is_there(real, name)}
    except (OSError, RuntimeError) as error:  # a name that is too long, a link to itself
        raise unwritable(folder, error) from None
    if in_the_way:
        hint = "move it out of the way, or choose another folder"
        raise TgennError([Diagnostic.at(path, "T603", "is there already", hint) for path in in_the_way])
    replace_files(folder, files)


def require_writable_target(folder: Path, *, force: bool) -> None:
    """Raise TgennError (T601, T602) where write_folder would refuse the folder, before any work is done."""
    place = Location(str(folder))
    try:
        there, parent = folder.exists() or folder.is_symlink(), folder.resolve().parent
        if not there and not parent.is_dir():
            raise TgennError.at(place, "T602", f"there is no folder {parent}", "create it")
        if there and not folder.is_dir():
            raise TgennError.at(place, "T602", "is a file, not a folder", "choose another --output")
        if there and not force and any(folder.iterdir()):
            hint = "choose another one, or give --force to replace the document, weights and scripts in it"
            edited = [name for name in sorted(TARGETS.values()) if _edit(folder / name)]
            if edited:
                hint += f", also what was edited by hand: {', '.join(edited)}"
            raise TgennError.at(place, "T601", "the folder is not empty", hint)
    except (OSError, RuntimeError) as error:  # a name that is too long, a link to itself
        raise unwritable(folder, error) from None


@contextmanager
def reserved(folder: Path, *, force: bool) -> Iterator[Callable[[dict[str, bytes]], None]]:
    """Keep a folder from other processes; what it gives writes `files` ({relative path: bytes}) into it.

    They appear at once, all or none. With `force` an exported network's own files in an existing folder are
    replaced; other files stay. Raises TgennError: T601 not empty, T602 not a folder, T603 a file that is in
    the way was not written by tgenn, T604 cannot be written, T605 another process is writing it.
    """

    def write(files: dict[str, bytes]) -> None:
        old = _own_files(folder.resolve())
        foreign = sorted(n for n in files if n not in old and _is_there(folder.resolve(), n))
        if foreign:
            raise TgennError({_foreign(folder / _in_the_way(folder, name)) for name in foreign})
        write_whole(folder, files, stale=sorted(n for n in old - set(files) if n.endswith(".npy")))

    require_writable_target(folder, force=force)
    with alone_in(folder):
        require_writable_target(folder, force=force)  # another one may just have been there
        yield write


def write_folder(folder: Path, files: dict[str, bytes], *, force: bool) -> None:
    """Write `files` ({relative path: bytes}) into a folder, as `reserved` says."""
    with reserved(folder, force=force) as write:
        write(files)


def _is_there(folder: Path, name: str) -> bool:
    """Whether something is in the way of a file: itself, or a link where one of its folders should be."""
    path = folder / name
    if any(p.is_file() for p in path.parents if p != folder and p.is_relative_to(folder)):
        return True
    return path.exists() or any(p.is_symlink() for p in (path, *path.parents) if p.is_relative_to(folder))


def _in_the_way(folder: Path, name: str) -> Path:
    """What is in a file's way: a file where one of its folders should be, or itself."""
    parents = [p for p in Path(name).parents if (folder / p).is_file()]
    return parents[0] if parents else Path(name)


def _own_files(folder: Path) -> set[str]:
    """The files in the folder that tgenn wrote: scripts and a schema with its mark, document, weights.

    A weight file counts if it still has the hash that the document gives: anything else may be somebody's.
    """
    own = {name for name in TARGETS.values() if is_generated(content_of(folder / name) or b"")}
    if SCHEMA_MARK.encode() in (content_of(folder / SCHEMA) or b"")[:1000]:
        own.add(SCHEMA)
    try:
        data = read_source(folder / DOCUMENT).data
    except TgennError:
        return own
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return own

    for file, sha256 in named_weights(data.get("populations")):
        if fits("file", file) and is_inside(file):
            with contextlib.suppress(OSError):
                path, _ = behind_links(folder, file)
                content = content_of(path) if path == folder / file else None
                if content is not None and hashlib.sha256(content).hexdigest() == sha256:
                    own.add(file)
    return own | {DOCUMENT}


def _edit(path: Path) -> str:
    """What was done to a script by hand, if it is a generated one."""
    content = content_of(path)
    return edit(content) if content is not None and is_generated(content) else ""


def _require_replaceable(folder: Path, names: list[str], *, force: bool) -> None:
    hint = "make the change in network.yaml, or give --force to lose it"
    found = []
    for path in (folder / name for name in names):
        if path.exists() and not is_generated(content_of(path) or b""):
            found.append(_foreign(path))
        elif not force and (edited := _edit(path)):
            found.append(Diagnostic.at(path, "T606", edited, hint))
    if found:
        raise TgennError(found)


def _foreign(path: Path) -> Diagnostic:
    changed = ", or was changed since" if path.suffix == ".npy" else ""
    message, hint = f"was not written by tgenn{changed}", "move it out of the way"
    return Diagnostic.at(path, "T603", message, hint)
