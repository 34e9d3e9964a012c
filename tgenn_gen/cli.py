"""The commands tgenn-export and tgenn. Heavy imports wait until a command needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tgenn_gen import __version__
from tgenn_gen.errors import Diagnostic, Location, MissingEngineError, TgennError, printable
from tgenn_gen.numbers import positive_number, seed_number, whole_number

FINE, DIFFERENCE, BAD_INPUT, MISSING_ENGINE = 0, 1, 2, 3


def say(text: str) -> None:
    """A line to the user on stderr."""
    print(printable(text), file=sys.stderr)


def show_progress(done: int, total: int) -> None:
    """Progress on stderr: one line that is rewritten, on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(f"\r{done}/{total} examples", end=end, file=sys.stderr, flush=True)


def export_parser() -> argparse.ArgumentParser:
    """tgenn-export's options."""
    from tgenn_gen.options import add_method_options

    parser = argparse.ArgumentParser(
        prog="tgenn-export",
        description="Export a trained Keras model as a spiking network: a document (network.yaml, weights), "
        "simulate.py for GeNN and reference.py for NumPy.",
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
    parser.add_argument("--force", action="store_true", help="replace the files that tgenn wrote in DIR")
    add_method_options(parser)
    return parser


def export(arguments: argparse.Namespace) -> int:
    """Convert, check, generate and write, in one go."""
    from tgenn_gen.conversion import convert
    from tgenn_gen.options import method_of
    from tgenn_gen.writer import export_files, require_writable_target, write_folder

    require_writable_target(arguments.output, force=arguments.force)
    network = convert(
        arguments.model,
        arguments.calibration,
        method_of(arguments),
        uint8_divisor=arguments.uint8_divisor,
        name=arguments.name,
        progress=show_progress,
    )
    write_folder(arguments.output, export_files(network), force=arguments.force)
    for change in network.provenance.get("changes", ()):
        say(f"note: {change}")
    method = network.provenance["normalization"]
    if method == "model":
        say("note: normalization model allows for inputs of 0 to 1, and often needs thousands of time steps")
    if arguments.calibration is not None and "calibration" not in network.provenance:
        say(f"note: normalization {method} uses no calibration data")
    data = network.provenance.get("calibration", {})
    if data:
        extent = f"{data['smallest']:g} to {data['largest']:g}"
        say(f"note: calibration data runs from {extent}; other data should too")
    if "ann_accuracy" in data:
        say(f"note: the ANN's accuracy on the calibration data is {100 * data['ann_accuracy']:.2f} %")
        if data["ann_accuracy"] < 0.5:
            say("note: that is low: was the model trained on data that was prepared in another way?")
    for network_input in network.inputs:
        divisor = f"{network_input.uint8_divisor:g}"
        say(f"note: {network_input.name}: uint8 data is divided by {divisor}, other data is taken as it is")
    print(
        f"{arguments.output}: {len(network.tensors)} weight files, network.yaml, "
        "simulate.py (GeNN), reference.py (NumPy)"
    )
    print("next:")
    print(f"  tgenn show {_quoted(arguments.output)}")
    print(f"  python {_quoted(arguments.output / 'simulate.py')} --data TEST.npz")
    print(f"  python {_quoted(arguments.output / 'reference.py')} --data TEST.npz")
    return FINE


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def parser() -> argparse.ArgumentParser:
    """tgenn's options."""
    top = argparse.ArgumentParser(
        prog="tgenn",
        description="Spiking network documents: check them, show them, generate code from them.",
        epilog="tgenn-export MODEL makes a document of a Keras model: see tgenn-export --help.",
    )
    top.add_argument("--version", action="version", version=f"tgenn {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser("check", help="everything that is wrong with a document or a Keras model")
    command.add_argument(
        "path",
        metavar="MODEL-or-SPEC",
        type=Path,
        help="a .keras or .h5 file or a SavedModel; a network.yaml or its folder",
    )
    command.set_defaults(run=check)

    command = commands.add_parser(
        "layers", help="the Keras layers that can be converted, and what they become"
    )
    command.set_defaults(run=layers)

    command = commands.add_parser("generate", help="write simulate.py and reference.py beside a document")
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    command.add_argument("--target", default="pygenn,numpy", metavar="NAMES", help="of pygenn,numpy (both)")
    command.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a script is not up to date"
    )
    command.set_defaults(run=generate)

    command = commands.add_parser("show", help="a table of populations, synapses and the memory they need")
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    command.add_argument("--json", action="store_true", help="print the numbers as JSON")
    command.set_defaults(run=show)

    command = commands.add_parser("evaluate", help="accuracy after every step, of one document or several")
    command.add_argument("paths", metavar="SPEC", type=Path, nargs="+", help="a network.yaml, or its folder")
    command.add_argument(
        "--data",
        metavar="F.npz",
        type=Path,
        required=True,
        help="examples x and targets y, or x_test and y_test, or arrays named after the inputs and outputs: "
        "class numbers, or values of the output's shape",
    )
    command.add_argument("--model", metavar="MODEL", type=Path, help="the Keras model: the ANN")
    command.add_argument("--limit", metavar="N", type=whole_number, help="the first N examples")
    command.add_argument(
        "--timesteps", metavar="T", type=whole_number, help="steps (default: the document's)"
    )
    command.add_argument("--seed", metavar="S", type=seed_number, default=0, help="for random numbers (0)")
    command.add_argument("--json", metavar="RESULT.json", type=Path, help="write the results as JSON")
    command.add_argument("--plot", metavar="FILE.png", type=Path, help="accuracy against steps (matplotlib)")
    command.set_defaults(run=evaluate)

    command = commands.add_parser("demo", help="train, convert and run a small network on real data")
    command.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("tgenn_demo"), help="(%(default)s)"
    )
    command.set_defaults(run=demo)
    return top


def check(arguments: argparse.Namespace) -> int:
    """Check a document, or whether a Keras model can be converted."""
    if arguments.path.suffix in (".keras", ".h5", ".hdf5") or (arguments.path / "saved_model.pb").exists():
        from tgenn_gen.conversion import convertible
        from tgenn_gen.layer_table import model_table

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
    from tgenn_gen.document import load

    network = load(arguments.path)
    neurons = sum(p.size for p in network.populations)
    print(f"{arguments.path}: fine: {len(network.populations)} populations, {neurons} neurons")
    return FINE


def layers(arguments: argparse.Namespace) -> int:
    """Print the Keras layers that are supported."""
    from tgenn_gen.layer_table import supported_table

    print(supported_table())
    return FINE


def generate(arguments: argparse.Namespace) -> int:
    """Generate the scripts, or check that they are up to date."""
    from tgenn_gen import writer
    from tgenn_gen.document import document_path, load

    network = load(arguments.path)
    folder = document_path(arguments.path).parent
    targets = tuple(t for t in arguments.target.split(",") if t)
    if arguments.check:
        stale = writer.stale_scripts(network, folder, targets)
        for path in stale:
            say(f"{path}: is not what {arguments.path} gives: run tgenn generate")
        return DIFFERENCE if stale else FINE
    changed = writer.generate(network, folder, targets)
    for path in changed:
        print(f"{path}: written")
    if not changed:
        print("all scripts are up to date")
    return FINE


def show(arguments: argparse.Namespace) -> int:
    """Print a table of the network, or its numbers as JSON."""
    import json

    from tgenn_gen.document import load
    from tgenn_gen.table import network_data, network_table

    network = load(arguments.path)
    print(json.dumps(network_data(network), indent=2) if arguments.json else network_table(network))
    return FINE


def evaluate(arguments: argparse.Namespace) -> int:
    """Print a table of accuracies."""
    from dataclasses import replace

    from tgenn_gen.document import load
    from tgenn_gen.evaluation import evaluate
    from tgenn_gen.evaluation_report import evaluation_data, evaluation_table, plot_evaluations
    from tgenn_gen.reference import input_table, output_table
    from tgenn_gen.runtime import command_line
    from tgenn_gen.runtime.data import count_of, read_data

    if arguments.plot is not None:
        command_line.check_plot(arguments.plot)
    command_line.check_outputs(arguments, ("json", "plot"))
    networks = {path: load(path) for path in arguments.paths}
    first, network = next(iter(networks.items()))
    inputs, outputs = input_table(network), output_table(network)
    for path, other in networks.items():
        message = ""
        if _seen(input_table(other)) != _seen(inputs):
            message = f"has inputs of other shapes, names or uint8_divisor than {first}"
        elif _seen(output_table(other)) != _seen(outputs):
            message = f"has outputs of other names or shapes than {first}"
        if message:
            raise TgennError(Diagnostic(Location(str(path)), "T507", message, "evaluate it alone"))
    examples, targets = read_data(arguments.data, inputs, outputs, arguments.limit)
    if not targets:
        names = ", ".join(["y", *outputs])
        message = f"holds no targets: none of {names} (or with _test at the end)"
        raise TgennError(Diagnostic(Location(str(arguments.data)), "T507", message, "add them to the file"))
    ann = None
    if arguments.model is not None:
        from tgenn_gen.conversion import ann_scores

        scores = ann_scores(arguments.model, examples, targets, inputs, outputs)
        ann = {name: score.results() for name, score in scores.items()}
    count = count_of(examples)
    found = []
    for path, network in networks.items():
        say(f"{path}: {arguments.timesteps or network.simulation.timesteps} steps, {count} examples")
        own_outputs = zip(output_table(network), outputs, strict=True)
        evaluation = evaluate(
            network,
            dict(zip(input_table(network), examples.values(), strict=True)),
            {own: targets[name] for own, name in own_outputs if name in targets},
            timesteps=arguments.timesteps,
            seed=arguments.seed,
            progress=show_progress,
        )
        found.append(replace(evaluation, name=str(path)))
        if ann is None and "bias" in network.provenance.get("corrections", ()):
            say(f"note: {path}: its biases were corrected: give --model for the accuracy of the ANN")
    if arguments.json is not None:
        command_line.write_json(arguments.json, evaluation_data(found, ann))
    if arguments.plot is not None:
        plot_evaluations(found, ann, arguments.plot)
    print(evaluation_table(found, ann))
    return FINE


def _seen(table: dict[str, dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    """What matters about inputs, or outputs, to the data that they take; names where there are several."""
    several = len(table) > 1
    return [(name if several else "", row["shape"], row.get("uint8_divisor")) for name, row in table.items()]


def demo(arguments: argparse.Namespace) -> int:
    """The whole path on real data."""
    from tgenn_gen.demo import run_demo

    run_demo(arguments.output)
    return FINE


def _guarded(run: Callable[[], int]) -> int:
    """Run a command; what is wrong goes to stderr, and into the exit status."""
    try:
        return run()
    except TgennError as error:
        for diagnostic in error.diagnostics:
            print(diagnostic, file=sys.stderr)
        return BAD_INPUT
    except MissingEngineError as error:
        say(f"error: {error}")
        return MISSING_ENGINE
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return FINE
    except MemoryError:
        print(Diagnostic(Location("memory"), "T604", "there is not enough memory"), file=sys.stderr)
        return BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """The command tgenn."""
    arguments = parser().parse_args(argv)
    return _guarded(lambda: arguments.run(arguments))


def export_main(argv: Sequence[str] | None = None) -> int:
    """The command tgenn-export."""
    arguments = export_parser().parse_args(argv)
    return _guarded(lambda: export(arguments))
