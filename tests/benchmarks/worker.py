"""The contestants of this package and of Keras, each in a process of its own: see serving.py.

contestant   keras       Keras predict
             numba       the package's engine, with its optional compiled loops
             numpy       the package's engine in NumPy alone
             reference   the generated reference.py as a module, on its own
             genn        the generated simulate.py on GeNN's CPU backend
model, project   the .keras file and the exported folder
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from serving import Contestant, serve


class Keras:
    batch_sizes = (64, 256, 1024)

    def __init__(self, settings: dict[str, Any]) -> None:
        import keras

        self.model = keras.models.load_model(settings["model"], compile=False)

    def run(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        scores = self.model.predict(x / np.float32(255), batch_size=batch_size, verbose=0)
        return scores.reshape(len(x), -1).argmax(-1)

    def facts(self) -> dict[str, Any]:
        return {}


class Engine:
    """The package's engine: predictions, as from Keras. Spikes are counted on some examples, in `facts`."""

    batch_sizes = ()
    counted = 500

    def __init__(self, settings: dict[str, Any]) -> None:
        if settings["contestant"].startswith("numpy"):
            sys.modules["numba"] = None  # type: ignore[assignment] - its import then fails
        import tgenn_gen
        from tgenn_gen.engine.simulation import checked, simulated_batches

        self.simulate, self.network = tgenn_gen.simulate, tgenn_gen.load(settings["project"])
        self.checked, self.simulated_batches = checked, simulated_batches
        self.x = np.zeros(0)

    def run(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        self.x = x[: self.counted]
        examples, steps = self.checked("simulate", self.network, x, None, 0)
        batches = self.simulated_batches(self.network, examples, steps, details=False)
        return np.concatenate([batch.predictions for batch in batches])

    def facts(self) -> dict[str, Any]:
        """Spikes and synaptic events an example: an event is a spike that arrives at one synapse."""
        network, shapes = self.network, self.network.shapes
        counts = self.simulate(network, self.x).spike_counts
        mean = {
            name: np.reshape(c.mean(axis=0, dtype=np.float64), shapes[name]) for name, c in counts.items()
        }
        events = 0.0
        for population in network.populations:
            for connection in population.inputs:
                if connection.source in mean:
                    events += float(connection.paths(mean[connection.source]).sum(dtype=np.float64))
        steps = network.simulation.timesteps
        return {
            "spikes": sum(float(m.sum()) for m in mean.values()),
            "synaptic_events": events,
            "timesteps": steps,
            "latency": network.latency(),
        }


class Script:
    """A script of the generated project, as on its command line without --json: spikes are not counted."""

    batch_sizes = ()

    def __init__(self, settings: dict[str, Any]) -> None:
        from tgenn_gen.runtime.projects import load_script
        from tgenn_gen.runtime.recording import Recording

        genn = settings["contestant"].startswith("genn")
        script = load_script(Path(settings["project"]) / ("simulate.py" if genn else "reference.py"))
        self.net = script.build(backend="single_threaded_cpu") if genn else script.build()
        self.recording = Recording(details=False)

    def run(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        examples, steps = self.net.examples_of(x), self.net.timesteps
        batches = self.net.batches(examples, range(len(x)), steps, self.recording)
        return np.concatenate([batch.predictions for batch in batches])

    def facts(self) -> dict[str, Any]:
        return {}


def make(settings: dict[str, Any]) -> Contestant:
    kind = settings["contestant"].split()[0]
    return {"keras": Keras, "numba": Engine, "numpy": Engine, "reference": Script, "genn": Script}[kind](
        settings
    )


if __name__ == "__main__":
    serve(make)
