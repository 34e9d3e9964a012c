"""The linear maps: one module a kind. To add one, see the README's "Adding an op"."""

from tgenn_gen.ops import avg_pool2d, conv2d, dense, flatten, reshape, scale
from tgenn_gen.spec import LinearMap

OPS: dict[str, type[LinearMap]] = {
    cls.op: cls
    for cls in (
        avg_pool2d.AvgPool2D,
        conv2d.Conv2D,
        dense.Dense,
        flatten.Flatten,
        reshape.Reshape,
        scale.Scale,
    )
}
