"""Leaky integrate-and-fire neurons (Gerstner et al. 2014, Neuronal Dynamics, section 1.3).

    tau dV/dt = -(V - v_rest) + R I          R = tau / capacitance

solved over a time step in which I is constant: exactly (Rotter and Diesmann 1999), or by forward Euler steps,
as NIR defines its LIF and CubaLIF (Pedersen et al. 2024). Without a capacitance, I is what V rises by in a
step, as for integrate-and-fire neurons and for snnTorch's Leaky, whose beta is the decay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, exp, expm1, floor
from typing import ClassVar

from tgenn_gen.network.fields import rarely
from tgenn_gen.network.genn_code import Updates
from tgenn_gen.network.neurons.integrate_and_fire import MembraneNeuron
from tgenn_gen.network.neurons.neuron import FieldProblem
from tgenn_gen.network.runtime_calls import Call
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.runtime import neuron_updates
from tgenn_gen.runtime.neuron_updates import MAX_STEPS

MULTIPLE = 1e-6  # relative: how near a refractory time is to a multiple of dt


@dataclass(frozen=True)
class LeakyIntegrateAndFireNeuron(MembraneNeuron):
    """V = v_rest + (V - v_rest) decay + gain I; a spike where V >= threshold, then a reset.

    With "exact" integration decay = exp(-dt / tau), with "euler" 1 - dt / tau. Without a capacitance the gain
    is 1. With one, I is in nA, V in mV, and the gain tau / capacitance (1 - decay), which is dt / capacitance
    for Euler steps.

    threshold    above v_rest; a neuron spikes when V reaches it
    tau          the time constant of the membrane, in ms
    reset        as for integrate-and-fire neurons, and so is v_init
    refractory   for so many ms after a spike, a multiple of dt, V stays and the neuron does not spike
    tau_syn      the time constant of the synaptic current, in ms. I_syn = I_syn syn_decay + I then takes the
                 place of I: all that the neuron gets goes through it, also while it is refractory. I_syn
                 starts at 0, and syn_decay follows from tau_syn as decay does from tau
    integration  "exact" or "euler", which needs dt <= tau and dt <= tau_syn
    """

    kind: ClassVar[str] = "leaky_integrate_and_fire"
    threshold: float = 1.0
    tau: float = 20.0
    reset: str = "subtract"
    v_init: float | str | Tensor = 0.0
    v_rest: float = rarely(0.0)
    capacitance: float | None = rarely(None)
    refractory: float = rarely(0.0)
    tau_syn: float | None = rarely(None)
    integration: str = rarely("exact")

    def decay(self, tau: float, dt: float) -> float:
        """What is left after a time step of dt ms, 0 to 1, of what decays with the time constant tau."""
        return 1 - dt / tau if self.integration == "euler" else exp(-dt / tau)

    def gain(self, dt: float) -> float:
        if self.capacitance is None:
            return 1.0
        if self.integration == "euler":
            return dt / self.capacitance
        return -self.tau / self.capacitance * expm1(-dt / self.tau)

    def refractory_steps(self, dt: float) -> int:
        return round(self.refractory / dt)

    def unit(self, dt: float) -> float:
        """With tau_syn: for the current that I_syn comes to."""
        settled = 1.0 if self.tau_syn is None else 1 - self.decay(self.tau_syn, dt)
        return super().unit(dt) * settled

    def leak(self, dt: float) -> float:
        """With V half-way between rest and threshold, where it is on average if it rises evenly."""
        return (1 - self.decay(self.tau, dt)) / 2 * self.unit(dt)

    def call(self, dt: float) -> Call:
        arguments = {**self._arguments(), "decay": self.decay(self.tau, dt)}
        if self.capacitance is not None:
            arguments["gain"] = self.gain(dt)
        if self.refractory:
            arguments["refractory_steps"] = self.refractory_steps(dt)
        if self.tau_syn is not None:
            arguments["syn_decay"] = self.decay(self.tau_syn, dt)
        return Call(neuron_updates.LeakyIntegrateAndFire, arguments)

    def genn(self, dt: float) -> Updates:
        formula = "1 - dt / {0}" if self.integration == "euler" else "exp(-dt / {0})"
        params = [*self._params(), ("decay", self.decay(self.tau, dt))]
        leak = "V = v_rest + ((V - v_rest) * decay);" if self._names_rest else "V *= decay;"
        current = "I" if self.tau_syn is None else "I_syn"
        update = [f"{leak}  // decay: {formula.format('tau')}", f"V += {current};"]
        if self.capacitance is not None:
            params.append(("gain", self.gain(dt)))
            what = "dt / capacitance" if self.integration == "euler" else "tau / capacitance x (1 - decay)"
            update[-1] = f"V += gain * {current};  // gain: {what}"
        starts, reset, threshold = [self._start()], [self._reset()], "V >= threshold"
        variables: list[tuple[str, str]] = []
        if self.refractory:
            params.append(("refractory_steps", float(self.refractory_steps(dt))))
            variables.append(("steps_left", "int"))
            starts.append("steps_left = 0;")
            reset.append("steps_left = (int)refractory_steps;")
            threshold = "!refractory && V >= threshold"
            update = [
                "const bool refractory = steps_left > 0;",
                "if(refractory) {",
                "    steps_left -= 1;",
                "}",
                "else {",
                *(f"    {line}" for line in update),
                "}",
            ]
        if self.tau_syn is not None:
            params.append(("syn_decay", self.decay(self.tau_syn, dt)))
            variables.append(("I_syn", "scalar"))
            starts.append("I_syn = 0.0;")
            update.insert(0, f"I_syn = (I_syn * syn_decay) + I;  // syn_decay: {formula.format('tau_syn')}")
        return Updates(
            update="\n".join(update),
            threshold=threshold,
            reset=" ".join(reset),
            start="\n".join(starts),
            params=tuple(params),
            variables=tuple(variables),
            tensors=tuple(self.tensors),
            random=self.v_init == "uniform",
        )

    def problems(self, dt: float) -> Iterator[FieldProblem]:  # type: ignore[override]
        yield from super().problems(dt)
        if self.integration == "euler":
            for name in ("tau", "tau_syn"):
                tau = getattr(self, name)
                if tau is not None and tau < dt:
                    message = f"expected {name} >= dt ({dt:g} ms) with Euler integration, got {tau:g} ms"
                    yield FieldProblem(name, message, "use integration: exact, or a smaller dt")
        steps = self.refractory / dt
        if steps > MAX_STEPS:
            message = f"expected a refractory time of at most {MAX_STEPS} dt, got {steps:g} dt"
            yield FieldProblem("refractory", message)
        elif abs(steps - round(steps)) > MULTIPLE * steps:
            nearest = " or ".join(f"{count * dt:.9g}" for count in (floor(steps), ceil(steps)))
            message = (
                f"expected a refractory time of whole time steps ({dt:g} ms), got {self.refractory:g} ms"
            )
            yield FieldProblem("refractory", message, f"the nearest are {nearest}")

    def _own_words(self) -> list[str]:
        words = [f"tau {self.tau:g} ms"]
        words += [] if self.tau_syn is None else [f"synapses {self.tau_syn:g} ms"]
        words += [f"refractory {self.refractory:g} ms"] if self.refractory else []
        return [*words, "Euler steps"] if self.integration == "euler" else words
