"""Measures the figures of docs/results.md, and writes them to a JSON file in results/.

    python tests/benchmarks/run.py [PART ...] [--only NAME] [--quick] [--peers PYTHON]

PARTs (default: all): see PARTS. Needs mnist.npz and cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data, and
TensorFlow; trains the networks that are not in ~/.cache/tgenn-models yet (hours on two cores). Contestants
in PyTorch run in an environment of their own:

    python -m venv PEERS && PEERS/bin/pip install -r tests/benchmarks/peers/requirements.txt

ml_genn is on no package index: --ml-genn names a checkout of it; tqdm and deprecated must be installed here.
At the end, docs/results.md is written from all files in results/, as by `python tests/benchmarks/render.py`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import exports
import measuring
import render
from cases import CASES, curves
from contestants import LIMIT
from measuring import Settings
from networks import NETWORKS, Golden, MissingDataError, Network
from results import RESULTS, Run, read_all

PARTS = {
    "speed": "examples/s of Keras, this package's engines, GeNN and the peers, in turns",
    "accuracy": "the loss of exports for T = 4, 8, 16, 32, and of few_spike for K = 3, 4, 5, 6, 8",
    "peers": "accuracy and time of SpikingJelly's recipes and snnTorch at T = 8, 16, 32",
    "curves": "accuracy after every step of one export; TensorGeNN's conversion",
    "export": "time and memory of exports",
    "memory": "a VGG-16 on GeNN's CPU backend",
}
OF_NETWORKS = ("speed", "accuracy", "peers")
SPEED_NETWORKS = ("mnist", "resnet8", "resnet20")
TRAININGS = {"mnist": (1, 2, 3)}  # for accuracy; the others are trained once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = "; ".join(f"{name}: {what}" for name, what in PARTS.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=parts)
    known = [*NETWORKS, "small_cnn", *CASES, *exports.CASES]
    parser.add_argument(
        "--only", action="append", choices=known, metavar="NAME", help="a network or case; can be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="200 images, one round: tries the suite itself")
    parser.add_argument("--images", type=int, default=10_000, help="at most so many test images (10,000)")
    parser.add_argument("--peers", metavar="PYTHON", help="the interpreter that has PyTorch, see above")
    parser.add_argument("--ml-genn", type=Path, metavar="FOLDER", help="a checkout of ml_genn, see above")
    parser.add_argument(
        "--limit",
        type=float,
        default=LIMIT,
        metavar="SECONDS",
        help="end a contestant that takes longer to start or to answer a request (%(default).0f)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="the JSON file (default: one in results/ for all images, else a temporary one)",
    )
    parser.add_argument("--folder", type=Path, help="where exports are kept for the next run")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}, expected {', '.join(PARTS)}")
    settings = Settings(
        arguments.images, peers=arguments.peers, ml_genn=arguments.ml_genn, limit=arguments.limit
    )
    if arguments.quick:
        settings = replace(settings, examples=200, rounds=1, seconds=0.3, tuned_on=32, all_trainings=False)
    chosen = arguments.parts or [*PARTS]
    full = not arguments.quick and arguments.images >= 10_000  # fewer images replace no published rows
    folder = RESULTS if full else Path(tempfile.gettempdir())
    name = f"{datetime.now(timezone.utc):%Y-%m-%d-%H%M%S}.json"
    # without paths, which say nothing on another machine
    command = ["run.py", *chosen, *(f"--only {name}" for name in arguments.only or ())]
    command += ["--quick"] if arguments.quick else [f"--images {arguments.images}"]
    run = Run(arguments.output or folder / name, command, arguments.peers)
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for part in chosen:
            for name, work in works(run, part, arguments.only, settings, folder):
                try:
                    work()
                except MissingDataError as error:
                    print(f"{part} of {name}: left out, because {error}", file=sys.stderr)
                except Exception as error:  # the other figures are wanted still
                    failed = True
                    print(f"{part} of {name}: failed: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"wrote {run.path}", file=sys.stderr)
    if run.path.parent == RESULTS:
        render.PAGE.write_text(render.page(read_all()))
        print(f"wrote {render.PAGE}", file=sys.stderr)
    sys.exit(failed)


def works(
    run: Run, part: str, only: list[str] | None, settings: Settings, folder: Path
) -> Iterator[tuple[str, Callable[[], None]]]:
    """The networks or cases of a part, or those in `only`: their names, and what measures them."""
    if part == "peers" and not settings.peers:
        print("peers: left out, because --peers names no interpreter", file=sys.stderr)
    elif part in OF_NETWORKS:
        measure = getattr(measuring, part)
        for name in only or (SPEED_NETWORKS if part == "speed" else NETWORKS):
            if name == "small_cnn":
                yield name, lambda: measure(run, Golden(folder), settings)
            elif name in NETWORKS:
                several = part == "accuracy" and settings.all_trainings
                for training in TRAININGS.get(name, (1,)) if several else (1,):
                    yield name, partial(_of_network, measure, run, name, folder, training, settings)
    elif part == "memory":
        if not only:
            yield "vgg16", lambda: exports.memory(run, folder)
    else:
        for name in only or (CASES if part == "curves" else exports.CASES):
            if part == "curves" and name in CASES:
                yield name, partial(curves, run, name, folder, settings.examples)
            elif part == "export" and name in exports.CASES:
                yield name, partial(exports.export, run, name, folder)


def _of_network(
    measure: Callable[[Run, Network, Settings], None],
    run: Run,
    name: str,
    folder: Path,
    training: int,
    settings: Settings,
) -> None:
    measure(run, Network(name, folder, training), settings)


if __name__ == "__main__":
    main()
