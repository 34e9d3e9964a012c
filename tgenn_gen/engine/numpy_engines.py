"""The two ways to compute a network: with NumPy alone, or compiled by numba where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tgenn_gen.network.model import Population
from tgenn_gen.runtime.numpy_batch import spike_counts

Current = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Engine:
    """What takes the place of NumPy's functions. By default all is NumPy's.

    current    of a population and its bias: a function like `Population.mapped_each` that adds the bias, or
               None
    neurons    {a class of neurons of the runtime: the class that is used instead}
    counts     counts spikes, as `numpy_batch.spike_counts`
    """

    current: Callable[[Population, np.ndarray | None], Current | None] = lambda population, bias: None
    neurons: Mapping[Callable[..., Any], Callable[..., Any]] = field(default_factory=dict)
    counts: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] = spike_counts


@cache
def fastest() -> Engine:
    """The compiled engine where numba can be imported, which takes most of a second; else that of NumPy."""
    try:
        import numba
    except (ImportError, OSError):  # or it cannot run with this NumPy, or load llvmlite's library
        return Engine()
    settings: Any = numba.config  # its attributes are made when it is imported
    if settings.DISABLE_JIT:
        return Engine()
    from tgenn_gen.engine import compiled_maps, compiled_neurons
    from tgenn_gen.runtime import neuron_updates

    neurons: dict[Callable[..., Any], Callable[..., Any]] = {
        neuron_updates.IntegrateAndFire: compiled_neurons.CompiledIntegrateAndFire,
        neuron_updates.LeakyIntegrateAndFire: compiled_neurons.CompiledLeakyIntegrateAndFire,
        neuron_updates.SignedIntegrateAndFire: compiled_neurons.CompiledSignedIntegrateAndFire,
        neuron_updates.FewSpike: compiled_neurons.CompiledFewSpike,
    }
    return Engine(compiled_maps.current_function, neurons, compiled_neurons.spike_counts)
