"""ml_genn's few-spike conversion on GeNN's CPU backend, in a process of its own: see ../serving.py.

It runs in this package's environment, which has PyGeNN and TensorFlow, with tf_keras, tqdm, deprecated and a
checkout of ml_genn. Networks are those that it can convert: without bias, with average pooling.

checkout, timesteps, calibration   its folder; K; an .npz with x, training images
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # ml_genn_tf knows Keras 2 only
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from serving import Contestant, serve


class MlGenn:
    batch_sizes = ()

    def __init__(self, settings: dict[str, Any]) -> None:
        sys.path[:0] = [f"{settings['checkout']}/{name}" for name in ("ml_genn", "ml_genn_tf")]
        from ml_genn.metrics import Metric
        from ml_genn_tf.converters import FewSpike

        class Predictions(Metric):
            """Keeps what the network predicts, instead of comparing it."""

            def reset(self) -> None:
                self.found: list[np.ndarray] = []

            def update(self, y_true: Any, y_pred: Any, communicator: Any) -> None:
                self.found.append(np.reshape(y_pred, (len(y_pred), -1)).argmax(-1))

            @property
            def result(self) -> float:
                return 0.0

        self.predictions = Predictions
        with np.load(settings["calibration"]) as arrays:
            x = arrays["x"] / np.float32(255)
        calibration = [[(part, None) for part in np.array_split(x, 20)]]
        converter = FewSpike(k=settings["timesteps"], signed_input=False, norm_data=calibration)
        network, self.inputs, self.outputs, _ = converter.convert(_as_keras_2(settings["model"]))
        # SPARSE, ml_genn's first choice, fails with PyGeNN 5.4: "Unable to cast ... list"
        options = {"prefer_in_memory_connect": False, "backend": "single_threaded_cpu"}
        compiler = converter.create_compiler(batch_size=1, **options)
        self.compiled = compiler.compile(network, inputs=self.inputs, outputs=self.outputs)
        os.environ["CXX"] = "g++ -O3"  # as for this package's scripts; GeNN's default is not optimized
        os.chdir(tempfile.mkdtemp())  # where it writes its code
        self.compiled.__enter__()  # until the process ends

    def run(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        metric = self.predictions()
        metric.reset()
        x, labels = x / np.float32(255), np.zeros(len(x), int)
        self.compiled.evaluate({self.inputs[0]: x}, {self.outputs[0]: labels}, metric, callbacks=[])
        return np.concatenate(metric.found)

    def facts(self) -> dict[str, Any]:
        return {}


def _as_keras_2(file: str) -> Any:
    """The Sequential model in a .keras file, with the same weights, as a model of tf_keras."""
    import keras
    import tf_keras

    model = keras.models.load_model(file, compile=False)
    stack = [tf_keras.Input(model.input_shape[1:])]
    copied = {
        "Conv2D": "filters kernel_size strides padding use_bias",
        "Dense": "units use_bias",
        "AveragePooling2D": "pool_size strides padding",
        "Flatten": "",
    }
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Flatten":  # ml_genn_tf flattens what is pooled, and no convolution's output
            stack.append(tf_keras.layers.AveragePooling2D(1, name="of_one"))
        arguments = {name: getattr(layer, name) for name in copied[kind].split()}
        if kind in ("Conv2D", "Dense"):
            arguments["activation"] = layer.activation.__name__
        stack.append(getattr(tf_keras.layers, kind)(name=layer.name, **arguments))
    copy = tf_keras.Sequential(stack)
    copy.set_weights(model.get_weights())
    return copy


def make(settings: dict[str, Any]) -> Contestant:
    return MlGenn(settings)


if __name__ == "__main__":
    serve(make)
