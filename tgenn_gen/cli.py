"""The commands tgenn-export and tgenn. Heavy imports wait until a command needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tgenn_gen import __version__
from tgenn_gen.errors import Diagnostic, Location, MissingEngineError, TgennError, printable

SMALLEST, LARGEST = 1e-30, 1e30  # what float32 holds with room to spare
FINE, DIFFERENCE, BAD_INPUT, MISSING_ENGINE = 0, 1, 2, 3


def say(text: str) -> None:
    """A line to the user on stderr."""
    print(printable(text), file=sys.stderr)


def show_progress(done: int, total: int) -> None:
    """Calibration progress on stderr: one line that is rewritten, on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(f"\rcalibration: {done}/{total} examples", end=end, file=sys.stderr, flush=True)


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not (value > 0 if kind is int else value >= SMALLEST) or value > LARGEST:
            raise argparse.ArgumentTypeError(
                f"expected a {'whole number' if kind is int else 'number'} above 0, got {text!r}"
            )
        return value

    return parse


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= LARGEST:
        raise argparse.ArgumentTypeError(f"expected a number of at most {LARGEST:g}, got {text!r}")
    return value


def export_parser() -> argparse.ArgumentParser:
    """tgenn-export's options."""
    parser = argparse.ArgumentParser(
        prog="tgenn-export",
        description="Export a trained Keras model as a spiking network: a document (network.yaml, weights), "
        "simulate.py for GeNN and reference.py for NumPy.",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .keras or .h5 file")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--calibration", metavar="DATA.npz", type=Path, help="training examples: x or x_train"
    )
    parser.add_argument("--name", help="the network's name (default: the model's)")
    parser.add_argument(
        "--normalize",
        metavar="METHOD",
        default="percentile:99.9",
        help="none, model, data or percentile:P; data and percentile need --calibration (%(default)s)",
    )
    parser.add_argument(
        "--timesteps", metavar="T", type=_positive(int), default=16, help="steps an example (16)"
    )
    parser.add_argument(
        "--dt", metavar="MS", type=_positive(float), default=1.0, help="time step in ms (1.0)"
    )
    parser.add_argument(
        "--reset", choices=["subtract", "zero"], default="subtract", help="after a spike (subtract)"
    )
    parser.add_argument(
        "--v-init",
        metavar="V",
        type=_finite,
        default=0.5,
        help="membrane potential at the start, threshold 1 (0.5)",
    )
    parser.add_argument(
        "--readout", choices=["membrane", "spike_count"], default="membrane", help="of the output (membrane)"
    )
    parser.add_argument(
        "--uint8-divisor",
        metavar="D",
        type=_positive(float),
        default=255.0,
        help="uint8 data is divided by this before it reaches the network (255)",
    )
    parser.add_argument("--force", action="store_true", help="replace the files that tgenn wrote in DIR")
    return parser


def export(arguments: argparse.Namespace) -> int:
    """Convert, check, generate and write, in one go."""
    from tgenn_gen.conversion import convert
    from tgenn_gen.document import document_files
    from tgenn_gen.neurons.integrate_and_fire import IntegrateAndFire
    from tgenn_gen.spec import Simulation
    from tgenn_gen.writer import export_files, require_writable_target, write_folder

    require_writable_target(arguments.output, force=arguments.force)
    network = convert(
        arguments.model,
        arguments.calibration,
        normalize=arguments.normalize,
        neuron=IntegrateAndFire(reset=arguments.reset, v_init=arguments.v_init),
        readout=arguments.readout,
        simulation=Simulation(arguments.dt, arguments.timesteps),
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
        say(f"note: normalization {method} does not use the calibration data")
    data = network.provenance.get("calibration", {})
    if data:
        extent = f"{data['smallest']:g} to {data['largest']:g}"
        say(f"note: calibration data runs from {extent}; other data should too")
    if "ann_accuracy" in data:
        say(f"note: the ANN's accuracy on the calibration data is {100 * data['ann_accuracy']:.2f} %")
        if data["ann_accuracy"] < 0.5:
            say("note: that is low: was the model trained on data that was prepared in another way?")
    say(f"note: uint8 data is divided by {arguments.uint8_divisor:g}, other data is taken as it is")
    print(
        f"{arguments.output}: {len(document_files(network)) - 1} weight files, network.yaml, "
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
        "path", metavar="MODEL-or-SPEC", type=Path, help="a .keras or .h5 file; a network.yaml or its folder"
    )
    command.set_defaults(run=check)

    command = commands.add_parser("generate", help="write simulate.py and reference.py beside a document")
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    command.add_argument("--target", default="pygenn,numpy", metavar="NAMES", help="of pygenn,numpy (both)")
    command.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a script is not up to date"
    )
    command.set_defaults(run=generate)

    command = commands.add_parser("show", help="a table of populations, synapses and weights")
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or the folder it is in")
    command.set_defaults(run=show)

    command = commands.add_parser("demo", help="train, convert and run a small network on real data")
    command.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("tgenn_demo"), help="(%(default)s)"
    )
    command.set_defaults(run=demo)
    return top


def check(arguments: argparse.Namespace) -> int:
    """Check a document, or whether a Keras model can be converted."""
    if arguments.path.suffix in (".keras", ".h5", ".hdf5"):
        from tgenn_gen.conversion import convertible

        folded = convertible(arguments.path)
        for change in folded.notes:
            say(f"note: {change}")
        print(f"{arguments.path}: can be converted: {len(folded.network.populations)} populations")
        return FINE
    from tgenn_gen.document import load

    network = load(arguments.path)
    neurons = sum(p.size for p in network.populations)
    print(f"{arguments.path}: fine: {len(network.populations)} populations, {neurons} neurons")
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
    """Print a table of the network."""
    from tgenn_gen.document import load
    from tgenn_gen.table import network_table

    print(network_table(load(arguments.path)))
    return FINE


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
