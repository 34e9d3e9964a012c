"""tgenn export: a Keras model as a document with its scripts."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tgenn_gen.cli.argument_types import positive_number, whole_number
from tgenn_gen.cli.arguments import add_command, add_templates
from tgenn_gen.cli.console import FINE, inform, note, note_unused_templates, show_progress
from tgenn_gen.runtime import __version__
from tgenn_gen.runtime.mpi_ranks import Ranks


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "export",
        run,
        "convert a Keras model",
        "Convert a trained Keras model to a spiking network. Writes a document (network.yaml and weights), "
        "simulate.py (PyGeNN), model.cc (GeNN, C++) and reference.py (NumPy) into a folder.\n\n"
        "tgenn-export is the same command.",
        "tgenn export mnist.keras --calibration mnist.npz -o few_spike --preset few_spike",
        add_options=_add_method_options,
    )
    command.add_argument("--version", action="version", version=f"tgenn {__version__}")
    command.add_argument("model", metavar="MODEL", type=Path, help="a .keras or .h5 file or a SavedModel")
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="the folder to write"
    )
    command.add_argument(
        "--calibration",
        metavar="DATA.npz",
        type=Path,
        help="training examples: x or x_train, or arrays named after the inputs (with _train or without)",
    )
    command.add_argument(
        "--frames",
        metavar="F",
        type=whole_number,
        default=1,
        help="examples have F frames, calibration data (n, F, *input shape): the model takes their mean, the "
        "network one after the other (default: 1, no axis of frames)",
    )
    command.add_argument("--name", help="the network's name (default: the model's)")
    command.add_argument(
        "--uint8-divisor",
        metavar="D",
        type=positive_number,
        help="divide uint8 data by this before it reaches the network (default: 255, or 1 where labelled "
        "calibration data, or the model's first layer, shows that it was trained on 0 to 255)",
    )
    command.add_argument(
        "--no-check",
        action="store_true",
        help="do not run the network beside the model, and choose scales on all calibration data",
    )
    add_templates(command)
    command.add_argument("--force", action="store_true", help="replace the files that tgenn wrote in DIR")
    command.set_defaults(shared_by_ranks=True)


def _add_method_options(command: argparse.ArgumentParser) -> None:
    from tgenn_gen.cli.method_options import add_method_options

    add_method_options(command)


def run(arguments: argparse.Namespace) -> int:
    """Convert, check, generate and write, in one go."""
    from tgenn_gen.cli.method_options import methods_of_options
    from tgenn_gen.codegen.rendering import require_templates
    from tgenn_gen.conversion.agreement import agreement_line
    from tgenn_gen.conversion.convert import convert
    from tgenn_gen.project.writing import export_files, output_folder, write_project

    if arguments.templates is not None:
        note_unused_templates(arguments.templates)
        require_templates(arguments.templates)
    ranks: Ranks = arguments.ranks
    with output_folder(arguments.output, force=arguments.force) if not ranks.rank else nullcontext():
        network = convert(
            arguments.model,
            arguments.calibration,
            methods_of_options(arguments),
            check=not arguments.no_check,
            uint8_divisor=arguments.uint8_divisor,
            frames=arguments.frames,
            name=arguments.name,
            progress=show_progress,
            communicator=ranks.communicator,
        )
        if ranks.rank:
            return FINE
        write_project(arguments.output, export_files(network, arguments.templates))
    for change in network.provenance.get("changes", ()):
        note(change)
    method = network.provenance["normalization"]
    if method == "model":
        note("normalization 'model' assumes inputs of 0 to 1, and often needs thousands of time steps")
    if arguments.calibration is not None and "calibration" not in network.provenance:
        note(f"normalization {method} chooses scales without calibration data")
    data = network.provenance.get("calibration", {})
    ranges = {i.name: i.data_range for i in network.inputs if i.data_range is not None}
    for name, (low, high) in ranges.items():
        of_input = f" of {name}" if len(ranges) > 1 else ""
        mean = ", the mean over its frames," if arguments.frames > 1 else ""
        note(f"calibration data{of_input}{mean} is between {low:g} and {high:g}: test data should be, too")
    if "ann_accuracy" in data:
        accuracy = f"{100 * data['ann_accuracy']:.2f} %"
        note(f"the ANN's accuracy on the calibration data is {accuracy}: compare it with your training")
        if data["ann_accuracy"] < 0.5:
            note("that is low: was the model trained on data with other preprocessing?")
    if found := agreement_line(network):
        inform(found)
    inform(
        f"{arguments.output}: {len(network.tensors)} weight files, network.yaml, "
        "simulate.py (PyGeNN), model.cc (GeNN, C++), reference.py (NumPy)"
    )
    inform("next:")
    inform(f"  tgenn show {_quoted(arguments.output)}")
    inform(f"  python {_quoted(arguments.output / 'simulate.py')} --data TEST.npz")
    inform(f"  python {_quoted(arguments.output / 'reference.py')} --data TEST.npz")
    inform(
        f"  tgenn data {_quoted(arguments.output)} TEST.npz  # for model.cc, whose head says how it is built"
    )
    return FINE


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
