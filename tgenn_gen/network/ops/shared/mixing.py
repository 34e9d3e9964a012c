"""Maps whose kernel mixes channels: how factors and matrices are merged into it, and channels removed."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.tensors import Tensor


class Mixing(LinearMap):
    """A map with a kernel (..., inputs, outputs): each output channel is a sum over input channels."""

    kernel: Tensor

    @property
    def full_kernel(self) -> np.ndarray:
        """The kernel over all input channels and all output channels, float64."""
        return self.kernel.values.astype(np.float64)

    def with_full_kernel(self, kernel: np.ndarray) -> LinearMap:
        """The map with this kernel, over all channels, in place of its own."""
        return self.with_kernel(kernel)

    def with_kernel(self, kernel: np.ndarray) -> Mixing:
        """The same map with other values in its kernel, which gets no file name yet."""
        return replace(self, kernel=Tensor.unnamed(kernel))  # type: ignore[type-var]

    @property
    def pointwise(self) -> bool:
        """Whether the kernel covers one position only, with strides of 1."""
        strides = np.ravel(getattr(self, "strides", 1))
        return self.kernel.values[..., 0, 0].size == 1 and bool((strides == 1).all())

    @property
    def matrix(self) -> np.ndarray | None:
        if not self.pointwise:
            return None
        kernel = self.full_kernel
        return kernel.reshape(kernel.shape[-2:])

    def followed_by(self, matrix: np.ndarray) -> LinearMap:
        return self.with_full_kernel(self.full_kernel @ matrix)

    def preceded_by(self, matrix: np.ndarray) -> LinearMap:
        return self.with_full_kernel(matrix @ self.full_kernel)

    def reading(self, first: int, left: int) -> LinearMap | None:
        kernel = self.kernel.values
        return self.with_kernel(kernel[..., first : kernel.shape[-2] - left, :])

    def scale_outputs(self, factor: np.ndarray) -> LinearMap:
        return self.with_kernel(self.kernel.values.astype(np.float64) * factor)

    def scale_inputs(self, factor: np.ndarray) -> LinearMap:
        return self.with_kernel(self.kernel.values.astype(np.float64) * factor[:, None])


class Grouped(Mixing):
    """A map with a kernel (..., inputs / groups, outputs): a group of outputs reads one group of inputs."""

    groups: int

    @property
    def full_kernel(self) -> np.ndarray:
        *window, members, filters = self.kernel.values.shape
        full = np.zeros((*window, self.groups, members, self.groups, filters // self.groups))
        by_group = self.kernel.values.reshape(*window, members, self.groups, filters // self.groups)
        for group in range(self.groups):
            full[..., group, :, group, :] = by_group[..., group, :]
        return full.reshape(*window, self.groups * members, filters)

    def with_full_kernel(self, kernel: np.ndarray) -> LinearMap:
        return replace(self.with_kernel(kernel), groups=1)  # type: ignore[type-var]

    def reading(self, first: int, left: int) -> LinearMap | None:
        return super().reading(first, left) if self.groups == 1 else None

    def scale_inputs(self, factor: np.ndarray) -> LinearMap:
        *window, members, filters = self.kernel.values.shape
        by_group = self.kernel.values.reshape(*window, members, self.groups, filters // self.groups)
        factors = np.broadcast_to(factor, (self.groups * members,)).reshape(self.groups, members)
        return self.with_kernel((by_group * factors.T[:, :, None]).reshape(self.kernel.values.shape))


class Depthwise(Mixing):
    """A map with a kernel (..., inputs, multiplier): output d * multiplier + m reads input channel d only."""

    @property
    def full_kernel(self) -> np.ndarray:
        *window, channels, multiplier = self.kernel.values.shape
        full = np.zeros((*window, channels, channels, multiplier))
        channel = np.arange(channels)
        full[..., channel, channel, :] = self.kernel.values
        return full.reshape(*window, channels, channels * multiplier)

    def reading(self, first: int, left: int) -> LinearMap | None:
        return None

    def scale_outputs(self, factor: np.ndarray) -> LinearMap:
        factors = np.broadcast_to(factor, (prod(self.kernel.values.shape[-2:]),))
        by_channel = factors.reshape(self.kernel.values.shape[-2:])
        return self.with_kernel(self.kernel.values.astype(np.float64) * by_channel)
