"""The template files: those that are built in, and a folder of one's own that overrides some of them."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from tgenn_gen.errors import TgennError
from tgenn_gen.files.paths import behind_links, is_inside
from tgenn_gen.files.resources import resource_folder

MAX_TEMPLATE_BYTES = 2**20
MAX_NAME = 255
MAX_FILES = 10_000  # those that are looked at, should somebody name a folder full of other things

TEMPLATES = {  # name: what it is for; those that follow a script's own are included by it
    "simulate.py.j2": "simulate.py: the network on GeNN, through PyGeNN",
    "connectivity.py.j2": "its SPARSE and TOEPLITZ connectivity",
    "stepping.py.j2": "its examples, batch after batch, step after step",
    "reference.py.j2": "reference.py: the network in NumPy",
    "tables.py.j2": "what simulate.py and reference.py say of inputs and outputs",
    "weights.py.j2": "how both read weights",
    "model.cc.j2": "model.cc: the network on GeNN, in C++",
    "cpp/models.cc.j2": "its neuron models and connectivity",
    "cpp/set_weights.cc.j2": "weights and biases, given to GeNN",
    "cpp/input_current.cc.j2": "the currents that examples give, and the readouts",
    "cpp/stepping.cc.j2": "examples, batch after batch, step after step",
    "cpp/settings.h": "the environment variables TGENN_RUN_...",
    "cpp/npy.h": ".npy files",
    "cpp/sha256.h": "SHA-256",
    "cpp/weights.h": "weight files",
    "cpp/examples.h": "examples and targets",
    "cpp/kernels.h": "kernels, as GeNN's connectivity reads them",
    "cpp/readouts.h": "outputs, of what is read",
    "cpp/scores.h": "accuracy and errors",
    "cpp/random_numbers.h": "random numbers",
}


def built_in_path(name: str) -> Path:
    """Where a built-in template stands."""
    return resource_folder("templates") / name


def require_folder(folder: Path) -> None:
    """Raise TgennError (T702) where there is no such folder."""
    try:
        there = folder.is_dir()
    except OSError as error:
        raise _unreadable(folder, error) from None
    if not there:
        hint = "tgenn templates --eject DIR makes one, of the built-in templates"
        raise TgennError.at(folder, "T702", "is not a folder", hint)


def own_text(folder: Path, name: str) -> str | None:
    """The text of a file in the folder; None where it has none of that name.

    Raises TgennError (T702): not a regular file inside the folder, not UTF-8 text, too large.
    """
    if not is_inside(name) or len(name) > MAX_NAME:
        return None
    path = folder / name
    try:
        if not path.exists() and not path.is_symlink():
            return None
        real, is_below = behind_links(folder, name)
        if not is_below:
            raise OSError(0, "a link that leads out of the folder")
        if not real.is_file():
            raise OSError(0, "not a regular file")
        with real.open("rb") as file:
            content = file.read(MAX_TEMPLATE_BYTES + 1)
        if len(content) > MAX_TEMPLATE_BYTES:
            raise OSError(0, f"larger than {MAX_TEMPLATE_BYTES // 2**20} MiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, OSError(0, f"not UTF-8 text (byte {error.start})")) from None
    except (OSError, RuntimeError) as error:
        raise _unreadable(path, error) from None


def without_effect(folder: Path) -> list[tuple[Path, str]]:
    """The files in the folder, but for hidden ones, that override nothing and that no template there names.

    Pairs of a path and what it may be meant for. Raises TgennError (T702).
    """
    require_folder(folder)
    try:
        there = {p.relative_to(folder) for p in islice(folder.rglob("*"), MAX_FILES) if p.is_file()}
    except OSError as error:
        raise _unreadable(folder, error) from None
    names = {path.as_posix() for path in there if not any(part.startswith(".") for part in path.parts)}
    used: set[str] = set()
    pending = [name for name in TEMPLATES if name in names]
    while pending:
        used.update(pending)
        texts = [own_text(folder, name) or "" for name in pending]
        pending = [name for name in names - used if any(name in text for text in texts)]
    return [(folder / name, name_hint(name)) for name in sorted(names - used)]


def _unreadable(path: Path, error: OSError | RuntimeError) -> TgennError:
    reason = error.strerror if isinstance(error, OSError) else "a link that leads to itself"
    return TgennError.at(path, "T702", f"cannot be read: {reason}")


def name_hint(name: str) -> str:
    """What to do about the name of a template that is not there."""
    close = get_close_matches(name, TEMPLATES, n=1)
    return f"did you mean '{close[0]}'?" if close else "tgenn templates lists the built-in ones"
