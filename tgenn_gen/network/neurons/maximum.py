"""Max pooling of spikes: the exact maximum of several spike trains.

N_j[k] is the sum of the spikes of train j up to local step k, and M[k] the largest of these sums. A
neuron emits M[k] - M[k - 1], with M[-1] = 0: as one step changes each N_j by at most 1, that is 0 or 1,
and -1 too where spikes have a sign. The sum of its spikes is M[k] after every step, with no loss at all.

Rueckauer et al. 2017 (their spiking max-pooling) gate instead: the output lets the spikes of that input
pass which has fired most so far, by a running estimate of the rates. When the lead changes, spikes that
the new leader emitted before are missing from the output, and those of the old one remain. Here the new
leader's sum counts from the start, and nothing is emitted that the largest sum does not hold.

With the few-spike code a train stands for sum of 2^(timesteps - 1 - k) at its spikes' steps k, and the
neuron emits the binary digits of the largest, once it has all steps.

In GeNN a neuron sees one sum of currents. So the synapses of train j have the weight 2^j, or 3^j where
spikes have a sign, and the digits of the sum, in base 2 or balanced base 3, say which trains spiked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.network.fields import Shape, rarely
from tgenn_gen.network.genn_code import Scatter, Updates
from tgenn_gen.network.neurons.neuron import Neuron
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.runtime import neuron_updates

MAX_WINDOW = 15  # 3^15 < 2^24: sums of the synapses' weights are exact in float32


@dataclass(frozen=True)
class MaximumNeuron(Neuron):
    """The sum of its spikes is the largest of the sums of its trains. Its chains give (*shape, window).

    window      the number of trains of a neuron, at most 15, such as the elements of a pooling window
    signed      whether the spikes of its sources have a sign; then its own have one
    few_spike   whether its sources use the few-spike code; then it does too
    """

    kind: ClassVar[str] = "maximum"
    readouts: ClassVar[tuple[str, ...]] = ("spike_count", "first_spike")
    relays: ClassVar[bool] = True
    window: int
    signed: bool = rarely(False)
    few_spike: bool = rarely(False)

    def call(self, dt: float) -> Call:
        if self.few_spike:
            return Call(neuron_updates.FewSpikeMaximum)
        return Call(neuron_updates.Maximum, {"signed": self.signed})

    def genn(self, dt: float) -> Updates:
        sums = [f"n{element}" for element in range(self.window)]
        first, *others = (self._taken_in(name) for name in sums)
        update = [self._digits(), first, f"int largest = {sums[0]};"]
        for name, taken_in in zip(sums[1:], others, strict=True):
            update += [f"{taken_in} largest = max(largest, {name});"]
        start = " ".join(f"{name} = 0;" for name in sums)
        variables = tuple((name, "int") for name in sums)
        if self.few_spike:
            weight = "(scalar)(1 << (timesteps - 1 - emitted))"
            return Updates(
                start=start,
                update="\n".join([*update, "if(step == timesteps - 1) {\n    V = (scalar)largest;\n}"]),
                threshold=f"V >= {weight}",
                reset=f"V -= {weight};",
                variables=variables,
            )
        update += ["const int change = largest - (int)V;", "V = (scalar)largest;"]
        return Updates(
            start=f"V = 0.0; {start}",
            update="\n".join(update),
            threshold="change != 0",
            reset="sign = (scalar)change;" if self.signed else "",
            variables=(*variables, ("sign", "scalar")) if self.signed else variables,
            sign="sign" if self.signed else "",
        )

    def _digits(self) -> str:
        """The statement that turns the current into digits: one for each train, the lowest for the first."""
        if self.signed:
            return (
                f"int digits = (int)round(I) + {(3**self.window - 1) // 2};  // base 3: a spike plus 1 each"
            )
        return "int digits = (int)round(I);  // base 2: a spike each"

    def _taken_in(self, name: str) -> str:
        """Statements that add the lowest digit to the sum or value of a train, and remove the digit.

        GeNN 5.4 does not read /=.
        """
        if self.signed:
            return f"{name} += digits % 3 - 1; digits = digits / 3;"
        before = f"{name} = 2 * {name} +" if self.few_spike else f"{name} +="
        return f"{before} digits % 2; digits = digits / 2;"

    def activation(self, current: np.ndarray) -> np.ndarray:
        return current.max(axis=-1)

    def current_shape(self, shape: Shape) -> Shape:
        return (*shape, self.window)

    def fan_in(self, level: int) -> tuple[Scatter, ...]:
        base = "3.0" if self.signed else "2.0"
        train = f"i{level} % {self.window}"
        lines = (f"const int i{level + 1} = i{level} / {self.window};  // the neuron; its train is {train}",)
        return (
            Scatter(
                lines,
                kernel_index=(train,),
                kernel_shape=(self.window,),
                weight=f"powers({base}, {self.window})",
            ),
        )

    def unit(self, dt: float) -> float:
        return 1.0

    def describe(self) -> str:
        words = [f"maximum of {self.window}"]
        words += ["signed"] if self.signed else []
        words += ["few-spike code"] if self.few_spike else []
        return ", ".join(words)
