"""The contestants in PyTorch, each in a process of its own: see ../serving.py.

device       cpu (the default) or cuda
contestant   spikingjelly RECIPE  its ann2snn recipes: rate, rate_channels or ltb
             snntorch             Leaky neurons with beta 1; scales as with rate_channels
             torch                the ANN
network, timesteps   the file of the network, and T
batch_sizes  those to choose from
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from serving import Contestant, serve
from torch import nn
from torch_network import TorchNetwork, as_tensor, load

PERCENTILE = 0.999


class Ann:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.batch_sizes = tuple(settings.get("batch_sizes", (32, 128, 512)))
        self.device, self.steps = settings.get("device", "cpu"), settings["timesteps"]
        self.network, self.calibration = load(settings["network"])

    def run(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for start in range(0, len(x), batch_size):
                part = as_tensor(x[start : start + batch_size]).to(self.device)
                found.append(self.scores(part).argmax(-1).cpu().numpy())
        return np.concatenate(found)

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x).flatten(1)

    def facts(self) -> dict[str, Any]:
        return {}


class Spiking(Ann):
    """A network whose `scores` sum the outputs of all time steps.

    firing: the class of its spiking neurons, whose outputs are 0 where there is no spike
    """

    firing: type[nn.Module]
    spikes: float | None = None

    def reset(self) -> None:
        """Before each batch."""
        raise NotImplementedError

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        self.reset()
        total = self.network(x)
        for _ in range(self.steps - 1):
            total = total + self.network(x)
        return total.flatten(1)

    def facts(self) -> dict[str, Any]:
        """The latency in steps: all layers are updated in one. Spikes an example, of 64 images."""
        if self.spikes is None:
            counts: list[int] = []
            neurons = [m for m in self.network.modules() if isinstance(m, self.firing)]
            hooks = [
                m.register_forward_hook(lambda _m, _i, spikes: counts.append(int(spikes.count_nonzero())))
                for m in neurons
            ]
            with torch.inference_mode():
                self.scores(self.calibration[:64].to(self.device))
            for hook in hooks:
                hook.remove()
            self.spikes = sum(counts) / 64
        return {"latency": self.steps, "spikes": self.spikes}


class SpikingJelly(Spiking):
    """A network converted by one of SpikingJelly's recipes, simulated step by step."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from spikingjelly.activation_based import ann2snn, functional, neuron

        super().__init__(settings)
        self.functional, self.firing = functional, neuron.BaseNode
        if any(isinstance(m, nn.ReLU6) for m in self.network.modules()):
            raise NotImplementedError("its recipes convert nn.ReLU only, and this network has ReLU6")
        batches = [(part, torch.zeros(len(part))) for part in self.calibration.split(100)]
        recipe = settings["contestant"].split()[1]
        made = {
            "rate": lambda: ann2snn.RateCodingRecipe(batches, mode="99.9%"),
            "rate_channels": lambda: ann2snn.RateCodingRecipe(
                batches, mode="99.9%", channel_wise=True, half_threshold=True, pre_spike_maxpool=True
            ),
            "ltb": lambda: ann2snn.LocalThresholdBalancingRecipe(batches),
        }[recipe]()
        self.network = ann2snn.Converter(recipe=made, device=self.device).convert(self.network)
        self.network.eval()

    def reset(self) -> None:
        self.functional.reset_net(self.network)


class Firing(nn.Module):
    """snnTorch's neurons for a ReLU: spikes of the size `scale`, V at half of it at first."""

    def __init__(self, scale: torch.Tensor) -> None:
        super().__init__()
        import snntorch

        self.register_buffer("scale", scale)
        self.neuron = snntorch.Leaky(beta=1.0, threshold=scale, reset_mechanism="subtract")
        self.v: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.v is None:
            self.v = (0.5 * self.scale).expand_as(x)
        spikes, self.v = self.neuron(x, self.v)
        return spikes * self.scale


class SnnTorch(Spiking):
    """The network with snnTorch's neurons. It has no converter: scales are 99.9 % percentiles of channels."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.firing = Firing
        network = self.network
        _pool_before_activation(network)
        activations = [n for n in network.nodes if n["op"] in ("relu", "relu6")]
        scales: dict[str, torch.Tensor] = {}

        def measure(name: str) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
                channels = output.transpose(0, 1).flatten(1)
                some = channels[:, :: max(1, channels.shape[1] // 100_000)]
                shape = (1, -1, *[1] * (output.dim() - 2))
                scales[name] = torch.quantile(some, PERCENTILE, 1).clamp(min=1e-6).reshape(shape)

            return hook

        hooks = [network.layers[n["name"]].register_forward_hook(measure(n["name"])) for n in activations]
        with torch.inference_mode():
            network(self.calibration[:500])
        for hook in hooks:
            hook.remove()
        for name, scale in scales.items():
            network.layers[name] = Firing(scale)
        network.to(self.device)

    def reset(self) -> None:
        for module in self.network.modules():
            if isinstance(module, Firing):
                module.v = None


def _pool_before_activation(network: TorchNetwork) -> None:
    """Move max-pooling before the ReLU that it follows: the same for an ANN, and possible with spikes."""
    for number, node in enumerate(network.nodes):
        if node["op"] == "max_pool" and network.nodes[number - 1]["op"] == "relu":
            before = network.nodes[number - 1]
            a, b = network.layers[before["name"]], network.layers[node["name"]]
            network.layers[before["name"]], network.layers[node["name"]] = b, a
            before["op"], node["op"] = node["op"], before["op"]


def make(settings: dict[str, Any]) -> Contestant:
    torch.set_num_threads(2)
    kinds = {"spikingjelly": SpikingJelly, "snntorch": SnnTorch, "torch": Ann}
    return kinds[settings["contestant"].split()[0]](settings)


if __name__ == "__main__":
    serve(make)
