"""The trained networks of the benchmarks: their files, their exports, and a copy for PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from anns import examples_file, images, images_file, trained

ROOT = Path(__file__).parent.parent.parent
CALIBRATION = 2000  # training images that all contestants get for scales
# {name on the command line: the name in tests/support/anns.py}
NETWORKS = {
    "mnist": "mnist_2019",
    "resnet8": "cifar10_resnet8",
    "resnet20": "cifar10_resnet20",
    "mobilenet": "cifar10_mobilenet",
    "vgg": "cifar10_vgg",
    "batch_norm": "cifar10_batch_norm",
}
SHOWN = {
    "mnist": "MNIST (TensorGeNN's network of 2019)",
    "resnet8": "CIFAR-10, ResNet-8",
    "resnet20": "CIFAR-10, ResNet-20",
    "mobilenet": "CIFAR-10, MobileNet (depthwise, ReLU6)",
    "vgg": "CIFAR-10, VGG with max-pooling",
    "batch_norm": "CIFAR-10, 6 convolutions with BatchNormalization",
    "vgg16": "CIFAR-10, VGG-16, random weights",
    "small_cnn": "the golden network small_cnn, random images",
}


class MissingDataError(Exception):
    """The data of a network are not on this machine."""


class Network:
    """A trained network and its files in a folder of this run."""

    model: Path | None

    def __init__(self, name: str, folder: Path, training: int = 1) -> None:
        self.name, self.training = name, training
        self.folder = folder / f"{name}-{training}"
        self.folder.mkdir(parents=True, exist_ok=True)
        ann = NETWORKS[name]
        data = examples_file(ann)
        if data is None:
            raise MissingDataError(
                "there is no mnist.npz or cifar10.npz in $TGENN_DATA or ~/.cache/tgenn-data"
            )
        self.data = data
        self.model = trained(ann, images_file(ann), training)

    @cached_property
    def test_images(self) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (n, rows, columns, channels), and classes (n,)."""
        return images(self.data, "test")

    @property
    def examples(self) -> Path:
        """The test images as an .npz with x and y."""
        path = self.folder / "examples.npz"
        if not path.exists():
            x, y = self.test_images
            np.savez(path, x=x, y=y)
        return path

    def export(self, method: str, steps: int | None = None, calibration: Path | None = None) -> Path:
        """The project exported with the preset `method`, for so many time steps or its default.

        calibration: default: all training images
        """
        folder = self.folder / f"{method}-{steps or 'default'}{'-few' if calibration else ''}"
        if not folder.exists():
            options = ["--preset", method, "--output", str(folder)]
            options += ["--timesteps", str(steps)] if steps else []
            tgenn("export", str(self.model), "--calibration", str(calibration or self.data), *options)
        return folder

    @property
    def calibration(self) -> Path:
        """The training images that peers get, as an .npz with x, uint8 (n, rows, columns, channels)."""
        path = self.folder / "calibration.npz"
        if not path.exists():
            x, _ = images(self.data, "train")
            chosen = np.random.default_rng(0).choice(len(x), CALIBRATION, replace=False)
            np.savez(path, x=x[np.sort(chosen)])
        return path

    @property
    def for_torch(self) -> Path:
        """What peers/torch_network.py reads: made in a process with TensorFlow."""
        path = self.folder / "torch.npz"
        if not path.exists():
            command = [sys.executable, __file__, *map(str, (self.model, self.calibration, path))]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{self.model} in PyTorch: {done.stderr.strip()[-500:]}")
        return path


class Golden(Network):
    """generated/small_cnn with random images: tries the suite itself, without TensorFlow and in seconds."""

    def __init__(self, folder: Path) -> None:
        self.name, self.training, self.model = "small_cnn", 1, None
        self.folder = folder

    @cached_property
    def test_images(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (100, 7, 10, 2), np.uint8), rng.integers(0, 5, 100)

    def export(self, method: str, steps: int | None = None, calibration: Path | None = None) -> Path:
        return ROOT / "generated/small_cnn"


def tgenn(*arguments: str) -> str:
    """Run the command line in a process of its own; its output."""
    command = [sys.executable, "-m", "tgenn_gen", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tgenn {arguments[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _padding(layer: Any, rows: tuple[int, ...], size: tuple[int, ...]) -> list[tuple[int, int]]:
    """TensorFlow's padding: before and after, for rows and columns."""
    if layer.padding == "valid":
        return [(0, 0), (0, 0)]
    total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(rows, layer.strides, size, strict=True)]
    return [(t // 2, t - t // 2) for t in total]


def _evenly_padded(kernel: np.ndarray, padding: list[tuple[int, int]]) -> tuple[np.ndarray, list[int]]:
    """The same convolution with as much padding before as after, as PyTorch has it: zeros join the kernel.

    SpikingJelly's recipes convert no padding layers. A 3x3 kernel with strides of 2 becomes 4x4.
    """
    most = [max(pair) for pair in padding]
    zeros = [(m - before, m - after) for m, (before, after) in zip(most, padding, strict=True)]
    return np.pad(kernel, [(0, 0), (0, 0), *zeros]), most


def _torch_nodes(model: Any) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The graph as a list of operations in order, and the weights."""
    nodes: list[dict[str, Any]] = []
    weights: dict[str, np.ndarray] = {}
    made: dict[int, str] = {}  # {id of a Keras tensor: the node that makes it}
    flattened: dict[str, tuple[int, ...]] = {}  # {node: the shape (rows, columns, channels) before Flatten}

    def add(op: str, inputs: list[str], name: str, **how: Any) -> str:
        nodes.append({"op": op, "inputs": inputs, "name": name, **how})
        return name

    (image,) = model.inputs
    sequential = type(model).__name__ == "Sequential"
    made[id(image)] = add("input", [], "image")
    for layer in model.layers:
        kind, name = type(layer).__name__, layer.name
        if kind == "InputLayer":
            continue
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = [nodes[-1]["name"]] if sequential else [made[id(t)] for t in tensors]
        shape, node = tensors[0].shape[1:], sources[0]
        arrays = [np.asarray(w) for w in layer.get_weights()]
        if kind in ("Conv2D", "DepthwiseConv2D"):
            kernel, depthwise = arrays[0], kind == "DepthwiseConv2D"
            kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
            kernel = kernel.reshape(-1, 1, *kernel.shape[2:]) if depthwise else kernel
            kernel, padding = _evenly_padded(kernel, _padding(layer, shape[:2], kernel.shape[2:]))
            weights[f"{name}.weight"] = kernel
            groups = shape[2] if depthwise else 1
            how = {"strides": list(layer.strides), "padding": padding, "groups": groups}
            node = add("conv2d", [node], name, bias=layer.use_bias, **how)
        elif kind == "Dense":
            kernel = arrays[0]
            if node in flattened:  # PyTorch flattens channels first
                kernel = kernel.reshape(*flattened[node], -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
            weights[f"{name}.weight"] = kernel.T
            node = add("dense", [node], name, bias=layer.use_bias)
        elif kind == "BatchNormalization":
            keys = "weight bias running_mean running_var".split()
            weights |= {f"{name}.{key}": array for key, array in zip(keys, arrays, strict=True)}
            node = add("batch_norm", [node], name, epsilon=layer.epsilon)
        elif kind == "ReLU":
            node = add("relu6" if layer.max_value == 6 else "relu", [node], name)
        elif kind in ("AveragePooling2D", "MaxPooling2D"):
            node = add(
                "avg_pool" if kind.startswith("A") else "max_pool", [node], name, size=layer.pool_size[0]
            )
        elif kind == "GlobalAveragePooling2D":
            node = add("global_average", [node], name, flat=not layer.keepdims)
        elif kind == "Flatten":
            node = add("flatten", [node], name)
            flattened[node] = tuple(shape)
        elif kind == "ZeroPadding2D":
            (top, bottom), (left, right) = layer.padding
            node = add("pad", [node], name, padding=[left, right, top, bottom])
        elif kind == "Add":
            node = add("add", sources, name)
        elif kind == "Reshape":  # of (1, 1, classes)
            node = add("flatten", [node], name)
        elif kind != "Dropout":
            raise NotImplementedError(kind)
        if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
            if layer.use_bias:
                weights[f"{name}.bias"] = arrays[1]
            if layer.activation.__name__ == "relu":
                node = add("relu", [node], f"{name}_relu")
        made[id(layer.output)] = node
    return nodes, weights


def write_for_torch(model_file: str, calibration: str, path: str) -> None:
    """Write a Keras model's graph and weights as PyTorch has them.

    path    an .npz: `graph`, JSON; the weights; `calibration`; the model's `logits` for the first 64 of these
    """
    import keras

    model = keras.models.load_model(model_file, compile=False)
    nodes, weights = _torch_nodes(model)
    with np.load(calibration) as arrays:
        x = arrays["x"]
    last = model.layers[-1]
    if getattr(last, "activation", None) is not None and last.activation.__name__ == "softmax":
        last.activation = keras.activations.linear
        model = keras.models.clone_model(model, clone_function=lambda layer: layer)
    logits = np.asarray(model(x[:64] / np.float32(255), training=False)).reshape(64, -1)
    graph = np.array(json.dumps(nodes))
    np.savez(path, graph=graph, calibration=x, logits=logits, **weights)


if __name__ == "__main__":
    write_for_torch(*sys.argv[1:])
