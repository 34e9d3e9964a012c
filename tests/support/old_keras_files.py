"""Writes a model with the Keras of an old TensorFlow: python old_keras_files.py FOLDER

tests/keras_reader/old_keras_files.zip holds what TensorFlow 2.0.0 and 2.3.0 wrote as
SavedModels, and 2.12.1, 2.13.1 and 2.14.1 as .keras files, each with an input and the model's output as .npz.
It imports nothing of this package, for these versions need a Python of their own.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

keras = tf.keras
layers = keras.layers


class Mine(keras.regularizers.Regularizer):
    """Code that is there in training alone."""

    def __call__(self, x):
        return 0.0 * tf.reduce_sum(x)

    def get_config(self):
        return {}


def of_equal_shapes():
    """A nested model, and layers with weights of equal shapes: only their names tell them apart."""
    image = keras.Input((6, 5, 2))
    inner = keras.Sequential([layers.Conv2D(2, 2, activation="relu", input_shape=(6, 5, 2))])
    inner.add(layers.BatchNormalization())
    inner.add(layers.Conv2D(2, 2, activation="relu", kernel_regularizer=Mine()))
    x = layers.Dropout(0.5)(layers.Flatten()(inner(image)))
    for _ in range(3):
        x = layers.Dense(24, activation="relu", kernel_regularizer=Mine())(x)
    return keras.Model(image, layers.Dense(24)(x))


def main():
    rng = np.random.RandomState(0)
    model = of_equal_shapes()
    model.set_weights([rng.normal(0.1, 0.3, w.shape).astype("f4") ** 2 for w in model.get_weights()])
    version = tf.__version__
    is_zip = int(version.split(".")[1]) >= 12
    folder = Path(sys.argv[1])
    model.save(str(folder / (version + (".keras" if is_zip else ""))))
    x = rng.rand(2, 6, 5, 2).astype("f4")
    np.savez(folder / (version + ".npz"), x=x, y=model.predict(x))


if __name__ == "__main__":
    main()
