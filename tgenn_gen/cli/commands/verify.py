"""tgenn verify: each population of a document beside the layer of the model that it stands for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.argument_types import positive_number, seed_number, whole_number
from tgenn_gen.cli.arguments import add_command, add_document, add_limit
from tgenn_gen.cli.console import DIFFERENCE, FINE, note, show_progress
from tgenn_gen.errors import with_options


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "verify",
        run,
        "compare a document with its Keras model layer by layer",
        "Simulate a document in NumPy, and compare what each population emits with the activations of "
        "the Keras model: as errors add up (correlation to clipped), and what each population does alone "
        "(gain: 1 is right; weights, channel, neurons: errors). The last line names the first population "
        "that departs, and says what to do; the exit status is then 1.",
        "tgenn verify mnist --model mnist.keras --data mnist.npz",
    )
    add_document(command)
    command.add_argument(
        "--model",
        metavar="MODEL",
        type=Path,
        help="the Keras model (default: the document with ReLUs as neurons, which shows no wrong weights)",
    )
    command.add_argument(
        "--data",
        metavar="F.npz",
        type=Path,
        required=True,
        help="examples x, x_test, or arrays named after the inputs",
    )
    add_limit(command, 200)
    command.add_argument(
        "--timesteps", metavar="T", type=whole_number, help="time steps (default: the document's)"
    )
    command.add_argument(
        "--tolerance",
        metavar="R",
        type=positive_number,
        default=0.075,
        help="the largest relative error of a population's own weights and neurons (default: 0.075)",
    )
    command.add_argument(
        "--seed", metavar="S", type=seed_number, default=0, help="for random numbers (default: 0)"
    )
    command.add_argument("--json", metavar="RESULT.json", type=Path, help="write all figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print a table and the verdict."""
    from tgenn_gen.analysis.verification import verify
    from tgenn_gen.analysis.verification_report import verdict, verification_data, verification_table
    from tgenn_gen.document.reading import load
    from tgenn_gen.engine.simulation import input_table, output_table
    from tgenn_gen.runtime.data import read_data
    from tgenn_gen.runtime.script_run import check_outputs
    from tgenn_gen.runtime.written_files import write_json

    check_outputs(arguments, ("json",))
    network = load(arguments.path, allow_outside=arguments.allow_outside)
    examples, _ = read_data(arguments.data, input_table(network), output_table(network), arguments.limit)
    found = verify(
        network,
        examples,
        model=arguments.model,
        timesteps=arguments.timesteps,
        tolerance=arguments.tolerance,
        seed=arguments.seed,
        progress=show_progress,
    )
    for text in found.notes:
        note(with_options(text))
    if arguments.json is not None:
        write_json(arguments.json, verification_data(found))
    print(verification_table(found))
    print(with_options(verdict(found, network)))
    return FINE if found.passed else DIFFERENCE
