"""Constant current: the first chain is applied to the analog input once, and injected at each step.

No sampling noise, and no time lost on encoding (Rueckauer et al. 2017, section 2.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tgenn_gen.spec import Encoding


@dataclass(frozen=True)
class ConstantCurrent(Encoding):
    """The example as it is, at every step."""

    kind: ClassVar[str] = "constant_current"

    def encode(self, x: np.ndarray, timesteps: int) -> np.ndarray:
        return x[None]

    def python(self, x: str) -> str:
        return f"{x}[None]"
