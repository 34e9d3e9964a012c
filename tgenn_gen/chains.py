"""Chains of linear maps as values: scaling them, and folding factors into their kernels."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.scale import Scale
from tgenn_gen.spec import LinearMap
from tgenn_gen.tensors import Tensor

Chain = tuple[LinearMap, ...]


def _with_kernel(linear_map: LinearMap, kernel: np.ndarray) -> LinearMap:
    return replace(linear_map, kernel=Tensor("", kernel))  # type: ignore[type-var]


def multiply(chain: Chain, factor: float) -> Chain:
    """The chain times a number, which its kernel takes; a map of its own does where there is no kernel."""
    if factor == 1:
        return chain
    for index, linear_map in enumerate(chain):
        for name, tensor in linear_map.tensors.items():
            values = tensor.values.astype(np.float64) * factor
            scaled = replace(linear_map, **{name: Tensor("", values)})  # type: ignore[type-var]
            return (*chain[:index], scaled, *chain[index + 1 :])
    return (*chain, Scale(Tensor("", np.array([factor]))))


def scale_channels(chain: Chain, factor: np.ndarray) -> Chain:
    """The chain followed by one factor a channel, (channels,), folded into its last kernel if it can be."""
    for index in range(len(chain) - 1, -1, -1):
        linear_map = chain[index]
        for name, tensor in linear_map.tensors.items():
            values = tensor.values.astype(np.float64) * factor  # kernels have their outputs on the last axis
            scaled = replace(linear_map, **{name: Tensor("", values)})  # type: ignore[type-var]
            return (*chain[:index], scaled, *chain[index + 1 :])
        if not isinstance(linear_map, AvgPool2D):  # pooling works channel by channel: factors pass through
            break
    return (*chain, Scale(Tensor("", factor)))


def append(chain: Chain, linear_map: LinearMap) -> Chain:
    """The chain and one more map; a kernel takes in the factors that stand before it."""
    if "kernel" not in linear_map.tensors:
        return (*chain, linear_map)
    tiles = 1
    for index in range(len(chain) - 1, -1, -1):
        before = chain[index]
        if isinstance(before, Scale):
            kernel = linear_map.tensors["kernel"].values.astype(np.float64)
            factor = np.tile(before.factor.values.astype(np.float64), tiles)
            folded = _with_kernel(linear_map, kernel * factor[:, None])
            return (*chain[:index], *chain[index + 1 :], folded)
        if isinstance(before, Flatten):
            tiles *= prod(before.shape[:-1])
        elif not isinstance(before, AvgPool2D):
            break
    return (*chain, linear_map)


def rescaled(chain: Chain, before: np.ndarray, after: np.ndarray, population: str) -> Chain:
    """The chain between two factors, each (1,) or (channels,), as few kernels as can take them."""
    if len(before) == 1 and len(after) == 1:
        return named(multiply(chain, float(before[0] * after[0])), population)
    whole: Chain = ()
    if len(before) > 1:
        whole = (Scale(Tensor("", before)),)
    elif len(before) == 1:
        after = after * before[0]
    for linear_map in chain:
        whole = append(whole, linear_map)
    whole = multiply(whole, float(after[0])) if len(after) == 1 else scale_channels(whole, after)
    return named(whole, population)


def named(chain: Chain, population: str) -> Chain:
    """The chain with its tensors' files named after the population: dense.kernel.npy, dense.factor.npy."""
    taken: set[str] = set()
    result = []
    for position, linear_map in enumerate(chain):
        files = {}
        for name, tensor in linear_map.tensors.items():
            unique = name if name not in taken else f"{name}_{position}"
            taken.add(unique)
            files[name] = Tensor(f"weights/{population}.{unique}.npy", tensor.values)
        result.append(replace(linear_map, **files))  # type: ignore[type-var]
    return tuple(result)
