"""Chooses file names for the weights of a network that was built in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, count
from typing import Any

from tgenn_gen.network.model import Network, Population
from tgenn_gen.network.tensors import Tensor


def with_weight_names(network: Network) -> Network:
    """The network with a file name for each tensor that has none: weights/POPULATION.FIELD.npy.

    If a population has several inputs, the names are weights/POPULATION.SOURCE.FIELD.npy for their maps.
    The offset of an input is weights/INPUT.offset.npy.
    A name that is in use gets a number: weights/dense.factor_2.npy. Tensors with a file name keep it.
    """
    taken = set(network.tensors)
    inputs = tuple(replace(i, **_files({"offset": i.offset}, i.name, taken)) for i in network.inputs)
    return replace(network, inputs=inputs, populations=tuple(_named(p, taken) for p in network.populations))


def _named(population: Population, taken: set[str]) -> Population:
    name = population.name
    inputs = []
    for connection in population.inputs:
        stem = name if len(population.inputs) == 1 else f"{name}.{connection.source}"
        through = tuple(replace(m, **_files(m.tensors, stem, taken)) for m in connection.through)  # type: ignore[type-var]
        inputs.append(replace(connection, through=through))
    neuron = replace(population.neuron, **_files(population.neuron.tensors, name, taken))  # type: ignore[type-var]
    own = {"scale": population.scale, "bias": population.bias}
    return replace(population, inputs=tuple(inputs), neuron=neuron, **_files(own, name, taken))


def _files(fields: Mapping[str, object], stem: str, taken: set[str]) -> dict[str, Any]:
    """The tensors of `fields` without a file name, each with a new one, which is added to `taken`."""
    named = {}
    for field, tensor in fields.items():
        if isinstance(tensor, Tensor) and not tensor.file:
            numbered = (f"weights/{stem}.{field}_{number}.npy" for number in count(2))
            files = chain([f"weights/{stem}.{field}.npy"], numbered)
            file = next(file for file in files if file not in taken)
            taken.add(file)
            named[field] = Tensor(file, tensor.values)
    return named
