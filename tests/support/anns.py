"""The trained ANNs of tests and benchmarks, and their data. ANNs are kept in ~/.cache/tgenn-models."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from moving_digits import SENSOR, frames_of_digits, mean_frames

MODELS = Path.home() / ".cache/tgenn-models"
MOVING_DIGITS = {"moving_digits_8": 8, "moving_digits_16": 16}  # {network: frames of each recording}


def data_file(name: str) -> Path | None:
    """A file in $TGENN_DATA, ~/.cache/tgenn-data or where keras.datasets keeps it; or None."""
    folders = [
        os.environ.get("TGENN_DATA"),
        Path.home() / ".cache/tgenn-data",
        Path.home() / ".keras/datasets",
    ]
    files = [Path(folder) / name for folder in folders if folder]
    return next((file for file in files if file.exists()), None)


def images(data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The "train" or "test" part: uint8 images (n, rows, columns, channels) and labels (n,)."""
    with np.load(data) as arrays:
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)
    return (x if x.ndim == 4 else x[..., None]), y


def images_file(name: str) -> Path | None:
    """The images that ANNS[name] is trained on; None for time series, or where there is no such file."""
    if name == "series":
        return None
    return data_file("mnist.npz" if name in MOVING_DIGITS else f"{name.split('_')[0]}.npz")


def examples_file(name: str) -> Path | None:
    """The .npz with the examples of ANNS[name], those of training and test; None where it cannot be made."""
    images_of = images_file(name)
    if name not in ("series", "mnist_halves", "mnist_autoencoder", *MOVING_DIGITS):
        return images_of
    if name != "series" and images_of is None:
        return None
    path = MODELS / f"{name}_examples.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **_examples(name, images_of))
    return path


def _examples(name: str, images_of: Path | None) -> dict[str, np.ndarray]:
    """The arrays of an ANN's own file of examples."""
    if images_of is None:
        x, y = cylinder_bell_funnel(6000, seed=0)
        x_test, y_test = cylinder_bell_funnel(4000, seed=1)
        return {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    arrays = {}
    for part, (count, seed) in {"train": (2000, 0), "test": (1000, 1)}.items():
        x, y = images(images_of, part)
        if name in MOVING_DIGITS:
            arrays[f"x_{part}"] = frames_of_digits(x[:count, ..., 0], MOVING_DIGITS[name], seed)
            arrays[f"y_{part}"] = y[:count]
        elif name == "mnist_halves":
            arrays.update({f"{half}_{part}": pixels for half, pixels in halves(x).items()})
            arrays[f"y_{part}"] = y
        else:
            arrays.update({f"x_{part}": x, f"y_{part}": x / np.float32(255)})
    return arrays


def training_data(data: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """What ANNS[name] is trained with: images 0..1 of a file, or a time series that needs none."""
    if data is None:
        return cylinder_bell_funnel(6000, seed=0)
    x, y = images(data, "train")
    return x / np.float32(255), y


def trained(name: str, data: Path | None, seed: int = 1) -> Path:
    """The .keras file of ANNS[name] trained with a seed; trained now, by one process, if it is missing."""
    path = MODELS / f"{name}_seed{seed}.keras"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            import keras

            keras.utils.set_random_seed(seed)
            model = ANNS[name](*training_data(data))
            partial = path.with_suffix(".part.keras")
            model.save(partial)
            partial.replace(path)
    return path


def _mnist_2019(x: np.ndarray, y: np.ndarray) -> Any:
    """TensorGeNN's network for MNIST, 5 epochs."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 5, activation="relu", use_bias=False),
            layers.AveragePooling2D(2),
            layers.Conv2D(8, 5, padding="same", activation="relu", use_bias=False),
            layers.Flatten(),
            layers.Dense(128, activation="relu", use_bias=False),
            layers.Dense(64, activation="relu", use_bias=False),
            layers.Dense(10, activation="softmax", use_bias=False),
        ],
        name="mnist_2019",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=5, batch_size=128, verbose=0)
    return model


def _cifar10_pooled(x: np.ndarray, y: np.ndarray) -> Any:
    """A bias-free CNN with average pooling, 10 epochs with flips."""
    import keras
    from keras import layers

    def convolution(filters: int) -> Any:
        return layers.Conv2D(filters, 3, padding="same", activation="relu", use_bias=False)

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            convolution(32),
            layers.AveragePooling2D(2),
            convolution(64),
            layers.AveragePooling2D(2),
            convolution(128),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(256, activation="relu", use_bias=False),
            layers.Dense(10, activation="softmax", use_bias=False),
        ],
        name="cifar10_pooled",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    for _ in range(10):
        model.fit(_flipped(x, rng), y, batch_size=64, verbose=2)
    return model


def _flipped(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images (n, rows, columns, channels), half of them mirrored."""
    return np.where(rng.random(len(x))[:, None, None, None] < 0.5, x, x[:, :, ::-1])


def _train_on_cifar10(model: Any, x: np.ndarray, y: np.ndarray, epochs: int) -> Any:
    """Train a model that gives logits, with flips and shifts and a learning rate that rises and falls."""
    import keras

    batch_size, shift = 128, 4
    steps = len(x) // batch_size
    peak = epochs // 3 * steps
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, (epochs * steps) - peak, warmup_target=4e-3, warmup_steps=peak
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), loss, metrics=["accuracy"])
    rng = np.random.default_rng(0)
    padded = np.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, x.shape[1:3], axis=(1, 2))
    for _ in range(epochs):
        row, column = rng.integers(0, 2 * shift + 1, (2, len(x)))
        shifted = windows[np.arange(len(x)), row, column].transpose(0, 2, 3, 1)
        model.fit(_flipped(shifted, rng), y, batch_size=batch_size, verbose=2)
    return model


def _cifar10_batch_norm(x: np.ndarray, y: np.ndarray) -> Any:
    """Six convolutions with bias and BatchNormalization, 18 epochs."""
    import keras
    from keras import layers

    def block(filters: int) -> list[Any]:
        return [layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *(layer for filters in (32, 32) for layer in block(filters)),
            layers.AveragePooling2D(2),
            *(layer for filters in (64, 64) for layer in block(filters)),
            layers.AveragePooling2D(2),
            *(layer for filters in (128, 128) for layer in block(filters)),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10),
        ],
        name="cifar10_batch_norm",
    )
    return _train_on_cifar10(model, x, y, 18)


def resnet(blocks: int, name: str) -> Any:
    """A ResNet for CIFAR-10 (He et al. 2016, section 4.2), untrained: three stages of so many blocks."""
    import keras
    from keras import layers

    def convolution(y: Any, filters: int, size: int, strides: int = 1) -> Any:
        y = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(y)
        return layers.BatchNormalization()(y)

    image = keras.Input((32, 32, 3), name="image")
    y = layers.ReLU()(convolution(image, 16, 3))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            branch = layers.ReLU()(convolution(y, filters, 3, strides))
            branch = convolution(branch, filters, 3)
            shortcut = convolution(y, filters, 1, strides) if strides > 1 else y
            y = layers.ReLU()(layers.Add()([branch, shortcut]))
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(image, layers.Dense(10)(y), name=name)


def _mobilenet() -> Any:
    """A small MobileNet (Howard et al. 2017) for CIFAR-10: depthwise and pointwise, each with ReLU6."""
    import keras
    from keras import layers

    def activated(y: Any) -> Any:
        return layers.ReLU(6.0)(layers.BatchNormalization()(y))

    image = keras.Input((32, 32, 3), name="image")
    y = activated(layers.Conv2D(32, 3, padding="same", use_bias=False)(image))
    for filters, strides in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        if strides > 1:
            y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
        padding = "valid" if strides > 1 else "same"
        y = activated(layers.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False)(y))
        y = activated(layers.Conv2D(filters, 1, use_bias=False)(y))
    y = layers.GlobalAveragePooling2D(keepdims=True)(y)
    y = layers.Conv2D(10, 1)(layers.Dropout(0.1)(y))
    return keras.Model(image, layers.Reshape((10,))(y), name="cifar10_mobilenet")


def _vgg() -> Any:
    """A small VGG with BatchNormalization and MaxPooling2D for CIFAR-10."""
    import keras
    from keras import layers

    model = [keras.Input((32, 32, 3))]
    for filters in ((32,), (64, 64), (128, 128)):
        for count in filters:
            model += [layers.Conv2D(count, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
        model.append(layers.MaxPooling2D())
    model += [layers.Flatten(), layers.Dropout(0.2), layers.Dense(256, activation="relu")]
    return keras.Sequential([*model, layers.Dense(10)], name="cifar10_vgg")


def halves(x: np.ndarray) -> dict[str, np.ndarray]:
    """Images (n, rows, columns, channels) as two inputs, the upper and the lower half."""
    middle = x.shape[1] // 2
    return {"upper": x[:, :middle], "lower": x[:, middle:]}


def _mnist_halves(x: np.ndarray, y: np.ndarray) -> Any:
    """Two inputs, the halves of a digit, each with a convolution of its own; 3 epochs."""
    import keras
    from keras import layers

    inputs = [keras.Input((14, 28, 1), name=name) for name in ("upper", "lower")]
    features = [
        layers.Flatten()(
            layers.MaxPooling2D()(layers.Conv2D(12, 5, activation="relu", name=f"{i.name}_conv")(i))
        )
        for i in inputs
    ]
    hidden = layers.Dense(96, activation="relu")(layers.Concatenate()(features))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(hidden), name="mnist_halves")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(halves(x), y, epochs=3, batch_size=128, verbose=2)
    return model


def cylinder_bell_funnel(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The time series of Saito 1994: float32 (n, 128, 1), and which of three shapes each has, (n,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(1, 129)
    first = rng.integers(16, 33, (count, 1))
    last = first + rng.integers(32, 97, (count, 1))
    kind = rng.integers(0, 3, count)
    length = last - first
    shapes = np.stack([np.ones((count, 128)), (t - first) / length, (last - t) / length])
    plateau = shapes[kind, np.arange(count)] * ((t >= first) & (t <= last))
    x = (6 + rng.normal(size=(count, 1))) * plateau + rng.normal(size=(count, 128))
    return x[..., None].astype(np.float32), kind


def _series(x: np.ndarray, y: np.ndarray) -> Any:
    """Conv1D on cylinder_bell_funnel, with strides, dilation and both kinds of pooling; 6 epochs."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((128, 1)),
            layers.Conv1D(16, 8, strides=2, padding="same", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(24, 5, dilation_rate=2, padding="same", activation="relu"),
            layers.AveragePooling1D(2),
            layers.SeparableConv1D(32, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ],
        name="series",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=6, batch_size=64, verbose=2)
    return model


def _autoencoder(x: np.ndarray, y: np.ndarray) -> Any:
    """Images to 32 numbers and back by Conv2DTranspose: a regression; 4 epochs."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(24, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(7 * 7 * 16, activation="relu"),
            layers.Reshape((7, 7, 16)),
            layers.Conv2DTranspose(12, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same"),
        ],
        name="mnist_autoencoder",
    )
    model.compile("adam", "mse")
    model.fit(x, x, epochs=4, batch_size=128, verbose=2)
    return model


def _moving_digits(x: np.ndarray, y: np.ndarray, frames: int) -> Any:
    """Strided convolutions on the mean event frame of 20,000 moving digits; 10 epochs."""
    import keras
    from keras import layers

    count, epochs, batch_size = 20_000, 10, 64
    x = mean_frames(np.rint(255 * x[:count, ..., 0]).astype(np.uint8), frames, seed=0)

    def convolution(filters: int, size: int, strides: int) -> list[Any]:
        convolved = layers.Conv2D(filters, size, strides=strides, use_bias=False)
        return [convolved, layers.BatchNormalization(), layers.ReLU()]

    model = keras.Sequential(
        [
            keras.Input(SENSOR),
            *convolution(16, 5, 2),
            *convolution(32, 3, 2),
            *convolution(64, 3, 1),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ],
        name=f"moving_digits_{frames}",
    )
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * count // batch_size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y[:count], epochs=epochs, batch_size=batch_size, verbose=2)
    return model


ANNS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "mnist_2019": _mnist_2019,
    "mnist_halves": _mnist_halves,
    "mnist_autoencoder": _autoencoder,
    "series": _series,
    **{name: partial(_moving_digits, frames=frames) for name, frames in MOVING_DIGITS.items()},
    "cifar10_pooled": _cifar10_pooled,
    "cifar10_batch_norm": _cifar10_batch_norm,
    "cifar10_resnet8": lambda x, y: _train_on_cifar10(resnet(1, "cifar10_resnet8"), x, y, 7),
    "cifar10_resnet20": lambda x, y: _train_on_cifar10(resnet(3, "cifar10_resnet20"), x, y, 6),
    "cifar10_mobilenet": lambda x, y: _train_on_cifar10(_mobilenet(), x, y, 6),
    "cifar10_vgg": lambda x, y: _train_on_cifar10(_vgg(), x, y, 6),
}
