"""Random numbers without a state, the same in NumPy and in GeNN code.

A counter-based generator (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3): a number depends
only on (seed, stream, example, counter, neuron). So the same example gives the same spikes on every engine,
in batches of any size.
"""

from dataclasses import dataclass

import numpy as np


def mixed(h: np.ndarray) -> np.ndarray:
    """A bijection of 32-bit numbers in which each bit of h changes half of the bits of the result.

    The multipliers are those of the integer hash lowbias32 (Wellons 2018, Prospecting for Hash Functions).
    """
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


def random_keys(seed: int, stream: int, examples: np.ndarray) -> np.ndarray:
    """A key for each example, uint32 (batch,). stream: the index of the population in the network."""
    seeded = mixed(mixed(np.array([seed], np.uint32)) + np.uint32(stream))
    return mixed(seeded + examples.astype(np.uint32))


def uniform(keys: np.ndarray, counter: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1), float32 (batch, *shape). counter: the time step, for example."""
    neurons = mixed(np.arange(np.prod(shape), dtype=np.uint32))
    drawn = mixed(neurons ^ mixed(keys + np.uint32(counter))[:, None])
    return ((drawn >> np.uint32(8)) * np.float32(2**-24)).astype(np.float32).reshape(len(keys), *shape)


@dataclass(frozen=True)
class Drawn:
    """Random numbers in [low, high) for each neuron, that can also be drawn between other numbers."""

    keys: np.ndarray
    low: float
    high: float
    shape: tuple[int, ...]

    def between(self, low: float, high: float) -> np.ndarray:
        """The numbers in [low, high), float32 (batch, *shape), with a counter that no time step uses."""
        rise = np.float32(high) - np.float32(low)  # rounded as GeNN rounds it
        return np.float32(low) + rise * uniform(self.keys, 2**32 - 1, self.shape)
