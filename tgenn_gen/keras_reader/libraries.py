"""keras, tf_keras and h5py, imported only when called: the rest of the package works without them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgenn_gen.errors import MissingEngineError


@dataclass(frozen=True)
class Library:
    """keras or tf_keras: the package, and its functions that flatten and pack nested arguments."""

    package: Any
    flatten: Callable[[Any], list[Any]]
    pack: Callable[[Any, list[Any]], Any]

    @property
    def is_keras_2(self) -> bool:
        return str(self.package.__version__).startswith("2.")

    def own(self, value: Any) -> bool:
        """Whether a class or function is part of the library, and not of the model's own code."""
        return str(value.__module__).split(".")[0] == self.package.__name__.split(".")[0]

    def cast(self, x: np.ndarray, dtype: Any) -> Any:
        """A tensor of another type, as Keras casts its data."""
        if not self.is_keras_2:
            return self.package.ops.cast(x, dtype)
        import tensorflow as tf

        return tf.cast(x, dtype)


def import_keras() -> Any:
    """The keras package. Raises MissingEngineError where TensorFlow or Keras 3 is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "TF_ENABLE_ONEDNN_OPTS", "0"
    )  # its strided convolutions of one channel can be wrong
    try:
        with _stderr_closed():  # TensorFlow's notes about its own build
            import keras
    except ImportError as error:
        raise _tensorflow_is_missing(error) from None
    if int(keras.__version__.split(".")[0]) < 3:
        raise MissingEngineError(
            f"reading a Keras model needs Keras 3, found {keras.__version__}: pip install 'keras>=3'"
        )
    return keras


def import_tf_keras() -> Any:
    """Keras 2, the tf_keras package. Raises MissingEngineError where it is not installed."""
    import_keras()  # sets TensorFlow up
    try:
        import tf_keras
    except ImportError as error:
        raise MissingEngineError(
            f"reading a model of Keras 2 needs tf_keras ({error}): pip install 'tgenn-gen[savedmodel]'"
        ) from None
    return tf_keras


def import_h5py() -> Any:
    """h5py, which TensorFlow brings. Raises MissingEngineError."""
    try:
        import h5py
    except ImportError as error:
        raise _tensorflow_is_missing(error) from None
    return h5py


def _tensorflow_is_missing(error: ImportError) -> MissingEngineError:
    return MissingEngineError(
        f"reading a Keras model needs TensorFlow ({error}): pip install 'tgenn-gen[keras]'"
    )


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def library_of(model: Any) -> Library:
    """The library that a model was built with. Raises MissingEngineError as import_keras does."""
    keras = import_keras()
    keras_2 = sys.modules.get("tf_keras")
    package = keras_2 if keras_2 is not None and isinstance(model, keras_2.Model) else keras
    if package is keras and hasattr(keras, "tree"):
        return Library(keras, keras.tree.flatten, keras.tree.pack_sequence_as)
    import tensorflow as tf  # for Keras 2, and for Keras 3.0 to 3.2, which have no functions for that

    return Library(package, tf.nest.flatten, tf.nest.pack_sequence_as)
