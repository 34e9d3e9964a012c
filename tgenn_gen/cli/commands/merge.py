"""tgenn merge: one result of the results of shards."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tgenn_gen.cli.arguments import add_command
from tgenn_gen.cli.console import FINE


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands,
        "merge",
        run,
        "join the results of shards",
        "Join results that simulate.py or reference.py wrote with --json and --shard, each on a part of the "
        "examples, into one: equal to that of one run, number by number. Their times are added up. Saved "
        "outputs (--save-outputs) are joined too, in the order of the examples.",
        "python mnist/reference.py --data mnist.npz --shard 0/2 --json shard0.json\n"
        "python mnist/reference.py --data mnist.npz --shard 1/2 --json shard1.json\n"
        "tgenn merge shard0.json shard1.json -o result.json",
    )
    command.add_argument(
        "paths", metavar="RESULT.json", type=Path, nargs="+", help="the results of all shards"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.json",
        type=Path,
        required=True,
        help="the file for the joined result; saved outputs go into FILE.npz",
    )


def run(arguments: argparse.Namespace) -> int:
    """Join the results."""
    from tgenn_gen.runtime.messages import RunError
    from tgenn_gen.runtime.run_results import merged, read_results
    from tgenn_gen.runtime.script_run import score_lines

    output: Path = arguments.output
    if output.suffix != ".json":
        raise RunError(f"{output}: expected a name that ends in .json", option="output")
    if any(path.absolute() == output.absolute() for path in arguments.paths):
        raise RunError(f"{output}: is one of the results to join, give another file", option="output")
    parts = {path: read_results(path) for path in arguments.paths}
    whole, arrays = merged(parts), output.with_suffix(".npz")
    if any(part.saved is not None and part.saved.resolve() == arrays.resolve() for part in parts.values()):
        raise RunError(
            f"{arrays}: has outputs of one of the results to join, give another file", option="output"
        )
    whole.save(output, None if whole.arrays is None else arrays)
    for line in score_lines(whole):
        print(line)
    return FINE
