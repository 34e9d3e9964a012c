"""tgenn check: everything that is wrong with a document or a Keras model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_allow_outside, as_given
from tgenn_gen.cli.console import FINE, say
from tgenn_gen.errors import TgennError


def add(commands: Any) -> None:
    """Its options."""
    command = commands.add_parser("check", help="everything that is wrong with a document or a Keras model")
    command.add_argument(
        "path",
        metavar="MODEL-or-SPEC",
        type=Path,
        help="a .keras or .h5 file or a SavedModel; a network.yaml or its folder",
    )
    add_allow_outside(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check a document, or whether a Keras model can be converted."""
    if arguments.path.suffix in (".keras", ".h5", ".hdf5") or (arguments.path / "saved_model.pb").exists():
        from tgenn_gen.conversion.keras_check import convertible
        from tgenn_gen.conversion.layer_table import model_table

        walk = convertible(arguments.path)
        print(model_table(walk))
        if walk.problems:
            refused = sum(bool(reasons) for reasons in walk.refused.values())
            print(f"{arguments.path}: cannot be converted: {refused} of {len(walk.refused)} layers")
            raise TgennError(walk.problems)
        for change in walk.notes:
            say(f"note: {change}")
        print(f"{arguments.path}: can be converted: {len(walk.populations)} populations")
        return FINE
    from tgenn_gen.codegen.departures import departures
    from tgenn_gen.codegen.lowering import lower
    from tgenn_gen.codegen.stamps import of_another_document, scripts_of
    from tgenn_gen.document.canonical_text import DOCUMENT
    from tgenn_gen.document.reading import document_path, read_document
    from tgenn_gen.document.weight_files import WeightFolder, read_hashes
    from tgenn_gen.document.weight_hashes import SUMS

    document = read_document(arguments.path, allow_outside=arguments.allow_outside)
    network, path = document.network, document_path(arguments.path)
    for file, line in read_hashes(WeightFolder(path.parent, arguments.allow_outside)).lines.items():
        if file not in network.tensors:
            hint = "if nothing else needs that file, remove it and run tgenn lock"
            say(f"note: {path.parent / SUMS}:{line}: {path.name} does not name {file}: {hint}")
    if path.name == DOCUMENT:  # whose scripts they are
        hint = f"run tgenn generate {as_given(arguments)}"
        for script in of_another_document(path.parent, document.sha256):
            say(f"note: {path.parent / script}: was made from another document: {hint}")
        for departure in departures(lower(document), scripts_of(path.parent, document.sha256)):
            say(f"note: {path.parent / departure}")
    neurons = sum(p.size for p in network.populations)
    print(f"{arguments.path}: fine: {len(network.populations)} populations, {neurons} neurons")
    return FINE
