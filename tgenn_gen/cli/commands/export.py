"""tgenn-export: a Keras model as a document with its scripts."""

from __future__ import annotations

import argparse
from pathlib import Path

from tgenn_gen.cli.argument_types import positive_number
from tgenn_gen.cli.arguments import add_templates
from tgenn_gen.cli.console import FINE, say, say_without_effect, show_progress


def parser() -> argparse.ArgumentParser:
    """tgenn-export's options."""
    from tgenn_gen.cli.method_options import add_method_options

    parser = argparse.ArgumentParser(
        prog="tgenn-export",
        description="Export a trained Keras model as a spiking network: a document (network.yaml, weights), "
        "simulate.py and model.cc for GeNN, and reference.py for NumPy.",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .keras or .h5 file or a SavedModel")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--calibration",
        metavar="DATA.npz",
        type=Path,
        help="training examples: x or x_train, or arrays named after the inputs (with _train or without)",
    )
    parser.add_argument("--name", help="the network's name (default: the model's)")
    parser.add_argument(
        "--uint8-divisor",
        metavar="D",
        type=positive_number,
        help="uint8 data is divided by this before it reaches the network (255; 1 where the model rescales)",
    )
    add_templates(parser)
    parser.add_argument("--force", action="store_true", help="replace the files that tgenn wrote in DIR")
    add_method_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Convert, check, generate and write, in one go."""
    from tgenn_gen.cli.method_options import method_of
    from tgenn_gen.codegen.rendering import require_templates
    from tgenn_gen.conversion.convert import convert
    from tgenn_gen.project.writing import export_files, output_folder, write_project

    if arguments.templates is not None:
        say_without_effect(arguments.templates)
        require_templates(arguments.templates)
    with output_folder(arguments.output, force=arguments.force):
        network = convert(
            arguments.model,
            arguments.calibration,
            method_of(arguments),
            uint8_divisor=arguments.uint8_divisor,
            name=arguments.name,
            progress=show_progress,
        )
        write_project(arguments.output, export_files(network, arguments.templates))
    for change in network.provenance.get("changes", ()):
        say(f"note: {change}")
    method = network.provenance["normalization"]
    if method == "model":
        say("note: normalization model allows for inputs of 0 to 1, and often needs thousands of time steps")
    if arguments.calibration is not None and "calibration" not in network.provenance:
        say(f"note: normalization {method} uses no calibration data")
    data = network.provenance.get("calibration", {})
    ranges = {i.name: i.data_range for i in network.inputs if i.data_range is not None}
    for name, (low, high) in ranges.items():
        of_input = f" of {name}" if len(ranges) > 1 else ""
        say(f"note: calibration data{of_input} runs from {low:g} to {high:g}; other data should too")
    if "ann_accuracy" in data:
        say(f"note: the ANN's accuracy on the calibration data is {100 * data['ann_accuracy']:.2f} %")
        if data["ann_accuracy"] < 0.5:
            say("note: that is low: was the model trained on data that was prepared in another way?")
        low, high = next(iter(ranges.values()))
        if low >= 0 and 50 < high <= 255 and network.inputs[0].uint8_divisor > 1:
            say("note: so large values were not divided: for uint8 data like them give --uint8-divisor 1")
    for network_input in network.inputs:
        divisor = f"{network_input.uint8_divisor:g}"
        say(f"note: {network_input.name}: uint8 data is divided by {divisor}, other data is taken as it is")
    print(
        f"{arguments.output}: {len(network.tensors)} weight files, network.yaml, "
        "simulate.py (PyGeNN), model.cc (GeNN, C++), reference.py (NumPy)"
    )
    print("next:")
    print(f"  tgenn show {_quoted(arguments.output)}")
    print(f"  python {_quoted(arguments.output / 'simulate.py')} --data TEST.npz")
    print(f"  python {_quoted(arguments.output / 'reference.py')} --data TEST.npz")
    print(
        f"  tgenn data {_quoted(arguments.output)} TEST.npz  # for model.cc, whose head says how it is built"
    )
    return FINE


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
