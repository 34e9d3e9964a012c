"""Chains of linear maps as values: scaling them, and folding factors and kernels into one another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.tensors import Tensor

Chain = tuple[LinearMap, ...]


class CannotMergeError(ValueError):
    """Two kernels that cannot be merged into one: a chain has at most one kernel."""


def _scale(factor: np.ndarray) -> Chain:
    """The map that multiplies by a factor; no map where it is 1."""
    return () if (factor == 1).all() else (Scale(Tensor.unnamed(factor)),)


def multiply(chain: Chain, factor: float) -> Chain:
    """The chain times a number: its kernel is multiplied; where it has none, a scale is appended."""
    if factor == 1:
        return chain
    for index, linear_map in enumerate(chain):
        for name, tensor in linear_map.tensors.items():
            values = tensor.values.astype(np.float64) * factor
            scaled = replace(linear_map, **{name: Tensor.unnamed(values)})  # type: ignore[type-var]
            return (*chain[:index], scaled, *chain[index + 1 :])
    return (*chain, *_scale(np.array([factor])))


def scale_channels(chain: Chain, factor: np.ndarray) -> Chain:
    """The chain followed by one factor per channel, (channels,), folded into its last kernel if possible."""
    before = factor
    for index in range(len(chain) - 1, -1, -1):
        linear_map = chain[index]
        if linear_map.tensors:
            return (*chain[:index], linear_map.scale_outputs(before), *chain[index + 1 :])
        pulled = linear_map.pulled(before)
        if pulled is None:
            break
        before = pulled
    return (*chain, *_scale(factor))


def append(chain: Chain, linear_map: LinearMap) -> Chain:
    """The chain followed by one more map. A kernel absorbs the factors, zeros and kernels before it.

    Raises CannotMergeError where a kernel before it cannot be absorbed.
    """
    if not linear_map.has_kernel:
        return (*chain, linear_map)
    for index in range(len(chain) - 1, -1, -1):
        before, between = chain[index], chain[index + 1 :]
        merged = _merged(before, between, linear_map)
        if merged is not None:
            whole = chain[:index]
            for part in merged:
                whole = append(whole, part)
            return whole
    if any(m.has_kernel for m in chain):
        raise CannotMergeError
    return (*chain, linear_map)


def _merged(before: LinearMap, between: Chain, kernel: LinearMap) -> Chain | None:
    """`between` and `kernel`, with `before` absorbed into the kernel; None where that is impossible."""
    if isinstance(before, Scale):
        factor: np.ndarray | None = before.factor.values.astype(np.float64)
        for linear_map in between:
            factor = None if factor is None else linear_map.pushed(factor)
        return None if factor is None else (*between, kernel.scale_inputs(factor))
    if isinstance(before, Pad) and not between and not any((*before.before[:-1], *before.after[:-1])):
        sliced = kernel.reading(before.before[-1], before.after[-1])
        return None if sliced is None else (sliced,)
    return _one_kernel(before, between, kernel) if before.has_kernel else None


def _one_kernel(first: LinearMap, between: Chain, second: LinearMap) -> Chain | None:
    """Two kernels as one, where one of them is a matrix that mixes the channels of each position.

    It then commutes with maps that do the same to all channels.
    """
    if (matrix := second.matrix) is not None:
        rest = _with_channels(between, matrix.shape[1])
        merged = None if rest is None else first.followed_by(matrix)
        return None if rest is None or merged is None else (merged, *rest)
    if (matrix := first.matrix) is not None:
        rest = _with_channels(between, matrix.shape[0])
        merged = None if rest is None else second.preceded_by(matrix)
        return None if rest is None or merged is None else (*rest, merged)
    return None


def _with_channels(chain: Chain, channels: int) -> Chain | None:
    """The same chain for another number of channels; None where it mixes channels."""
    changed = [m.with_channels(channels) for m in chain]
    return tuple(m for m in changed if m is not None) if None not in changed else None


def rescaled(chain: Chain, before: np.ndarray, after: np.ndarray) -> Chain:
    """before x, then the chain, then after x: factors, each (1,) or (channels,), merged into the kernel."""
    if len(before) == 1 and len(after) == 1:
        return multiply(chain, float(before[0] * after[0]))
    if len(before) == 1:
        before, after = np.ones(1), after * before[0]
    whole: Chain = ()
    for linear_map in (*_scale(before), *chain):
        whole = append(whole, linear_map)
    return multiply(whole, float(after[0])) if len(after) == 1 else scale_channels(whole, after)
