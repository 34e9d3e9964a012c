"""Signed integrate-and-fire neurons with memory: a negative spike cancels a spike that came too early.

The input in the first steps can be larger than the mean input, and an emitted spike cannot be undone. Here a
neuron whose V falls below 0 again emits a spike of -1, as long as the sum of its spikes is
above 0 (Wang et al. 2022, the signed neuron with memory; theirs has a negative threshold below 0). Given
time, the sum of its spikes is what its input asks for: max(0, floor((v_init + sum of I) / threshold)).
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
class SignedIntegrateAndFireNeuron(ThresholdNeuron):
    """V += I; a spike of +1 where V >= threshold, of -1 where V < negative_threshold after more +1 than -1.

    V -= threshold x spike. v_init: V at local step 0, a number or a tensor, one a channel or a neuron.
    negative_threshold: at most 0.
    """

    kind: ClassVar[str] = "signed_integrate_and_fire"
    keeps_v: ClassVar[bool] = True
    signed: ClassVar[bool] = True  # type: ignore[misc]
    threshold: float = 1.0
    negative_threshold: float = 0.0
    v_init: float | Tensor = 0.5

    def call(self, dt: float) -> Call:
        arguments = {
            "threshold": self.threshold,
            "negative_threshold": self.negative_threshold,
            "v_init": self.v_init,
        }
        return Call(neuron_updates.SignedIntegrateAndFire, arguments)

    def genn(self, dt: float) -> Updates:
        params = [("threshold", self.threshold), ("negative_threshold", self.negative_threshold)]
        if not isinstance(self.v_init, Tensor):
            params.append(("v_init", self.v_init))
        return Updates(
            start="V = v_init;",
            update="V += I;",
            threshold="V >= threshold || (V < negative_threshold && net_count > 0)",
            reset="sign = (V >= threshold) ? 1.0 : -1.0; V -= sign * threshold;",
            params=tuple(params),
            variables=(("sign", "scalar"),),
            sign="sign",
            tensors=tuple(self.tensors),
        )

    def describe(self) -> str:
        return f"signed_integrate_and_fire, threshold {self.threshold:g}"
