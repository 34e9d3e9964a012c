"""The template files: the built-in ones, and a user's folder that replaces some of them."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from tgenn_gen.errors import TgennError
from tgenn_gen.files.file_writing import content_of
from tgenn_gen.files.resources import resource_folder

BUILT_IN = resource_folder("templates")
TEMPLATES = {  # {name: what it prints}
    "simulate.py.j2": "simulate.py: the network on GeNN, through PyGeNN",
    "connectivity.py.j2": "connectivity.py: its SPARSE and TOEPLITZ synapses, as GeNN code",
    "reference.py.j2": "reference.py: the network in NumPy",
    "model.cc.j2": "model.cc: the network on GeNN, in C++",
    "connectivity.h.j2": "connectivity.h: its synapses as GeNN code, and the current that examples give",
}


def require_folder(folder: Path) -> None:
    """Raise TgennError (T702) if the folder does not exist."""
    try:
        is_there = folder.is_dir()
    except OSError as error:  # a name that is too long, or a folder without permission
        raise _unreadable(folder, error) from None
    if not is_there:
        hint = "tgenn templates --eject DIR makes one with the built-in templates"
        raise TgennError.at(folder, "T702", "is not a folder", hint)


def without_effect(folder: Path) -> list[tuple[Path, str]]:
    """The files in the folder that no built-in template has the name of and no template there mentions.

    Pairs of a path and a hint. Hidden files are left out. Raises TgennError (T702).
    """
    require_folder(folder)
    try:
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    except OSError as error:
        raise _unreadable(folder, error) from None
    names = {name for name in there if not any(part.startswith(".") for part in name.split("/"))}
    used = [name for name in TEMPLATES if name in names]
    for template in used:  # `used` grows by the files that its templates mention
        text = content_of(folder / template) or b""
        used += [name for name in names.difference(used) if os.fsencode(name) in text]
    return [(folder / name, name_hint(name)) for name in sorted(names.difference(used))]


def _unreadable(folder: Path, error: OSError) -> TgennError:
    return TgennError.at(folder, "T702", f"cannot be read: {error.strerror}")


def name_hint(name: str) -> str:
    """The hint for an unknown template name."""
    close = get_close_matches(name, TEMPLATES, n=1)
    return f"did you mean '{close[0]}'?" if close else "tgenn templates lists the built-in ones"
