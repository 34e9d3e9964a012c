"""The linear maps (ops): one module for each, and the code that several of them share.

A module imports only those above it:

    linear_map        the interface
    shared            code that several ops share
    flatten
    reshape
    scale
    dense
    avg_pool2d
    conv2d
    depthwise_conv2d
    conv2d_transpose
    avg_pool1d
    conv1d
    depthwise_conv1d
    conv1d_transpose
    windows
    pad
    crop
    up_sampling
    permute
"""

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
from tgenn_gen.network.ops.scale import Scale
from tgenn_gen.network.ops.up_sampling import UpSampling
from tgenn_gen.network.ops.windows import Windows

OPS: dict[str, type[LinearMap]] = {
    cls.op: cls
    for cls in (
        AvgPool1D,
        AvgPool2D,
        Conv1D,
        Conv1DTranspose,
        Conv2D,
        Conv2DTranspose,
        Crop,
        Dense,
        DepthwiseConv1D,
        DepthwiseConv2D,
        Flatten,
        Pad,
        Permute,
        Reshape,
        Scale,
        UpSampling,
        Windows,
    )
}
