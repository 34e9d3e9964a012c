"""Integrate-and-fire neurons without leak: V += I; a spike where V >= threshold, then a reset.

Reset by subtraction (Rueckauer et al. 2017, eq. 3) keeps what is above the threshold, and the firing rate
converges to the clipped activation with an error of at most threshold / steps; reset to zero
(Diehl et al. 2015) loses it. v_init = threshold / 2 centres that error (Bu et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.genn_code import Updates
from tgenn_gen.runtime import neurons
from tgenn_gen.spec import Neuron


@dataclass(frozen=True)
class IntegrateAndFire(Neuron):
    """threshold > 0; reset "subtract" or "zero"; v_init, V at local step 0. All without unit."""

    kind: ClassVar[str] = "integrate_and_fire"
    spikes: ClassVar[bool] = True
    readout: ClassVar[str] = "spike_count"
    threshold: float = 1.0
    reset: str = "subtract"
    v_init: float = 0.5

    def run(self, current: np.ndarray, timesteps: int) -> np.ndarray:
        return neurons.integrate_and_fire(current, timesteps, self.threshold, self.reset, self.v_init)

    def python(self, current: str) -> str:
        return (
            f"integrate_and_fire({current}, timesteps, threshold={self.threshold!r}, "
            f'reset="{self.reset}", v_init={self.v_init!r})'
        )

    def genn(self) -> Updates:
        return Updates(
            params=(("threshold", self.threshold), ("v_init", self.v_init)),
            update="V += I;",
            threshold="V >= threshold",
            reset={"subtract": "V -= threshold;", "zero": "V = 0.0;"}[self.reset],
            initial_v="v_init",
        )

    def describe(self) -> str:
        return f"integrate_and_fire, threshold {self.threshold:g}, reset {self.reset}"
