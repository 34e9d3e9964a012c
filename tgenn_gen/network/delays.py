"""Delays of connections, and those connections that spikes come back through."""

from __future__ import annotations

from tgenn_gen.network.model import Connection, Network
from tgenn_gen.runtime.neuron_updates import LONGEST_PART


def lateness(connection: Connection) -> str:
    """The delay of a connection in words, after a comma; "" without a delay."""
    steps = f"{connection.delay} step{'s' if connection.delay > 1 else ''}"
    return f", {steps} late" if connection.delay else ""


def is_recurrent(network: Network) -> bool:
    """Whether spikes come back. An ANN has no time steps: none computes the same."""
    return any(network.recurrent.values())


def longest_part(network: Network) -> int:
    """The most time steps that can be simulated at a time: the smallest delay of a recurrent connection.

    So what these connections give is known when a part of the time steps begins.
    """
    recurrent = network.recurrent
    delays = [c.delay for p in network.populations for c in p.inputs if c.source in recurrent[p.name]]
    return min([LONGEST_PART, *delays])


def longest_delays(network: Network) -> dict[str, int]:
    """{input or population: the largest delay of the connections that read it, if that is not 0}."""
    found: dict[str, int] = {}
    for connection in (c for p in network.populations for c in p.inputs if c.delay):
        found[connection.source] = max(connection.delay, found.get(connection.source, 0))
    return found
