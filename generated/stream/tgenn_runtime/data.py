"""Reads examples and targets from an .npz, and checks them."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Mapping
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np

from .messages import RunError

Examples = dict[str, np.ndarray]  # {input: (n, *shape)}
Targets = dict[str, np.ndarray]  # {output population: targets, as shaped_targets gives them}
Table = dict[str, dict[str, Any]]  # the inputs, or the outputs, of a network: {name: its properties}

MAX_UNPACKED = 2**30  # bytes that any archive may have, unpacked
MAX_RATIO = 100  # beyond that: unpacked bytes for each byte of an .npz
NAMES_SHOWN = 10

# Data is of another range than the calibration data where
OUTLIERS, MARGIN = 0.02, 0.2  # more than 2 % of it is outside that range, by more than 20 % of the range;
NARROW, SOME = 1 / 50, 100  # or it is 100 values or more in less than 1/50 of the range;
NEGATIVE, EXAMPLES, MANY = (
    0.1,
    20,
    10000,
)  # or more than 10 % of the range is below 0, but none of many values.

# What reading a damaged, foreign or malicious .npz raises.
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
    """Why a zip archive of `size` bytes is not read; "" if it is: up to 1 GiB + ratio x size unpacked."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    limit = MAX_UNPACKED + ratio * size
    if unpacked > limit:
        return f"it has {unpacked} bytes unpacked, expected at most {limit}"
    for entry in archive.infolist():  # other methods can unpack a block of any size at once
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return f"its entry {entry.filename} is neither stored nor deflated"
    return ""


def input_arrays(
    inputs: Collection[str], there: Collection[str], endings: tuple[str, ...]
) -> tuple[dict[str, str], str]:
    """{input: the name of its array in an .npz}, and the ending of these names: one of `endings`.

    An array has the name of the input; if the network has one input, x comes first. there: the names in the
    .npz. Raises LookupError, with the missing names.
    """
    layouts = [(dict.fromkeys(inputs, "x" + ending), ending) for ending in endings if len(inputs) == 1]
    layouts += [({name: name + ending for name in inputs}, ending) for ending in endings]
    for keys, ending in layouts:
        if all(key in there for key in keys.values()):
            return keys, ending
    shown = list(there)[:NAMES_SHOWN]
    more = f" and {len(there) - len(shown)} more" if len(there) > len(shown) else ""
    found = f"found {', '.join(shown) or 'no array'}{more}"
    if len(inputs) == 1:
        *names, last = dict.fromkeys(key for keys, _ in layouts for key in keys.values())
        raise LookupError(f"expected an array named {', '.join(names)} or {last}, {found}")
    keys, _ = max(layouts, key=lambda layout: len(set(layout[0].values()) & set(there)))
    missing = [key for key in keys.values() if key not in there]
    wanted = f"expected an array for each input, all names with {endings[-1]} at the end or none"
    raise LookupError(f"{wanted}: missing {', '.join(missing)}, {found}")


def target_arrays(
    outputs: Collection[str], there: Collection[str], ending: str, taken: Collection[str]
) -> dict[str, str]:
    """{output: the name of its array}, for outputs that have one: y for the first, or the output's name."""
    stems = {name: (["y"] if index == 0 else []) + [name] for index, name in enumerate(outputs)}
    keys = {name: [stem + ending for stem in stems[name] if stem + ending in there] for name in outputs}
    return {name: free[0] for name in outputs if (free := [k for k in keys[name] if k not in taken])}


def read_data(path: Path, inputs: Table, outputs: Table, limit: int | None) -> tuple[Examples, Targets]:
    """The first `limit` examples with the file's dtypes, and their targets, if the file has any.

    Raises RunError.
    """
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
        raise RunError(f"{path}: is not an .npz file, or is damaged") from None
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error  # of an OSError without its number and the path
        raise RunError(f"{path}: cannot be read as .npz: {reason}") from None
    except LookupError as error:
        raise RunError(f"{path}: {error}") from None
    examples = {name: with_last_axis(x, shape_of(inputs[name])) for name, x in examples.items()}
    shown = {name: x[:limit] if np.ndim(x) else x for name, x in examples.items()}
    problem = examples_problem(shown, inputs)
    if problem := problem or lengths_problem(examples):
        raise RunError(f"{path}: {problem}")
    count = count_of(examples)
    for name, y in targets.items():
        if problem := targets_problem(target_keys[name], y, outputs[name], count):
            raise RunError(f"{path}: {problem}")
        targets[name] = shaped_targets(y, outputs[name])
    return shown, {name: y[:limit] for name, y in targets.items()}


def checksums(path: Path) -> dict[str, str]:
    """{array in an .npz: its CRC-32}, which tells two data files apart without reading the arrays."""
    with zipfile.ZipFile(path) as archive:
        return {entry.filename[: -len(".npy")]: f"{entry.CRC:08x}" for entry in archive.infolist()}


def count_of(examples: Examples) -> int:
    """The number of examples, which is the same for each input."""
    return len(next(iter(examples.values())))


def example_shape(shape: tuple[int, ...], frames: int) -> tuple[int, ...]:
    """The shape of an example with so many frames of a shape."""
    return shape if frames == 1 else (frames, *shape)


def shape_of(entry: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of an example of an input, from its entry in a table."""
    return example_shape(entry["shape"], entry["frames"])


def frames_of(inputs: Table) -> int:
    """The number of equal parts of an example in which no input changes: a least common multiple."""
    return lcm(*(entry["frames"] for entry in inputs.values()))


def with_last_axis(x: Any, shape: tuple[int, ...]) -> Any:
    """x as (n, *shape): a missing last axis of length 1 is added."""
    lacking = isinstance(x, np.ndarray) and x.ndim == len(shape) and shape[-1] == 1
    return x[..., None] if lacking and x.shape[1:] == shape[:-1] else x


def example_problem(x: object, shape: tuple[int, ...]) -> str:
    """Why x is not an array of examples of this shape; "" if it is."""
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        return "the examples are not an array"
    if x.shape[1:] != shape:
        return f"an example has shape {x.shape[1:]}, the network takes {shape}"
    if x.dtype.kind not in "buif":
        return f"examples have dtype {x.dtype}, expected numbers"
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
    """Why these cannot be examples of the inputs; "" if they can."""
    found = {name: example_problem(x, shape_of(inputs[name])) for name, x in examples.items()}
    return next((named(name, problem, inputs) for name, problem in found.items() if problem), "")


def lengths_problem(examples: Examples) -> str:
    """A message if the inputs have unequal numbers of examples; else ""."""
    if len({len(x) for x in examples.values()}) == 1:
        return ""
    return "unequal numbers of examples: " + ", ".join(f"{name} {len(x)}" for name, x in examples.items())


def label_problem(targets: Targets, outputs: Table) -> str:
    """Why class numbers may belong to another output, which has no targets; "" without a sign of that."""
    for name, y in targets.items():
        seen = int(y.max()) + 1 if y.ndim == 1 else 0
        others = [other for other in outputs if other not in targets and outputs[other]["shape"] == (seen,)]
        if others and outputs[name]["shape"] != (seen,):
            classes = f"{outputs[name]['shape'][0]} classes, but its targets have {seen}, as {others[0]} has"
            return f"{name} has {classes}: if they are for {others[0]}, name the array {others[0]}"
    return ""


def range_problem(examples: Examples, inputs: Table) -> str:
    """A message if examples seem to be preprocessed in another way than the calibration data; else ""."""
    for name, x in examples.items():
        low, high = inputs[name]["data_range"] or (0.0, 0.0)
        if low == high:
            continue
        divisor = inputs[name]["uint8_divisor"] if x.dtype == np.uint8 else 1
        x = frames_mean(x, inputs[name]["frames"])
        smallest, largest = float(x.min()) / divisor, float(x.max()) / divisor
        span = high - low
        below, above = (low - MARGIN * span) * divisor, (high + MARGIN * span) * divisor
        outside = _outside(x, np.float64(below), np.float64(above))  # x may be float16
        narrow = 0 < largest - smallest < NARROW * span and x.size >= SOME
        none_negative = smallest >= 0 and len(x) >= EXAMPLES and x.size >= MANY
        if outside or narrow or (low < -NEGATIVE * span and none_negative):
            found = f"{smallest:g} to {largest:g}, the calibration data from {low:g} to {high:g}"
            return named(name, f"the data ranges from {found}: preprocess both in the same way", inputs)
    return ""


def _outside(x: np.ndarray, low: np.float64, high: np.float64) -> bool:
    """Whether all of x is below low or above high, or at least more than some outliers."""
    if low <= x.min() and x.max() <= high:
        return False
    count = int(np.count_nonzero((x < low) | (x > high)))
    return count == x.size or count > max(2, OUTLIERS * x.size)


def named(name: str, problem: str, inputs: Collection[str]) -> str:
    """A problem of an input, with the name of the input if there are several."""
    return problem if len(inputs) == 1 else f"{name}: {problem}"


def as_current(x: np.ndarray, uint8_divisor: float) -> np.ndarray:
    """x as float32: uint8 values (0 to 255) are divided by `uint8_divisor`, other data is not scaled."""
    if x.dtype == np.uint8:
        return x.astype(np.float32) / np.float32(uint8_divisor)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return x.astype(np.float32)


def currents_of(examples: Examples, start: int, stop: int, inputs: Table) -> Examples:
    """Examples `start` to `stop` - 1 as the ANN takes them, float32 (n, *shape).

    Of several frames it takes the mean: firing rates over an example stand for the ANN's activations.
    """
    found = {}
    for name, x in examples.items():
        frames, divisor = inputs[name]["frames"], inputs[name]["uint8_divisor"]
        if frames == 1:
            found[name] = as_current(x[start:stop], divisor)
        else:  # the mean first, which takes less memory
            mean = frames_mean(x[start:stop], frames)
            found[name] = mean / np.float32(divisor) if x.dtype == np.uint8 else mean
    return found


def frames_mean(x: np.ndarray, frames: int) -> np.ndarray:
    """The mean over the frames of examples (n, frames, *shape), float32; without frames x as it is."""
    return x if frames == 1 else x.mean(axis=1, dtype=np.float32)


def _values_of(examples: Examples, start: int, stop: int | None, inputs: Table) -> Examples:
    """Examples `start` to `stop` - 1 with all their frames, float32."""
    return {name: as_current(x[start:stop], inputs[name]["uint8_divisor"]) for name, x in examples.items()}


def of_numbers(arrays: Mapping[str, np.ndarray], numbers: range) -> dict[str, np.ndarray]:
    """The examples with these numbers."""
    return {name: array[numbers.start : numbers.stop : numbers.step] for name, array in arrays.items()}


def presented(examples: Examples, start: int, stop: int | None, inputs: Table) -> Examples:
    """Examples `start` to `stop` - 1 as the encodings take them, float32: less the inputs' offsets.

    stop: None stands for the last one.
    """
    values = _values_of(examples, start, stop, inputs)
    return {name: x - inputs[name]["offset"] for name, x in values.items()}


def takes_classes(shape: tuple[int, ...]) -> bool:
    """Whether targets of an output of this shape can be class numbers: it has several values at a place."""
    return shape[-1] > 1


def kind_of_targets(y: np.ndarray, output: Mapping[str, Any]) -> str:
    """What targets of an output are, of the table's entry `output`; "" for another shape or type.

    classes  class numbers: integers (n, *shape without its last axis), which may be there with length 1
    one-hot  for an output with softmax: one 1 on the last axis of (n, *shape), and 0 elsewhere
    labels   0 or 1 in (n, *shape), of integers or booleans: for an output with sigmoid, and for one of one
             value without a function. For a vector with sigmoid also floats that are all 0 or 1
    values   numbers (n, *shape)
    """
    shape, activation, kind = output["shape"], output["activation"], y.dtype.kind
    if takes_classes(shape) and y.shape[1:] in (shape[:-1], (*shape[:-1], 1)) and y.ndim and kind in "ui":
        return "classes"
    if not y.ndim or with_last_axis(y, shape).shape[1:] != shape or kind not in "buif":
        return ""
    if activation == "softmax" and takes_classes(shape) and _is_one_hot(y):
        return "one-hot"
    decides = activation == "sigmoid" or (activation is None and shape[-1] == 1)
    labels = kind in "bui" or (activation == "sigmoid" and len(shape) == 1)
    if decides and labels and bool(((y == 0) | (y == 1)).all()):
        return "labels"
    return "" if kind == "b" else "values"


def _is_one_hot(y: np.ndarray) -> bool:
    """Whether y (n, ..., classes) has one 1 on its last axis, and 0 elsewhere.

    The first example is looked at first: most others fail there.
    """
    return all(
        bool(((part == 0) | (part == 1)).all() and (part.sum(axis=-1) == 1).all()) for part in (y[:1], y)
    )


def shaped_targets(y: np.ndarray, output: Mapping[str, Any]) -> np.ndarray:
    """Targets without a problem, as scores take them.

    Integers (n, *shape without its last axis) are class numbers, booleans (n, *shape) 0/1 labels, others
    (n, *shape) are values.
    """
    shape, kind = output["shape"], kind_of_targets(y, output)
    if kind == "classes":
        return y.reshape(len(y), *shape[:-1])
    if kind == "one-hot":
        return y.argmax(axis=-1)
    y = with_last_axis(y, shape)
    return y.astype(bool) if kind == "labels" else y


def targets_problem(name: str, y: np.ndarray, output: Mapping[str, Any], count: int) -> str:
    """Why y cannot be targets of `count` examples for an output; "" if it can.

    name: of the array y, for the message. output: the table's entry.
    """
    shape, kind = output["shape"], kind_of_targets(y, output)
    several = takes_classes(shape)
    if not kind or len(y) != count:
        classes = f"class numbers, integers {(count, *shape[:-1])}, or " if several else ""
        labels = "0/1 labels or " if output["activation"] == "sigmoid" else ""
        return f"{name} is {y.dtype} {y.shape}, expected {classes}{labels}values {(count, *shape)}"
    if kind == "classes":
        if 0 <= int(y.min()) <= int(y.max()) < shape[-1]:
            return ""
        return f"{name} has classes {y.min()} to {y.max()}, the network has 0 to {shape[-1] - 1}"
    if kind == "values" and several and output["activation"] != "sigmoid" and _is_one_hot(y):
        return f"{name} is one-hot, expected class numbers: save {name}.argmax(axis=-1)"
    bad = ~(np.abs(y) <= np.finfo(np.float32).max) if y.dtype.kind == "f" else np.zeros(1, bool)
    if bad.any():
        example = np.argwhere(bad)[0][0]
        return f"{name} holds NaN or infinity, or a number too large for float32, for example {example}"
    return ""


def labels_note(targets: Targets, outputs: Table) -> str:
    """What is assumed about 0/1 targets of an output of one value without a function; "" without such."""
    for name, y in targets.items():
        if y.dtype == np.bool_ and outputs[name]["activation"] is None:
            return f"all targets of {name} are 0 or 1: they are taken for labels, and outputs above 0 for 1"
    return ""
