"""Few-spike neurons: a binary code of K = timesteps steps, in which the first spike counts most.

Stöckl and Maass 2021, Optimized spiking neurons can classify images with high accuracy through temporal
coding with two spikes: their FS-neuron with T(k) = h(k) = d(k) = alpha 2^(K - k), their choice for ReLU.
Here the scale of the population takes the place of alpha, and V starts at half of the last step's weight,
so that the value is rounded, not truncated. An activation has 2^K - 1 levels instead of K.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.neurons.neuron import ThresholdNeuron
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import neuron_updates


@dataclass(frozen=True)
class FewSpikeNeuron(ThresholdNeuron):
    """V = v_init + the sum over an example of w(k) I[k], with w(k) = 2^(timesteps - 1 - k).

    From the last of these steps on, the neuron emits for `timesteps` steps: it spikes when V >= threshold
    w(k), then V -= threshold w(k). So its latency is all steps of an example.
    ANN activation = scale x the sum of w(k) at its spikes / the sum of all w(k).
    """

    kind: ClassVar[str] = "few_spike"
    few_spike: ClassVar[bool] = True  # type: ignore[misc]
    threshold: float = 1.0
    v_init: float | Tensor = 0.5

    def call(self, dt: float) -> Call:
        return Call(neuron_updates.FewSpike, {"threshold": self.threshold, "v_init": self.v_init})

    def genn(self, dt: float) -> Updates:
        params = [("threshold", self.threshold)]
        if not isinstance(self.v_init, Tensor):
            params.append(("v_init", self.v_init))
        return Updates(
            start="next_V = v_init;",
            update="next_V += (scalar)(1 << (timesteps - 1 - step)) * I;\n"
            "if(step == timesteps - 1) {\n    V = next_V;\n}",
            threshold="V >= threshold * (scalar)(1 << (timesteps - 1 - emitted))",
            reset="V -= threshold * (scalar)(1 << (timesteps - 1 - emitted));",
            params=tuple(params),
            variables=(("next_V", "scalar"),),
            tensors=tuple(self.tensors),
        )

    def describe(self) -> str:
        return f"few_spike, threshold {self.threshold:g}"
