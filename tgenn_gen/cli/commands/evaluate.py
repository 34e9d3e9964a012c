"""tgenn evaluate: accuracy after every step, of one document or several."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tgenn_gen.cli.argument_types import seed_number, whole_number
from tgenn_gen.cli.arguments import add_allow_outside, add_command, add_limit
from tgenn_gen.cli.console import FINE, note, show_progress
from tgenn_gen.errors import TgennError

if TYPE_CHECKING:
    from tgenn_gen.network.fields import Shape
    from tgenn_gen.network.model import Network
    from tgenn_gen.runtime.data import Targets


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "evaluate",
        run,
        "measure accuracy after every time step",
        "Simulate one document or several in NumPy, and print the accuracy, or the error, after every time "
        "step beside that of the ANN. It is several times as fast with numba: pip install 'tgenn-gen[fast]'.",
        "tgenn evaluate mnist --data mnist.npz --model mnist.keras -n 500",
    )
    command.add_argument("paths", metavar="SPEC", type=Path, nargs="+", help="a network.yaml, or its folder")
    command.add_argument(
        "--data",
        metavar="F.npz",
        type=Path,
        required=True,
        help="examples x and targets y, or x_test and y_test, or arrays named after the inputs and outputs; "
        "targets are class numbers, 0/1 labels, or values of the output's shape",
    )
    command.add_argument(
        "--model",
        metavar="MODEL",
        type=Path,
        help="the Keras model, as the ANN (default: the document with ReLUs as neurons)",
    )
    add_limit(command)
    command.add_argument(
        "--timesteps", metavar="T", type=whole_number, help="time steps (default: the document's)"
    )
    command.add_argument(
        "--seed", metavar="S", type=seed_number, default=0, help="for random numbers (default: 0)"
    )
    command.add_argument("--json", metavar="RESULT.json", type=Path, help="write the results as JSON")
    command.add_argument(
        "--plot",
        metavar="FILE.png",
        type=Path,
        help="plot accuracy against time steps; or FILE.svg, FILE.pdf",
    )
    add_allow_outside(command)


def run(arguments: argparse.Namespace) -> int:
    """Print a table of accuracies."""
    from dataclasses import replace

    from tgenn_gen.document.reading import load
    from tgenn_gen.engine.evaluation import evaluate
    from tgenn_gen.engine.evaluation_report import evaluation_data, evaluation_table
    from tgenn_gen.engine.simulation import input_table, output_table
    from tgenn_gen.runtime.command_line import check_outputs
    from tgenn_gen.runtime.data import count_of, labels_note, range_problem, read_data
    from tgenn_gen.runtime.raster import require_plot
    from tgenn_gen.runtime.written_files import write_json

    if arguments.plot is not None:
        require_plot(arguments.plot)
    check_outputs(arguments, ("json", "plot"))
    networks = {path: load(path, allow_outside=arguments.allow_outside) for path in arguments.paths}
    first, network = next(iter(networks.items()))
    outputs = [o.population for o in network.outputs]
    for path, other in networks.items():
        message = ""
        if _inputs_seen(other) != _inputs_seen(network):
            message = f"has inputs of other shapes, names or uint8_divisor than {first}"
        elif _outputs_seen(other) != _outputs_seen(network):
            message = f"has outputs of other names or shapes than {first}"
        if message:
            raise TgennError.at(path, "T507", message, "evaluate it alone")
    examples, targets = read_data(
        arguments.data, input_table(network), output_table(network), arguments.limit
    )
    if not targets:
        names = ", ".join(["y", *outputs])
        message = f"holds no targets: none of {names} (or with _test at the end)"
        raise TgennError.at(arguments.data, "T507", message, "add them to the file")
    for path, other in networks.items():
        if not _same_scores(targets, other, network):
            message = f"has outputs with other functions than {first}, and the targets are no class numbers"
            raise TgennError.at(path, "T507", message, "evaluate it alone")
    if assumed := labels_note(targets, output_table(network)):
        note(f"{arguments.data}: {assumed}")
    ann = None
    if arguments.model is not None:
        from tgenn_gen.conversion.keras_scores import ann_scores

        scores = ann_scores(arguments.model, examples, targets, network)
        ann = {name: score.results() for name, score in scores.items()}
    for path, network in networks.items():
        own = {i.name: x for i, x in zip(network.inputs, examples.values(), strict=True)}
        if problem := range_problem(own, input_table(network)):
            note(f"{path}: {problem}")
    count = count_of(examples)
    found = []
    for path, network in networks.items():
        note(f"{path}: {arguments.timesteps or network.simulation.timesteps} steps, {count} examples")
        own_outputs = zip(network.outputs, outputs, strict=True)
        evaluation = evaluate(
            network,
            {i.name: x for i, x in zip(network.inputs, examples.values(), strict=True)},
            {own.population: targets[name] for own, name in own_outputs if name in targets},
            timesteps=arguments.timesteps,
            seed=arguments.seed,
            progress=show_progress,
        )
        found.append(replace(evaluation, name=str(path)))
        if ann is None and "bias" in network.provenance.get("corrections", ()):
            note(f"{path}: its biases were corrected: give --model for the accuracy of the ANN")
    if arguments.json is not None:
        write_json(arguments.json, evaluation_data(found, ann))
    if arguments.plot is not None:
        found[0].plot(*found[1:], ann=ann, path=arguments.plot)
    print(evaluation_table(found, ann))
    return FINE


def _inputs_seen(network: Network) -> list[tuple[str, Shape, float]]:
    """What matters about the inputs to the data that they take; names where there are several."""
    several = len(network.inputs) > 1
    return [(i.name if several else "", i.shape, i.uint8_divisor) for i in network.inputs]


def _same_scores(targets: Targets, other: Network, network: Network) -> bool:
    """Whether targets mean the same for both networks: class numbers do, whatever the functions."""
    outputs = zip(network.outputs, other.outputs, strict=True)
    return all(
        own.activation == o.activation
        or own.population not in targets
        or targets[own.population].ndim == len(network.population(own.population).shape)
        for own, o in outputs
    )


def _outputs_seen(network: Network) -> list[tuple[str, Shape]]:
    """What matters about the outputs to the data that they are compared with."""
    populations = [network.population(o.population) for o in network.outputs]
    return [(p.name if len(populations) > 1 else "", p.shape) for p in populations]
