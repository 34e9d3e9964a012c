"""A Keras network in PyTorch, from the file that networks.write_for_torch writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn


class TorchNetwork(nn.Module):
    """The graph, with the modules that have weights and the activations by their names."""

    def __init__(self, nodes: list[dict[str, Any]], weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.nodes = nodes
        self.layers = nn.ModuleDict({node["name"]: _module(node, weights) for node in nodes[1:]})
        state = {f"layers.{name}": torch.from_numpy(np.ascontiguousarray(w)) for name, w in weights.items()}
        missing, unknown = self.load_state_dict(state, strict=False)
        assert not unknown and all(name.endswith("num_batches_tracked") for name in missing), (
            missing,
            unknown,
        )
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {self.nodes[0]["name"]: x}
        for node in self.nodes[1:]:
            values[node["name"]] = self.layers[node["name"]](*(values[i] for i in node["inputs"]))
        return values[self.nodes[-1]["name"]]


class Add(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


def _module(node: dict[str, Any], weights: dict[str, np.ndarray]) -> nn.Module:
    op, name = node["op"], node["name"]
    if op == "conv2d":
        shape = weights[f"{name}.weight"].shape
        return nn.Conv2d(
            shape[1] * node["groups"],
            shape[0],
            shape[2:],
            node["strides"],
            node["padding"],
            groups=node["groups"],
            bias=node["bias"],
        )
    if op == "dense":
        rows, columns = weights[f"{name}.weight"].shape
        return nn.Linear(columns, rows, bias=node["bias"])
    if op == "batch_norm":
        return nn.BatchNorm2d(len(weights[f"{name}.weight"]), node["epsilon"])
    makers: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "add": Add,
        "flatten": nn.Flatten,
        "avg_pool": lambda: nn.AvgPool2d(node["size"]),
        "max_pool": lambda: nn.MaxPool2d(node["size"]),
        "pad": lambda: nn.ZeroPad2d(node["padding"]),
        "global_average": lambda: nn.Sequential(
            nn.AdaptiveAvgPool2d(1), *([nn.Flatten()] if node["flat"] else [])
        ),
    }
    return makers[op]()


def load(path: str) -> tuple[TorchNetwork, torch.Tensor]:
    """The network and its calibration images, float32 (n, channels, rows, columns).

    Raises AssertionError where its logits are not those of Keras.
    """
    with np.load(path) as arrays:
        found = dict(arrays)
    nodes = json.loads(str(found.pop("graph")))
    calibration, logits = as_tensor(found.pop("calibration")), found.pop("logits")
    network = TorchNetwork(nodes, found)
    with torch.inference_mode():
        own = network(calibration[: len(logits)]).reshape(len(logits), -1).numpy()
    different = float(np.abs(own - logits).max() / np.abs(logits).max())
    assert different < 1e-4, (
        f"the logits in PyTorch differ from those of Keras by {different:.2g} of the largest"
    )
    return network, calibration


def as_tensor(x: np.ndarray) -> torch.Tensor:
    """Images uint8 (n, rows, columns, channels) as float32 0..1 (n, channels, rows, columns)."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).float() / 255
