"""What convolution and pooling share: windows that slide over height and width, and Keras' padding."""

from __future__ import annotations

from tgenn_gen.keras_model import KerasLayer
from tgenn_gen.runtime.linear_maps import same_padding
from tgenn_gen.spec import Shape, ShapeError

MAX_WINDOW = 2**16


def window_output(
    shape: Shape, window: tuple[int, int], strides: tuple[int, int], padding: str
) -> tuple[int, int]:
    """Output height and width. Raises ShapeError where the window is larger than an unpadded input."""
    if window[0] * window[1] > MAX_WINDOW:
        raise ShapeError(f"a window of {window[0]}x{window[1]} is larger than {MAX_WINDOW} elements")
    if padding == "same":
        return -(-shape[0] // strides[0]), -(-shape[1] // strides[1])
    if window[0] > shape[0] or window[1] > shape[1]:
        raise ShapeError(
            f"a window of {window[0]}x{window[1]} does not fit an input of {shape[0]}x{shape[1]}"
        )
    return (shape[0] - window[0]) // strides[0] + 1, (shape[1] - window[1]) // strides[1] + 1


def padding_before(
    shape: Shape, window: tuple[int, int], strides: tuple[int, int], padding: str
) -> tuple[int, int]:
    """The zeros put above and to the left of the input."""
    if padding == "valid":
        return 0, 0
    return same_padding(shape[0], window[0], strides[0])[0], same_padding(shape[1], window[1], strides[1])[0]


def channels_last_only(layer: KerasLayer) -> list[tuple[str, str]]:
    """Why the layer's data format cannot be converted, and what to do: empty where it can."""
    data_format = layer.config["data_format"]
    if data_format == "channels_last":
        return []
    return [(f"data_format '{data_format}'", "use data_format='channels_last'")]
