"""What a network is shown, and what its outputs are compared with: arrays from an .npz, checked."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from .messages import RunError

Examples = dict[str, np.ndarray]  # {input: (n, *shape)}
Targets = dict[str, np.ndarray]  # {output population: class numbers (n,), or values (n, *shape)}
Table = dict[str, dict[str, Any]]  # the network's INPUTS and OUTPUTS, by name

MAX_UNPACKED = 2**30  # bytes that an archive may always have, unpacked
MAX_RATIO = 100  # of an .npz's arrays to its size, beyond that
NAMES_SHOWN = 10

# What reading a damaged, foreign or hostile .npz raises.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    TypeError,
    IndexError,
    OverflowError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def archive_problem(archive: zipfile.ZipFile, size: int, ratio: int) -> str:
    """Why a zip archive of `size` bytes is not unpacked; "" if it is, to 1 GiB + ratio x size at most."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    limit = MAX_UNPACKED + ratio * size
    if unpacked > limit:
        return f"unpacked it has {unpacked} bytes, at most {limit} are read"
    for entry in archive.infolist():  # other methods unpack a block of any size at once
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return f"its entry {entry.filename} is neither stored nor deflated"
    return ""


def input_arrays(
    inputs: Collection[str], there: Collection[str], endings: tuple[str, ...]
) -> tuple[dict[str, str], str]:
    """{input: the array of an .npz that is for it}, and the ending that these arrays have in common.

    An array is named after the input; for a network with one input, x is looked for before.
    Raises LookupError with what is missing.
    """
    layouts = [(dict.fromkeys(inputs, "x" + ending), ending) for ending in endings if len(inputs) == 1]
    layouts += [({name: name + ending for name in inputs}, ending) for ending in endings]
    for keys, ending in layouts:
        if all(key in there for key in keys.values()):
            return keys, ending
    shown = list(there)[:NAMES_SHOWN]
    more = f" and {len(there) - len(shown)} more" if len(there) > len(shown) else ""
    has = f"; it has {', '.join(shown) or 'none'}{more}"
    if len(inputs) == 1:
        *names, last = dict.fromkeys(key for keys, _ in layouts for key in keys.values())
        raise LookupError(f"no array {', '.join(names)} or {last} in it{has}")
    keys, _ = max(layouts, key=lambda layout: len(set(layout[0].values()) & set(there)))
    missing = [key for key in keys.values() if key not in there]
    wanted = f"there is one for each input, all with {endings[-1]} at their ends or none"
    raise LookupError(f"no array {' and no '.join(missing)} in it, where {wanted}{has}")


def target_arrays(
    outputs: Collection[str], there: Collection[str], ending: str, taken: Collection[str]
) -> dict[str, str]:
    """{output: the array that is for it}, for those that have one: y for the first, or named after it."""
    stems = {name: (["y"] if index == 0 else []) + [name] for index, name in enumerate(outputs)}
    keys = {name: [stem + ending for stem in stems[name] if stem + ending in there] for name in outputs}
    return {name: free[0] for name in outputs if (free := [k for k in keys[name] if k not in taken])}


def read_data(path: Path, inputs: Table, outputs: Table, limit: int | None) -> tuple[Examples, Targets]:
    """The first `limit` examples, of the file's dtypes, and the targets that the file has for the outputs."""
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"{path}: is not a regular file")
        with path.open("rb") as start:
            if start.read(2) == b"\x93N":
                raise RunError(f"{path}: expected an .npz with arrays x and y, got a single array")
        with zipfile.ZipFile(path) as archive:
            if problem := archive_problem(archive, path.stat().st_size, MAX_RATIO):
                raise ValueError(f"{problem}: save it with np.savez, uncompressed")
        with np.load(path, allow_pickle=False) as arrays:
            keys, ending = input_arrays(inputs, arrays.files, ("", "_test"))
            examples = {name: arrays[key] for name, key in keys.items()}
            target_keys = target_arrays(outputs, arrays.files, ending, keys.values())
            targets = {name: np.asarray(arrays[key]) for name, key in target_keys.items()}
    except RunError:
        raise
    except zipfile.BadZipFile:
        raise RunError(f"{path}: cannot be read as .npz: it is not one, or damaged") from None
    except UNREADABLE as error:
        raise RunError(f"{path}: cannot be read as .npz: {error}") from None
    except LookupError as error:
        raise RunError(f"{path}: {error}") from None
    examples = {name: with_last_axis(x, inputs[name]["shape"]) for name, x in examples.items()}
    shown = {name: x[:limit] if np.ndim(x) else x for name, x in examples.items()}
    problem = examples_problem(shown, inputs)
    if problem := problem or lengths_problem(examples):
        raise RunError(f"{path}: {problem}")
    count = count_of(examples)
    for name, y in targets.items():
        targets[name] = shaped_targets(y, outputs[name]["shape"])
        if problem := targets_problem(target_keys[name], targets[name], outputs[name]["shape"], count):
            raise RunError(f"{path}: {problem}")
    return shown, {name: y[:limit] for name, y in targets.items()}


def count_of(examples: Examples) -> int:
    """How many examples there are, equally many of each input."""
    return len(next(iter(examples.values())))


def with_last_axis(x: Any, shape: tuple[int, ...]) -> Any:
    """x (n, *shape), with a last axis of length 1 where that is what it lacks."""
    lacking = isinstance(x, np.ndarray) and x.ndim == len(shape) and shape[-1] == 1
    return x[..., None] if lacking and x.shape[1:] == shape[:-1] else x


def example_problem(x: object, shape: tuple[int, ...]) -> str:
    """Why x is no array of examples of this shape; "" if it is."""
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        return "the examples are not an array"
    if x.shape[1:] != shape:
        return f"an example has shape {x.shape[1:]}, the network takes {shape}"
    if x.dtype.kind not in "buif":
        return f"examples are {x.dtype}, expected numbers"
    if len(x) == 0:
        return "holds no examples"
    if x.dtype.kind == "f":
        bad = ~(np.abs(x) <= np.finfo(np.float32).max)
        if bad.any():
            return (
                f"example {np.argwhere(bad)[0][0]} holds NaN or infinity, or a number too large for float32"
            )
    return ""


def examples_problem(examples: Examples, inputs: Table) -> str:
    """Why these are no examples of the inputs; "" if they are."""
    found = {name: example_problem(x, inputs[name]["shape"]) for name, x in examples.items()}
    return next((named(name, problem, inputs) for name, problem in found.items() if problem), "")


def lengths_problem(examples: Examples) -> str:
    """What is said of inputs that do not have equally many examples; "" if they have."""
    if len({len(x) for x in examples.values()}) == 1:
        return ""
    return "unequal numbers of examples: " + ", ".join(f"{name} {len(x)}" for name, x in examples.items())


def label_problem(targets: Targets, outputs: Table) -> str:
    """Why class numbers may be those of another output, which has none; "" if nothing tells so."""
    for name, y in targets.items():
        seen = int(y.max()) + 1 if y.ndim == 1 else 0
        others = [other for other in outputs if other not in targets and outputs[other]["shape"] == (seen,)]
        if others and outputs[name]["shape"] != (seen,):
            classes = f"{outputs[name]['shape'][0]} classes, its targets {seen}, as many as {others[0]}"
            return f"{name} has {classes}: name the array {others[0]} if it is for that output"
    return ""


def range_problem(examples: Examples, inputs: Table) -> str:
    """Why examples may be prepared in another way than the calibration data were; "" if nothing tells so."""
    for name, x in examples.items():
        low, high = inputs[name]["data_range"] or (0.0, 0.0)
        if low == high:
            continue
        divisor = inputs[name]["uint8_divisor"] if x.dtype == np.uint8 else 1
        smallest, largest = float(x.min()) / divisor, float(x.max()) / divisor
        if not 1 / 20 < (largest - smallest) / (high - low) < 2:
            found = f"runs from {smallest:g} to {largest:g}, the calibration data from {low:g} to {high:g}"
            return named(name, f"the data {found}: it may be prepared in another way", inputs)
    return ""


def named(name: str, problem: str, inputs: Collection[str]) -> str:
    """A problem of an input, with its name where there are several."""
    return problem if len(inputs) == 1 else f"{name}: {problem}"


def as_current(x: np.ndarray, uint8_divisor: float) -> np.ndarray:
    """float32; uint8 intensities (0..255) are divided by `uint8_divisor`, other data is taken as it is."""
    if x.dtype == np.uint8:
        return x.astype(np.float32) / np.float32(uint8_divisor)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return x.astype(np.float32)


def currents_of(examples: Examples, start: int, stop: int, inputs: Table) -> Examples:
    """The examples from `start` to before `stop` as they come to the network, float32."""
    return {name: as_current(x[start:stop], inputs[name]["uint8_divisor"]) for name, x in examples.items()}


def shaped_targets(y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Targets of an output of this shape: class numbers (n,), also from a column, or values (n, *shape)."""
    if y.ndim == 2 and y.shape[1] == 1 and takes_classes(shape):
        return y[:, 0]
    return with_last_axis(y, shape)


def takes_classes(shape: tuple[int, ...]) -> bool:
    """Whether an output of this shape can have class numbers for targets: it is a vector."""
    return len(shape) == 1 and shape[0] > 1


def targets_problem(name: str, y: np.ndarray, shape: tuple[int, ...], count: int) -> str:
    """Why y, called `name`, are no targets of so many examples for an output of this shape; "" if so."""
    if takes_classes(shape) and y.shape == (count, *shape) and y.dtype.kind in "buif":
        ones = (y == 1).sum(axis=1)
        if (ones == 1).all() and ((y == 0).sum(axis=1) == shape[0] - 1).all():
            return f"{name} is one-hot, expected class numbers: save {name}.argmax(axis=1)"
    if takes_classes(shape) and y.shape == (count,) and y.dtype.kind in "ui":
        if 0 <= int(y.min()) <= int(y.max()) < shape[0]:
            return ""
        return f"{name} has classes {y.min()} to {y.max()}, the network has 0 to {shape[0] - 1}"
    if y.shape != (count, *shape) or y.dtype.kind not in "uif":
        classes = f"class numbers, integers {(count,)}, or " if takes_classes(shape) else ""
        return f"{name} is {y.dtype} {y.shape}, expected {classes}values {(count, *shape)}"
    bad = ~(np.abs(y) <= np.finfo(np.float32).max)
    if bad.any():
        example = np.argwhere(bad)[0][0]
        return f"{name} holds NaN or infinity, or a number too large for float32, for example {example}"
    return ""
