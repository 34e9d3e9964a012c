"""The Keras layers that are linear maps: each one as a chain, without its bias and activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.keras_reader.keras_model import KerasLayer, UnsupportedError
from tgenn_gen.network.fields import Shape
from tgenn_gen.network.ops.avg_pool1d import AvgPool1D
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.conv1d import Conv1D
from tgenn_gen.network.ops.conv1d_transpose import Conv1DTranspose
from tgenn_gen.network.ops.conv2d import Conv2D
from tgenn_gen.network.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.network.ops.crop import Crop
from tgenn_gen.network.ops.dense import Dense
from tgenn_gen.network.ops.depthwise_conv1d import DepthwiseConv1D
from tgenn_gen.network.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.network.ops.flatten import Flatten
from tgenn_gen.network.ops.linear_map import LinearMap
from tgenn_gen.network.ops.pad import Pad
from tgenn_gen.network.ops.permute import Permute
from tgenn_gen.network.ops.reshape import Reshape
from tgenn_gen.network.ops.up_sampling import UpSampling
from tgenn_gen.network.tensors import Tensor

Chain = tuple[LinearMap, ...]


@dataclass(frozen=True)
class LayerMap:
    """A Keras layer that is a chain of linear maps.

    op      the class of its (first) map
    reads   the layer's attributes that `chain` reads
    chain   makes the chain for an input of a shape. Raises UnsupportedError.
    """

    op: type[LinearMap]
    reads: frozenset[str]
    chain: Callable[[KerasLayer, Shape], Chain]


def require_channels_last(layer: KerasLayer, *others: tuple[str, str]) -> None:
    """Raise UnsupportedError for another data format, and for `others`: (problem, what to do)."""
    data_format = layer.config.get("data_format", "channels_last")  # Cropping1D has none
    reasons = list(others)
    if data_format != "channels_last":
        reasons.insert(
            0, (f"data_format '{data_format}' is not supported", "use data_format='channels_last'")
        )
    if reasons:
        raise UnsupportedError(*reasons)


def _avg_pool1d(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    if layer.class_name == "AveragePooling1D":
        return (AvgPool1D(config["pool_size"][0], config["strides"][0], config["padding"]),)
    steps, channels = shape
    whole = AvgPool1D(steps, steps, "valid")
    return (whole,) if config["keepdims"] else (whole, Reshape((1, channels), (channels,)))


def _avg_pool2d(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    if layer.class_name == "AveragePooling2D":
        return (AvgPool2D(tuple(config["pool_size"]), tuple(config["strides"]), config["padding"]),)
    height, width, channels = shape
    whole = AvgPool2D((height, width), (height, width), "valid")
    return (whole,) if config["keepdims"] else (whole, Reshape((1, 1, channels), (channels,)))


def _kernel(layer: KerasLayer) -> Tensor:
    """The kernel of a convolution; a separable one becomes a single kernel."""
    if not layer.class_name.startswith("Separable"):
        return Tensor.unnamed(layer.weights["kernel"])
    depthwise = layer.weights["depthwise_kernel"].astype(np.float64)
    pointwise = layer.weights["pointwise_kernel"].astype(np.float64)
    pointwise = pointwise.reshape(*depthwise.shape[-2:], pointwise.shape[-1])
    return Tensor.unnamed(np.einsum("...cm,cmf->...cf", depthwise, pointwise))


def _transposed_kernel(layer: KerasLayer) -> Tensor:
    """The kernel with input channels before filters; Keras has them the other way round here."""
    return Tensor.unnamed(layer.weights["kernel"].swapaxes(-1, -2))


def _conv1d(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    (strides,), (dilation,) = config["strides"], config["dilation_rate"]
    return (Conv1D(strides, config["padding"], _kernel(layer), dilation, config.get("groups", 1)),)


def _conv1d_transpose(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    (strides,), (dilation,) = config["strides"], config["dilation_rate"]
    added = config["output_padding"]
    added = added[0] if isinstance(added, list | tuple) else added
    return (Conv1DTranspose(strides, config["padding"], _transposed_kernel(layer), added, dilation),)


def _conv2d(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    strides, dilation = tuple(config["strides"]), tuple(config["dilation_rate"])
    return (Conv2D(strides, config["padding"], _kernel(layer), dilation, config.get("groups", 1)),)


def _conv2d_transpose(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    added = None if config["output_padding"] is None else tuple(config["output_padding"])
    strides, dilation = tuple(config["strides"]), tuple(config["dilation_rate"])
    return (Conv2DTranspose(strides, config["padding"], _transposed_kernel(layer), added, dilation),)


def _dense(layer: KerasLayer, shape: Shape) -> Chain:
    return (Dense(_kernel(layer)),)


def _depthwise_conv1d(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    (strides,), (dilation,) = config["strides"], config["dilation_rate"]
    return (DepthwiseConv1D(strides, config["padding"], _kernel(layer), dilation),)


def _depthwise_conv2d(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    config = layer.config
    strides, dilation = tuple(config["strides"]), tuple(config["dilation_rate"])
    return (DepthwiseConv2D(strides, config["padding"], _kernel(layer), dilation),)


def _flatten(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    return (Flatten(shape),)


def _permute(layer: KerasLayer, shape: Shape) -> Chain:
    return (Permute(tuple(dim - 1 for dim in layer.config["dims"])),)


def _reshape(layer: KerasLayer, shape: Shape) -> Chain:
    return (Reshape(shape, layer.output_shape),)  # a -1 in target_shape is resolved there


def _up_sampling(layer: KerasLayer, shape: Shape) -> Chain:
    reasons = []
    interpolation = layer.config.get("interpolation", "nearest")
    if interpolation != "nearest":
        hint = "use interpolation='nearest', or a Conv2DTranspose, and train again"
        reasons.append((f"interpolation '{interpolation}' is not supported", hint))
    require_channels_last(layer, *reasons)
    size = layer.config["size"]
    factors = (size,) if isinstance(size, int) else tuple(size)
    return (UpSampling((*factors, 1)),)


def _crop(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    return (Crop(*_of_all_axes(layer.config["cropping"], shape)),)


def _center_crop(layer: KerasLayer, shape: Shape) -> Chain:
    more = [n - left for n, left in zip(shape, layer.output_shape, strict=True)]
    if min(more) < 0:
        message = f"CenterCrop from {shape} to {layer.output_shape} resizes"
        hint = "bring the data to that size first, and start the model behind this layer"
        raise UnsupportedError((message, hint))
    require_channels_last(layer)
    return (Crop(tuple(n // 2 for n in more), tuple(n - n // 2 for n in more)),)


def _pad(layer: KerasLayer, shape: Shape) -> Chain:
    require_channels_last(layer)
    return (Pad(*_of_all_axes(layer.config["padding"], shape)),)


def _of_all_axes(widths: Any, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Keras' (before, after) for steps, or for each axis of an image, as widths for all axes."""
    pairs = [widths] if len(shape) == 2 else widths
    return (*(int(before) for before, _ in pairs), 0), (*(int(after) for _, after in pairs), 0)


def _layers(
    names: str, op: type[LinearMap], chain: Callable[[KerasLayer, Shape], Chain], reads: str
) -> dict[str, LayerMap]:
    return {name: LayerMap(op, frozenset(reads.split()), chain) for name in names.split()}


_POOL = "pool_size strides padding data_format keepdims"
_CONV = "filters kernel_size strides padding data_format dilation_rate groups depth_multiplier"
_CONV_TRANSPOSE = "filters kernel_size strides padding output_padding data_format dilation_rate"
_DEPTHWISE = "depth_multiplier kernel_size strides padding data_format dilation_rate"
LAYER_MAPS: dict[str, LayerMap] = {
    **_layers("AveragePooling1D GlobalAveragePooling1D", AvgPool1D, _avg_pool1d, _POOL),
    **_layers("AveragePooling2D GlobalAveragePooling2D", AvgPool2D, _avg_pool2d, _POOL),
    **_layers("Conv1D SeparableConv1D", Conv1D, _conv1d, _CONV),
    **_layers("Conv1DTranspose", Conv1DTranspose, _conv1d_transpose, _CONV_TRANSPOSE),
    **_layers("Conv2D SeparableConv2D", Conv2D, _conv2d, _CONV),
    **_layers("Conv2DTranspose", Conv2DTranspose, _conv2d_transpose, _CONV_TRANSPOSE),
    **_layers("Cropping1D Cropping2D", Crop, _crop, "cropping data_format"),
    **_layers("CenterCrop", Crop, _center_crop, "height width data_format"),
    **_layers("Dense", Dense, _dense, "units"),
    **_layers("DepthwiseConv1D", DepthwiseConv1D, _depthwise_conv1d, _DEPTHWISE),
    **_layers("DepthwiseConv2D", DepthwiseConv2D, _depthwise_conv2d, _DEPTHWISE),
    **_layers("Flatten", Flatten, _flatten, "data_format"),
    **_layers("ZeroPadding1D ZeroPadding2D", Pad, _pad, "padding data_format"),
    **_layers("Permute", Permute, _permute, "dims"),
    **_layers("Reshape", Reshape, _reshape, "target_shape"),
    **_layers("UpSampling1D UpSampling2D", UpSampling, _up_sampling, "size interpolation data_format"),
}
