"""tgenn data: an .npz as the .npy files that model.cc reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_command, add_document, add_limit
from tgenn_gen.cli.console import FINE, inform, note
from tgenn_gen.errors import TgennError


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "data",
        run,
        "write examples for model.cc",
        "Write the examples and targets of an .npz file as .npy files, which model.cc reads.",
        "tgenn data mnist mnist.npz -n 100",
    )
    add_document(command)
    command.add_argument("data", metavar="DATA.npz", type=Path, help="examples and targets, as for evaluate")
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="the folder to write (default: examples beside the document)",
    )
    add_limit(command)


def run(arguments: argparse.Namespace) -> int:
    """Write examples and targets as .npy files."""
    from tgenn_gen.document.reading import document_path, load
    from tgenn_gen.engine.simulation import input_table, output_table
    from tgenn_gen.project.example_files import example_files, require_writable_examples, write_examples
    from tgenn_gen.runtime.data import range_problem, read_data
    from tgenn_gen.runtime.input_encodings import values_problem

    network = load(arguments.path, allow_outside=arguments.allow_outside)
    document = document_path(arguments.path).parent
    folder = document / "examples" if arguments.output is None else arguments.output
    outputs = [o.population for o in network.outputs]
    kept = [arguments.data, *(document / file for file in network.tensors)]
    require_writable_examples(folder, [*(i.name for i in network.inputs), *outputs], kept)
    inputs = input_table(network)
    examples, targets = read_data(arguments.data, inputs, output_table(network), arguments.limit)
    if problem := values_problem(examples, inputs):
        raise TgennError.at(arguments.data, "T503", problem)
    if problem := range_problem(examples, inputs):
        note(f"{arguments.data}: {problem}")
    files = example_files(examples, targets, output_table(network))
    stale = write_examples(folder, files, outputs)
    for name, array in files.items():
        before = {**examples, **targets}[name].dtype
        same = before == array.dtype or (name in targets and before.kind == "b")  # 0/1 labels of any type
        change = "" if same else f", converted from {before}"
        inform(f"{folder / name}.npy: {array.dtype} {array.shape}{change}")
    for path in stale:
        inform(f"{path}: removed, because the data has no targets for it")
    return FINE
