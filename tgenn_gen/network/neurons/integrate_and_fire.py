"""Integrate-and-fire neurons without leak: V += I; a spike where V >= threshold, then a reset.

Reset by subtraction (Rueckauer et al. 2017, eq. 3) keeps what exceeds the threshold, and the firing rate
converges to the clipped activation with an error of at most threshold / steps; reset to zero or to rest
(Diehl et al. 2015) loses it. v_init = threshold / 2 centres that error (Bu et al. 2022, optimized
potential initialization).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tgenn_gen.network.fields import rarely
from tgenn_gen.network.genn_code import Updates, uniform
from tgenn_gen.network.neurons.neuron import FieldProblem, Neuron
from tgenn_gen.network.runtime_calls import Call, Uniform
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import neuron_updates

SMALLEST_GAIN, LARGEST_GAIN = 1e-30, 1e30


class MembraneNeuron(Neuron):
    """Neurons whose V starts at v_init, in units or without, and is reset after a spike at a threshold.

    gain(dt)   the change of V by a current of 1 in one time step of dt ms
    """

    readouts: ClassVar[tuple[str, ...]] = ("spike_count", "first_spike")
    keeps_v: ClassVar[bool] = True
    threshold: float
    reset: str
    v_init: float | str | Tensor
    v_rest: float
    capacitance: float | None

    @property
    def head_start(self) -> float:
        if self.v_init == "uniform":
            return 0.5
        start = float(self.v_init.values.mean()) if isinstance(self.v_init, Tensor) else float(self.v_init)
        return (start - self.v_rest) / self.rise

    @property
    def rise(self) -> float:
        """From rest to the threshold."""
        return self.threshold - self.v_rest

    def gain(self, dt: float) -> float:
        return 1.0 if self.capacitance is None else dt / self.capacitance

    def unit(self, dt: float) -> float:
        return self.rise / self.gain(dt)

    def problems(self, dt: float, input_gain: float = 1.0) -> Iterator[FieldProblem]:
        if self.reset == "zero" and self.v_rest:
            message = f"reset: zero needs v_rest 0, got {self.v_rest:g}: use reset: to_rest"
            yield FieldProblem("threshold", message)
        if np.float32(self.threshold) <= np.float32(self.v_rest):
            rest = f"v_rest ({self.v_rest:.9g}), both in float32"
            message = f"expected a threshold above {rest}, got {self.threshold:.9g}"
            yield FieldProblem("threshold", message)
        if not SMALLEST_GAIN <= input_gain * self.gain(dt) <= LARGEST_GAIN:
            gain = f"{input_gain * self.gain(dt):g}"
            limits = f"expected {SMALLEST_GAIN:g} to {LARGEST_GAIN:g}: change capacitance, gain or dt"
            message = f"a current of 1 changes V by {gain} in one time step, {limits}"
            yield FieldProblem("threshold", message)

    def describe(self) -> str:
        words = [f"{self.kind}, threshold {self.threshold:g}", *self._own_words(), f"reset {self.reset}"]
        words += [f"rest {self.v_rest:g}"] if self.v_rest else []
        words += [] if self.capacitance is None else [f"capacitance {self.capacitance:g} nF"]
        return ", ".join(words)

    def _own_words(self) -> list[str]:
        """What `describe` says of a kind's own fields."""
        return []

    @property
    def _names_rest(self) -> bool:
        """Whether v_rest is a parameter in code: elsewhere it is 0."""
        return bool(self.v_rest) or self.reset == "to_rest" or self.v_init == "uniform"

    def _arguments(self) -> dict[str, Any]:
        """The arguments of its class in neuron_updates, without the gain."""
        v_init = Uniform(self.v_rest, self.threshold) if self.v_init == "uniform" else self.v_init
        arguments = {"threshold": self.threshold, "reset": self.reset, "v_init": v_init}
        if self._names_rest:
            arguments["v_rest"] = self.v_rest
        return arguments

    def _params(self) -> list[tuple[str, float]]:
        """The parameters that GeNN code of its start and its reset needs, and the threshold."""
        params = [("threshold", self.threshold)]
        if not isinstance(self.v_init, Tensor | str):
            params.append(("v_init", float(self.v_init)))
        if self._names_rest:
            params.append(("v_rest", self.v_rest))
        return params

    def _start(self) -> str:
        """GeNN code that sets V at local step 0."""
        if self.v_init == "uniform":
            return f"{uniform('u', '0xffffffffu')}\nV = v_rest + ((threshold - v_rest) * u);"
        return "V = v_init;"

    def _reset(self) -> str:
        """GeNN code of the reset."""
        subtract = "V -= threshold - v_rest;" if self._names_rest else "V -= threshold;"
        return {"subtract": subtract, "zero": "V = 0.0;", "to_rest": "V = v_rest;"}[self.reset]


@dataclass(frozen=True)
class IntegrateAndFireNeuron(MembraneNeuron):
    """V += I, without units; or, with a capacitance in nF, V += I dt / capacitance in mV (I in nA).

    threshold  above v_rest; a neuron spikes when V reaches it
    reset      "subtract": V -= threshold - v_rest; "zero": V = 0; "to_rest": V = v_rest
    v_init     V at local step 0: a number; a tensor with one for each channel or neuron; or "uniform":
               random between v_rest and threshold, drawn again for each example
    """

    kind: ClassVar[str] = "integrate_and_fire"
    threshold: float = 1.0
    reset: str = "subtract"
    v_init: float | str | Tensor = 0.5
    v_rest: float = rarely(0.0)
    capacitance: float | None = rarely(None)

    def call(self, dt: float, input_gain: float = 1.0) -> Call:
        arguments = self._arguments()
        if self.capacitance is not None or input_gain != 1:
            arguments["gain"] = input_gain * self.gain(dt)
        return Call(neuron_updates.IntegrateAndFire, arguments)

    def genn(self, dt: float, input_gain: float = 1.0) -> Updates:
        params, update = self._params(), "V += I;"
        if self.capacitance is not None or input_gain != 1:
            params.append(("gain", input_gain * self.gain(dt)))
            parts = ["the input's gain"] if input_gain != 1 else []
            parts += ["dt / capacitance"] if self.capacitance is not None else []
            update = f"V += gain * I;  // gain: {' x '.join(parts)}"
        return Updates(
            update=update,
            threshold="V >= threshold",
            reset=self._reset(),
            start=self._start(),
            params=tuple(params),
            tensors=tuple(self.tensors),
            random=self.v_init == "uniform",
        )
