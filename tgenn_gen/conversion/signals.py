"""Signals: Keras tensors as functions of the neurons before them, a sum of chains of linear maps and a bias.

Every layer between two non-linearities maps such a sum to such a sum, branches and merges too. So a residual
Add or a Concatenate needs no neurons: the next population has several inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgenn_gen.conversion import chains
from tgenn_gen.keras_reader.keras_model import KerasLayer
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.model import Connection
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.tensors import Tensor


@dataclass(frozen=True, eq=False)
class Signal:
    """A tensor of `shape`: the sum of its `branches` and `bias`, float64 of that shape (None: 0).

    positive   whether it is never negative
    name       the name for a population that computes it: the last layer with a kernel or a sum
    mixed      whether there is such a layer
    layers     the names of the layers in it
    activation the softmax, sigmoid or tanh after it, which the readout of an output applies
    pooled     a max-pooling layer to apply after the next ReLU, as maximum neurons compare activations: where
               none follows, they compare shifted values
    raised     where the signal is an activation after affine maps with gains >= 0: (gain, offset, layer) each
    raised_of  that activation
    """

    shape: Shape
    branches: tuple[Connection, ...]
    bias: np.ndarray | None = None
    positive: bool = False
    name: str = ""
    mixed: bool = False
    layers: tuple[str, ...] = ()
    activation: str | None = None
    pooled: KerasLayer | None = None
    raised: tuple[tuple[np.ndarray, np.ndarray, str], ...] = ()
    raised_of: Signal | None = None

    @property
    def bare(self) -> bool:
        """Whether it is the output of one source, unchanged."""
        return self.bias is None and len(self.branches) == 1 and not self.branches[0].through

    @property
    def routed(self) -> bool:
        """Whether each of its elements is an element of one source, or 0."""
        routes = len(self.branches) == 1 and all(m.routing for m in self.branches[0].through)
        return self.bias is None and routes


def mapped(signal: Signal, maps: Sequence[LinearMap], layer: str) -> Signal:
    """The signal after a layer of these maps. Raises CannotMergeError where two kernels cannot be merged."""
    branches, bias, shape = list(signal.branches), signal.bias, signal.shape
    for linear_map in maps:
        branches = [replace(b, through=chains.append(b.through, linear_map)) for b in branches]
        bias = None if bias is None else linear_map.apply(bias)
        shape = linear_map.output_shape(shape)
    kernel = any(m.tensors for m in maps)
    return replace(
        signal,
        shape=shape,
        branches=tuple(branches),
        bias=bias,
        positive=signal.positive and not kernel,
        name=layer if kernel or not signal.mixed else signal.name,
        mixed=kernel or signal.mixed,
        layers=(*signal.layers, layer),
        raised=(),
        raised_of=None,
    )


def affine(signal: Signal, gain: np.ndarray, offset: np.ndarray, layer: str) -> Signal:
    """gain x signal + offset. gain, offset: (channels,) or (1,)."""
    gain = np.broadcast_to(gain, signal.shape[-1:])
    rises = bool((gain >= 0).all()) and (signal.positive or signal.raised_of is not None)
    branches = tuple(replace(b, through=chains.scale_channels(b.through, gain)) for b in signal.branches)
    bias = offset if signal.bias is None else signal.bias * gain + offset
    return replace(
        signal,
        branches=branches,
        bias=np.broadcast_to(bias, signal.shape).astype(np.float64),
        positive=signal.positive and bool((gain >= 0).all() and (offset >= 0).all()),
        name=signal.name or layer,
        layers=(*signal.layers, layer),
        raised=(*signal.raised, (gain, offset, layer)) if rises else (),
        raised_of=(signal.raised_of or signal) if rises else None,
    )


def multiplied(signal: Signal, factor: np.ndarray) -> Signal:
    """The signal of one source, unchanged, times a factor that broadcasts to its shape."""
    channels = factor.reshape(-1, factor.shape[-1]) if factor.ndim else factor.reshape(1, 1)
    through: Sequence[LinearMap] = [Scale(Tensor.unnamed(channels[0]))]
    if (channels != channels[0]).any():
        elements = np.broadcast_to(factor, signal.shape).reshape(-1)
        flat = (elements.size,)
        through = [Flatten(signal.shape), Scale(Tensor.unnamed(elements)), Reshape(flat, signal.shape)]
    branch = replace(signal.branches[0], through=tuple(through))
    return replace(signal, branches=(branch,), positive=signal.positive and bool((factor >= 0).all()))


def summed(signals: Sequence[Signal], factors: Sequence[float], layer: str) -> Signal:
    """The sum of factor x signal; all signals have the same shape."""
    branches, bias = [], None
    for signal, factor in zip(signals, factors, strict=True):
        branches += [replace(b, through=chains.multiply(b.through, factor)) for b in signal.branches]
        if signal.bias is not None:
            bias = factor * signal.bias + (0 if bias is None else bias)
    return Signal(
        signals[0].shape,
        tuple(branches),
        bias,
        all(s.positive for s in signals) and min(factors) >= 0,
        layer,
        True,
        (*(name for s in signals for name in s.layers), layer),
    )


def concatenated(signals: Sequence[Signal], axis: int, layer: str) -> Signal:
    """The signals one after the other on an axis: each is padded with zeros, then all are added."""
    total, padded, done = sum(s.shape[axis] for s in signals), [], 0
    for signal in signals:
        before, after = [0] * len(signal.shape), [0] * len(signal.shape)
        before[axis], after[axis] = done, total - done - signal.shape[axis]
        padded.append(mapped(signal, (Pad(tuple(before), tuple(after)),), layer))
        done += signal.shape[axis]
    return summed(padded, [1.0] * len(padded), layer)
