"""The linear maps: one module a kind. To add one, see the README's "Adding an op"."""

from tgenn_gen.kinds import LinearMap
from tgenn_gen.ops.avg_pool1d import AvgPool1D
from tgenn_gen.ops.avg_pool2d import AvgPool2D
from tgenn_gen.ops.conv1d import Conv1D
from tgenn_gen.ops.conv1d_transpose import Conv1DTranspose
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.ops.conv2d_transpose import Conv2DTranspose
from tgenn_gen.ops.crop import Crop
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.depthwise_conv1d import DepthwiseConv1D
from tgenn_gen.ops.depthwise_conv2d import DepthwiseConv2D
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.pad import Pad
from tgenn_gen.ops.permute import Permute
from tgenn_gen.ops.reshape import Reshape
from tgenn_gen.ops.scale import Scale
from tgenn_gen.ops.up_sampling import UpSampling
from tgenn_gen.ops.windows import Windows

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
