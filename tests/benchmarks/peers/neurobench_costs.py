"""Measures networks of tests/support/cost_cases.py with NeuroBench, as networks in PyTorch.

PEERS/bin/python tests/benchmarks/peers/neurobench_costs.py > tests/analysis/neurobench.json
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

import numpy as np
import snntorch
import torch
from cost_cases import CASES, TIMESTEPS
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint
from neurobench.metrics.workload import (
    ActivationSparsity,
    ActivationSparsityByLayer,
    MembraneUpdates,
    SynapticOperations,
)
from neurobench.models import TorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

STATIC = [Footprint, ConnectionSparsity]
VERSIONS = {name: version(name) for name in ("neurobench", "snntorch", "torch")}
WORKLOAD = [ActivationSparsity, ActivationSparsityByLayer, SynapticOperations, MembraneUpdates]


class Neurons(snntorch.SpikingNeuron):
    """A spiking layer as NeuroBench knows it: its potential is `mem`, and it has no buffers."""

    def __init__(self) -> None:
        super().__init__(init_hidden=True)
        self._buffers.clear()
        self.mem = torch.zeros(0)

    def reset(self, timesteps: int) -> None:
        """Before each batch."""
        self.mem, self.step, self.timesteps = torch.tensor(0.5), 0, timesteps
        self.sum = torch.tensor(0.0)


class IntegrateAndFire(Neurons):
    def forward(self, current: torch.Tensor) -> torch.Tensor:
        v = self.mem + current
        spikes = (v >= 1).float()
        self.mem = v - spikes
        return spikes


class SignedIntegrateAndFire(Neurons):
    def forward(self, current: torch.Tensor) -> torch.Tensor:
        v = self.mem + current
        spikes = (v >= 1).float() - ((v < 0) & (self.sum > 0)).float()
        self.sum = self.sum + spikes
        self.mem = v - spikes
        return spikes


class FewSpike(Neurons):
    """It reads for `timesteps` steps, then it emits for as many."""

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        weight = 2.0 ** (self.timesteps - 1 - self.step % self.timesteps)
        reads, self.step = self.step < self.timesteps, self.step + 1
        if reads:
            self.mem = self.mem + weight * current
            return torch.zeros_like(self.mem)
        spikes = (self.mem >= weight).float()
        self.mem = self.mem - weight * spikes
        return spikes


class Integrate(Neurons):
    """An output, which never spikes."""

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        self.mem = self.mem + current
        return torch.zeros_like(self.mem)


KINDS = {
    "integrate_and_fire": IntegrateAndFire,
    "signed_integrate_and_fire": SignedIntegrateAndFire,
    "few_spike": FewSpike,
}


class Spiking(nn.Module):
    """The network, layer by layer: each layer reads the spikes of the same step.

    integrator: whether the last layer has integrators. NeuroBench needs them to count membrane updates, but
    it takes their outputs for activations.
    """

    def __init__(self, case: dict[str, Any], integrator: bool) -> None:
        super().__init__()
        self.connections = nn.ModuleList(connection(layer) for layer in case["layers"])
        kinds = [KINDS[case["neuron"]]] * (len(self.connections) - 1) + [Integrate] * integrator
        self.neurons = nn.ModuleList(kind() for kind in kinds)
        self.few_spike = case["neuron"] == "few_spike"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.connections[0](x)  # a constant current: the layer is applied once
        currents = [first] * TIMESTEPS
        for number, layer in enumerate(self.neurons):
            layer.reset(TIMESTEPS)
            last = number == len(self.connections) - 1
            if self.few_spike and not last:
                for current in currents:
                    layer(current)
            spikes = [layer(current) for current in currents]
            if not last:
                following = self.connections[number + 1]
                currents = [
                    following(s.flatten(1) if isinstance(following, nn.Linear) else s) for s in spikes
                ]
        return sum(currents)


class Ann(nn.Module):
    """The same network with ReLUs, and with pooling as a layer of its own."""

    def __init__(self, case: dict[str, Any]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in case["layers"]:
            if "pool" in layer:
                layers.append(nn.AvgPool2d(layer["pool"]))
            if layer["kernel"].ndim == 2:
                layers.append(nn.Flatten())
            layers += [connection({**layer, "pool": (1, 1)}), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def connection(layer: dict[str, Any]) -> nn.Module:
    """Linear or Conv2d. Average pooling before a convolution is merged into its kernel."""
    kernel = layer["kernel"]
    if kernel.ndim == 2:
        module: nn.Module = nn.Linear(*kernel.shape, bias=layer["bias"] is not None)
        kernel = kernel.T
    else:
        rows, columns = layer.get("pool", (1, 1))
        kernel = kernel.repeat(rows, axis=0).repeat(columns, axis=1) / (rows * columns)
        strides = tuple(np.multiply(layer.get("strides", (1, 1)), (rows, columns)).tolist())
        module = nn.Conv2d(
            kernel.shape[2],
            kernel.shape[3],
            kernel.shape[:2],
            strides,
            layer.get("padding", (0, 0)),
            bias=layer["bias"] is not None,
        )
        kernel = kernel.transpose(3, 2, 0, 1)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
        if layer["bias"] is not None:
            module.bias.copy_(torch.from_numpy(layer["bias"]))
    return module


def measured(network: nn.Module, x: np.ndarray) -> dict[str, Any]:
    """NeuroBench's results on all examples in one batch."""
    images = torch.from_numpy(x if x.ndim == 2 else np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    model = TorchModel(network)
    model.add_activation_module(snntorch.SpikingNeuron)
    data = DataLoader(TensorDataset(images, torch.zeros(len(x))), batch_size=len(x))
    with torch.inference_mode():
        found = Benchmark(model, data, [], [], [STATIC, WORKLOAD]).run(quiet=True)
    return dict(found)


def costs(case: dict[str, Any]) -> dict[str, Any]:
    """NeuroBench's results, and those of the ANN, whose kernels are not merged with pooling."""
    found = measured(Spiking(case, integrator=False), case["x"])
    with_integrators = measured(Spiking(case, integrator=True), case["x"])
    ann = measured(Ann(case), case["x"])
    kept = ("Footprint", "ConnectionSparsity", "SynapticOperations")
    return {
        **found,
        "MembraneUpdates": with_integrators["MembraneUpdates"],
        "ANN": {name: ann[name] for name in kept},
    }


if __name__ == "__main__":
    results = {name: costs(case) for name, case in CASES.items()}
    print(json.dumps({"versions": VERSIONS, "costs": results}, indent=2))
