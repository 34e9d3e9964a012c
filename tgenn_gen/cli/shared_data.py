"""One data file for one document or several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tgenn_gen.cli.console import note
from tgenn_gen.errors import TgennError

if TYPE_CHECKING:
    from tgenn_gen.network.fields import Shape
    from tgenn_gen.network.model import Network
    from tgenn_gen.runtime.data import Examples, Targets


def read_shared(
    data: Path, networks: Mapping[Path, Network], limit: int | None
) -> dict[Path, tuple[Examples, Targets]]:
    """The first examples of a file, and its targets, with the names that each network has for them.

    Notes what is assumed about labels, and data of an unusual range. Raises RunError where the file does not
    fit the first network, TgennError (T507) where another network does not take the same data.
    """
    from tgenn_gen.engine.simulation import input_table, output_table
    from tgenn_gen.runtime.data import labels_note, range_problem, read_data

    first, network = next(iter(networks.items()))
    for path, other in networks.items():
        message = ""
        if _inputs_seen(other) != _inputs_seen(network):
            message = f"has inputs of other shapes, frames, names or uint8_divisor than {first}"
        elif _outputs_seen(other) != _outputs_seen(network):
            message = f"has outputs of other names or shapes than {first}"
        if message:
            raise TgennError.at(path, "T507", message, "give it alone")
    examples, targets = read_data(data, input_table(network), output_table(network), limit)
    for path, other in networks.items():
        if not _same_scores(targets, other, network):
            message = f"has outputs with other functions than {first}, and the targets are no class numbers"
            raise TgennError.at(path, "T507", message, "give it alone")
    if assumed := labels_note(targets, output_table(network)):
        note(f"{data}: {assumed}")
    found = {}
    for path, other in networks.items():
        own = {i.name: x for i, x in zip(other.inputs, examples.values(), strict=True)}
        if problem := range_problem(own, input_table(other)):
            note(f"{path}: {problem}")
        outputs = zip(other.outputs, network.outputs, strict=True)
        found[path] = (
            own,
            {o.population: targets[seen.population] for o, seen in outputs if seen.population in targets},
        )
    return found


def _inputs_seen(network: Network) -> list[tuple[str, Shape, int, float]]:
    """What matters about the inputs to the data that they take; names where there are several."""
    several = len(network.inputs) > 1
    return [(i.name if several else "", i.shape, i.frames, i.uint8_divisor) for i in network.inputs]


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
