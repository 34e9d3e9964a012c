"""The trained ANNs of tests and benchmarks, and their data. ANNs are kept in ~/.cache/tgenn-models."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path.home() / ".cache/tgenn-models"


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


def trained(name: str, data: Path, seed: int = 1) -> Path:
    """The .keras file of ANNS[name] trained with a seed; trained now if it is not there yet."""
    path = MODELS / f"{name}_seed{seed}.keras"
    if not path.exists():
        import keras

        keras.utils.set_random_seed(seed)
        x, y = images(data, "train")
        model = ANNS[name](x / np.float32(255), y)
        path.parent.mkdir(parents=True, exist_ok=True)
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


def _cifar10_batch_norm(x: np.ndarray, y: np.ndarray) -> Any:
    """Six convolutions with bias and BatchNormalization; 18 epochs with flips and shifts."""
    import keras
    from keras import layers

    epochs, batch_size, shift = 18, 128, 4

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


ANNS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "mnist_2019": _mnist_2019,
    "cifar10_pooled": _cifar10_pooled,
    "cifar10_batch_norm": _cifar10_batch_norm,
}
