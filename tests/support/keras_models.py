"""Small Keras models for tests, one for each thing that real models have: {name: function that makes it}."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from tgenn_gen.keras_reader.loading import read_model


def _image(shape=(9, 6, 3), name="image"):
    return keras.Input(shape, name=name)


def _block(y, filters, strides=1, name="block"):
    """A residual block of two convolutions with BatchNormalization."""
    branch = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, name=f"{name}_a")(y)
    branch = layers.ReLU()(layers.BatchNormalization()(branch))
    branch = layers.Conv2D(filters, (2, 3), padding="same", name=f"{name}_b")(branch)
    branch = layers.BatchNormalization()(branch)
    if strides > 1 or y.shape[-1] != filters:
        y = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=strides)(y))
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([branch, y]))


def residual():
    image = _image()
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    y = _block(_block(y, 4, name="one"), 6, 2, name="two")
    return keras.Model(image, layers.Dense(5, "softmax")(layers.GlobalAveragePooling2D()(y)))


def preactivated():
    """ResNet v2: what is added is linear, and read through BatchNormalization and ReLU."""
    image = _image()
    y = layers.Conv2D(4, 3, padding="same")(image)
    for _ in range(2):
        branch = layers.ReLU()(layers.BatchNormalization()(y))
        branch = layers.Conv2D(4, 3, padding="same", activation="relu")(branch)
        y = layers.Add()([y, layers.Conv2D(4, 3, padding="same")(branch)])
    y = layers.ReLU()(layers.BatchNormalization()(y))
    return keras.Model(image, layers.Dense(5)(layers.Flatten()(y)))


def inverted_bottleneck():
    """MobileNet v2: linear bottlenecks, expanded by 1x1 convolutions, and added without a ReLU."""
    image = _image()
    y = layers.Conv2D(3, (3, 2), strides=(1, 2), padding="same")(image)
    for strides in (1, 2):
        branch = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y))
        branch = layers.DepthwiseConv2D(3, strides=strides, padding="same")(layers.ReLU(6.0)(branch))
        branch = layers.ReLU(6.0)(layers.BatchNormalization()(branch))
        branch = layers.BatchNormalization()(layers.Conv2D(3, 1)(branch))
        y = layers.Add()([branch, y]) if strides == 1 else branch
    y = layers.ReLU(6.0)(layers.Conv2D(8, 1)(y))
    return keras.Model(image, layers.Dense(4, "softmax")(layers.GlobalAveragePooling2D()(y)))


def inception():
    image = _image()
    y = layers.Conv2D(4, 2, activation="relu")(image)
    parts = [
        layers.Conv2D(3, 1, activation="relu")(y),
        layers.Conv2D(2, (3, 2), padding="same", activation="relu")(y),
        layers.MaxPooling2D(3, strides=1, padding="same")(y),
        layers.AveragePooling2D(2, strides=1, padding="same")(y),
    ]
    y = layers.Concatenate()(parts)
    y = layers.MaxPooling2D((2, 3), strides=(2, 1))(y)
    y = layers.Conv2D(4, 2, activation="relu")(y)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def dense_net():
    """Concatenate, then BatchNormalization and ReLU: neurons of a concatenation."""
    image = _image()
    y = layers.Conv2D(3, 3, padding="same")(image)
    for _ in range(2):
        new = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Concatenate()([y, layers.Conv2D(2, (2, 3), padding="same")(new)])
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    return keras.Model(image, layers.Dense(4)(layers.GlobalMaxPooling2D()(y)))


def two_inputs():
    image, other = _image(name="image"), keras.Input((7,), name="numbers")
    a = layers.Flatten()(layers.Conv2D(4, 3, strides=2, activation="relu")(image))
    b = layers.Dense(6, "relu")(layers.Normalization(mean=[0.5] * 7, variance=[0.1] * 7)(other))
    y = layers.Dense(8, "relu")(layers.Concatenate()([a, b]))
    return keras.Model([image, other], layers.Dense(4, "softmax")(y))


def two_outputs():
    image = _image()
    y = layers.Conv2D(4, 3, activation="relu")(image)
    classes = layers.Dense(4, "softmax", name="classes")(layers.GlobalAveragePooling2D()(y))
    z = layers.Conv2D(4, 3, padding="same", activation="relu")(y)
    values = layers.Conv2DTranspose(2, (3, 2), strides=(2, 1), name="values")(z)
    return keras.Model(image, [classes, values])


def nested():
    inner = keras.Sequential(
        [keras.Input((9, 6, 3)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2)], name="inner"
    )
    part = _image((4, 3, 4), "part")
    split = keras.Model(part, [layers.Flatten()(part), layers.GlobalMaxPooling2D()(part)], name="split")
    image = _image()
    a, b = split(layers.ZeroPadding2D(((1, 0), (0, 1)))(inner(image)))
    y = layers.Dense(6, "relu")(layers.Concatenate()([a, b]))
    return keras.Model(image, layers.Dense(3)(y))


def shared():
    """One convolution used on two images, and their difference."""
    left, right = _image(name="left"), _image(name="right")
    convolution = layers.Conv2D(4, (3, 2), activation="relu", name="shared")
    difference = layers.Subtract()([convolution(left), convolution(right)])
    both = layers.Average()([convolution(left), convolution(right)])
    y = layers.Concatenate()([layers.ReLU()(difference), both])
    return keras.Model([left, right], layers.Dense(3)(layers.Flatten()(y)))


def concatenated_rows():
    """Concatenate on an axis that is not that of the channels."""
    image = _image()
    a = layers.Conv2D(3, 2, padding="same", activation="relu")(image)
    b = layers.Conv2D(3, 3, strides=(2, 1), padding="same", activation="relu")(image)
    y = layers.Concatenate(axis=1)([a, b])
    y = layers.Conv2D(4, (3, 2), activation="relu")(y)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def unequal_depth():
    """A residual block whose branches are one and four populations deep, and the input itself."""
    image = _image((6, 5, 3))
    y = first = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    for _ in range(3):
        y = layers.Conv2D(3, 2, padding="same", activation="relu")(y)
    y = layers.ReLU()(layers.Add()([layers.Conv2D(3, 1)(y), first, image]))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def rescaled_images():
    image = _image()
    y = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.ZeroPadding2D((1, 2))(y))
    y = layers.Cropping2D(((1, 0), (0, 2)))(layers.UpSampling2D((2, 1))(y))
    y = layers.SeparableConv2D(5, (3, 2), strides=2, depth_multiplier=2)(layers.SpatialDropout2D(0.2)(y))
    y = layers.GaussianNoise(0.1)(layers.ReLU(max_value=3.0)(y))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.Permute((2, 3, 1))(y))))


def max_before_relu():
    """Convolution, max-pooling, BatchNormalization, ReLU: the maximum is of what may be negative."""
    image = _image((12, 9, 2))
    y = layers.MaxPooling2D((2, 3))(layers.Conv2D(4, 3, padding="same")(image))
    y = layers.Dropout(0.5)(layers.ReLU()(layers.BatchNormalization()(y)))
    y = layers.Activation("relu")(layers.MaxPooling2D(3, strides=2, padding="same")(layers.Conv2D(5, 2)(y)))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def series():
    x = keras.Input((24, 2), name="series")
    y = layers.Conv1D(5, 4, padding="causal", dilation_rate=2, activation="relu")(x)
    y = layers.MaxPooling1D(2)(layers.ZeroPadding1D(1)(y))
    y = layers.Conv1D(6, 3, strides=2, groups=1, padding="same", activation="relu")(y)
    y = layers.UpSampling1D(2)(layers.Cropping1D(1)(y))
    y = layers.SeparableConv1D(4, 3, activation="relu")(y)
    a = layers.GlobalAveragePooling1D()(y)
    b = layers.GlobalMaxPooling1D()(y)
    c = layers.Flatten()(layers.Dense(2, "relu")(layers.AveragePooling1D(2)(y)))
    return keras.Model(x, layers.Dense(3, "softmax")(layers.Concatenate()([a, b, c])))


def autoencoder():
    image = _image((8, 12, 1))
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    y = layers.Dense(20, "relu")(layers.Flatten()(y))
    y = layers.Reshape((4, 6, 2))(layers.Dense(48, "relu")(y))
    y = layers.Conv2DTranspose(3, (4, 3), strides=2, padding="same", activation="relu")(y)
    return keras.Model(image, layers.Conv2DTranspose(1, 3, padding="same", activation="relu")(y))


def convolutions():
    """Dilation, groups, depth multiplier."""
    image = _image((10, 8, 2))
    y = layers.Conv2D(6, (2, 3), dilation_rate=(2, 1), padding="same", activation="relu")(image)
    y = layers.Conv2D(4, 3, groups=2, strides=(1, 2), padding="same", activation="relu")(y)
    y = layers.DepthwiseConv2D((3, 2), depth_multiplier=2, activation="relu")(y)
    y = layers.BatchNormalization()(y)
    return keras.Model(image, layers.Dense(3)(layers.GlobalMaxPooling2D(keepdims=True)(y)))


def large_windows():
    image = _image((23, 17, 2))
    y = layers.MaxPooling2D(4)(layers.Conv2D(3, 3, padding="same", activation="relu")(image))
    z = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, padding="same", activation="relu")(image))
    return keras.Model(image, layers.Dense(3)(layers.Concatenate()([layers.Flatten()(y), z])))


def linear_u_net():
    """A transposed convolution without a ReLU, concatenated and convolved; and two linear convolutions."""
    image = _image((8, 6, 2))
    skip = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    y = layers.Conv2D(4, (2, 3), padding="same", activation="relu")(layers.MaxPooling2D(2)(skip))
    y = layers.Concatenate()([layers.Conv2DTranspose(3, 2, strides=2)(y), skip])
    y = layers.Conv2D(4, 3)(layers.Conv2D(3, (3, 2), padding="same")(y))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def leaky():
    image = _image((8, 6, 2))
    y = layers.LeakyReLU(0.25)(layers.BatchNormalization()(layers.Conv2D(4, 3)(image)))
    y = layers.Conv2D(3, 2, activation="leaky_relu")(y)
    y = layers.ReLU(max_value=1.5, negative_slope=0.125)(layers.Conv2D(4, 2, strides=2)(y))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def max_of_negative():
    """Max-pooling without a ReLU near: padded, overlapping, into an Add, and at the output."""
    image = _image((11, 8, 2))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(image))
    y = layers.MaxPooling2D((3, 2), strides=2, padding="same")(y)
    y = layers.Add()([y, layers.Conv2D(4, 1, strides=2, padding="same")(image)])
    y = layers.Conv2D(5, (2, 3), padding="same", activation="relu")(y)
    y = layers.MaxPooling2D(2, strides=1)(layers.Conv2D(3, 2, padding="same")(y))
    return keras.Model(image, layers.GlobalMaxPooling2D()(y))


def sloped():
    """PReLU with a slope for each channel, for each neuron, and for each pixel."""
    y = image = _image((8, 6, 2))
    for axes in ([1, 2], None, [3]):
        y = layers.PReLU(shared_axes=axes)(layers.Conv2D(4, 2)(y))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(y)))


def two_inputs_nested():
    """A nested model of two inputs: Keras calls it with a mask for each, which is None."""
    parts = keras.Input((4,), name="part_a"), keras.Input((3,), name="part_b")
    inner = keras.Model(parts, layers.Dense(5, "relu")(layers.Concatenate()(parts)), name="inner")
    inputs = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    y = layers.Normalization(axis=None, mean=0.25, variance=0.5)(inner(inputs))
    return keras.Model(inputs, layers.Dense(2)(y))


def randomized(model, seed=0):
    """The model with weights, biases and statistics that are not those of a fresh one."""
    rng = np.random.default_rng(seed)
    for w in model.weights:
        if w.name in ("moving_variance", "gamma"):
            w.assign(rng.uniform(0.5, 1.5, w.shape))
        elif w.name in ("mean", "variance", "count"):
            continue
        else:
            fan_in = np.prod(w.shape[:-1]) if len(w.shape) > 1 else 16
            w.assign(rng.normal(size=w.shape) * np.sqrt(2 / fan_in))
    return model


def examples_of(model, count, seed=1):
    """{input name: (count, *shape)}, 0 to 1, float32."""
    rng = np.random.default_rng(seed)
    names = read_model(model).inputs
    shapes = [i.shape[1:] for i in model.inputs]
    return {n: rng.random((count, *shape), np.float32) for n, shape in zip(names, shapes, strict=True)}


MODELS = {
    make.__name__: make
    for make in (
        residual,
        preactivated,
        inverted_bottleneck,
        inception,
        dense_net,
        two_inputs,
        two_outputs,
        nested,
        shared,
        concatenated_rows,
        unequal_depth,
        rescaled_images,
        max_before_relu,
        max_of_negative,
        series,
        autoencoder,
        convolutions,
        large_windows,
        linear_u_net,
        leaky,
        sloped,
        two_inputs_nested,
    )
}
