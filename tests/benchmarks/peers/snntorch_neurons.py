"""Records leaky neurons of snnTorch, step by step, for tests/network/test_leaky.py.

PEERS/bin/python tests/benchmarks/peers/snntorch_neurons.py > tests/network/snntorch.json
"""

from __future__ import annotations

import json
import math
from importlib.metadata import version
from typing import Any

import numpy as np
import snntorch
import torch

STEPS, NEURONS = 40, 5
VERSIONS = {name: version(name) for name in ("snntorch", "torch")}
CASES: list[dict[str, Any]] = [  # time constants in time steps
    {"tau": 20.0, "reset": "subtract"},
    {"tau": 3.0, "reset": "zero", "threshold": 0.75},
    {"tau": 8.0, "reset": "subtract", "tau_syn": 4.0, "threshold": 4.0},
    {"tau": 2.0, "reset": "zero", "tau_syn": 6.0, "threshold": 3.0},
]


def current() -> np.ndarray:
    """What all neurons get, (steps, neurons): often more than the leak, sometimes below 0.

    No V equals a threshold, where snnTorch does not spike. None stays above it after a reset, where snnTorch
    subtracts the threshold in the next step before it looks at V.
    """
    return np.random.default_rng(0).integers(-8, 25, (STEPS, NEURONS)) / 32 + 1 / 1024


def recorded(case: dict[str, Any]) -> dict[str, Any]:
    """Spikes and V after each step, (steps, neurons)."""
    how = {
        "beta": math.exp(-1 / case["tau"]),
        "threshold": case.get("threshold", 1.0),
        "reset_mechanism": case["reset"],
        "reset_delay": False,  # the reset belongs to the step of the spike
    }
    if "tau_syn" in case:
        neurons: torch.nn.Module = snntorch.Synaptic(alpha=math.exp(-1 / case["tau_syn"]), **how)
    else:
        neurons = snntorch.Leaky(**how)
    state, spikes, v = neurons.reset_mem(), [], []
    state = state if isinstance(state, tuple) else (state,)
    with torch.inference_mode():
        for values in torch.from_numpy(current().astype(np.float32)):
            emitted, *state = neurons(values, *state)
            spikes.append(emitted.int().tolist())
            v.append([round(x, 5) for x in state[-1].tolist()])
    return {"neuron": case, "spikes": spikes, "v": v}


if __name__ == "__main__":
    found = {
        "versions": VERSIONS,
        "current": current().tolist(),
        "cases": [recorded(case) for case in CASES],
    }
    print(json.dumps(found))
