"""tgenn report: a document and its measures as one HTML page, or two documents side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.argument_types import seed_number, whole_number
from tgenn_gen.cli.arguments import add_allow_outside, add_command, add_limit
from tgenn_gen.cli.console import FINE, inform, show_progress
from tgenn_gen.cli.shared_data import read_shared


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "report",
        run,
        "write an HTML page on a network, or on two side by side",
        "Write one HTML file on a document: its graph, layers, weights and provenance. With --data it is "
        "simulated in NumPy, and the page also shows accuracy, agreement with the ANN layer by layer, cost "
        "and energy, firing rates, a raster, and slow and wrong examples. Two documents stand side by side.",
        "tgenn report mnist --data mnist.npz --model mnist.keras -o report.html\n"
        "tgenn report mnist few_spike --data mnist.npz",
    )
    command.add_argument("path", metavar="SPEC", type=Path, help="a network.yaml, or its folder")
    command.add_argument("other", metavar="SPEC2", type=Path, nargs="?", help="another one, to compare with")
    command.add_argument(
        "--data",
        metavar="F.npz",
        type=Path,
        help="examples x and targets y, or x_test and y_test, or arrays named after the inputs and outputs",
    )
    command.add_argument(
        "--model",
        metavar="MODEL",
        type=Path,
        help="the Keras model, as the ANN (default: the document with ReLUs as neurons)",
    )
    add_limit(command, 200)
    command.add_argument(
        "--timesteps", metavar="T", type=whole_number, help="time steps (default: the document's)"
    )
    command.add_argument(
        "--seed", metavar="S", type=seed_number, default=0, help="for random numbers (default: 0)"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.html",
        type=Path,
        default=Path("report.html"),
        help="the file to write (default: %(default)s)",
    )
    add_allow_outside(command)


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    from tgenn_gen.document.reading import load
    from tgenn_gen.engine.simulation import checked
    from tgenn_gen.reporting.comparison import comparison_html
    from tgenn_gen.reporting.measures import measured
    from tgenn_gen.reporting.page import report_html, require_folder, write_page
    from tgenn_gen.runtime.messages import RunError
    from tgenn_gen.runtime.script_run import check_outputs

    output: Path = arguments.output
    if output.suffix not in (".html", ".htm"):
        raise RunError(f"--output {output}: expected a name that ends in .html")
    require_folder(output)
    if arguments.other is not None and _file(arguments.other) == _file(arguments.path):
        raise RunError(f"{arguments.other}: is given twice, expected two documents")
    if arguments.data is not None:
        check_outputs(arguments, ("output",))
    else:
        for option in ("model", "timesteps"):
            if getattr(arguments, option) is not None:
                raise RunError(f"--{option}: needs examples to simulate, give --data")
    paths = [arguments.path, *([] if arguments.other is None else [arguments.other])]
    networks = {path: load(path, allow_outside=arguments.allow_outside) for path in paths}
    measures = {}
    if arguments.data is not None:
        for path, data in read_shared(arguments.data, networks, arguments.limit).items():
            examples, steps = checked("report", networks[path], data[0], arguments.timesteps, arguments.seed)
            how = (steps, arguments.model, arguments.seed, show_progress)
            measures[str(path)] = measured(networks[path], examples, data[1], *how)
    named = {str(path): network for path, network in networks.items()}
    if len(named) == 1:
        html = report_html(networks[arguments.path], measures.get(str(arguments.path)))
    else:
        html = comparison_html(named, measures)
    write_page(output, html)
    inform(f"{output}: written ({len(html.encode()) / 1000:.0f} kB); open it in a browser")
    return FINE


def _file(path: Path) -> Path:
    """The network.yaml of a document."""
    return (path / "network.yaml" if path.is_dir() else path).resolve()
