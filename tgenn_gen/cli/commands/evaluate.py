"""tgenn evaluate: accuracy after every step, of one document or several."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.argument_types import device, seed_number, whole_number
from tgenn_gen.cli.arguments import add_allow_outside, add_command, add_limit
from tgenn_gen.cli.console import FINE, note, show_progress
from tgenn_gen.cli.shared_data import read_shared
from tgenn_gen.errors import TgennError
from tgenn_gen.runtime.mpi_ranks import Ranks


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "evaluate",
        run,
        "measure accuracy after every time step",
        "Simulate one document or several in NumPy, and print the accuracy, or the error, after every time "
        "step beside that of the ANN. Rate codes are two to three times as fast with numba: pip install "
        "'tgenn-gen[fast]'.",
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
    command.add_argument(
        "--cost",
        action="store_true",
        help="also print operations, sparsity and memory by NeuroBench's rules, and energy on devices",
    )
    command.add_argument(
        "--device",
        metavar="NAME=SYNOP,NEURON[,MAC]",
        dest="devices",
        type=device,
        action="append",
        default=[],
        help="a device for --cost, which it implies, with joules for a synaptic operation, a neuron update "
        "and a MAC; repeat it for several",
    )
    command.add_argument(
        "--json", metavar="RESULT.json", type=Path, help="write the results as JSON, with --cost the cost too"
    )
    command.add_argument(
        "--plot",
        metavar="FILE.png",
        type=Path,
        help="plot accuracy against time steps; or FILE.svg, FILE.pdf",
    )
    add_allow_outside(command)
    command.set_defaults(shared_by_ranks=True)


def run(arguments: argparse.Namespace) -> int:
    """Print a table of accuracies."""
    from dataclasses import replace

    from tgenn_gen.analysis.cost import CostCounter
    from tgenn_gen.analysis.cost_table import cost_data, cost_table
    from tgenn_gen.analysis.devices import DEVICES
    from tgenn_gen.analysis.reference import notes_on_the_file, recorded_corrections
    from tgenn_gen.document.reading import load
    from tgenn_gen.engine.evaluation import checked_targets, scored
    from tgenn_gen.engine.evaluation_report import evaluation_data, evaluation_table
    from tgenn_gen.engine.simulation import checked
    from tgenn_gen.runtime.data import count_of, of_numbers
    from tgenn_gen.runtime.raster import require_plot
    from tgenn_gen.runtime.script_run import check_outputs
    from tgenn_gen.runtime.written_files import write_json

    ranks: Ranks = arguments.ranks
    if arguments.plot is not None:
        require_plot(arguments.plot)
    check_outputs(arguments, ("json", "plot"))
    networks = {path: load(path, allow_outside=arguments.allow_outside) for path in arguments.paths}
    shared = read_shared(arguments.data, networks, arguments.limit)
    network, (examples, targets) = next(iter(networks.values())), next(iter(shared.values()))
    if not targets:
        names = ", ".join(["y", *(o.population for o in network.outputs)])
        message = f"holds no targets: none of {names} (or with _test at the end)"
        raise TgennError.at(arguments.data, "T507", message, "add them to the file")
    ann = None
    if arguments.model is not None:
        from tgenn_gen.conversion.keras_scores import ann_scores

        scores = ann_scores(arguments.model, examples, targets, network)
        ann = {name: score.totals.results() for name, score in scores.items()}
    count, with_cost = count_of(examples), arguments.cost or bool(arguments.devices)
    found, costs = [], {}
    for path, network in networks.items():
        own, own_targets = shared[path]
        own, steps = checked("evaluate", network, own, arguments.timesteps, arguments.seed)
        note(
            f"{path}: {steps} steps, {count} examples; the answer comes after {network.latency(steps)} steps"
        )
        for text in [] if arguments.model is None else notes_on_the_file(network, arguments.model):
            note(f"{path}: {text}")
        part = of_numbers(own, ranks.part(count))
        counter = CostCounter(network, part, steps) if with_cost else None
        evaluation = scored(
            network,
            own,
            checked_targets("evaluate", own_targets, network, count),
            steps,
            seed=arguments.seed,
            progress=show_progress,
            counter=counter.add if counter is not None else None,
            ranks=ranks,
        )
        found.append(replace(evaluation, name=str(path)))
        if counter is not None:
            counter.add_others(ranks)
            costs[str(path)] = counter.result()
        if ann is None and not {"weights", "bias"}.isdisjoint(recorded_corrections(network)):
            note(f"{path}: its weights were corrected: give --model for the accuracy of the ANN")
    if ranks.rank:
        return FINE
    devices = (*DEVICES, *arguments.devices)
    if arguments.json is not None:
        data = evaluation_data(found, ann)
        for row in data["networks"] if with_cost else ():
            row["cost"] = cost_data(costs[row["name"]], devices)
        write_json(arguments.json, data)
    if arguments.plot is not None:
        found[0].plot(*found[1:], ann=ann, path=arguments.plot)
    print(evaluation_table(found, ann))
    if with_cost:
        print(f"\n{cost_table(costs, devices)}")
    return FINE
