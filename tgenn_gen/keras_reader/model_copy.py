"""Writes the copy of a .keras or .h5 file that Keras loads: the configuration as checked, and the weights."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgenn_gen.keras_reader.hdf5_file import WEIGHTS
from tgenn_gen.keras_reader.libraries import import_h5py
from tgenn_gen.keras_reader.model_file import ModelFile

OLD_LAYERS = "_layer_checkpoint_dependencies"  # the group of the layers in .keras files of Keras 2.12 to 2.14


def write_copy(file: ModelFile, folder: Path) -> Path:
    """Write the copy of a .keras or .h5 file into a folder. Raises what h5py and zipfile raise."""
    copy = folder / f"model.{file.kind}"
    if file.kind == "h5":
        _copy_hdf5(file, copy)
    else:
        _copy_keras(file, copy)
    return copy


def _copy_hdf5(file: ModelFile, copy: Path) -> None:
    h5py = import_h5py()
    with h5py.File(file.path, "r") as old, h5py.File(copy, "w") as new:
        new.attrs["keras_version"] = file.version
        new.attrs["backend"] = "tensorflow"
        new.attrs["model_config"] = json.dumps(file.config)
        old.copy("model_weights", new)


def _copy_keras(file: ModelFile, copy: Path) -> None:
    with zipfile.ZipFile(file.path) as archive:
        weights = Path(archive.extract(WEIGHTS, copy.parent))
    with zipfile.ZipFile(copy, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": file.version}))
        archive.writestr("config.json", json.dumps(file.config))
        archive.write(_as_of_2_15(weights), WEIGHTS)


def _as_of_2_15(weights: Path) -> Path:
    """The file itself; for one of Keras 2.12 to 2.14, a file with the groups of Keras 2.15 and newer."""
    h5py = import_h5py()
    with h5py.File(weights, "r") as old:
        if OLD_LAYERS not in old:
            return weights
        renamed = weights.with_suffix(".2_15.h5")
        with h5py.File(renamed, "w") as new:
            _copy_group(old, new, set())
    return renamed


def _copy_group(old: Any, new: Any, seen: set[int]) -> None:
    """Copy a group, and number the layers in it without gaps, which Keras 2.12 and 2.13 leave."""
    import h5py

    address = h5py.h5o.get_info(old.id).addr
    if address in seen:  # groups in each other would have no end
        raise ValueError(f"the group {old.name} in {WEIGHTS} has several names")
    seen.add(address)
    for name, item in old.items():
        if name == OLD_LAYERS:
            for layer, group in _numbered_without_gaps(item):
                _copy_group(group, new.create_group(f"layers/{layer}"), seen)
        elif isinstance(item, h5py.Group):
            _copy_group(item, new.create_group(name), seen)
        else:
            old.copy(item, new, name)


def _numbered_without_gaps(layers: Any) -> Iterator[tuple[str, Any]]:
    """(name, group) of each layer: dense, dense_1, dense_2 for dense, dense_2, dense_4."""
    found = [re.fullmatch(r"(.+?)(?:_([0-9]+))?", name, re.DOTALL) for name in layers]
    counts: Counter[str] = Counter()
    for match in sorted(filter(None, found), key=lambda match: (match[1], int(match[2] or 0))):
        count = counts[match[1]]
        counts[match[1]] += 1
        yield f"{match[1]}_{count}" if count else match[1], layers[match[0]]
