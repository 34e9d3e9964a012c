"""Writes the files of a network, and never overwrites a file that tgenn did not write.

A process that is killed while it writes may leave files of two networks. Hashes reveal this:
weights/SHA256SUMS has the hashes of all weights and is written last, so that new weights beside an old
network.yaml are refused; each script has the hash of its document. The next export replaces all of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgenn_gen.codegen.rendering import render
from tgenn_gen.codegen.runtime_files import carried_files
from tgenn_gen.codegen.stamps import SCRIPTS, TARGETS
from tgenn_gen.document.canonical_text import (
    DOCUMENT,
    FORMAT,
    SCHEMA,
    SCHEMA_MARK,
    Document,
    document_of,
    named_weights,
)
from tgenn_gen.document.schema_check import fits
from tgenn_gen.document.weight_hashes import SUMS, parsed_hashes
from tgenn_gen.document.yaml_source import read_source
from tgenn_gen.errors import Diagnostic, Location, TgennError
from tgenn_gen.files.file_writing import (
    alone_in,
    content_of,
    remove_files,
    replace_files,
    temporary_files,
    unwritable,
    with_unix_line_ends,
)
from tgenn_gen.files.paths import behind_links, is_inside
from tgenn_gen.network.argument_checks import a_network, file_path, list_of_names, require
from tgenn_gen.network.model import Network
from tgenn_gen.project.generated_files import edit_of, is_copied, is_own, own_generated_files

log = logging.getLogger(__name__)


def save(network: Network, folder: str | Path, *, force: bool = False) -> None:
    """Write network.yaml and weights/ into a folder.

    Args:
        network: A network that was converted, loaded or made by hand.
        folder: The folder, which must be new or empty unless `force`.
        force: Replace the files in it that tgenn wrote.

    Raises:
        TgennError: T2xx or T3xx the network is invalid, T503 an argument has a wrong type, T601 to T605 the
            folder. Nothing is written.
    """
    require("save", "T503", a_network(network), file_path("folder", folder))
    write_folder(Path(folder), document_of(network).files(), force=force)


def generate(
    network: Network,
    folder: str | Path,
    targets: tuple[str, ...] = tuple(TARGETS),
    templates: str | Path | None = None,
    *,
    force: bool = False,
) -> list[Path]:
    """Write the network's scripts and tgenn_runtime/ into `folder`, beside its network.yaml.

    Args:
        network: The network that `save` wrote into the folder.
        folder: The folder of its network.yaml.
        targets: "pygenn" (simulate.py, connectivity.py), "cpp" (model.cc, connectivity.h), "numpy"
            (reference.py).
        templates: A folder with templates that replace the built-in templates of the same name.
        force: Also overwrite files that were edited by hand.

    Returns:
        The paths of the files that changed.

    Raises:
        TgennError: T503 an argument has a wrong type, T603 a file was not written by tgenn, T604 the folder
            cannot be written, T605 another process writes it, T606 a file was edited by hand, T70x an error
            in the templates. Nothing is written.
    """
    require(
        "generate",
        "T503",
        a_network(network),
        file_path("folder", folder),
        list_of_names("targets", targets),
        file_path("templates", templates, optional=True),
    )
    return write_scripts(document_of(network), Path(folder), tuple(targets), templates, force=force)


def write_scripts(
    document: Document,
    folder: Path,
    targets: tuple[str, ...],
    templates: str | Path | None,
    *,
    force: bool,
) -> list[Path]:
    """Does the work of generate, for a document."""
    files = _scripts(document, targets, templates)
    changed = [name for name, content in files.items() if _text_of(folder / name) != content]
    _require_replaceable(folder, changed, force=force)
    old = [n for n in own_generated_files(folder) - {*files, *SCRIPTS} if not edit_of(folder, n)]
    if changed or old:
        with alone_in(folder):
            replace_files(folder, {name: files[name] for name in changed}, stale=sorted(old))
            for path in (folder / name for name in files):
                remove_files(temporary_files(path.parent, path.name))  # of those that are up to date, too
    return [folder / name for name in changed]


def stale_scripts(
    document: Document, folder: Path, targets: tuple[str, ...], templates: Path | None
) -> dict[Path, str]:
    """{script: why it is not up to date} with the document and the templates."""
    files = _scripts(document, targets, templates)
    stale = {
        folder / name: _staleness(folder, name, document.sha256)
        for name, content in files.items()
        if _text_of(folder / name) != content
    }
    gone = sorted(own_generated_files(folder) - {*files, *SCRIPTS})
    return {**stale, **{folder / name: "belongs to another version of tgenn" for name in gone}}


def _scripts(document: Document, targets: tuple[str, ...], templates: str | Path | None) -> dict[str, bytes]:
    folder = None if templates is None else Path(templates)
    scripts = {name: text.encode() for name, text in render(document, targets, folder).items()}
    return {**carried_files(document.network), **scripts}


def _text_of(path: Path) -> bytes | None:
    """The content of a text file with line ends \\n; None if it is not a file, or cannot be read."""
    content = content_of(path)
    return None if content is None else with_unix_line_ends(content)


def _staleness(folder: Path, name: str, document_sha256: str) -> str:
    content = content_of(folder / name)
    if content is None:
        return "is missing"
    if not is_own(folder, name):
        return "was not written by tgenn"
    if edited := edit_of(folder, name):
        return edited
    if name in SCRIPTS and document_sha256.encode() not in content:
        return "was generated from another document"
    return "was made by another version of tgenn, or from other templates"


def export_files(network: Network, templates: Path | None = None) -> dict[str, bytes]:
    """All files of an exported network: scripts, weights and document, {path: bytes}. Raises TgennError."""
    return project_files(document_of(network), tuple(TARGETS), templates)


def project_files(
    document: Document, targets: tuple[str, ...], templates: Path | None = None
) -> dict[str, bytes]:
    """The files of a project with the scripts of these targets, {path: bytes}. Raises TgennError."""
    return {**_scripts(document, targets, templates), **document.files()}


def write_new_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` ({relative path: bytes}) into a folder, new or not, in which none of them exists.

    Raises TgennError: T603 a file exists, T604 cannot be written, T605 another process is writing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    with alone_in(folder):
        if there := [path for name in files if (path := _in_the_way(folder, name))]:
            hint = "move it to another folder, or choose another folder"
            raise TgennError([Diagnostic.at(path, "T603", "already exists", hint) for path in there])
        replace_files(folder, files)


def require_writable_target(folder: Path, *, force: bool) -> None:
    """Raise TgennError (T601, T602, T604) where write_folder refuses the folder: use it before long work."""
    place = Location(str(folder))
    try:
        there, parent = folder.exists() or folder.is_symlink(), folder.resolve().parent
        if not there and not parent.is_dir():
            raise TgennError.at(place, "T602", f"the folder {parent} does not exist", "create it")
        if there and not folder.is_dir():
            raise TgennError.at(place, "T602", "is a file, not a folder", "choose another `folder`")
        if there and not force and any(folder.iterdir()):
            hint = "choose another folder, or give `force=True` to replace the document, weights and scripts"
            edited = [name for name in sorted(own_generated_files(folder)) if edit_of(folder, name)]
            if edited:
                hint += f", also those that were edited by hand: {', '.join(edited)}"
            raise TgennError.at(place, "T601", "the folder is not empty", hint)
    except (OSError, RuntimeError) as error:  # a name that is too long, a link to itself
        raise unwritable(folder, error) from None


@contextlib.contextmanager
def output_folder(folder: Path, *, force: bool) -> Iterator[None]:
    """Lock a folder from before the work until write_project has written it.

    Raises TgennError: T601 not empty and no `force`, T602 not a folder, T604 cannot be written, T605
    another process is writing it.
    """
    require_writable_target(folder, force=force)
    with alone_in(folder):
        require_writable_target(folder, force=force)  # another process may just have written it
        yield


def write_project(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` ({relative path: bytes}, in this order) into an output_folder.

    Files that tgenn wrote are replaced, and old weights removed; other files stay. Raises TgennError: T603 a
    file with one of the names was not written by tgenn, T604 cannot be written.
    """
    own = _own_files(folder.resolve())
    new = [name for name, content in files.items() if content_of(folder / name) != content]
    foreign = {path for name in new if name not in own and (path := _in_the_way(folder, name))}
    if foreign:
        raise TgennError(map(_foreign, foreign))
    carried = any(map(is_copied, files))  # save writes the document alone
    gone = own - set(files)
    old = sorted(n for n in gone if n.endswith(".npy") or n == SUMS or (carried and is_copied(n)))
    size = sum(map(len, files.values())) / 1e6
    log.info("writing %d files, %.1f MB, into %s", len(files), size, folder)
    replace_files(folder, files, stale=old)
    for inside in {(folder / name).parent for name in files}:
        remove_files(temporary_files(inside))  # of a network that a killed process began to write


def write_folder(folder: Path, files: dict[str, bytes], *, force: bool) -> None:
    """Write `files` ({relative path: bytes}, in this order) into a folder.

    Raises TgennError as output_folder and write_project do.
    """
    with output_folder(folder, force=force):
        write_project(folder, files)


def _in_the_way(folder: Path, name: str) -> Path | None:
    """What is in the way of a new file: an existing file, or something else in place of a folder; or None."""
    for above in [folder / parent for parent in reversed(Path(name).parents[:-1])]:
        if above.is_symlink() or (above.exists() and not above.is_dir()):
            return above
    return folder / name if os.path.lexists(folder / name) else None


def _own_files(folder: Path) -> set[str]:
    """The files in the folder that tgenn wrote: scripts and schema with its mark, document, weights.

    If an export was killed, the document that it left under a temporary name names its weights.
    """
    own = own_generated_files(folder)
    if SCHEMA_MARK.encode() in (content_of(folder / SCHEMA) or b"")[:1000]:
        own.add(SCHEMA)
    documents = (folder / DOCUMENT, *temporary_files(folder, DOCUMENT))
    found = {path.name: data for path in documents if (data := _document_data(path))}
    own |= {*found, *_own_weights(folder, list(found.values()))}
    if any(data["format"] == FORMAT for data in found.values()):
        own.add(SUMS)
    return own


def _document_data(path: Path) -> dict[str, Any] | None:
    """The data of a file if it is a document, else None."""
    try:
        data = read_source(path).data
    except TgennError:
        return None
    is_document = isinstance(data, dict) and re.fullmatch("tgenn/[12]", str(data.get("format")))
    return data if is_document else None


def _own_weights(folder: Path, documents: list[dict[str, Any]]) -> Iterator[str]:
    """The weight files of documents whose hash is unchanged: others may belong to the user."""
    parts = [data.get(key) for data in documents for key in ("inputs", "populations")]
    named = [weight for part in parts for weight in named_weights(part)]
    known = {(file, str(sha256)) for file, sha256 in named}  # tgenn/1 had hashes in the document
    sums = folder / SUMS
    for path in (sums, *temporary_files(sums.parent, sums.name)):
        known |= set(parsed_hashes(content_of(path) or b"", str(path)).hashes.items())
    for file in {file for file, _ in named}:
        if fits("file", file) and is_inside(file):
            with contextlib.suppress(OSError):
                path, _ = behind_links(folder, file)
                content = content_of(path) if path == folder / file else None
                if content is not None and (file, hashlib.sha256(content).hexdigest()) in known:
                    yield file


def _require_replaceable(folder: Path, names: list[str], *, force: bool) -> None:
    hint = "make the change in network.yaml or a template; `force=True` overwrites the edited file"
    found = []
    for name in names:
        if (folder / name).exists() and not is_own(folder, name):
            found.append(_foreign(folder / name))
        elif not force and (edited := edit_of(folder, name)):
            found.append(Diagnostic.at(folder / name, "T606", edited, hint))
    if found:
        raise TgennError(found)


def _foreign(path: Path) -> Diagnostic:
    changed = ", or was changed since" if path.suffix == ".npy" else ""
    message, hint = f"was not written by tgenn{changed}", "move it to another folder"
    return Diagnostic.at(path, "T603", message, hint)
