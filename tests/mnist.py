"""MNIST and the network of 2019 for tests and benchmarks; the ANN is kept in ~/.cache/tgenn-models."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

SEED = 1


def mnist_file() -> Path | None:
    """mnist.npz in $TGENN_DATA, ~/.cache/tgenn-data or where keras.datasets keeps it; or None."""
    folders = [
        os.environ.get("TGENN_DATA"),
        Path.home() / ".cache/tgenn-data",
        Path.home() / ".keras/datasets",
    ]
    files = [Path(folder) / "mnist.npz" for folder in folders if folder]
    return next((file for file in files if file.exists()), None)


def network_of_2019(data: Path) -> Path:
    """Conv(16, 5) - AvgPool - Conv(8, 5, same) - Dense 128 - 64 - 10, bias-free, 5 epochs; its file."""
    path = Path.home() / ".cache/tgenn-models" / f"mnist_2019_seed{SEED}.keras"
    if path.exists():
        return path
    import keras

    keras.utils.set_random_seed(SEED)
    with np.load(data) as arrays:
        x, y = arrays["x_train"][..., None] / np.float32(255), arrays["y_train"]
    layers = keras.layers
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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.keras")
    model.save(partial)
    partial.replace(path)
    return path
